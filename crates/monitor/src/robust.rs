//! Statistics that a few wild values do not move.

/// Turns the median absolute deviation of normal values into their standard deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// The value below which a share `quantile` of the sorted values lies, by linear interpolation; 0 without values.
pub(crate) fn quantile_sorted(sorted: &[f64], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = quantile.clamp(0.0, 1.0) * last as f64;
    let low = sorted.get(position.floor() as usize).copied().unwrap_or(0.0);
    let high = sorted.get(position.ceil() as usize).copied().unwrap_or(low);
    low + (high - low) * position.fract()
}

/// The median; 0 without values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&values, 0.5)
}

/// Standard deviation around `centre`, estimated from the median absolute deviation.
pub(crate) fn sigma(values: &[f64], centre: f64) -> f64 {
    MAD_TO_SIGMA * median(values.iter().map(|value| (value - centre).abs()).collect())
}

/// A robust line through equally spaced values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    /// Change per step: the median of the slopes of all pairs (Theil 1950, Sen 1968).
    pub(crate) slope: f64,
    /// The line at the last value.
    pub(crate) end: f64,
    /// Kendall's tau, -1 to 1: how consistently values rise or fall, whatever their unit.
    pub(crate) tau: f64,
    /// Normal score of tau under the hypothesis of no trend (Mann 1945, Kendall 1975), corrected for autocorrelation.
    pub(crate) score: f64,
    /// Bounds of the slope, at two standard errors.
    pub(crate) slope_low: f64,
    pub(crate) slope_high: f64,
}

/// Fits a line; `None` for fewer than eight values, of which nothing can be said. Cost grows with the square of the length:
/// callers give it some hundred values.
pub(crate) fn fit(values: &[f64]) -> Option<Line> {
    let n = values.len();
    if n < 8 {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut balance = 0i64;
    for (i, earlier) in values.iter().enumerate() {
        for (distance, later) in values.iter().skip(i + 1).enumerate() {
            let rise = later - earlier;
            slopes.push(rise / (distance + 1) as f64);
            balance += i64::from(rise > 0.0) - i64::from(rise < 0.0);
        }
    }
    let pairs = slopes.len() as f64;
    slopes.sort_unstable_by(f64::total_cmp);
    let slope = quantile_sorted(&slopes, 0.5);
    let middle = (n - 1) as f64 / 2.0;
    let intercept = median(values.iter().enumerate().map(|(i, v)| v - slope * (i as f64 - middle)).collect());
    let count = n as f64;
    // Neighbours that resemble each other are worth less than independent values (Hamed and Rao 1998).
    let residuals: Vec<f64> =
        values.iter().enumerate().map(|(i, v)| v - intercept - slope * (i as f64 - middle)).collect();
    let inflation = inflation(&residuals);
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0 * inflation;
    // Sen's interval: ranks of slopes, two standard deviations of the balance around the middle one.
    let reach = variance.sqrt() / pairs;
    Some(Line {
        slope,
        end: intercept + slope * middle,
        tau: balance as f64 / pairs,
        score: balance as f64 / variance.sqrt(),
        slope_low: quantile_sorted(&slopes, 0.5 - reach),
        slope_high: quantile_sorted(&slopes, 0.5 + reach),
    })
}

/// By how much autocorrelation of the first order multiplies the variance of a mean.
pub(crate) fn inflation(residuals: &[f64]) -> f64 {
    let power: f64 = residuals.iter().map(|value| value * value).sum();
    if power <= f64::EPSILON {
        return 1.0;
    }
    let products: f64 = residuals.iter().zip(residuals.iter().skip(1)).map(|(a, b)| a * b).sum();
    let correlation = (products / power).clamp(0.0, 0.95);
    (1.0 + correlation) / (1.0 - correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile_sorted(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!((quantile_sorted(&[], 0.5), median(vec![5.0, 1.0, 3.0])), (0.0, 3.0));
    }

    #[test]
    fn a_line_is_found_in_spite_of_wild_values() {
        let values: Vec<f64> =
            (0..60).map(|i| if i % 7 == 3 { 1e6 } else { 10.0 + 0.5 * f64::from(i) }).collect();
        let line = fit(&values).unwrap();
        assert!((line.slope - 0.5).abs() < 0.05 && (line.end - 39.5).abs() < 2.0, "{line:?}");
        assert!(line.slope_low <= line.slope && line.slope <= line.slope_high);
    }

    #[test]
    fn no_trend_has_a_small_score() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * 7919 % 101)).collect();
        let line = fit(&values).unwrap();
        assert!(line.score.abs() < 3.0 && line.slope_low < 0.0 && line.slope_high > 0.0, "{line:?}");
        assert!(fit(&values[..7]).is_none());
        assert_eq!(fit(&[4.0; 20]).unwrap().score, 0.0);
    }

    #[test]
    fn slow_waves_count_as_less_evidence_than_noise() {
        let wave: Vec<f64> = (0..60).map(|i| (f64::from(i) / 20.0).sin()).collect();
        assert!(inflation(&wave) > 5.0);
    }
}
