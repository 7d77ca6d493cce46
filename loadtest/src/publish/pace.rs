//! When to publish.

use std::time::{Duration, Instant};

use crate::stats::{float, whole};

/// Commands per write at most, so that one late wake-up does not become one huge burst.
pub(super) const BATCH: u64 = 256;
/// How often a closed loop looks for room; the kernel's timer slack for a sleeping thread is 50 µs.
const TICK: Duration = Duration::from_micros(50);
/// Longest pause of an open loop, so that it notices its end.
const NAP: Duration = Duration::from_millis(100);
/// A closed loop that has not moved for this long lost messages: it gives them up.
const STALL: Duration = Duration::from_secs(2);

/// How fast to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Open loop: messages per second, whatever the receivers do.
    Rate(f64),
    /// Closed loop: at most this many published and not yet received.
    Window(u64),
    /// Closed loop: at most this many that Redis has not answered, whoever receives them.
    Pipeline(u64),
}

impl Pace {
    /// What one of several publishers has to do.
    pub(super) fn share(self, publishers: usize) -> Self {
        let count = publishers.max(1) as u64;
        match self {
            Self::Rate(rate) => Self::Rate(rate / float(count)),
            Self::Window(window) => Self::Window((window / count).max(1)),
            Self::Pipeline(window) => Self::Pipeline((window / count).max(1)),
        }
    }
}

/// Says which messages are due.
pub(super) struct Schedule {
    pace: Pace,
    start: u64,
    /// Messages at a time.
    most: u64,
    /// Messages that a closed loop no longer waits for.
    given_up: u64,
    /// Receipts or answers at the last look, and when they last changed.
    progress: (u64, Instant),
}

impl Schedule {
    pub(super) fn new(pace: Pace, start: u64, most: u64) -> Self {
        Self { pace, start, most, given_up: 0, progress: (0, Instant::now()) }
    }

    pub(super) fn due(&mut self, now: u64, sent: u64, done: u64) -> u64 {
        match self.pace {
            Pace::Rate(rate) => {
                let elapsed = float(now.saturating_sub(self.start)) / 1e9;
                (1 + whole(elapsed * rate)).saturating_sub(sent).min(self.most)
            }
            Pace::Window(window) | Pace::Pipeline(window) => {
                let outstanding = sent.saturating_sub(done + self.given_up);
                if done != self.progress.0 {
                    self.progress = (done, Instant::now());
                } else if outstanding >= window && self.progress.1.elapsed() > STALL {
                    self.given_up += outstanding;
                    self.progress.1 = Instant::now();
                }
                window.saturating_sub(outstanding).min(self.most)
            }
        }
    }

    /// How long to sleep when nothing is due.
    pub(super) fn pause(&self, now: u64, sent: u64) -> Duration {
        match self.pace {
            Pace::Rate(_) => {
                Duration::from_nanos(self.intended(sent, now).saturating_sub(now)).min(NAP)
            }
            Pace::Window(_) | Pace::Pipeline(_) => TICK,
        }
    }

    /// An open loop's plan for the message; a closed loop has none but now.
    pub(super) fn intended(&self, number: u64, now: u64) -> u64 {
        match self.pace {
            Pace::Rate(rate) => self.start + whole(float(number) / rate * 1e9),
            Pace::Window(_) | Pace::Pipeline(_) => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_keeps_its_schedule_when_it_wakes_late() {
        let mut schedule = Schedule::new(Pace::Rate(1_000.0), 5_000_000, BATCH);
        assert_eq!(schedule.due(5_000_000, 0, 0), 1);
        assert_eq!(schedule.due(15_000_000, 1, 0), 10);
        assert_eq!(schedule.due(15_000_000, 11, 0), 0);
        assert_eq!(schedule.due(10_005_000_000, 11, 0), BATCH);
        assert_eq!(schedule.intended(10, 99_000_000), 15_000_000);
        assert_eq!(schedule.pause(14_600_000, 10), Duration::from_micros(400));
    }

    #[test]
    fn a_closed_loop_keeps_its_window() {
        let mut schedule = Schedule::new(Pace::Window(100), 0, BATCH);
        assert_eq!(schedule.due(0, 0, 0), 100);
        assert_eq!(schedule.due(0, 100, 0), 0);
        assert_eq!(schedule.due(0, 100, 30), 30);
        assert_eq!(schedule.intended(10, 99), 99);
    }
}
