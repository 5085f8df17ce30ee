//! JSON that others may send; what is read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Detections, DetectorStatus, SlamPose};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Detections::from_json(bytes) {
        let _ = message.frame_stamp();
        assert!(Detections::from_json(&message.to_json()).is_ok());
    }
    if let Ok(status) = DetectorStatus::from_json(bytes) {
        assert!(DetectorStatus::from_json(&status.to_json()).is_ok());
    }
    let _ = SlamPose::from_json(bytes).map(|pose| pose.in_plane());
});
