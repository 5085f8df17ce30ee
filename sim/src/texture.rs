//! Pictures on surfaces, with smaller copies for what is far away.

/// A picture on a surface. `(0, 0)` is its upper left corner, `(1, 1)` its lower right one.
#[derive(Debug, Clone)]
pub struct Texture {
    /// The file name below the world's folder, such as `textures/wall.png`.
    pub name: String,
    levels: Vec<Level>,
}

/// One size of the picture; pixels are `0x00BBGGRR`.
#[derive(Debug, Clone, PartialEq)]
struct Level {
    width: usize,
    height: usize,
    pixels: Vec<u32>,
}

impl PartialEq for Texture {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.levels.first() == other.levels.first()
    }
}

impl Texture {
    /// A texture from pixels `[red, green, blue]`, row by row from the top. `width * height` must be their number, and not 0.
    pub fn new(name: impl Into<String>, width: usize, height: usize, rgb: &[[u8; 3]]) -> Self {
        assert!(
            width > 0 && height > 0 && rgb.len() == width * height,
            "a texture's size must match its pixels"
        );
        let pixels = rgb
            .iter()
            .map(|&[r, g, b]| u32::from_le_bytes([r, g, b, 0]))
            .collect();
        let mut levels = vec![Level {
            width,
            height,
            pixels,
        }];
        while let Some(smaller) = levels.last().and_then(Level::halved) {
            levels.push(smaller);
        }
        Self {
            name: name.into(),
            levels,
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.levels[0].width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.levels[0].height
    }

    /// The pixels as `[red, green, blue]`, row by row from the top.
    pub fn rgb(&self) -> Vec<[u8; 3]> {
        self.levels[0]
            .pixels
            .iter()
            .map(|p| {
                let [r, g, b, _] = p.to_le_bytes();
                [r, g, b]
            })
            .collect()
    }

    /// The colour at `(u, v)` where one screen pixel spans `footprint` of the picture's width and height (the greater, in units of
    /// the full picture's pixels), as `0x00BBGGRR`. Coordinates outside 0 to 1 take the edge's colour.
    #[inline]
    pub fn sample(&self, u: f32, v: f32, footprint: f32) -> u32 {
        // floor(log2(footprint)) from the float's exponent; half a level early, so that the picture stays crisp.
        let exponent = ((footprint * 0.8).to_bits() >> 23) as i32 - 127;
        let index = (exponent.max(0) as usize).min(self.levels.len() - 1);
        self.levels[index].bilinear(u, v)
    }
}

impl Level {
    /// The picture at half the size, or `None` for a single pixel.
    fn halved(&self) -> Option<Self> {
        if self.width == 1 && self.height == 1 {
            return None;
        }
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (y0, y1) = (
                y * self.height / height,
                ((y + 1) * self.height / height).max(y * self.height / height + 1),
            );
            for x in 0..width {
                let (x0, x1) = (
                    x * self.width / width,
                    ((x + 1) * self.width / width).max(x * self.width / width + 1),
                );
                let mut sum = [0u32; 3];
                for row in y0..y1 {
                    for pixel in &self.pixels[row * self.width + x0..row * self.width + x1] {
                        let [r, g, b, _] = pixel.to_le_bytes();
                        sum = [
                            sum[0] + u32::from(r),
                            sum[1] + u32::from(g),
                            sum[2] + u32::from(b),
                        ];
                    }
                }
                let count = ((y1 - y0) * (x1 - x0)) as u32;
                let [r, g, b] = sum.map(|s| ((s + count / 2) / count) as u8);
                pixels.push(u32::from_le_bytes([r, g, b, 0]));
            }
        }
        Some(Self {
            width,
            height,
            pixels,
        })
    }

    #[inline]
    fn bilinear(&self, u: f32, v: f32) -> u32 {
        // Pixel centres lie at half-integers; 8 bits of fraction.
        let x = (u.clamp(0.0, 1.0) * self.width as f32 * 256.0) as i32 - 128;
        let y = (v.clamp(0.0, 1.0) * self.height as f32 * 256.0) as i32 - 128;
        let (max_x, max_y) = (self.width as i32 - 1, self.height as i32 - 1);
        let (x0, y0) = ((x >> 8).max(0), (y >> 8).max(0));
        let (x1, y1) = (((x >> 8) + 1).min(max_x), ((y >> 8) + 1).min(max_y));
        let (fx, fy) = ((x & 255) as u32, (y & 255) as u32);
        let row0 = y0 as usize * self.width;
        let row1 = y1 as usize * self.width;
        let top = mix(
            self.pixels[row0 + x0 as usize],
            self.pixels[row0 + x1 as usize],
            fx,
        );
        let bottom = mix(
            self.pixels[row1 + x0 as usize],
            self.pixels[row1 + x1 as usize],
            fx,
        );
        mix(top, bottom, fy)
    }
}

/// `a` and `b` mixed in parts of 256, all channels at once.
#[inline]
fn mix(a: u32, b: u32, parts: u32) -> u32 {
    let keep = 256 - parts;
    let red_blue = ((a & 0x00FF_00FF) * keep + (b & 0x00FF_00FF) * parts) >> 8 & 0x00FF_00FF;
    let green = ((a & 0x0000_FF00) * keep + (b & 0x0000_FF00) * parts) >> 8 & 0x0000_FF00;
    red_blue | green
}
