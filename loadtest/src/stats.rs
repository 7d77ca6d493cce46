//! Arithmetic of the reports: medians, slopes, ratios and latency summaries.

use hdrhistogram::Histogram;
use serde::Serialize;

/// A counter as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counters here stay far below 2^53")]
pub(crate) fn float(n: u64) -> f64 {
    n as f64
}

/// The whole part of a non-negative number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and callers pass non-negative numbers"
)]
pub(crate) fn whole(x: f64) -> u64 {
    x as u64
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Least-squares slope of y over x; `None` unless two different x are given.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = float(points.len() as u64);
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

/// Growth of y per x between the first and the last point; `None` unless their x differ.
pub(crate) fn growth(points: &[(f64, f64)]) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    ratio(last.1 - first.1, last.0 - first.0)
}

/// `a / b`; `None` when b is zero.
pub(crate) fn ratio(a: f64, b: f64) -> Option<f64> {
    (b != 0.0).then(|| a / b)
}

/// The least and the greatest value; `None` of nothing.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((f64::min(low, value), f64::max(high, value))),
    })
}

/// The value below which a share of all lies, `None` of nothing.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let place = usize::try_from(whole((float(last as u64) * share).round())).unwrap_or(last);
    sorted.get(place.min(last)).copied()
}

/// An empty latency histogram: nanoseconds up to one minute, three significant digits.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are valid constants")
}

/// Percentiles of one latency histogram, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
}

impl Latency {
    pub(crate) fn of(nanoseconds: &Histogram<u64>) -> Self {
        let at = |quantile| float(nanoseconds.value_at_quantile(quantile)) / 1e3;
        Self {
            count: nanoseconds.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: float(nanoseconds.max()) / 1e3,
        }
    }

    /// The median over several rounds, percentile by percentile.
    pub(crate) fn median(rounds: &[Self]) -> Option<Self> {
        let of = |pick: fn(&Self) -> f64| median(rounds.iter().map(pick));
        Some(Self {
            count: rounds.iter().map(|round| round.count).sum(),
            p50_us: of(|l| l.p50_us)?,
            p90_us: of(|l| l.p90_us)?,
            p99_us: of(|l| l.p99_us)?,
            max_us: of(|l| l.max_us)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-9)
    }

    #[test]
    fn a_median_is_the_middle_or_the_mean_of_the_two_middle_values() {
        assert_eq!(median([]), None);
        assert!(close(median([7.0]), 7.0));
        assert!(close(median([9.0, 1.0, 5.0]), 5.0));
        assert!(close(median([4.0, 1.0, 2.0, 100.0]), 3.0));
    }

    #[test]
    fn a_slope_ignores_the_fixed_part_and_averages_the_noise() {
        let exact = [(1000.0, 12_000.0), (5000.0, 20_000.0), (10_000.0, 30_000.0)];
        assert!(close(slope(&exact), 2.0));
        assert!(close(growth(&exact), 2.0));
        let noisy = [(0.0, 0.0), (1.0, 3.0), (2.0, 3.0)];
        assert!(close(slope(&noisy), 1.5));
        assert!(close(growth(&noisy), 1.5));
    }

    #[test]
    fn ranges_and_quantiles_are_of_what_is_there() {
        assert_eq!(range([]), None);
        assert_eq!(range([3.0, 1.0, 2.0]), Some((1.0, 3.0)));
        assert_eq!(quantile([], 0.5), None);
        assert_eq!(quantile((0..=100).map(f64::from), 0.99), Some(99.0));
        assert_eq!(quantile([7.0], 0.0), Some(7.0));
    }

    #[test]
    fn one_step_has_no_slope() {
        assert_eq!(slope(&[]), None);
        assert_eq!(slope(&[(1000.0, 5.0)]), None);
        assert_eq!(growth(&[(1000.0, 5.0)]), None);
    }

    #[test]
    fn percentiles_are_microseconds_within_a_thousandth() {
        let mut histogram = latency_histogram();
        for microseconds in 1..=1000_u64 {
            histogram.record(microseconds * 1000).unwrap();
        }
        let latency = Latency::of(&histogram);
        assert_eq!(latency.count, 1000);
        for (got, want) in [
            (latency.p50_us, 500.0),
            (latency.p90_us, 900.0),
            (latency.p99_us, 990.0),
            (latency.max_us, 1000.0),
        ] {
            assert!((got / want - 1.0).abs() < 1e-3, "{got} is not {want}");
        }
    }
}
