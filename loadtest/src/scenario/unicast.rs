//! Notifications to single users: CPU of the gateway per delivery, and latency.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::load::{Load, Part};
use super::{Common, drain, lost_sockets, positive, rate, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Sample, Watch};
use crate::publish::{Pace, Publisher, Subscriber, Template};
use crate::record::{Expectation, Reach};
use crate::report::Report;
use crate::target::{Needs, People, Replica, Target, TargetArgs, To};
use crate::worker::Crowd;

mod summary;

#[derive(Clone, Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("pace").required(true).args(["rate", "saturate"])))]
pub(crate) struct Args {
    /// Users, one socket each
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    users: usize,
    /// Notifications per second, all users together, on a schedule that waits for nobody
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// As fast as the sockets receive them, with --window under way
    #[arg(long)]
    saturate: bool,
    /// Notifications under way with --saturate
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// Measured time of each part of a round, seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// Unmeasured time before it, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    /// Leave out the floors
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    target: TargetArgs,
}

impl Args {
    fn pace(&self) -> Pace {
        self.rate.map_or(Pace::Window(self.window), Pace::Rate)
    }
}

#[derive(Clone, Serialize)]
struct Round {
    gateway: Part,
    redis: Option<Part>,
    tcp: Option<Part>,
}

struct Bench<'a> {
    args: &'a Args,
    common: &'a Common,
    target: Target,
    crowd: Crowd,
    floor: Option<Floor>,
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    let target = args.target.start(&common.progress, Needs::LIVE).await?;
    target.redis()?;
    let crowd = target.crowd(People::users(args.users), common.clock)?;
    common.open(0, "server", &crowd.counters(), args.users, crowd.open(args.users)).await?;
    let floor = if args.no_floor {
        None
    } else {
        let floor = Floor::start(Manner::Write, args.users, common.clock).await?;
        let (counters, opening) = (floor.crowd.counters(), floor.crowd.open(args.users));
        common.open(0, "floor", &counters, args.users, opening).await?;
        Some(floor)
    };
    let mut bench = Bench { args, common, target, crowd, floor };
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (gateway, samples) = bench.gateway(round).await?;
        ensure!(
            gateway.received > 0,
            "no notification arrived: does the server use this Redis and --channel?"
        );
        faults.extend(gateway.faults(round));
        watched.push((format!("round {}", round + 1), samples));
        let (mut redis, mut tcp) = (None, None);
        if bench.floor.is_some() {
            redis = Some(bench.redis(round).await?);
            tcp = bench.tcp(round, gateway.message_bytes).await?;
        }
        rounds.push(Round { gateway, redis, tcp });
    }
    faults.extend(lost_sockets("the server", &bench.crowd.tally().await?.travels.ends));
    Ok(summary::report(args, &rounds, &watched, faults))
}

impl Bench<'_> {
    fn load<'a>(&'a self, round: u16, who: &'a str) -> Load<'a> {
        Load {
            common: self.common,
            round,
            who,
            to: To::Users(self.args.users),
            pace: self.args.pace(),
            bytes: self.args.bytes,
            warm_up: self.args.warm_up,
            seconds: self.args.seconds,
            still: 0,
        }
    }

    async fn gateway(&self, round: u16) -> Result<(Part, Vec<Sample>)> {
        let pids = self.target.replicas.iter().filter_map(Replica::pid);
        let watch = Watch::start(pids, self.crowd.counters());
        let part = self.load(round, "server").measure(&self.target, &self.crowd).await?;
        Ok((part, watch.stop()))
    }

    /// The latency floor: the same load on channels that only one raw connection subscribes to, so
    /// that the gateway's work is not in it.
    async fn redis(&self, round: u16) -> Result<Part> {
        let Args { users, bytes, warm_up, .. } = *self.args;
        let (run, clock) = (self.common.run_id(), self.common.clock);
        let redis = self.target.redis()?;
        let channels: Vec<String> =
            (0..users).map(|user| format!("floor:{}", self.target.channel(user))).collect();
        // Subscribing takes some of the warm-up: 1,000 channels need 2 ms.
        let from = self.common.measured_from(warm_up);
        let expected = Expectation { run, from, reach: Reach::All };
        let subscriber = Subscriber::start(redis, &channels, expected, clock).await?;
        let counters = subscriber.counters();
        let templates = channels.iter().map(|c| Template::plain(c, run, bytes)).collect();
        let publisher =
            Publisher::start(redis, templates, self.args.pace(), counters.clone(), clock)?;
        let who = "bare Redis subscriber";
        let processes = self.target.processes(None);
        let processes = processes.into_iter().filter(|(name, _)| *name != "server").collect();
        let window = self.load(round, who).window(processes, &counters).await?;
        let sending = publisher.stop().await?;
        drain(&counters, sending.sent).await;
        Ok(window.part(subscriber.stop().await?, &sending))
    }

    /// The CPU floor: the same frames at the same pace, written to bare TCP streams.
    async fn tcp(&mut self, round: u16, bytes: u64) -> Result<Option<Part>> {
        let Some(mut floor) = self.floor.take() else { return Ok(None) };
        // The writer's frames carry no send time.
        let (run, reach) = (self.common.run_id(), Reach::Each(self.args.users));
        floor.crowd.record(Expectation { run, from: u64::MAX, reach }).await?;
        let counters = floor.crowd.counters();
        floor.write(run, bytes, self.args.rate.unwrap_or(0.0))?;
        let own = std::iter::once(std::process::id()).chain(floor.crowd.pids());
        let own = own.map(|pid| ("this tool", Some(pid)));
        let processes = std::iter::once(("server", Some(floor.pid()))).chain(own).collect();
        let window = self.load(round, "bare TCP writer").window(processes, &counters).await?;
        let written = floor.stop().await?;
        drain(&counters, written).await;
        let sent = crate::publish::Published { sent: written, ..Default::default() };
        let mut part = window.part(floor.crowd.tally().await?, &sent);
        (part.latency, part.publisher_lag) = (None, None);
        self.floor = Some(floor);
        Ok(Some(part))
    }
}
