//! The gateway, what one would run instead, and the floors: the same load on each in turn, round after
//! round, so that what else the machine does hits all alike.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use super::load::{Load, Part, not_kept};
use super::{Common, drain, positive, rate, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Meter, resident_bytes};
use crate::publish::{Pace, Published, Publisher, Subscriber, Template};
use crate::record::{Expectation, Reach};
use crate::report::Report;
use crate::stats::{float, ratio};
use crate::target::{Kind, Needs, People, Target, TargetArgs, To};
use crate::worker::Crowd;

mod summary;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// What to compare, the floors being there in any case
    #[arg(long, value_enum, value_delimiter = ',', default_value = "campanile,socket.io,ws")]
    servers: Vec<Kind>,
    /// Sockets for memory and connecting, one user each
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = positive)]
    connections: usize,
    /// Users, one socket each, for deliveries
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = positive)]
    users: usize,
    /// Notifications per second when latency is measured
    #[arg(long, value_name = "R", default_value_t = 2_000.0, value_parser = rate)]
    rate: f64,
    /// Notifications under way at saturation
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// Pause before memory is read, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    settle: Duration,
    /// Measured time of each part, seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    seconds: Duration,
    /// Unmeasured time before it, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    #[command(flatten)]
    target: TargetArgs,
}

/// What was measured in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Server(Kind),
    /// The gateway without capture: like the peers it keeps nothing.
    Live,
    /// Writes frames to bare TCP streams, and answers handshakes unseen.
    BareTcp,
    /// Subscribes to the channels, and hands on to nobody.
    BareRedis,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Server(kind) => kind.name(),
            Self::Live => "campanile, capture off",
            Self::BareTcp => "floor: bare TCP",
            Self::BareRedis => "floor: bare Redis subscriber",
        }
    }
}

/// What one subject showed in one round; what it has not is left out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Figures {
    /// Growth from a quarter of the sockets to all of them.
    bytes_per_connection: Option<f64>,
    connect_cpu_us: Option<f64>,
    deliveries_per_second: Option<f64>,
    cpu_us_per_delivery: Option<f64>,
    /// At the asked rate.
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

struct Bench<'a> {
    args: &'a Args,
    common: &'a Common,
    faults: Vec<String>,
    /// What the gateway with capture did at saturation.
    saturated: Vec<Part>,
    /// Bytes of a frame that the gateway wrote, for the floor to write as many.
    frame_bytes: u64,
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    args.target.must_start()?;
    let mut subjects = Vec::new();
    for kind in &args.servers {
        subjects.push(Subject::Server(*kind));
        subjects.extend((*kind == Kind::Campanile).then_some(Subject::Live));
    }
    subjects.extend([Subject::BareTcp, Subject::BareRedis]);
    let frame_bytes = args.bytes as u64;
    let mut bench = Bench { args, common, faults: Vec::new(), saturated: Vec::new(), frame_bytes };
    let mut found: Vec<Vec<Figures>> = vec![Vec::new(); subjects.len()];
    for round in 0..common.rounds {
        for turn in 0..subjects.len() {
            // Another one begins each round: none is always behind the same neighbour.
            let index = (turn + usize::from(round)) % subjects.len();
            let figures = match subjects[index] {
                subject @ (Subject::Server(_) | Subject::Live) => {
                    bench.server(round, subject).await
                }
                Subject::BareTcp => bench.tcp(round).await,
                Subject::BareRedis => bench.redis(round).await,
            };
            found[index].push(figures.with_context(|| subjects[index].name())?);
        }
    }
    let Bench { faults, saturated, .. } = bench;
    let mut report = summary::report(args, &subjects, &found, faults);
    report.notes.extend(not_kept("At saturation campanile", saturated.iter()));
    Ok(report)
}

impl Bench<'_> {
    async fn server(&mut self, round: u16, subject: Subject) -> Result<Figures> {
        let (kind, settings): (_, &[_]) = match subject {
            Subject::Server(kind) => (kind, &[]),
            _ => (Kind::Campanile, &[("CAMPANILE_CAPTURE", "false")]),
        };
        let args = self.args.target.of_kind(kind);
        let needs = Needs { settings, ..Needs::LIVE };
        let target = args.start(&self.common.progress, needs).await?;
        let pid = target.replicas[0].pid().context("a server without a process")?;
        let people = People::users(self.args.connections.max(self.args.users));
        let crowd = target.crowd(people, self.common.clock)?;
        let mut figures = self.connect(round, subject.name(), pid, &crowd).await?;
        // Saturation comes last: what it leaves to do would be in the latency.
        let paced = self.load(round, &target, &crowd, Pace::Rate(self.args.rate)).await?;
        let saturated = self.load(round, &target, &crowd, Pace::Window(self.args.window)).await?;
        if kind == Kind::Campanile {
            self.frame_bytes = saturated.message_bytes;
        }
        figures.deliveries_per_second = Some(saturated.deliveries_per_second);
        figures.cpu_us_per_delivery = saturated.cpu_us_per_delivery;
        figures.p50_us = paced.latency.map(|latency| latency.p50_us);
        figures.p99_us = paced.latency.map(|latency| latency.p99_us);
        for part in [&saturated, &paced] {
            let faults = part.faults(round).into_iter();
            self.faults.extend(faults.map(|fault| format!("{}, {fault}", subject.name())));
        }
        crowd.close().await?;
        if subject == Subject::Server(Kind::Campanile) {
            self.saturated.push(saturated);
        }
        Ok(figures)
    }

    async fn load(&self, round: u16, target: &Target, crowd: &Crowd, pace: Pace) -> Result<Part> {
        let load = Load {
            common: self.common,
            round,
            who: target.kind.name(),
            to: To::Users(self.args.users),
            pace,
            bytes: self.args.bytes,
            warm_up: self.args.warm_up,
            seconds: self.args.seconds,
            still: 0,
        };
        load.measure(target, crowd).await
    }

    /// Opens a quarter of the sockets, then all of them.
    async fn connect(&self, round: u16, who: &str, pid: u32, crowd: &Crowd) -> Result<Figures> {
        let all = self.args.connections.max(self.args.users);
        let quarter = (all / 4).max(1);
        let counters = crowd.counters();
        self.common.open(round, who, &counters, quarter, crowd.open(quarter)).await?;
        self.common.wait(round, &format!("{who}: sockets settle"), self.args.settle).await;
        let before = resident_bytes(pid)?;
        let meter = Meter::start(&[("server", Some(pid))])?;
        self.common.open(round, who, &counters, all, crowd.open(all)).await?;
        let cpu = meter.stop()?.of("server");
        self.common.wait(round, &format!("{who}: sockets settle"), self.args.settle).await;
        let more = float((all - quarter) as u64);
        Ok(Figures {
            bytes_per_connection: ratio(float(resident_bytes(pid)?) - float(before), more),
            connect_cpu_us: cpu.and_then(|cpu| ratio(cpu * 1e6, more)),
            ..Figures::default()
        })
    }

    async fn tcp(&self, round: u16) -> Result<Figures> {
        let (common, name) = (self.common, Subject::BareTcp.name());
        let all = self.args.connections.max(self.args.users);
        let answering = Floor::start(Manner::Answer, all, common.clock).await?;
        let mut figures = self.connect(round, name, answering.pid(), &answering.crowd).await?;
        answering.crowd.close().await?;
        let mut floor = Floor::start(Manner::Write, self.args.users, common.clock).await?;
        let (counters, opening) = (floor.crowd.counters(), floor.crowd.open(self.args.users));
        common.open(round, name, &counters, self.args.users, opening).await?;
        let (run, reach) = (common.run_id(), Reach::Each(self.args.users));
        floor.crowd.record(Expectation { run, from: u64::MAX, reach }).await?;
        floor.write(run, self.frame_bytes, 0.0)?;
        common.wait(round, &format!("{name}: warm-up"), self.args.warm_up).await;
        let (before, meter) =
            (counters.received(), Meter::start(&[("server", Some(floor.pid()))])?);
        common.wait(round, name, self.args.seconds).await;
        let usage = meter.stop()?;
        let frames = float(counters.received() - before);
        floor.stop().await?;
        figures.deliveries_per_second = ratio(frames, usage.seconds);
        figures.cpu_us_per_delivery = usage.of("server").and_then(|cpu| ratio(cpu * 1e6, frames));
        floor.crowd.close().await?;
        Ok(figures)
    }

    async fn redis(&self, round: u16) -> Result<Figures> {
        let Args { users, bytes, rate, warm_up, .. } = *self.args;
        let (common, name) = (self.common, Subject::BareRedis.name());
        let target = self.args.target.start_redis(&common.progress).await?;
        let redis = target.redis()?;
        let channels: Vec<String> = (0..users).map(|user| target.channel(user)).collect();
        let (run, clock) = (common.run_id(), common.clock);
        let from = common.measured_from(warm_up);
        let expected = Expectation { run, from, reach: Reach::All };
        let subscriber = Subscriber::start(redis, &channels, expected, clock).await?;
        let counters = subscriber.counters();
        let templates = channels.iter().map(|c| Template::plain(c, run, bytes)).collect();
        let publisher =
            Publisher::start(redis, templates, Pace::Rate(rate), counters.clone(), clock)?;
        common.wait(round, name, warm_up + self.args.seconds).await;
        let Published { sent, .. } = publisher.stop().await?;
        drain(&counters, sent).await;
        let latency = subscriber.stop().await?.latency.summary();
        let (p50_us, p99_us) = (Some(latency.p50_us), Some(latency.p99_us));
        Ok(Figures { p50_us, p99_us, ..Figures::default() })
    }
}
