//! Who is matched with whom: the assignment whose gains have the greatest sum.

/// Pairs of row and column, each at most once, such that the sum of their `gains` is greatest; only pairs that gain
/// more than 0. The Hungarian method with potentials (Kuhn 1955, Munkres 1957): time rows² × columns.
pub fn best(gains: &[Vec<f32>]) -> Vec<(usize, usize)> {
    let (rows, columns) = (gains.len(), gains.first().map_or(0, Vec::len));
    if columns == 0 {
        return Vec::new();
    }
    // A pair that gains nothing is as good as none. Columns that stand for "none" let every row have one.
    let cost = |row: usize, column: usize| -> f64 {
        let gain = gains[row].get(column).copied().unwrap_or_default();
        // Not a number gains nothing either.
        -f64::from(gain.max(0.0))
    };
    let columns_and_none = columns + rows;
    // Row 0 and column 0 are the method's own; potentials and matches by number from 1.
    let mut of_row = vec![0.0; rows + 1];
    let mut of_column = vec![0.0; columns_and_none + 1];
    let mut matched = vec![0; columns_and_none + 1];
    for row in 1..=rows {
        let mut came_from = vec![0; columns_and_none + 1];
        let mut slack = vec![f64::INFINITY; columns_and_none + 1];
        let mut seen = vec![false; columns_and_none + 1];
        matched[0] = row;
        let mut column = 0;
        while matched[column] != 0 {
            seen[column] = true;
            let row = matched[column];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for other in 1..=columns_and_none {
                if seen[other] {
                    continue;
                }
                let reduced = cost(row - 1, other - 1) - of_row[row] - of_column[other];
                if reduced < slack[other] {
                    (slack[other], came_from[other]) = (reduced, column);
                }
                if slack[other] < step {
                    (step, next) = (slack[other], other);
                }
            }
            for other in 0..=columns_and_none {
                if seen[other] {
                    of_row[matched[other]] += step;
                    of_column[other] -= step;
                } else {
                    slack[other] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            matched[column] = matched[came_from[column]];
            column = came_from[column];
        }
    }
    let pairs = matched.iter().enumerate().take(columns + 1).skip(1);
    pairs
        .filter(|(_, row)| **row > 0)
        .map(|(column, row)| (row - 1, column - 1))
        .filter(|(row, column)| gains[*row][*column] > 0.0)
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The greatest sum, by trying all.
    fn greatest(gains: &[Vec<f32>], row: usize, taken: &mut Vec<bool>) -> f32 {
        if row == gains.len() {
            return 0.0;
        }
        let mut best = greatest(gains, row + 1, taken);
        for column in 0..taken.len() {
            if !taken[column] && gains[row][column] > 0.0 {
                taken[column] = true;
                best = best.max(gains[row][column] + greatest(gains, row + 1, taken));
                taken[column] = false;
            }
        }
        best
    }

    #[test]
    fn no_assignment_gains_more() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..500 {
            let (rows, columns) = (rng.random_range(1..6), rng.random_range(1..6));
            let gains: Vec<Vec<f32>> = (0..rows)
                .map(|_| (0..columns).map(|_| rng.random_range(-0.5..1.0)).collect())
                .collect();
            let pairs = best(&gains);
            let sum: f32 = pairs.iter().map(|(row, column)| gains[*row][*column]).sum();
            let expected = greatest(&gains, 0, &mut vec![false; columns]);
            assert!((sum - expected).abs() < 1e-5, "{gains:?}: {pairs:?}");
            let mut rows: Vec<_> = pairs.iter().map(|(row, _)| row).collect();
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), pairs.len(), "{gains:?}");
        }
    }

    #[test]
    fn what_gains_nothing_is_not_matched() {
        assert_eq!(best(&[]), []);
        assert_eq!(best(&[vec![]]), []);
        assert_eq!(best(&[vec![0.0, -1.0, f32::NAN]]), []);
        assert_eq!(best(&[vec![0.0, 0.1], vec![-1.0, 0.3]]), [(1, 1)]);
    }
}
