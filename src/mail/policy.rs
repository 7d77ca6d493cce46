//! When what failed is tried again, and how fast mails follow each other. No IO; chance comes from outside.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a first failure is a quarter of the time that an entry waits unread, within these bounds.
const FIRST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// Longest pause between two tries of one mail: four times that wait, within these bounds.
const LONGEST: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(10));
/// Longest pause while the server takes no connections.
const LONGEST_OUTAGE: Duration = Duration::from_mins(1);
/// It is looked for what is due twenty times in the time that an entry waits, within these bounds.
const SWEEP: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) after: Duration,
    pub(super) give_up: Duration,
}

impl Policy {
    pub(super) fn sweep(&self) -> Duration {
        (self.after / 20).clamp(SWEEP.0, SWEEP.1)
    }

    /// How long to wait with a mail that has been due for `overdue` and failed; `None`: for ever. As long as it has
    /// been due, which doubles the pauses without a count of tries. `chance` is in 0..1.
    pub(super) fn again_in(&self, overdue: Duration, chance: f64) -> Option<Duration> {
        if overdue >= self.give_up {
            return None;
        }
        Some(jittered(overdue.clamp(self.first(), self.longest()), chance))
    }

    /// How long to leave a server alone that has failed `failures` times in a row.
    pub(super) fn outage(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.first().saturating_mul(1 << failures.saturating_sub(1).min(16));
        jittered(doubled.min(LONGEST_OUTAGE).min(self.longest()), chance)
    }

    fn longest(&self) -> Duration {
        (self.after.saturating_mul(4)).clamp(LONGEST.0, LONGEST.1)
    }

    fn first(&self) -> Duration {
        (self.after / 4).clamp(FIRST.0, FIRST.1)
    }
}

/// From half of it to all of it.
fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + chance / 2.0)
}

/// Mails follow each other in even steps, without bursts.
#[derive(Debug)]
pub(super) struct Pace {
    step: Duration,
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { step: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// When the next may go.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let at = self.next.map_or(now, |next| next.max(now));
        self.next = Some(at + self.step);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_until_they_are_long_and_end_with_the_patience() {
        let policy = Policy { after: SECOND * 300, give_up: SECOND * 86_400 };
        let again = |overdue, chance| policy.again_in(Duration::from_secs(overdue), chance);
        assert_eq!(again(0, 1.0), Some(SECOND * 15));
        assert_eq!(again(0, 0.0), Some(SECOND * 15 / 2));
        assert_eq!(again(100, 1.0), Some(SECOND * 100));
        assert_eq!(again(10_000, 1.0), Some(SECOND * 600));
        assert_eq!(again(86_399, 1.0), Some(SECOND * 600));
        assert_eq!(again(86_400, 1.0), None);
        let short = Policy { after: SECOND, give_up: SECOND };
        assert_eq!(short.again_in(Duration::ZERO, 1.0), Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_server_that_is_away_is_asked_ever_more_rarely() {
        let policy = Policy { after: SECOND * 300, give_up: SECOND * 86_400 };
        let pauses = [1, 2, 3, 4, 1000].map(|failures| policy.outage(failures, 1.0).as_secs());
        assert_eq!(pauses, [15, 30, 60, 60, 60]);
    }

    #[test]
    fn the_pace_has_no_bursts() {
        let mut pace = Pace::new(10);
        let now = Instant::now();
        let steps = [0, 1, 2].map(|_| pace.next(now) - now);
        assert_eq!(steps, [0, 100, 200].map(Duration::from_millis));
        assert_eq!(pace.next(now + SECOND * 9), now + SECOND * 9);
        assert_eq!(pace.next(now + SECOND * 9), now + SECOND * 9 + SECOND / 10);
    }
}
