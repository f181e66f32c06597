//! The little linear algebra that a Gaussian process needs: positive definite systems of up to about a hundred equations.

/// The lower triangle `L` with `L L^T` equal to a matrix, by rows: Golub, Van Loan, "Matrix computations", algorithm 4.2.1.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cholesky {
    /// Row `i` has `i + 1` numbers.
    rows: Vec<Vec<f64>>,
}

/// Added to a diagonal that rounding made too small.
const DIAGONAL_MIN: f64 = 1e-10;

impl Cholesky {
    /// Adds one row and column to the matrix: its entries beside those before it, and the one on the diagonal.
    pub(crate) fn extend(&mut self, beside: &[f64], diagonal: f64) {
        let mut row = self.forward(beside);
        let rest = diagonal - row.iter().map(|value| value * value).sum::<f64>();
        row.push(rest.max(DIAGONAL_MIN).sqrt());
        self.rows.push(row);
    }

    /// `x` with `L x = b`.
    pub(crate) fn forward(&self, b: &[f64]) -> Vec<f64> {
        let mut x: Vec<f64> = Vec::with_capacity(self.rows.len() + 1);
        for (row, b) in self.rows.iter().zip(b) {
            let known: f64 = row.iter().zip(&x).map(|(l, x)| l * x).sum();
            x.push((b - known) / row[row.len() - 1]);
        }
        x
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let matrix = [[4.0, 2.0, 0.6], [2.0, 5.0, 1.0], [0.6, 1.0, 3.0]];
        let mut factor = Cholesky::default();
        for (n, row) in matrix.iter().enumerate() {
            factor.extend(&row[..n], row[n]);
        }
        // b' A^-1 b by the factor, against the solution by hand: A x = b with x = (1, -2, 0.5).
        let b = [4.0 - 4.0 + 0.3, 2.0 - 10.0 + 0.5, 0.6 - 2.0 + 1.5];
        let x = factor.forward(&b);
        let expected = b[0] * 1.0 + b[1] * -2.0 + b[2] * 0.5;
        assert!((dot(&x, &x) - expected).abs() < 1e-9, "{} {expected}", dot(&x, &x));
    }

    #[test]
    fn a_singular_matrix_stays_finite() {
        let mut factor = Cholesky::default();
        for n in 0..5 {
            factor.extend(&vec![1.0; n], 1.0);
        }
        assert!(factor.forward(&[1.0; 5]).iter().all(|value| value.is_finite()));
    }
}
