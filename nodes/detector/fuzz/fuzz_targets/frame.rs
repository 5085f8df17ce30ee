//! A frame as it comes from the network, into the network's input.
#![no_main]

use detector::letterbox::Letterbox;
use detector::pieces::Pieces;
use detector::preprocess::Preprocessor;
use detector::rows::Picture;
use libfuzzer_sys::fuzz_target;
use wire::messages::ImageHeader;

fuzz_target!(|bytes: &[u8]| {
    const INPUT: [usize; 2] = [64, 48];
    let Ok(header) = ImageHeader::read(bytes, bytes.len()) else {
        return;
    };
    let Ok(picture) = Picture::new(&header, Pieces::One(bytes)) else {
        return;
    };
    if let Some(letterbox) = Letterbox::new([picture.width, picture.height], INPUT) {
        let mut input = [0.0_f32; 3 * INPUT[0] * INPUT[1]];
        Preprocessor::default().write(&picture, &letterbox, true, &mut input);
        assert!(input.iter().all(|sample| (0.0..=1.0).contains(sample)));
    }
});
