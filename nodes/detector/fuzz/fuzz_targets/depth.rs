//! A depth picture, and how the camera projects.
#![no_main]

use detector::pieces::Pieces;
use detector::position::{Depth, Intrinsics};
use libfuzzer_sys::fuzz_target;
use wire::messages::{CameraInfo, ImageHeader, Odometry};

fuzz_target!(|bytes: &[u8]| {
    let _ = Odometry::read(bytes).map(|odometry| odometry.yaw());
    let (info, picture) = bytes.split_at(bytes.len().min(200));
    let Some(intrinsics) = CameraInfo::read(info).ok().and_then(|info| Intrinsics::new(&info))
    else {
        return;
    };
    let Ok(header) = ImageHeader::read(picture, picture.len()) else {
        return;
    };
    if let Ok(depth) = Depth::new(&header, Pieces::One(picture)) {
        let size = [header.width, header.height].map(|side| side as usize);
        let bbox = [1.0, 1.0, header.width as f32, header.height as f32];
        let _ = depth.locate(&intrinsics, size, bbox, &mut Vec::new());
    }
});
