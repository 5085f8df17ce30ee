//! The inner loops of preprocessing. Each is plain code that the compiler vectorises, compiled for the widest vectors
//! of the processor it runs on (`pulp` chooses at run time).

use pulp::{Arch, Simd, WithSimd};

use crate::encoding::PixelOrder;

/// Bits of an interpolation coefficient.
const COEFFICIENT_BITS: u32 = 11;
const ONE: f32 = (1 << COEFFICIENT_BITS) as f32;

/// Two neighbouring source pixels and their weights, which add up to 2048.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    /// The first of the two; may be -1 or the last one.
    pub first: isize,
    /// Weights of the first and the second.
    pub weights: [i16; 2],
}

impl Tap {
    /// What output pixel `at` is made of when `from` pixels become `to`.
    pub fn new(at: usize, from: usize, to: usize) -> Self {
        // OpenCV's order of operations: the scale is the inverse of an inverse, and the place is rounded to f32.
        let scale = 1.0 / (to as f64 / from as f64);
        let place = ((at as f64 + 0.5) * scale - 0.5) as f32;
        let first = place.floor();
        let fraction = place - first;
        let weight = |w: f32| (w * ONE).round_ties_even() as i16;
        Self {
            first: first as isize,
            weights: [weight(1.0 - fraction), weight(fraction)],
        }
    }

    /// As [`Tap::new`], kept inside the row: at both ends one pixel has all the weight.
    pub fn inside(at: usize, from: usize, to: usize) -> Self {
        let tap = Self::new(at, from, to);
        let last = from as isize - 1;
        if tap.first < 0 || tap.first >= last {
            // The second pixel has no weight; it must only exist.
            let first = tap.first.clamp(0, (last - 1).max(0));
            let weights = if tap.first < 0 || last == 0 {
                [2048, 0]
            } else {
                [0, 2048]
            };
            return Self { first, weights };
        }
        tap
    }
}

/// Compiles a loop for the processor's vectors.
fn vectorised<R>(arch: Arch, kernel: impl FnOnce() -> R) -> R {
    struct Kernel<F>(F);
    impl<R, F: FnOnce() -> R> WithSimd for Kernel<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    arch.dispatch(Kernel(kernel))
}

/// 8-bit samples to 0…1.
pub fn normalise(arch: Arch, bytes: &[u8], out: &mut [f32]) {
    vectorised(
        arch,
        #[inline(always)]
        || {
            for (out, byte) in out.iter_mut().zip(bytes) {
                *out = f32::from(*byte) / 255.0;
            }
        },
    );
}

/// Interleaved pixels into planes: red, green, blue, one after the other in `planar`.
pub fn split(arch: Arch, row: &[u8], order: PixelOrder, planar: &mut [u8]) {
    let width = planar.len() / 3;
    let (r, rest) = planar.split_at_mut(width);
    let (g, b) = rest.split_at_mut(width);
    match order {
        PixelOrder::Mono => {
            for plane in [r, g, b] {
                plane.copy_from_slice(&row[..width]);
            }
        }
        PixelOrder::Rgb => split_pixels::<3>(arch, row, [r, g, b]),
        PixelOrder::Bgr => split_pixels::<3>(arch, row, [b, g, r]),
        PixelOrder::Rgba => split_pixels::<4>(arch, row, [r, g, b]),
        PixelOrder::Bgra => split_pixels::<4>(arch, row, [b, g, r]),
    }
}

fn split_pixels<const CHANNELS: usize>(
    arch: Arch,
    row: &[u8],
    [first, second, third]: [&mut [u8]; 3],
) {
    vectorised(
        arch,
        #[inline(always)]
        || {
            let (pixels, _) = row.as_chunks::<CHANNELS>();
            for (((pixel, a), b), c) in pixels.iter().zip(first).zip(second).zip(third) {
                (*a, *b, *c) = (pixel[0], pixel[1], pixel[2]);
            }
        },
    );
}

/// The mean of each 2x2 pixels, into planes as [`split`].
pub fn halve(arch: Arch, above: &[u8], below: &[u8], order: PixelOrder, planar: &mut [u8]) {
    let width = planar.len() / 3;
    let (r, rest) = planar.split_at_mut(width);
    let (g, b) = rest.split_at_mut(width);
    match order {
        PixelOrder::Mono => {
            halve_pixels::<1, 2>(arch, above, below, [r, &mut [], &mut []]);
            g.copy_from_slice(r);
            b.copy_from_slice(r);
        }
        PixelOrder::Rgb => halve_pixels::<3, 6>(arch, above, below, [r, g, b]),
        PixelOrder::Bgr => halve_pixels::<3, 6>(arch, above, below, [b, g, r]),
        PixelOrder::Rgba => halve_pixels::<4, 8>(arch, above, below, [r, g, b]),
        PixelOrder::Bgra => halve_pixels::<4, 8>(arch, above, below, [b, g, r]),
    }
}

/// `PAIR` is twice `CHANNELS`.
fn halve_pixels<const CHANNELS: usize, const PAIR: usize>(
    arch: Arch,
    above: &[u8],
    below: &[u8],
    planes: [&mut [u8]; 3],
) {
    let (above, _) = above.as_chunks::<PAIR>();
    let (below, _) = below.as_chunks::<PAIR>();
    for (channel, plane) in planes.into_iter().enumerate().take(CHANNELS) {
        vectorised(
            arch,
            #[inline(always)]
            || {
                for ((out, above), below) in plane.iter_mut().zip(above).zip(below) {
                    let sum = u16::from(above[channel])
                        + u16::from(above[channel + CHANNELS])
                        + u16::from(below[channel])
                        + u16::from(below[channel + CHANNELS]);
                    *out = ((sum + 2) >> 2) as u8;
                }
            },
        );
    }
}

/// Resizes a row horizontally, into planes as [`split`]; values are sixteenths of OpenCV's intermediate ones.
pub fn resize_row(row: &[u8], order: PixelOrder, taps: &[Tap], planar: &mut [i16]) {
    let width = taps.len();
    match order.channels() {
        1 => {
            resize_pixels::<1>(row, [0; 3], taps, planar);
            let (r, rest) = planar.split_at_mut(width);
            let (g, b) = rest.split_at_mut(width);
            g.copy_from_slice(r);
            b.copy_from_slice(r);
        }
        3 => resize_pixels::<3>(row, order.rgb_offsets(), taps, planar),
        _ => resize_pixels::<4>(row, order.rgb_offsets(), taps, planar),
    }
}

fn resize_pixels<const CHANNELS: usize>(
    row: &[u8],
    offsets: [usize; 3],
    taps: &[Tap],
    planar: &mut [i16],
) {
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let (r, rest) = planar.split_at_mut(taps.len());
    let (g, b) = rest.split_at_mut(taps.len());
    let last = pixels.len().saturating_sub(1);
    for (((tap, r), g), b) in taps.iter().zip(r).zip(g).zip(b) {
        let first = tap.first as usize;
        let (left, right) = (&pixels[first], &pixels[(first + 1).min(last)]);
        let [w0, w1] = tap.weights.map(i32::from);
        let mix = |offset: usize| {
            ((i32::from(left[offset]) * w0 + i32::from(right[offset]) * w1) >> 4) as i16
        };
        (*r, *g, *b) = (mix(offsets[0]), mix(offsets[1]), mix(offsets[2]));
    }
}

/// Mixes two horizontally resized rows.
pub fn blend(arch: Arch, upper: &[i16], lower: &[i16], weights: [i16; 2], out: &mut [u8]) {
    vectorised(
        arch,
        #[inline(always)]
        || {
            let high = |a: i16, w: i16| (i32::from(a) * i32::from(w)) >> 16;
            for ((out, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
                *out = ((high(*upper, weights[0]) + high(*lower, weights[1]) + 2) >> 2)
                    .clamp(0, 255) as u8;
            }
        },
    );
}

/// The largest number of each column of `rows`, which are as long as `maxima`; `maxima` starts with the least numbers.
pub fn column_maxima(arch: Arch, rows: &[f32], maxima: &mut [f32]) {
    /// Columns at a time, so that their maxima stay in registers and the first cache.
    const BLOCK: usize = 512;
    let columns = maxima.len().max(1);
    vectorised(
        arch,
        #[inline(always)]
        || {
            for (block, maxima) in maxima.chunks_mut(BLOCK).enumerate() {
                for row in rows.chunks_exact(columns) {
                    for (max, value) in maxima.iter_mut().zip(&row[block * BLOCK..]) {
                        // A comparison with a number that is none is false: such numbers are passed over.
                        *max = if *value > *max { *value } else { *max };
                    }
                }
            }
        },
    );
}
