//! Exact Euclidean distances on a grid, in time linear in the cells (Felzenszwalb and Huttenlocher, 2012).

/// For each cell of a `width` x `height` grid the distance, in cells and between centres, to the nearest cell for
/// which `is_target` holds; infinite when there is none.
pub fn distance_in_cells(
    width: usize,
    height: usize,
    is_target: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let mut squared: Vec<f64> = (0..width * height)
        .map(|index| if is_target(index) { 0.0 } else { f64::INFINITY })
        .collect();
    let mut pass = Pass::with_length(width.max(height));
    for column in 0..width {
        pass.line.clear();
        pass.line
            .extend((0..height).map(|row| squared[row * width + column]));
        pass.run();
        for row in 0..height {
            squared[row * width + column] = pass.out[row];
        }
    }
    for row in 0..height {
        let cells = row * width..(row + 1) * width;
        pass.line.clear();
        pass.line.extend_from_slice(&squared[cells.clone()]);
        pass.run();
        squared[cells].copy_from_slice(&pass.out);
    }
    squared.iter().map(|distance| distance.sqrt()).collect()
}

/// One dimension of the transform: the lower envelope of parabolas rooted at each finite sample.
struct Pass {
    line: Vec<f64>,
    out: Vec<f64>,
    roots: Vec<usize>,
    starts: Vec<f64>,
}

impl Pass {
    fn with_length(length: usize) -> Self {
        Self {
            line: Vec::with_capacity(length),
            out: Vec::with_capacity(length),
            roots: Vec::with_capacity(length),
            starts: Vec::with_capacity(length),
        }
    }

    fn run(&mut self) {
        let Self {
            line,
            out,
            roots,
            starts,
        } = self;
        roots.clear();
        starts.clear();
        for (at, &height) in line.iter().enumerate().filter(|(_, h)| h.is_finite()) {
            let mut start = f64::NEG_INFINITY;
            while let (Some(&root), Some(&root_start)) = (roots.last(), starts.last()) {
                let (p, q) = (root as f64, at as f64);
                start = ((height + q * q) - (line[root] + p * p)) / (2.0 * (q - p));
                if start > root_start {
                    break;
                }
                roots.pop();
                starts.pop();
                start = f64::NEG_INFINITY;
            }
            roots.push(at);
            starts.push(start);
        }
        out.clear();
        if roots.is_empty() {
            out.resize(line.len(), f64::INFINITY);
            return;
        }
        let mut piece = 0;
        for at in 0..line.len() {
            while piece + 1 < roots.len() && starts[piece + 1] < at as f64 {
                piece += 1;
            }
            let root = roots[piece];
            out.push((at as f64 - root as f64).powi(2) + line[root]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_trying_every_pair() {
        let (width, height) = (13, 9);
        let targets = [5, 17, 44, 45, 100];
        let distances = distance_in_cells(width, height, |index| targets.contains(&index));
        for (index, distance) in distances.iter().enumerate() {
            let (x, y) = ((index % width) as f64, (index / width) as f64);
            let nearest = targets
                .iter()
                .map(|t| ((t % width) as f64 - x).hypot((t / width) as f64 - y))
                .fold(f64::INFINITY, f64::min);
            assert!((distance - nearest).abs() < 1e-9, "cell {index}");
        }
    }

    #[test]
    fn without_a_target_all_is_far() {
        assert!(
            distance_in_cells(3, 2, |_| false)
                .iter()
                .all(|d| d.is_infinite())
        );
    }
}
