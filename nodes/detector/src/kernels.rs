//! The inner loops of preprocessing. Each is plain code that the compiler vectorises, compiled also for AVX2 and FMA
//! (x86-64-v3), which `pulp` chooses at run time where the processor has them.

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

/// The mean of each 2x2 samples of two rows of planes: twice as long as `planar`, each plane an even number of samples.
pub fn halve(arch: Arch, above: &[u8], below: &[u8], planar: &mut [u8]) {
    let (above, _) = above.as_chunks::<2>();
    let (below, _) = below.as_chunks::<2>();
    vectorised(
        arch,
        #[inline(always)]
        || {
            // Two samples as one number: so the compiler needs no shuffles, which halves the time.
            let sum = |pair: &[u8; 2]| {
                let pair = u16::from_le_bytes(*pair);
                (pair & 0xff) + (pair >> 8)
            };
            for ((out, above), below) in planar.iter_mut().zip(above).zip(below) {
                *out = ((sum(above) + sum(below) + 2) >> 2) as u8;
            }
        },
    );
}

/// Resizes a row horizontally, into planes as [`split`]; values are sixteenths of OpenCV's intermediate ones. What
/// `windows` holds before and after is of no meaning; it is kept by the caller so that nothing is allocated.
pub fn resize_row(
    arch: Arch,
    row: &[u8],
    order: PixelOrder,
    taps: &[Tap],
    windows: &mut Vec<u64>,
    planar: &mut [i16],
) {
    let (r, rest) = planar.split_at_mut(taps.len());
    let (g, b) = rest.split_at_mut(taps.len());
    let quarter = row.len() == 4 * order.channels() * taps.len();
    match (order, quarter) {
        (PixelOrder::Mono, _) => {
            resize_mono(row, taps, r);
            g.copy_from_slice(r);
            b.copy_from_slice(r);
        }
        (PixelOrder::Rgb, false) => resize_pixels::<3>(arch, row, taps, windows, [r, g, b]),
        (PixelOrder::Bgr, false) => resize_pixels::<3>(arch, row, taps, windows, [b, g, r]),
        (PixelOrder::Rgba, false) => resize_pixels::<4>(arch, row, taps, windows, [r, g, b]),
        (PixelOrder::Bgra, false) => resize_pixels::<4>(arch, row, taps, windows, [b, g, r]),
        (PixelOrder::Rgb, true) => quarter_pixels::<3, 12>(arch, row, [r, g, b]),
        (PixelOrder::Bgr, true) => quarter_pixels::<3, 12>(arch, row, [b, g, r]),
        (PixelOrder::Rgba, true) => quarter_pixels::<4, 16>(arch, row, [r, g, b]),
        (PixelOrder::Bgra, true) => quarter_pixels::<4, 16>(arch, row, [b, g, r]),
    }
}

/// A row four times as wide as the output: of every four pixels the two in the middle have half the weight each.
/// `FOUR` is four times `CHANNELS`.
fn quarter_pixels<const CHANNELS: usize, const FOUR: usize>(
    arch: Arch,
    row: &[u8],
    [first, second, third]: [&mut [i16]; 3],
) {
    vectorised(
        arch,
        #[inline(always)]
        || {
            let (fours, _) = row.as_chunks::<FOUR>();
            for (((four, a), b), c) in fours.iter().zip(first).zip(second).zip(third) {
                let mix = |channel: usize| {
                    let (left, right) = (four[CHANNELS + channel], four[2 * CHANNELS + channel]);
                    (i16::from(left) + i16::from(right)) << 6
                };
                (*a, *b, *c) = (mix(0), mix(1), mix(2));
            }
        },
    );
}

/// First the eight bytes from each tap's first pixel on, which hold its second pixel too: the only step that reads
/// here and there. Then the arithmetic, on as many taps at once as the vectors hold.
fn resize_pixels<const CHANNELS: usize>(
    arch: Arch,
    row: &[u8],
    taps: &[Tap],
    windows: &mut Vec<u64>,
    [first, second, third]: [&mut [i16]; 3],
) {
    windows.clear();
    windows.extend(taps.iter().map(|tap| window::<CHANNELS>(row, tap)));
    vectorised(
        arch,
        #[inline(always)]
        || {
            for ((((window, tap), a), b), c) in
                windows.iter().zip(taps).zip(first).zip(second).zip(third)
            {
                // Both products of a channel by one multiplication of 32 bits: (left + right·2²⁰)·(w1 + w0·2²⁰) has
                // left·w0 + right·w1, which is less than 2²⁰, at bit 20. It cannot overflow, and a check that it does
                // not would keep the compiler from using vectors.
                let [w0, w1] = tap.weights.map(|weight| weight as u32);
                let weights = u64::from(w1 | w0 << 20);
                let mix = |channel: usize| {
                    let left = (window >> (8 * channel)) & 0xff;
                    let right = (window >> (8 * (CHANNELS + channel))) & 0xff;
                    ((left | right << 20).wrapping_mul(weights) >> 24) as i16
                };
                (*a, *b, *c) = (mix(0), mix(1), mix(2));
            }
        },
    );
}

/// Both pixels of a tap that lies inside the row, one after the other from the lowest byte on; the rest is anything.
/// A row of one pixel is both.
#[inline(always)]
fn window<const CHANNELS: usize>(row: &[u8], tap: &Tap) -> u64 {
    let at = tap.first as usize * CHANNELS;
    if let Some(bytes) = row.get(at..).and_then(|rest| rest.first_chunk()) {
        return u64::from_le_bytes(*bytes);
    }
    let (pixels, _) = row.as_chunks::<CHANNELS>();
    let (left, right) = pair(pixels, tap);
    let mut bytes = [0; 8];
    bytes[..CHANNELS].copy_from_slice(&left);
    bytes[CHANNELS..2 * CHANNELS].copy_from_slice(&right);
    u64::from_le_bytes(bytes)
}

fn resize_mono(row: &[u8], taps: &[Tap], out: &mut [i16]) {
    for (tap, out) in taps.iter().zip(out) {
        let (left, right) = pair(row, tap);
        let [w0, w1] = tap.weights.map(i32::from);
        *out = ((i32::from(left) * w0 + i32::from(right) * w1) >> 4) as i16;
    }
}

/// The two pixels of a tap that lies inside the row; a row of one pixel is both.
#[inline(always)]
fn pair<P: Copy>(pixels: &[P], tap: &Tap) -> (P, P) {
    let at = tap.first as usize;
    match pixels.get(at..at + 2) {
        Some(&[left, right]) => (left, right),
        _ => (pixels[at], pixels[at]),
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
    /// Rows at a time, so that the maxima are read and written less often.
    const ROWS: usize = 4;
    // A comparison with a number that is none is false: such numbers are passed over.
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let columns = maxima.len().max(1);
    vectorised(
        arch,
        #[inline(always)]
        || {
            let mut blocks = rows.chunks_exact(ROWS * columns);
            for block in &mut blocks {
                let (first, rest) = block.split_at(columns);
                let (second, rest) = rest.split_at(columns);
                let (third, fourth) = rest.split_at(columns);
                let numbers = first.iter().zip(second).zip(third).zip(fourth);
                for (max, (((a, b), c), d)) in maxima.iter_mut().zip(numbers) {
                    *max = larger(larger(larger(larger(*max, *a), *b), *c), *d);
                }
            }
            for row in blocks.remainder().chunks_exact(columns) {
                for (max, number) in maxima.iter_mut().zip(row) {
                    *max = larger(*max, *number);
                }
            }
        },
    );
}
