//! A load that is put on open sockets for a while, and what came of it.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Common, drain};
use crate::probe::{Meter, Usage};
use crate::publish::{Pace, Published};
use crate::record::{Expectation, Reach, Spread, Tally, Times};
use crate::stats::{Latency, float, ratio};
use crate::target::{Target, To};
use crate::worker::{Counters, Crowd};

/// What is published, and for how long.
pub(super) struct Load<'a> {
    pub(super) common: &'a Common,
    pub(super) round: u16,
    /// Who is loaded, for the progress line.
    pub(super) who: &'a str,
    pub(super) to: To,
    pub(super) pace: Pace,
    pub(super) bytes: usize,
    /// Unmeasured time before the measured one.
    pub(super) warm_up: Duration,
    pub(super) seconds: Duration,
    /// Sockets that do not read.
    pub(super) still: usize,
}

/// What one load showed.
#[derive(Clone, Serialize)]
pub(super) struct Part {
    /// Messages received in the measured window.
    pub(super) deliveries: u64,
    pub(super) deliveries_per_second: f64,
    /// Of the server, or of the bare writer.
    pub(super) cpu_us_per_delivery: Option<f64>,
    pub(super) latency: Option<Latency>,
    /// How late the publisher was, by its own schedule.
    pub(super) publisher_lag: Option<Latency>,
    pub(super) usage: Usage,
    pub(super) sent: u64,
    /// Messages that all sockets should have received.
    pub(super) expected: u64,
    pub(super) received: u64,
    pub(super) repeated: u64,
    pub(super) unheard: u64,
    pub(super) refused: u64,
    /// Delivered, and not kept in the inbox: at saturation they come faster than they can be appended.
    pub(super) not_kept: u64,
    /// Mean bytes of a received message.
    pub(super) message_bytes: u64,
    #[serde(skip)]
    pub(super) times: Times,
    /// Of messages for all, after the warm-up.
    #[serde(skip)]
    pub(super) spreads: Vec<Spread>,
}

impl Load<'_> {
    /// Publishes to the sockets of the crowd, and waits until everything has arrived.
    pub(super) async fn measure(&self, target: &Target, crowd: &Crowd) -> Result<Part> {
        let (run, clock) = (self.common.run_id(), self.common.clock);
        let counters = crowd.counters();
        let (reach, each) = match self.to {
            // One user's messages are for all of the sockets.
            To::Users(1) | To::All => (Reach::All, counters.open().saturating_sub(self.still)),
            To::Users(users) => (Reach::Each(users), 1),
        };
        let lost_before = target.not_kept().await;
        let from = self.common.measured_from(self.warm_up);
        crowd.record(Expectation { run, from, reach }).await?;
        let templates = target.templates(target.lane, self.to, run, self.bytes)?;
        let publishing =
            target.publish(target.lane, templates, self.pace, counters.clone(), clock)?;
        let window = self.window(target.processes(Some(crowd)), &counters).await?;
        let sending = publishing.stop().await?;
        let expected = sending.sent * each as u64;
        drain(&counters, expected).await;
        let mut part = window.part(crowd.tally().await?, &sending);
        part.expected = expected;
        part.not_kept = target.not_kept().await.saturating_sub(lost_before);
        self.forget_warm_up(&mut part);
        Ok(part)
    }

    /// Leaves the messages of the measured time.
    pub(super) fn forget_warm_up(&self, part: &mut Part) {
        if let Pace::Rate(rate) = self.pace {
            let warm_up = crate::stats::whole(rate * self.warm_up.as_secs_f64());
            let warm_up = usize::try_from(warm_up).unwrap_or_default().min(part.spreads.len());
            part.spreads.drain(..warm_up);
        }
    }

    /// Waits for the warm-up, then meters the measured time.
    pub(super) async fn window(
        &self,
        processes: Vec<(&'static str, Option<u32>)>,
        counters: &Counters,
    ) -> Result<Window> {
        let who = self.who;
        self.common.wait(self.round, &format!("{who}: warm-up"), self.warm_up).await;
        let before = counters.received();
        let meter = Meter::start(&processes)?;
        self.common.wait(self.round, who, self.seconds).await;
        let usage = meter.stop()?;
        Ok(Window { deliveries: counters.received() - before, usage })
    }
}

/// The measured time of one part.
pub(super) struct Window {
    deliveries: u64,
    usage: Usage,
}

impl Window {
    /// One receiver for each message.
    pub(super) fn part(self, tally: Tally, sending: &Published) -> Part {
        let Self { deliveries, usage } = self;
        let cpu = usage.of("server").and_then(|cpu| ratio(cpu * 1e6, float(deliveries)));
        Part {
            deliveries,
            deliveries_per_second: float(deliveries) / usage.seconds,
            cpu_us_per_delivery: cpu,
            latency: Some(tally.latency.summary()),
            publisher_lag: Some(sending.lag.summary()),
            usage,
            sent: sending.sent,
            expected: sending.sent,
            received: tally.received,
            repeated: tally.doubles + tally.late,
            unheard: sending.unheard,
            refused: sending.refusals.values().sum(),
            not_kept: 0,
            message_bytes: tally.bytes.checked_div(tally.received).unwrap_or_default(),
            times: tally.latency,
            spreads: tally.spreads,
        }
    }
}

impl Part {
    /// What went wrong.
    pub(super) fn faults(&self, round: u16) -> Vec<String> {
        let counts = [
            (self.expected.saturating_sub(self.received), "deliveries are missing"),
            (self.repeated, "notifications came twice or out of order"),
            (self.unheard, "notifications found no subscriber in Redis"),
            (self.refused, "publishing requests were refused"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let of = self.expected;
        counts
            .map(|(count, what)| format!("round {}: {count} {what} (of {of})", round + 1))
            .collect()
    }
}

/// What was delivered and not kept in all rounds, in words; nothing if all was, or nothing is.
pub(super) fn not_kept<'a>(who: &str, parts: impl Iterator<Item = &'a Part>) -> Option<String> {
    let (lost, sent) =
        parts.fold((0, 0), |(lost, sent), part| (lost + part.not_kept, sent + part.sent));
    (lost > 0).then(|| {
        format!(
            "{who} delivered all of {sent} plain notifications and kept {} of them: the rest came faster than it could be appended.",
            sent.saturating_sub(lost)
        )
    })
}

/// All rounds' latencies as one distribution.
pub(super) fn merged<'a>(parts: impl Iterator<Item = &'a Part>) -> Times {
    let mut all = Times::default();
    parts.for_each(|part| all.merge(&part.times));
    all
}
