//! Fitting a picture of any size into the network's input: scaled as a whole, centred, the rest grey. The arithmetic,
//! rounding included, is that of Ultralytics' predictor with `rect=False`.

/// Where a picture lies in the network's input. Sizes in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// Size of the picture: width, height.
    pub source: [usize; 2],
    /// Size of the network's input: width, height.
    pub input: [usize; 2],
    /// Size of the picture in the input: width, height.
    pub scaled: [usize; 2],
    /// Left upper corner of the picture in the input: x, y.
    pub offset: [usize; 2],
    /// Input pixels for a pixel of the picture.
    gain: f64,
    /// What is taken from input coordinates before they are divided by the gain: x, y.
    padding: [f64; 2],
}

impl Letterbox {
    /// The place of a picture of size `source` in an input of size `input`, both width and height. `None` when the
    /// picture is so elongated that nothing of it is left.
    pub fn new(source: [usize; 2], input: [usize; 2]) -> Option<Self> {
        let [w, h] = source.map(|side| side as f64);
        let [input_w, input_h] = input.map(|side| side as f64);
        let gain = (input_h / h).min(input_w / w);
        let scaled = [(w * gain).round_ties_even(), (h * gain).round_ties_even()];
        let margin = |side: f64, scaled: f64| ((side - scaled) / 2.0 - 0.1).round_ties_even();
        let padding = [margin(input_w, scaled[0]), margin(input_h, scaled[1])];
        let fits = scaled[0] >= 1.0 && scaled[1] >= 1.0;
        fits.then(|| Self {
            source,
            input,
            scaled: scaled.map(|side| side as usize),
            offset: padding.map(|side| side.max(0.0) as usize),
            gain,
            padding,
        })
    }

    /// A box in input coordinates (x1, y1, x2, y2), in the picture's own pixels, clipped to the picture.
    pub fn to_source(&self, bbox: [f32; 4]) -> [f32; 4] {
        let gain = self.gain as f32;
        let [pad_x, pad_y] = self.padding.map(|side| side as f32);
        let [w, h] = self.source.map(|side| side as f32);
        let x = |x: f32| ((x - pad_x) / gain).clamp(0.0, w);
        let y = |y: f32| ((y - pad_y) / gain).clamp(0.0, h);
        [x(bbox[0]), y(bbox[1]), x(bbox[2]), y(bbox[3])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_scaled_as_a_whole_and_centred() {
        for (source, scaled, offset) in [
            ([640, 480], [640, 480], [0, 80]),
            ([1280, 720], [640, 360], [0, 140]),
            ([810, 1080], [480, 640], [80, 0]),
            ([320, 240], [640, 480], [0, 80]),
            ([641, 480], [640, 479], [0, 80]),
            ([1, 1], [640, 640], [0, 0]),
        ] {
            let letterbox = Letterbox::new(source, [640, 640]).unwrap();
            assert_eq!(
                (letterbox.scaled, letterbox.offset),
                (scaled, offset),
                "{source:?}"
            );
        }
    }

    #[test]
    fn boxes_come_back_in_the_pictures_pixels_and_inside_it() {
        let letterbox = Letterbox::new([1280, 720], [640, 640]).unwrap();
        assert_eq!(
            letterbox.to_source([10.0, 150.0, 20.0, 170.0]),
            [20.0, 20.0, 40.0, 60.0]
        );
        assert_eq!(
            letterbox.to_source([-5.0, 0.0, 700.0, 640.0]),
            [0.0, 0.0, 1280.0, 720.0]
        );
    }

    #[test]
    fn a_line_of_pixels_has_no_place() {
        assert_eq!(Letterbox::new([16_384, 1], [640, 640]), None);
    }
}
