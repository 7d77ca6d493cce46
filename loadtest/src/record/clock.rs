//! A clock that several processes of one machine read alike.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the tool started; monotonic within a process.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    /// What the clock says at `start`.
    offset: u64,
    /// The clock's zero as the machine's wall clock saw it, ns since 1970.
    zero: u64,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        let (start, zero) = pair();
        Self { start, offset: 0, zero }
    }

    /// The clock of another process, by its [`Clock::zero`]. Off by what reading two clocks takes,
    /// less than a microsecond, unless the wall clock is set between the two starts.
    pub(crate) fn join(zero: u64) -> Self {
        let (start, now) = pair();
        Self { start, offset: now.saturating_sub(zero), zero }
    }

    pub(crate) fn zero(self) -> u64 {
        self.zero
    }

    pub(crate) fn now(self) -> u64 {
        self.offset + nanoseconds(self.start.elapsed())
    }
}

/// Both clocks at one moment: of several looks the one that took the least time.
fn pair() -> (Instant, u64) {
    let looks = (0..32).map(|_| {
        let before = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (before.elapsed(), before, nanoseconds(wall))
    });
    let best = looks.min_by_key(|(took, ..)| *took);
    best.map_or_else(|| (Instant::now(), 0), |(_, instant, wall)| (instant, wall))
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_read_one_clock() {
        let first = Clock::start();
        let second = Clock::join(first.zero());
        let (a, b, c) = (first.now(), second.now(), first.now());
        let slack = 5_000_000;
        assert!(a <= b + slack && b <= c + slack, "{a} {b} {c}");
    }
}
