//! When which client loses its connection.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How clients lose their connections.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Cuts {
    /// Between two losses of one client.
    pub(crate) every: Duration,
    /// Until it tries to come back.
    pub(crate) away: Duration,
}

impl Cuts {
    /// The moment of each of these clients within the interval, and its place among them, in order of
    /// the moments. The same in every run, so that runs compare.
    pub(crate) fn order(&self, clients: impl Iterator<Item = usize>) -> Vec<(Duration, usize)> {
        let moment = |index: usize| self.every.mul_f64(fraction(index as u64));
        let mut order: Vec<_> =
            clients.enumerate().map(|(place, index)| (moment(index), place)).collect();
        order.sort_unstable();
        order
    }
}

/// A number from 0 to 1 that looks random: `SplitMix64` of the index.
pub(super) fn fraction(index: u64) -> f64 {
    let mut mixed = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default();
    f64::from(high) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_its_moment_and_they_are_spread() {
        let cuts = Cuts { every: Duration::from_secs(10), away: Duration::from_secs(1) };
        let order = cuts.order(0..10_000);
        assert!(order.is_sorted() && order.iter().all(|(moment, _)| *moment < cuts.every));
        let mut clients: Vec<usize> = order.iter().map(|(_, client)| *client).collect();
        clients.sort_unstable();
        assert!(clients.into_iter().eq(0..10_000));
        for second in 0..10 {
            let within = order.iter().filter(|(moment, _)| moment.as_secs() == second).count();
            assert!((900..1_100).contains(&within), "{within} in second {second}");
        }
    }
}
