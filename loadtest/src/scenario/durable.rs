//! Durable publishes: how many per second, what each costs Redis, and bytes per entry.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Common, drain, lost_sockets, positive, seconds};
use crate::probe::{Meter, Usage};
use crate::publish::{Console, Pace, Publisher, RedisUsage};
use crate::record::{Expectation, Reach, RunId};
use crate::report::Report;
use crate::stats::{float, ratio};
use crate::target::{Kind, Lane, Needs, People, Target, TargetArgs, To};
use crate::worker::{Counters, Crowd};

mod summary;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Users, published to one after the other
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    users: usize,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    /// Entries per user at which memory is read; the last is what the logs hold when publishes are
    /// measured, at most `CAMPANILE_INBOX_SIZE`
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "20,200", value_parser = positive)]
    entries: Vec<usize>,
    /// Publishes under way to Redis (with --connected: not yet received)
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// Connections that publish over HTTP, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = positive)]
    posters: usize,
    /// Notifications in one request
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    batch: usize,
    /// Measured time of each part of a round, seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// Unmeasured time before it, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Open a socket for each user: delivery is measured with it
    #[arg(long)]
    connected: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// One way of publishing in one round.
#[derive(Clone, Serialize)]
struct Part {
    publishes: u64,
    publishes_per_second: f64,
    redis_us_per_publish: Option<f64>,
    gateway_us_per_publish: Option<f64>,
    usage: Usage,
}

/// What an entry takes beside its payload, on average, when every user has `entries`.
#[derive(Clone, Copy, Serialize)]
struct Memory {
    entries: usize,
    bytes_per_entry: f64,
}

#[derive(Clone, Serialize)]
struct Round {
    /// Nothing when Redis was there before: it holds what others left.
    memory: Vec<Memory>,
    plain: Part,
    function: Part,
    http: Option<Part>,
}

struct Bench<'a> {
    args: &'a Args,
    common: &'a Common,
    round: u16,
    target: Target,
    console: Console,
    crowd: Option<Crowd>,
    faults: Vec<String>,
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    ensure!(args.target.kind() == Kind::Campanile, "only the gateway keeps what is published");
    let (mut rounds, mut faults) = (Vec::new(), Vec::new());
    for round in 0..common.rounds {
        // What the plain publishes of the floor cost must not include keeping them.
        let needs = Needs { settings: &[("CAMPANILE_CAPTURE", "false")], ..Needs::LIVE };
        // A fresh Redis each round: the logs have to grow from nothing.
        let target = args.target.start(&common.progress, needs).await?;
        target.until_function().await?;
        let console = Console::open(target.redis()?)?;
        let mut bench =
            Bench { args, common, round, target, console, crowd: None, faults: Vec::new() };
        rounds.push(bench.round().await?);
        faults.append(&mut bench.faults);
    }
    Ok(summary::report(args, &rounds, faults))
}

impl Bench<'_> {
    async fn round(&mut self) -> Result<Round> {
        let memory = self.fill()?;
        if self.args.connected {
            let users = self.args.users;
            let crowd = self.target.crowd(People::users(users), self.common.clock)?;
            let (counters, opening) = (crowd.counters(), crowd.open(users));
            self.common.open(self.round, "gateway", &counters, users, opening).await?;
            self.crowd = Some(crowd);
        }
        let plain = self.redis("plain PUBLISH", Lane::Publish).await?;
        let function = self.redis("the function", Lane::Fcall).await?;
        let http = self.http().await?;
        if let Some(crowd) = self.crowd.take() {
            self.faults.extend(lost_sockets("the gateway", &crowd.tally().await?.travels.ends));
            crowd.close().await?;
        }
        Ok(Round { memory, plain, function, http })
    }

    /// Fills every log; what memory grew by is known only of a Redis that nobody else uses.
    fn fill(&mut self) -> Result<Vec<Memory>> {
        let Args { users, bytes, .. } = *self.args;
        let run = self.common.run_id();
        let templates = self.target.templates(Lane::Fcall, To::Users(users), run, bytes)?;
        let mut steps = self.args.entries.clone();
        steps.sort_unstable();
        let empty = self.console.usage()?;
        let (mut filled, mut memory) = (0, Vec::new());
        for entries in steps {
            self.common.say(self.round, &format!("filling logs: {entries} entries per user"));
            let until = (users * entries) as u64;
            self.console.fill(&templates, filled, until)?;
            filled = until;
            let payload = crate::publish::notification(run, bytes).len() as u64;
            let usage = self.console.usage()?;
            if self.target.redis_pid().is_some() {
                let bytes_per_entry = beside_payload(empty, usage, until, payload);
                memory.push(Memory { entries, bytes_per_entry });
            }
        }
        Ok(memory)
    }

    /// Pipelined commands on one connection.
    async fn redis(&mut self, who: &str, lane: Lane) -> Result<Part> {
        let Args { users, bytes, window, .. } = *self.args;
        let run = self.common.run_id();
        let templates = self.target.templates(lane, To::Users(users), run, bytes)?;
        let receivers = self.record(run).await?;
        let (pace, counters) = match &receivers {
            Some(counters) => (Pace::Window(window), counters.clone()),
            None => (Pace::Pipeline(window), std::sync::Arc::default()),
        };
        let redis = self.target.redis()?;
        let publisher = Publisher::start(redis, templates, pace, counters, self.common.clock)?;
        let part = self.window(who, || publisher.answered()).await;
        // Its own error, if it has one, says more.
        let sent = publisher.stop().await?.sent;
        self.received(who, sent).await?;
        part
    }

    /// Arrays over HTTP; `None` without a key.
    async fn http(&mut self) -> Result<Option<Part>> {
        let Args { users, bytes, posters, batch, .. } = *self.args;
        if !self.target.has_key() {
            return Ok(None);
        }
        let run = self.common.run_id();
        self.record(run).await?;
        let elements = self.target.templates(Lane::Http, To::Users(users), run, bytes)?;
        // Each connection has a whole array under way.
        let pace = Pace::Pipeline((posters * batch) as u64);
        let (shape, clock) = ((posters, batch), self.common.clock);
        let poster = self.target.post(elements, shape, pace, std::sync::Arc::default(), clock)?;
        let who = "HTTP";
        let part = self.window(who, || poster.accepted()).await;
        let outcome = poster.stop().await?;
        let round = self.round + 1;
        let refusals = outcome.refusals.iter();
        let faults = refusals.map(|(why, count)| {
            format!("round {round}, {who}: {count} requests were answered with {why}")
        });
        self.faults.extend(faults);
        self.received(who, outcome.sent).await?;
        part.map(Some)
    }

    /// Starts counting what sockets receive, if there are any.
    async fn record(&self, run: RunId) -> Result<Option<std::sync::Arc<Counters>>> {
        let Some(crowd) = &self.crowd else { return Ok(None) };
        let reach = Reach::Each(self.args.users);
        crowd.record(Expectation { run, from: u64::MAX, reach }).await?;
        Ok(Some(crowd.counters()))
    }

    /// Checks that sockets received everything, if there are any.
    async fn received(&mut self, who: &str, sent: u64) -> Result<()> {
        let Some(crowd) = &self.crowd else { return Ok(()) };
        drain(&crowd.counters(), sent).await;
        let tally = crowd.tally().await?;
        for (count, what) in [
            (sent.saturating_sub(tally.received), "never arrived"),
            (tally.doubles + tally.late, "came twice or out of order"),
        ] {
            if count > 0 {
                let round = self.round + 1;
                let fault = format!("round {round}, {who}: {count} of {sent} notifications {what}");
                self.faults.push(fault);
            }
        }
        Ok(())
    }

    /// Waits for the warm-up, then meters the measured time.
    async fn window(&mut self, who: &str, count: impl Fn() -> u64) -> Result<Part> {
        self.common.wait(self.round, &format!("{who}: warm-up"), self.args.warm_up).await;
        let (redis, before) = (self.console.usage()?, count());
        let meter = Meter::start(&self.target.processes(self.crowd.as_ref()))?;
        self.common.wait(self.round, who, self.args.seconds).await;
        let usage = meter.stop()?;
        let (after, publishes) = (self.console.usage()?, count() - before);
        ensure!(publishes > 0, "nothing was published ({who}): is there a gateway on this Redis?");
        let each = |seconds: f64| ratio(seconds * 1e6, float(publishes));
        Ok(Part {
            publishes,
            publishes_per_second: float(publishes) / usage.seconds,
            redis_us_per_publish: each(after.cpu_seconds - redis.cpu_seconds),
            gateway_us_per_publish: usage.of("server").and_then(each),
            usage,
        })
    }
}

/// Bytes that each of so many entries takes on average, its payload apart.
fn beside_payload(empty: RedisUsage, filled: RedisUsage, entries: u64, payload: u64) -> f64 {
    let grown = float(filled.used_memory) - float(empty.used_memory);
    grown / float(entries) - float(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_what_memory_grew_by_without_the_payload() {
        let used = |used_memory| RedisUsage { cpu_seconds: 0.0, used_memory };
        let bytes = beside_payload(used(1_000_000), used(6_000_000), 10_000, 300);
        assert!((bytes - 200.0).abs() < 1e-9, "{bytes}");
    }
}
