//! A picture into the network's input in one pass: resized, put into its place, split into colour planes and
//! normalised row by row, so that what lies between stays in the processor's first cache.
//!
//! Resizing is OpenCV's bilinear one for 8-bit pixels, to the bit: coefficients of 11 bits, and the mean of four for an
//! exact halving.

use half::f16;
use pulp::Arch;

use crate::encoding::PixelOrder;
use crate::kernels;
use crate::letterbox::Letterbox;
use crate::rows::{Picture, RowBuffers, Rows};

/// Grey of the input outside the picture.
const PADDING: u8 = 114;

/// An element of the network's input.
pub trait Sample: Copy {
    /// The value of an 8-bit sample, 0 to 1.
    fn from_byte(byte: u8) -> Self;
    /// Writes a row of samples.
    fn write_row(arch: Arch, bytes: &[u8], out: &mut [Self]);
}

impl Sample for f32 {
    fn from_byte(byte: u8) -> Self {
        f32::from(byte) / 255.0
    }

    fn write_row(arch: Arch, bytes: &[u8], out: &mut [Self]) {
        kernels::normalise(arch, bytes, out);
    }
}

impl Sample for f16 {
    fn from_byte(byte: u8) -> Self {
        f16::from_f32(f32::from(byte) / 255.0)
    }

    fn write_row(_: Arch, bytes: &[u8], out: &mut [Self]) {
        // 256 values: a table that fits the first cache.
        static TABLE: std::sync::LazyLock<[f16; 256]> =
            std::sync::LazyLock::new(|| std::array::from_fn(|byte| f16::from_byte(byte as u8)));
        let table = &*TABLE;
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = table[usize::from(*byte)];
        }
    }
}

/// Writes pictures into input tensors; keeps its buffers, so that it allocates nothing for a size that it has seen last.
#[derive(Default)]
pub struct Preprocessor {
    arch: Arch,
    buffers: RowBuffers,
    columns: Vec<kernels::Tap>,
    columns_for: [usize; 2],
    windows: Vec<u64>,
    /// The last two source rows, resized horizontally: red, green, blue one after the other; and which rows they are.
    resized: [Vec<i16>; 2],
    resized_rows: [Option<usize>; 2],
    /// Two source rows that become one: red, green, blue one after the other.
    pair: [Vec<u8>; 2],
    /// The output row: red, green, blue one after the other.
    planar: Vec<u8>,
}

impl Preprocessor {
    /// Writes `picture` at its place into `input`: the three planes of one picture, red, green, blue, each as large as
    /// `letterbox.input`. The part outside is grey already unless `pad`.
    pub fn write<T: Sample>(
        &mut self,
        picture: &Picture<'_>,
        letterbox: &Letterbox,
        pad: bool,
        input: &mut [T],
    ) {
        if pad {
            input.fill(T::from_byte(PADDING));
        }
        let [width, height] = letterbox.scaled;
        let [input_width, input_height] = letterbox.input;
        let plane_len = input_width * input_height;
        let arch = self.arch;
        let mut source = Source {
            rows: Rows::new(*picture),
            order: picture.encoding.row_order(),
        };
        self.planar.resize(3 * width, 0);
        self.resized_rows = [None, None];
        for y in 0..height {
            self.scale_row(&mut source, letterbox, y);
            let at = (letterbox.offset[1] + y) * input_width + letterbox.offset[0];
            for (plane, bytes) in input
                .chunks_exact_mut(plane_len)
                .zip(self.planar.chunks_exact(width))
            {
                T::write_row(arch, bytes, &mut plane[at..at + width]);
            }
        }
    }

    /// Row `y` of the scaled picture into `planar`.
    fn scale_row(&mut self, source: &mut Source<'_>, letterbox: &Letterbox, y: usize) {
        let [width, height] = letterbox.scaled;
        let [source_width, source_height] = letterbox.source;
        if letterbox.scaled == letterbox.source {
            let row = source.rows.row(y, &mut self.buffers);
            kernels::split(self.arch, row, source.order, &mut self.planar);
        } else if source_width == 2 * width && source_height == 2 * height {
            for (i, planes) in self.pair.iter_mut().enumerate() {
                let row = source.rows.row(2 * y + i, &mut self.buffers);
                planes.resize(3 * source_width, 0);
                kernels::split(self.arch, row, source.order, planes);
            }
            let [above, below] = &self.pair;
            kernels::halve(self.arch, above, below, &mut self.planar);
        } else {
            self.interpolate_row(source, letterbox, y);
        }
    }

    fn interpolate_row(&mut self, source: &mut Source<'_>, letterbox: &Letterbox, y: usize) {
        let ([width, height], [source_width, source_height]) = (letterbox.scaled, letterbox.source);
        if self.columns_for != [source_width, width] {
            self.columns.clear();
            self.columns
                .extend((0..width).map(|x| kernels::Tap::inside(x, source_width, width)));
            self.columns_for = [source_width, width];
        }
        let tap = kernels::Tap::new(y, source_height, height);
        let last = source_height as isize - 1;
        let wanted = [
            tap.first.clamp(0, last) as usize,
            (tap.first + 1).clamp(0, last) as usize,
        ];
        if self.resized_rows[0] != Some(wanted[0]) && self.resized_rows[1] == Some(wanted[0]) {
            self.resized.swap(0, 1);
            self.resized_rows.swap(0, 1);
        }
        for (i, row) in wanted.into_iter().enumerate() {
            if self.resized_rows[i] != Some(row) {
                let bytes = source.rows.row(row, &mut self.buffers);
                self.resized[i].resize(3 * width, 0);
                kernels::resize_row(
                    self.arch,
                    bytes,
                    source.order,
                    &self.columns,
                    &mut self.windows,
                    &mut self.resized[i],
                );
                self.resized_rows[i] = Some(row);
            }
        }
        let [upper, lower] = &self.resized;
        kernels::blend(self.arch, upper, lower, tap.weights, &mut self.planar);
    }
}

struct Source<'a> {
    rows: Rows<'a>,
    order: PixelOrder,
}
