//! A histogram of durations that travels between processes without losing a value.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stats::{Latency, float, latency_histogram};

/// Durations in nanoseconds, three significant digits. Histograms are added, percentiles never are.
#[derive(Clone, Debug)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(latency_histogram())
    }
}

impl Times {
    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // All have the same bounds, which is all that can fail.
        self.0.add(&other.0).ok();
    }

    pub(crate) fn summary(&self) -> Latency {
        Latency::of(&self.0)
    }

    /// Points of the distribution for a plot: the number of nines as x (0: median's left, 1: 90 %,
    /// 2: 99 %, …), milliseconds as y.
    pub(crate) fn nines(&self) -> Vec<(f64, f64)> {
        let most = float(self.0.len().max(1)).log10();
        let steps = (0..=40).map(|step| f64::from(step) / 8.0).take_while(|nines| *nines <= most);
        let at = |nines: f64| float(self.0.value_at_quantile(1.0 - 10_f64.powf(-nines))) / 1e6;
        steps.map(|nines| (nines, at(nines))).collect()
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells = self.0.iter_recorded();
        serializer.collect_seq(cells.map(|c| (c.value_iterated_to(), c.count_at_value())))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut times = Self::default();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            times.0.saturating_record_n(value, count);
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_the_journey_and_adds_up() {
        let (mut a, mut b) = (Times::default(), Times::default());
        for value in 1..=10_000_u64 {
            a.record(value * 997);
            b.record(value * 1_000_003);
        }
        let text = serde_json::to_string(&b).unwrap();
        let there: Times = serde_json::from_str(&text).unwrap();
        assert_eq!(there.0, b.0);
        let mut sum = a.clone();
        sum.merge(&there);
        assert_eq!(sum.0.len(), 20_000);
        // The upper half is all of `b`: its 98th percentile is the sum's 99th.
        let want = float(b.0.value_at_quantile(0.98));
        assert!((float(sum.0.value_at_quantile(0.99)) / want - 1.0).abs() < 2e-3);
    }

    #[test]
    fn a_distribution_is_drawn_as_far_as_it_has_values() {
        let mut times = Times::default();
        (0..1_000).for_each(|_| times.record(2_000_000));
        let points = times.nines();
        assert_eq!(points.last().map(|p| p.0), Some(3.0));
        assert!(points.iter().all(|p| (p.1 - 2.0).abs() < 0.01));
        assert_eq!(Times::default().nines().len(), 1);
    }
}
