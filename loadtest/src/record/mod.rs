//! What is sent and how it is recognised when it arrives: a clock, the stamp inside each
//! notification, and the count of what came.

mod clock;
mod seen;
mod stamp;
mod tally;
mod times;

use serde::{Deserialize, Serialize};

pub(crate) use clock::Clock;
pub(crate) use stamp::{RunId, STAMP, blank_stamp, fill_stamp, find_stamp};
pub(crate) use tally::{Spread, Tally};
pub(crate) use times::Times;

use seen::{Arrival, Seen};

/// For whom the messages of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reach {
    /// Message `n` is for user `n` modulo this many.
    Each(usize),
    /// Every message is for every socket.
    All,
}

/// What a worker counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Expectation {
    pub(crate) run: RunId,
    /// Latency counts from this intended time on, ns of the clock.
    pub(crate) from: u64,
    pub(crate) reach: Reach,
}

/// Counts what one run receives.
pub(crate) struct Recorder {
    expected: Expectation,
    /// What each receiver has.
    seen: Vec<Seen>,
    pub(crate) tally: Tally,
}

impl Default for Recorder {
    fn default() -> Self {
        let nothing = Expectation { run: RunId::default(), from: u64::MAX, reach: Reach::All };
        Self::new(nothing, 0)
    }
}

impl Recorder {
    pub(crate) fn new(expected: Expectation, receivers: usize) -> Self {
        let seen = (0..receivers).map(|_| Seen::default()).collect();
        Self { expected, seen, tally: Tally::default() }
    }

    /// Begins another run; what happened to connections is kept.
    pub(crate) fn restart(&mut self, expected: Expectation, receivers: usize) {
        let travels = std::mem::take(&mut self.tally.travels);
        *self = Self::new(expected, receivers);
        self.tally.travels = travels;
    }

    /// Takes what `receiver`, a socket of `user`, got at `now`. A replayed message has no latency.
    pub(crate) fn message(
        &mut self,
        (receiver, user): (usize, usize),
        payload: &[u8],
        now: u64,
        replayed: bool,
    ) {
        let Expectation { run, from, reach } = self.expected;
        let tally = &mut self.tally;
        let Some((number, intended)) = find_stamp(payload, run) else {
            tally.foreign += 1;
            return;
        };
        let number = match reach {
            Reach::All => number,
            Reach::Each(users) if number % users as u64 == user as u64 => number / users as u64,
            Reach::Each(_) => {
                tally.foreign += 1;
                return;
            }
        };
        let arrival = self.seen.get_mut(receiver).map_or(Arrival::New, |seen| seen.take(number));
        match arrival {
            Arrival::New => {}
            Arrival::Late => tally.late += 1,
            Arrival::Double => {
                tally.doubles += 1;
                return;
            }
        }
        tally.received += 1;
        tally.bytes += payload.len() as u64;
        let latency = now.saturating_sub(intended);
        if intended >= from && !replayed {
            tally.latency.record(latency);
        }
        if reach == Reach::All {
            tally.spread(number, latency);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(run: RunId, number: u64, intended: u64) -> Vec<u8> {
        let mut stamp = blank_stamp(run);
        fill_stamp(&mut stamp, number, intended);
        stamp.to_vec()
    }

    fn recorder(reach: Reach) -> Recorder {
        Recorder::new(Expectation { run: *b"00000001", from: 1_000, reach }, 2)
    }

    #[test]
    fn latency_runs_from_the_intended_time_and_only_after_the_warm_up() {
        let mut recorder = recorder(Reach::Each(1));
        let run = *b"00000001";
        recorder.message((0, 0), &stamped(run, 0, 500), 9_000_000, false);
        recorder.message((0, 0), &stamped(run, 1, 1_000), 3_001_000, false);
        recorder.message((0, 0), &stamped(run, 2, 1_000), 8_001_000, true);
        let tally = recorder.tally;
        assert_eq!((tally.received, tally.latency.summary().count), (3, 1));
        assert!((tally.latency.summary().max_us / 3_000.0 - 1.0).abs() < 1e-3);
    }

    #[test]
    fn doubles_and_strangers_are_no_deliveries() {
        let mut recorder = recorder(Reach::Each(2));
        for (receiver, number) in [(0, 0), (1, 1), (0, 2), (0, 2), (0, 0), (1, 5), (1, 3), (0, 7)] {
            let message = stamped(*b"00000001", number, 0);
            recorder.message((receiver, receiver), &message, 10, false);
        }
        recorder.message((0, 0), &stamped(*b"00000002", 4, 0), 10, false);
        let tally = recorder.tally;
        assert_eq!((tally.received, tally.doubles, tally.late, tally.foreign), (5, 2, 1, 2));
    }

    #[test]
    fn a_message_for_all_is_complete_with_its_last_socket() {
        let mut recorder = recorder(Reach::All);
        for (receiver, now) in [(0, 3_000), (1, 9_000)] {
            recorder.message((receiver, receiver), &stamped(*b"00000001", 0, 2_000), now, false);
        }
        assert_eq!(recorder.tally.spreads, [Spread { receivers: 2, last: 7_000 }]);
    }
}
