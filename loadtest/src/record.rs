//! What is sent and how it is recognised when it arrives: a clock, the stamp inside each
//! notification, and the count of what came.

use std::time::Instant;

use hdrhistogram::Histogram;

use crate::stats::latency_histogram;

/// Nanoseconds since the tool started; monotonic.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Names one measured segment, so that stragglers of another one are not counted.
pub(crate) type RunId = [u8; 8];

const PREFIX: &[u8; 3] = b"lt-";
const NUMBER: std::ops::Range<usize> = 12..22;
const INTENDED: std::ops::Range<usize> = 23..39;
/// Bytes of a stamp: `lt-<run>-<number, 10 digits>-<intended send time, 16 digits of ns>`.
/// Fixed widths, so that the sender patches digits in place.
pub(crate) const STAMP: usize = INTENDED.end;

/// A stamp with zeroes for its numbers.
pub(crate) fn blank_stamp(run: RunId) -> [u8; STAMP] {
    let mut stamp = [b'0'; STAMP];
    stamp[..3].copy_from_slice(PREFIX);
    stamp[3..11].copy_from_slice(&run);
    stamp[11] = b'-';
    stamp[22] = b'-';
    stamp
}

/// Writes the message's number and intended send time (ns of the clock) into a stamp.
pub(crate) fn fill_stamp(stamp: &mut [u8], number: u64, intended: u64) {
    digits(&mut stamp[NUMBER], number);
    digits(&mut stamp[INTENDED], intended);
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// Number and intended send time of the stamp of `run` in a payload, wherever it stands.
pub(crate) fn find_stamp(payload: &[u8], run: RunId) -> Option<(u64, u64)> {
    let stamp = payload
        .windows(STAMP)
        .find(|window| window.starts_with(PREFIX) && window[3..11] == run[..])?;
    Some((number(&stamp[NUMBER])?, number(&stamp[INTENDED])?))
}

/// Counts what one run receives.
pub(crate) struct Recorder {
    run: RunId,
    from: u64,
    /// Next acceptable message number of each receiver.
    next: Vec<u64>,
    tally: Tally,
}

/// What one run received.
#[derive(Clone)]
pub(crate) struct Tally {
    /// Messages of the run.
    pub(crate) received: u64,
    /// Bytes of their payloads.
    pub(crate) bytes: u64,
    /// Messages that came twice or after a later one.
    pub(crate) repeated: u64,
    /// Messages that carry no stamp of the run.
    pub(crate) foreign: u64,
    /// Intended send → receive, nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(RunId::default(), u64::MAX, 0)
    }
}

impl Recorder {
    /// Expects messages of `run` at `receivers` sockets; latency counts from intended time `from`.
    pub(crate) fn new(run: RunId, from: u64, receivers: usize) -> Self {
        let latency = latency_histogram();
        let tally = Tally { received: 0, bytes: 0, repeated: 0, foreign: 0, latency };
        Self { run, from, next: vec![0; receivers], tally }
    }

    pub(crate) fn message(&mut self, receiver: usize, payload: &[u8], now: u64) {
        let Some((number, intended)) = find_stamp(payload, self.run) else {
            self.tally.foreign += 1;
            return;
        };
        if let Some(next) = self.next.get_mut(receiver) {
            if number < *next {
                self.tally.repeated += 1;
                return;
            }
            *next = number + 1;
        }
        self.tally.received += 1;
        self.tally.bytes += payload.len() as u64;
        if intended >= self.from {
            self.tally.latency.saturating_record(now.saturating_sub(intended));
        }
    }

    pub(crate) fn received(&self) -> u64 {
        self.tally.received
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(run: RunId, number: u64, intended: u64) -> Vec<u8> {
        let mut stamp = blank_stamp(run);
        fill_stamp(&mut stamp, number, intended);
        [b"{\"user_id\":\"lt-1\",\"id\":\"".as_slice(), &stamp, b"\"}"].concat()
    }

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        let payload = stamped(*b"0000002a", 1_234, 5_678_901);
        assert_eq!(find_stamp(&payload, *b"0000002a"), Some((1_234, 5_678_901)));
        assert_eq!(find_stamp(&payload, *b"0000002b"), None);
        assert_eq!(find_stamp(b"{}", *b"0000002a"), None);
    }

    #[test]
    fn latency_runs_from_the_intended_time_and_only_after_the_warm_up() {
        let mut recorder = Recorder::new(*b"00000001", 1_000, 1);
        recorder.message(0, &stamped(*b"00000001", 0, 500), 9_000_000);
        recorder.message(0, &stamped(*b"00000001", 1, 1_000), 3_001_000);
        let tally = recorder.tally();
        assert_eq!((tally.received, tally.latency.len()), (2, 1));
        assert!(tally.latency.equivalent(tally.latency.max(), 3_000_000));
    }

    #[test]
    fn doubles_and_strangers_are_no_deliveries() {
        let mut recorder = Recorder::new(*b"00000001", 0, 2);
        for (receiver, number) in [(0, 0), (1, 1), (0, 2), (0, 2), (0, 0)] {
            recorder.message(receiver, &stamped(*b"00000001", number, 0), 10);
        }
        recorder.message(0, &stamped(*b"00000002", 4, 0), 10);
        let tally = recorder.tally();
        assert_eq!((tally.received, tally.repeated, tally.foreign), (3, 2, 1));
    }
}
