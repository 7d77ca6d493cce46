//! The scenarios. Each takes its arguments and [`Common`], and gives a report.

pub(crate) mod durable;
pub(crate) mod idle;
pub(crate) mod resume;
pub(crate) mod unicast;

use std::time::Duration;

use crate::client::Counters;
use crate::record::{Clock, RunId};
use crate::report::Progress;

/// How long stragglers are waited for after the last publish.
const DRAIN: Duration = Duration::from_secs(5);

/// What all scenarios share.
pub(crate) struct Common {
    pub(crate) rounds: u16,
    pub(crate) clock: Clock,
    pub(crate) progress: Progress,
}

impl Common {
    pub(crate) fn new(rounds: u16) -> Self {
        Self { rounds, clock: Clock::start(), progress: Progress::new() }
    }

    /// Says what happens in which round.
    fn say(&self, round: u16, text: &str) {
        self.progress.say(&format!("round {}/{}: {text}", round + 1, self.rounds));
    }

    /// Waits for `duration` and counts it down.
    async fn wait(&self, round: u16, text: &str, duration: Duration) {
        let end = tokio::time::Instant::now() + duration;
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return;
            }
            self.say(round, &format!("{text}, {:.0} s left", left.as_secs_f64().ceil()));
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
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
                    self.say(round, &format!("{who}: {} of {until} sockets", counters.open()));
                }
            }
        }
    }
}

/// A name for one measured segment: the process and its number, so that two tools on one gateway do
/// not count each other's messages.
fn run_id(number: u32) -> RunId {
    let text = format!("{:04x}{:04x}", std::process::id() & 0xffff, number & 0xffff);
    text.as_bytes().try_into().unwrap_or_default()
}

/// What the fleet of `who` lost, as faults.
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

fn positive(text: &str) -> Result<usize, String> {
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
