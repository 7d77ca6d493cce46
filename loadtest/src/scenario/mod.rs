//! The scenarios. Each takes its arguments and [`Common`], and gives a report.

pub(crate) mod compare;
pub(crate) mod durable;
pub(crate) mod idle;
pub(crate) mod jitter;
mod load;
pub(crate) mod rates;
pub(crate) mod redis_loss;
pub(crate) mod restart;
pub(crate) mod slow;
pub(crate) mod spread;
pub(crate) mod storm;
pub(crate) mod unicast;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::record::{Clock, RunId};
use crate::report::Progress;
use crate::stats::float;
use crate::worker::Counters;

/// How long stragglers are waited for after the last publish.
const DRAIN: Duration = Duration::from_secs(5);

/// What all scenarios share.
pub(crate) struct Common {
    pub(crate) rounds: u16,
    pub(crate) clock: Clock,
    pub(crate) progress: Progress,
    segments: AtomicU32,
}

impl Common {
    pub(crate) fn new(rounds: u16) -> Self {
        let (clock, progress) = (Clock::start(), Progress::new());
        Self { rounds, clock, progress, segments: AtomicU32::new(1) }
    }

    /// Says what happens in which round.
    fn say(&self, round: u16, text: &str) {
        self.progress.say(&self.in_round(round, text));
    }

    fn in_round(&self, round: u16, text: &str) -> String {
        format!("round {}/{}: {text}", round + 1, self.rounds)
    }

    /// Latency counts for messages meant to be sent from now plus the warm-up on.
    fn measured_from(&self, warm_up: Duration) -> u64 {
        let warm_up = u64::try_from(warm_up.as_nanos()).unwrap_or(u64::MAX);
        self.clock.now().saturating_add(warm_up)
    }

    /// A name for one measured segment, so that two tools on one gateway do not count each other's
    /// messages.
    fn run_id(&self) -> RunId {
        let number = self.segments.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:04x}{:04x}", std::process::id() & 0xffff, number & 0xffff);
        text.as_bytes().try_into().unwrap_or_default()
    }

    /// Waits for `duration` and counts it down.
    async fn wait(&self, round: u16, text: &str, duration: Duration) {
        let end = tokio::time::Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return;
            }
            let (whole, left_seconds) = (duration.as_secs_f64(), left.as_secs_f64());
            let text = self.in_round(round, &format!("{text}, {:.0} s left", left_seconds.ceil()));
            self.progress.bar(whole - left_seconds, whole, &text);
            tokio::time::sleep(left.min(Duration::from_millis(250))).await;
        }
    }

    /// Waits until sockets are open, showing how far of `until` it is.
    async fn open(
        &self,
        round: u16,
        who: &str,
        counters: &Counters,
        until: usize,
        opening: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        tokio::pin!(opening);
        loop {
            tokio::select! {
                done = &mut opening => return done,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    let open = counters.open();
                    let text = self.in_round(round, &format!("{who}: {open} of {until} sockets"));
                    self.progress.bar(float(open as u64), float(until as u64), &text);
                }
            }
        }
    }
}

/// Sockets that `who` ended, as faults.
fn lost_sockets(who: &str, ends: &std::collections::BTreeMap<String, u64>) -> Vec<String> {
    ends.iter().map(|(reason, count)| format!("{who} ended {count} sockets ({reason})")).collect()
}

/// Waits until everything sent has arrived, or for [`DRAIN`].
async fn drain(counters: &Counters, sent: u64) {
    let end = tokio::time::Instant::now() + DRAIN;
    while counters.received() < sent && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "must be a number above 0".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if number > 0.0 && number <= 86_400.0 {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("must be more than 0 and at most 86400 seconds".to_owned())
    }
}

/// A rate per second.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1e7).contains(rate));
    rate.ok_or_else(|| "must be a number from 0.01 to 10000000 per second".to_owned())
}
