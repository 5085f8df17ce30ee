//! A compressed frame.
#![no_main]

use detector::photo;
use libfuzzer_sys::fuzz_target;
use wire::messages::CompressedImageHeader;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = CompressedImageHeader::read(bytes, bytes.len()) {
        let _ = photo::decode(&bytes[header.data]);
    }
});
