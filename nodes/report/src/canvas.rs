//! A picture that shapes and text are drawn on.
//!
//! Shapes are drawn twice as large and shrunk, which smooths their edges; text is drawn after that, in a bitmap font.

use std::convert::Infallible;

use embedded_graphics::mono_font::ascii::{FONT_7X13, FONT_9X15_BOLD, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Circle, Line, PrimitiveStyle, Rectangle};
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage, imageops};

/// A colour: red, green, blue.
pub type Color = [u8; 3];

/// How much larger than the picture shapes are drawn.
const OVERSAMPLING: u32 = 2;

/// The sizes of text. A character is as wide and high (px) as the font's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 7 x 13
    Small,
    /// 9 x 15
    Bold,
    /// 10 x 20
    Large,
}

impl Size {
    fn font(self) -> &'static MonoFont<'static> {
        match self {
            Self::Small => &FONT_7X13,
            Self::Bold => &FONT_9X15_BOLD,
            Self::Large => &FONT_10X20,
        }
    }

    /// Width of `characters`, px.
    pub fn width(self, characters: usize) -> f64 {
        f64::from(self.font().character_size.width) * characters as f64
    }

    /// Height of a line, px.
    pub fn height(self) -> f64 {
        f64::from(self.font().character_size.height)
    }
}

/// Collects shapes and text; [`Canvas::into_image`] puts them together. Coordinates are px, x to the right, y down.
pub struct Canvas {
    shapes: RgbImage,
    texts: Vec<(String, [f64; 2], Size, Color)>,
}

impl Canvas {
    /// An empty picture of `width` x `height` px.
    pub fn new(width: u32, height: u32, background: Color) -> Self {
        Self {
            shapes: RgbImage::from_pixel(
                width * OVERSAMPLING,
                height * OVERSAMPLING,
                Rgb(background),
            ),
            texts: Vec::new(),
        }
    }

    /// A picture to draw over.
    pub fn over(image: &RgbImage) -> Self {
        let (width, height) = (image.width() * OVERSAMPLING, image.height() * OVERSAMPLING);
        Self {
            shapes: imageops::resize(image, width, height, imageops::FilterType::Nearest),
            texts: Vec::new(),
        }
    }

    /// Colours each point of the picture for which `color` has one. It is asked for the middle of each point.
    pub fn fill_with(&mut self, color: impl Fn([f64; 2]) -> Option<Color>) {
        let scale = f64::from(OVERSAMPLING);
        for (x, y, pixel) in self.shapes.enumerate_pixels_mut() {
            if let Some(color) = color([(f64::from(x) + 0.5) / scale, (f64::from(y) + 0.5) / scale])
            {
                *pixel = Rgb(color);
            }
        }
    }

    /// A straight line.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], width: f64, color: Color) {
        let style = PrimitiveStyle::with_stroke(rgb(color), length(width));
        self.draw(&Line::new(point(from), point(to)).into_styled(style));
    }

    /// Straight lines through the points, joined round.
    pub fn polyline(
        &mut self,
        points: impl IntoIterator<Item = [f64; 2]>,
        width: f64,
        color: Color,
    ) {
        let mut last = None;
        for at in points {
            if let Some(last) = last {
                self.line(last, at, width, color);
            }
            self.disc(at, width / 2.0, color);
            last = Some(at);
        }
    }

    /// A filled circle.
    pub fn disc(&mut self, center: [f64; 2], radius: f64, color: Color) {
        let circle = Circle::with_center(point(center), length(2.0 * radius));
        self.draw(&circle.into_styled(PrimitiveStyle::with_fill(rgb(color))));
    }

    /// A circle's line, whose middle is at `radius`.
    pub fn ring(&mut self, center: [f64; 2], radius: f64, width: f64, color: Color) {
        let circle = Circle::with_center(point(center), length(2.0 * radius));
        self.draw(&circle.into_styled(PrimitiveStyle::with_stroke(rgb(color), length(width))));
    }

    /// Two crossing diagonals that reach `radius` along each axis.
    pub fn cross(&mut self, center: [f64; 2], radius: f64, width: f64, color: Color) {
        let [x, y] = center;
        self.line(
            [x - radius, y - radius],
            [x + radius, y + radius],
            width,
            color,
        );
        self.line(
            [x - radius, y + radius],
            [x + radius, y - radius],
            width,
            color,
        );
    }

    /// A filled rectangle between two corners.
    pub fn rectangle(&mut self, from: [f64; 2], to: [f64; 2], color: Color) {
        let rectangle = Rectangle::with_corners(point(from), point(to));
        self.draw(&rectangle.into_styled(PrimitiveStyle::with_fill(rgb(color))));
    }

    /// A rectangle's line between two corners.
    pub fn frame(&mut self, from: [f64; 2], to: [f64; 2], width: f64, color: Color) {
        let rectangle = Rectangle::with_corners(point(from), point(to));
        self.draw(&rectangle.into_styled(PrimitiveStyle::with_stroke(rgb(color), length(width))));
    }

    /// Text, whose upper left corner is at `at`. It lies above all shapes.
    pub fn text(&mut self, text: impl Into<String>, at: [f64; 2], size: Size, color: Color) {
        self.texts.push((text.into(), at, size, color));
    }

    /// The finished picture.
    pub fn into_image(self) -> RgbImage {
        let (width, height) = (
            self.shapes.width() / OVERSAMPLING,
            self.shapes.height() / OVERSAMPLING,
        );
        let mut picture =
            imageops::resize(&self.shapes, width, height, imageops::FilterType::Triangle);
        for (text, at, size, color) in self.texts {
            let style = MonoTextStyle::new(size.font(), rgb(color));
            let [x, y] = at.map(|v| v.round() as i32);
            let text = Text::with_baseline(&text, Point::new(x, y), style, Baseline::Top);
            let Ok(_) = text.draw(&mut Pixels(&mut picture));
        }
        picture
    }

    fn draw(&mut self, shape: &impl Drawable<Color = Rgb888>) {
        let Ok(_) = shape.draw(&mut Pixels(&mut self.shapes));
    }
}

/// An image as something that `embedded_graphics` draws on; what lies outside is left out.
struct Pixels<'a>(&'a mut RgbImage);

impl OriginDimensions for Pixels<'_> {
    fn size(&self) -> embedded_graphics::geometry::Size {
        embedded_graphics::geometry::Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Pixels<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

fn rgb([r, g, b]: Color) -> Rgb888 {
    Rgb888::new(r, g, b)
}

/// Far outside is as good as farther outside, and does not overflow what the drawing computes.
fn point(at: [f64; 2]) -> Point {
    let [x, y] = at.map(|v| (v * f64::from(OVERSAMPLING)).clamp(-1e4, 1e4).round() as i32);
    Point::new(x, y)
}

fn length(length: f64) -> u32 {
    (length * f64::from(OVERSAMPLING)).clamp(1.0, 1e4).round() as u32
}
