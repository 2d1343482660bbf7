//! Numbers from counts: ratios, means, the promoter score and quantiles, each with its 95 % interval.
#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts and sums of a test universe are far below 2^53"
)]
use std::collections::BTreeMap;

/// Two-sided 95 % point of the normal distribution.
pub(crate) const Z: f64 = 1.959_963_984_540_054;

/// One KPI at one place; what does not exist there is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub value: Option<f64>,
    pub samples: u64,
    pub numerator: Option<f64>,
    pub denominator: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub quantiles: BTreeMap<String, f64>,
}

/// A share of a whole, with its Wilson interval.
pub(crate) fn ratio(hits: usize, all: usize) -> Reading {
    let mut reading = counted(hits as f64, all);
    if all > 0 {
        let n = all as f64;
        let share = hits as f64 / n;
        let center = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let spread = share * (1.0 - share) / n + Z * Z / (4.0 * n * n);
        let half = Z / (1.0 + Z * Z / n) * spread.sqrt();
        reading.value = Some(share);
        reading.lower = Some((center - half).clamp(0.0, 1.0));
        reading.upper = Some((center + half).clamp(0.0, 1.0));
    }
    reading
}

/// The mean of values given in thousandths, with its normal interval from two values on.
pub(crate) fn mean(thousandths: &[i64]) -> Reading {
    let sum: i128 = thousandths.iter().map(|value| i128::from(*value)).sum();
    let squares: i128 = thousandths
        .iter()
        .map(|value| i128::from(*value).pow(2))
        .sum();
    let n = thousandths.len() as i128;
    let mut reading = counted(sum as f64 / 1_000.0, thousandths.len());
    if n > 0 {
        let value = sum as f64 / n as f64 / 1_000.0;
        reading.value = Some(value);
        if n > 1 {
            let variance = (n * squares - sum * sum) as f64 / (n * (n - 1)) as f64;
            let half = Z * (variance / n as f64).sqrt() / 1_000.0;
            reading.lower = Some(value - half);
            reading.upper = Some(value + half);
        }
    }
    reading
}

/// Net promoter score with the adjusted Wald interval: three answers more, three quarters of one on each side.
pub(crate) fn promoter_score(promoters: usize, detractors: usize, all: usize) -> Reading {
    let (p, d) = (promoters as f64, detractors as f64);
    let mut reading = counted(p - d, all);
    if all > 0 {
        let n = all as f64 + 3.0;
        let (p, d) = ((p + 0.75) / n, (d + 0.75) / n);
        let half = Z * ((p + d - (p - d) * (p - d)) / n).sqrt();
        reading.value = Some(100.0 * (promoters as f64 - detractors as f64) / all as f64);
        reading.lower = Some((100.0 * (p - d - half)).clamp(-100.0, 100.0));
        reading.upper = Some((100.0 * (p - d + half)).clamp(-100.0, 100.0));
    }
    reading
}

/// Nearest ranks of durations in milliseconds, in seconds.
pub(crate) fn quantiles(mut durations: Vec<i64>) -> Reading {
    durations.sort_unstable();
    let mut reading = Reading {
        samples: durations.len() as u64,
        ..Reading::default()
    };
    for (name, permille) in [("0.5", 500), ("0.9", 900), ("0.95", 950), ("0.99", 990)] {
        let rank = (durations.len() * permille).div_ceil(1_000);
        if let Some(value) = rank.checked_sub(1).and_then(|at| durations.get(at)) {
            reading
                .quantiles
                .insert(name.to_owned(), *value as f64 / 1_000.0);
        }
    }
    reading
}

/// The survival product: `steps` holds (at risk, repeats among them) of each step in order.
pub(crate) fn corrected(first: usize, failed: usize, steps: &[(usize, usize)]) -> Reading {
    let mut survival = 1.0;
    let mut known = first > 0;
    for &(at_risk, repeats) in steps {
        if survival == 0.0 {
            break;
        }
        if at_risk == 0 {
            known = false;
            break;
        }
        survival *= (at_risk - repeats) as f64 / at_risk as f64;
    }
    let lasting = 1.0 - failed as f64 / first.max(1) as f64;
    Reading {
        value: known.then_some(lasting * survival),
        samples: first as u64,
        ..Reading::default()
    }
}

fn counted(numerator: f64, denominator: usize) -> Reading {
    Reading {
        samples: denominator as u64,
        numerator: Some(numerator),
        denominator: Some(denominator as f64),
        ..Reading::default()
    }
}
