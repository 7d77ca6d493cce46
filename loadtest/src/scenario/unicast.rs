//! Notifications to single users: CPU of the gateway per delivery, and latency.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Common, drain, lost_sockets, positive, run_id, seconds};
use crate::client::{Counters, Fleet};
use crate::floor::Floor;
use crate::probe::{Meter, Usage, check_descriptors};
use crate::publish::{Pace, Publisher, Subscriber, Template};
use crate::record::{RunId, Tally};
use crate::report::Report;
use crate::stats::{Latency, float, ratio};
use crate::target::{Target, TargetArgs};

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

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.1..=1e7).contains(rate));
    rate.ok_or_else(|| "must be a number from 0.1 to 10000000 per second".to_owned())
}

/// One part of a round: the gateway, or one of the floors.
#[derive(Clone, Serialize)]
struct Part {
    /// Messages received in the measured window.
    deliveries: u64,
    deliveries_per_second: f64,
    /// Of the gateway, or of the bare writer.
    cpu_us_per_delivery: Option<f64>,
    latency: Option<Latency>,
    /// How late the publisher was, by its own schedule.
    publisher_lag: Option<Latency>,
    usage: Usage,
    sent: u64,
    received: u64,
    /// Mean bytes of a received message.
    message_bytes: u64,
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
    fleet: Fleet,
    floor: Option<Floor>,
    segments: u32,
    faults: Vec<String>,
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    let floors = if args.no_floor { 1 } else { 2 };
    check_descriptors(std::process::id(), "this tool", args.users * floors)?;
    let target = args.target.start(&common.progress).await?;
    target.redis()?;
    target.check_descriptors(args.users)?;
    let fleet = target.fleet(args.users, common.clock)?;
    common.open(0, "gateway", &fleet.counters(), args.users, fleet.open(args.users)).await?;
    let floor = if args.no_floor {
        None
    } else {
        let floor = Floor::start(args.users, common.clock).await?;
        let (counters, opening) = (floor.fleet.counters(), floor.fleet.open(args.users));
        common.open(0, "floor", &counters, args.users, opening).await?;
        Some(floor)
    };
    let mut bench = Bench { args, common, target, fleet, floor, segments: 0, faults: Vec::new() };
    let mut rounds = Vec::new();
    for round in 0..common.rounds {
        let gateway = bench.gateway(round).await?;
        ensure!(
            gateway.received > 0,
            "no notification arrived: does the gateway use this Redis and --channel?"
        );
        let (mut redis, mut tcp) = (None, None);
        if bench.floor.is_some() {
            redis = Some(bench.redis(round).await?);
            tcp = bench.tcp(round, gateway.message_bytes).await?;
        }
        rounds.push(Round { gateway, redis, tcp });
    }
    let ends = bench.fleet.tally().await?.1;
    bench.faults.extend(lost_sockets("the gateway", &ends));
    Ok(summary::report(args, &rounds, bench.faults))
}

impl Bench<'_> {
    fn next_run(&mut self) -> RunId {
        self.segments += 1;
        run_id(self.segments)
    }

    /// Latency counts for messages meant to be sent from now plus the warm-up on.
    fn measured_from(&self) -> u64 {
        let warm_up = u64::try_from(self.args.warm_up.as_nanos()).unwrap_or(u64::MAX);
        self.common.clock.now().saturating_add(warm_up)
    }

    async fn gateway(&mut self, round: u16) -> Result<Part> {
        let run = self.next_run();
        self.fleet.record(run, self.measured_from()).await?;
        let channels = (0..self.args.users).map(|user| self.target.channel(user));
        let templates = channels.map(|c| Template::plain(&c, run, self.args.bytes)).collect();
        let counters = self.fleet.counters();
        let publisher = self.publish(templates, &counters)?;
        let window = self.window(round, "gateway", self.target.gateway.pid, &counters).await?;
        let sending = publisher.stop().await?;
        drain(&counters, sending.sent).await;
        let tally = self.fleet.tally().await?.0;
        let lost = sending.sent.saturating_sub(tally.received);
        for (count, what) in [
            (lost, "notifications never arrived"),
            (tally.repeated, "notifications came twice or out of order"),
            (sending.unheard, "notifications found no subscriber in Redis"),
        ] {
            if count > 0 {
                let sent = sending.sent;
                self.faults.push(format!("round {}: {count} of {sent} {what}", round + 1));
            }
        }
        let mut part = window.part(&tally, sending.sent);
        part.publisher_lag = Some(Latency::of(&sending.lag));
        Ok(part)
    }

    /// The latency floor: the same load on channels that only one raw connection subscribes to, so
    /// that the gateway's work is not in it.
    async fn redis(&mut self, round: u16) -> Result<Part> {
        let run = self.next_run();
        let redis = self.target.redis()?;
        let channels: Vec<String> = (0..self.args.users)
            .map(|user| format!("floor:{}", self.target.channel(user)))
            .collect();
        // Subscribing takes some of the warm-up: 1,000 channels need 2 ms.
        let from = self.measured_from();
        let subscriber = Subscriber::start(redis, &channels, run, from, self.common.clock).await?;
        let counters = subscriber.counters();
        let templates = channels.iter().map(|c| Template::plain(c, run, self.args.bytes)).collect();
        let publisher = self.publish(templates, &counters)?;
        let window = self.window(round, "bare Redis subscriber", None, &counters).await?;
        let sending = publisher.stop().await?;
        drain(&counters, sending.sent).await;
        let mut part = window.part(&subscriber.stop().await?, sending.sent);
        part.publisher_lag = Some(Latency::of(&sending.lag));
        Ok(part)
    }

    /// The CPU floor: the same frames at the same pace, written to bare TCP streams.
    async fn tcp(&mut self, round: u16, bytes: u64) -> Result<Option<Part>> {
        let run = self.next_run();
        let Some(mut floor) = self.floor.take() else { return Ok(None) };
        // The writer's frames carry no send time.
        floor.fleet.record(run, u64::MAX).await?;
        let counters = floor.fleet.counters();
        floor.write(run, bytes, self.args.rate.unwrap_or(0.0))?;
        let window = self.window(round, "bare TCP writer", Some(floor.pid()), &counters).await?;
        let written = floor.stop().await?;
        drain(&counters, written).await;
        let mut part = window.part(&floor.fleet.tally().await?.0, written);
        part.latency = None;
        self.floor = Some(floor);
        Ok(Some(part))
    }

    fn publish(
        &self,
        templates: Vec<Template>,
        receivers: &std::sync::Arc<Counters>,
    ) -> Result<Publisher> {
        let (redis, pace) = (self.target.redis()?, self.args.pace());
        Publisher::start(redis, templates, pace, receivers.clone(), self.common.clock)
    }

    /// Waits for the warm-up, then meters the measured time.
    async fn window(
        &self,
        round: u16,
        who: &str,
        server: Option<u32>,
        counters: &Counters,
    ) -> Result<Window> {
        self.common.wait(round, &format!("{who}: warm-up"), self.args.warm_up).await;
        let before = counters.received();
        let meter = Meter::start(&[
            ("server", server),
            ("redis-server", self.target.redis_pid),
            ("this tool", Some(std::process::id())),
        ])?;
        self.common.wait(round, who, self.args.seconds).await;
        let usage = meter.stop()?;
        Ok(Window { deliveries: counters.received() - before, usage })
    }
}

/// The measured time of one part.
struct Window {
    deliveries: u64,
    usage: Usage,
}

impl Window {
    fn part(self, tally: &Tally, sent: u64) -> Part {
        let Self { deliveries, usage } = self;
        let cpu = usage.of("server").and_then(|cpu| ratio(cpu * 1e6, float(deliveries)));
        Part {
            deliveries,
            deliveries_per_second: float(deliveries) / usage.seconds,
            cpu_us_per_delivery: cpu,
            latency: Some(Latency::of(&tally.latency)),
            publisher_lag: None,
            usage,
            sent,
            received: tally.received,
            message_bytes: tally.bytes.checked_div(tally.received).unwrap_or_default(),
        }
    }
}
