//! 95 % confidence intervals, and the one place where counts become floats.

/// The 97.5 % point of the standard normal distribution (CONTRACT section 9).
const Z: f64 = 1.959_963_984_540_054;

/// A count as a float. Exact up to 2^53, which no window reaches.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "documented bound"
)]
pub(crate) fn float(count: i64) -> f64 {
    count as f64
}

/// A wide sum as a float, rounded once.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "rounds once, at the end"
)]
fn wide(sum: i128) -> f64 {
    sum as f64
}

/// Wilson score interval of a ratio, clipped to 0..=1; `None` without samples.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// JASA 22 (1927).
///
/// ```
/// use cxpulse::kpi::wilson;
/// let (lower, upper) = wilson(7, 10).unwrap();
/// assert!((lower - 0.397).abs() < 5e-4 && (upper - 0.892).abs() < 5e-4);
/// ```
pub fn wilson(numerator: i64, denominator: i64) -> Option<(f64, f64)> {
    if denominator <= 0 {
        return None;
    }
    let n = float(denominator);
    let p = float(numerator) / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    let scale = 1.0 + z2 / n;
    Some((
        ((centre - half) / scale).clamp(0.0, 1.0),
        ((centre + half) / scale).clamp(0.0, 1.0),
    ))
}

/// Normal interval of a mean: mean -+ z s / sqrt(n), with the sample deviation (n - 1); `None`
/// below two samples. `sum` and `squares` are in thousandths of the unit of the result.
///
/// The variance is computed in integers until its last division, so that large sums lose nothing.
pub fn normal_mean(count: i64, sum_milli: i64, squares_milli: i128) -> Option<(f64, f64)> {
    if count < 2 {
        return None;
    }
    let n = i128::from(count);
    let sum = i128::from(sum_milli);
    let mean = float(sum_milli) / float(count) / 1000.0;
    let spread = match (n.checked_mul(squares_milli), sum.checked_mul(sum)) {
        (Some(left), Some(right)) => wide(left - right),
        _ => float(count) * wide(squares_milli) - float(sum_milli) * float(sum_milli),
    };
    let variance = (spread / (float(count) * float(count - 1))).max(0.0);
    let half = Z * (variance / float(count)).sqrt() / 1000.0;
    Some((mean - half, mean + half))
}

/// Adjusted Wald interval of the net promoter score, -100..=100; `None` without answers.
///
/// Three answers are added, 3/4 of them promoters and 3/4 detractors. Source: B. Rocks, "Interval
/// estimation for the net promoter score", The American Statistician 70 (2016).
pub fn adjusted_wald_nps(promoters: i64, detractors: i64, answers: i64) -> Option<(f64, f64)> {
    if answers <= 0 {
        return None;
    }
    let n = float(answers) + 3.0;
    let p = (float(promoters) + 0.75) / n;
    let d = (float(detractors) + 0.75) / n;
    let centre = p - d;
    let half = Z * ((p + d - centre * centre).max(0.0) / n).sqrt();
    let clip = |score: f64| (100.0 * score).clamp(-100.0, 100.0);
    Some((clip(centre - half), clip(centre + half)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!(
            (left - right).abs() < tolerance,
            "{left} is not near {right}"
        );
    }

    /// Vectors of the contract, section 2, and of Wilson's interval at the edge.
    #[test]
    fn wilson_vectors() {
        let (lower, upper) = wilson(7, 10).unwrap();
        close(lower, 0.397, 5e-4);
        close(upper, 0.892, 5e-4);
        let all = wilson(5, 5).unwrap();
        close(all.0, 0.566, 5e-4);
        close(all.1, 1.0, 1e-12);
        assert_eq!(wilson(0, 0), None);
    }

    /// Vectors of the contract, section 2: 50/30/20 and a single promoter.
    #[test]
    fn nps_vectors() {
        let (lower, upper) = adjusted_wald_nps(50, 20, 100).unwrap();
        close(lower, 14.1, 0.05);
        close(upper, 44.2, 0.05);
        let single = adjusted_wald_nps(1, 0, 1).unwrap();
        close(single.0, -48.5, 0.05);
        close(single.1, 98.5, 0.05);
        assert_eq!(adjusted_wald_nps(0, 0, 0), None);
    }

    #[test]
    fn a_mean_has_an_interval_from_two_samples_on() {
        assert_eq!(normal_mean(0, 0, 0), None);
        assert_eq!(normal_mean(1, 5000, 25_000_000), None);
        let (lower, upper) = normal_mean(2, 3000, 1_000_000 + 4_000_000).unwrap();
        close(f64::midpoint(lower, upper), 1.5, 1e-12);
        close(
            (upper - lower) / 2.0,
            Z * 0.5_f64.sqrt() / 2.0_f64.sqrt(),
            1e-12,
        );
    }

    #[test]
    fn huge_sums_do_not_overflow() {
        let count: i64 = 3_000_000;
        let value: i64 = 3_000_000_000_000;
        let squares = i128::from(value) * i128::from(value) * i128::from(count);
        let (lower, upper) = normal_mean(count, value * count, squares).unwrap();
        close(lower, upper, 1e-3);
    }
}
