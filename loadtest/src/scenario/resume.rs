//! Clients that lose their connection and come back: what they missed has to be there, once and in
//! order, and soon.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Common, positive, run_id, seconds};
use crate::client::{Counters, Cuts, Travels};
use crate::probe::{Meter, Usage, check_descriptors};
use crate::publish::{Pace, Publisher};
use crate::report::Report;
use crate::stats::{Latency, float, ratio};
use crate::target::{Needs, TargetArgs};

mod summary;

/// How long arrivals may stand still at the end before the rest is given up.
const STILL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients of campanile.v1, each of its own user
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = positive)]
    clients: usize,
    /// Durable notifications per second to each user, evenly
    #[arg(long, value_name = "R", default_value_t = 2.0, value_parser = rate)]
    rate: f64,
    /// How long, seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    seconds: Duration,
    /// Time between two losses of one client's connection, seconds; the first comes at a random moment
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    cut_every: Duration,
    /// Time until it tries to come back, seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    away: Duration,
    /// Gateways; clients alternate between them
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "gateway", value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    #[command(flatten)]
    target: TargetArgs,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.01..=1e4).contains(rate));
    rate.ok_or_else(|| "must be a number from 0.01 to 10000 per second".to_owned())
}

#[derive(Clone, Serialize)]
struct Round {
    published: u64,
    /// Each once per client.
    received: u64,
    doubles: u64,
    late: u64,
    reconnects: u64,
    replayed: u64,
    refusals: std::collections::BTreeMap<String, u64>,
    /// First attempt to connect → last replayed notification.
    replay: Latency,
    publisher_lag: Latency,
    usage: Usage,
}

impl Round {
    fn delivered_percent(&self) -> Option<f64> {
        Some(100.0 * ratio(float(self.received), float(self.published))?)
    }

    fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    ensure!(args.away < args.cut_every, "--away must be less than --cut-every");
    check_descriptors(std::process::id(), "this tool", args.clients)?;
    let (mut rounds, mut faults) = (Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (measured, travels) = measure(args, common, round).await?;
        faults.extend(faults_of(round, &measured, &travels));
        rounds.push(measured);
    }
    Ok(summary::report(args, &rounds, faults))
}

async fn measure(args: &Args, common: &Common, round: u16) -> Result<(Round, Travels)> {
    let needs = Needs { replicas: args.replicas.into(), settings: &[] };
    let target = args.target.start_with(&common.progress, needs).await?;
    target.check_descriptors(args.clients)?;
    target.until_function().await?;
    let run = run_id(round.into());
    let cuts = Cuts { every: args.cut_every, away: args.away };
    let crowd = target.crowd(args.clients, cuts, run, common.clock)?;
    let counters = crowd.counters();
    common.open(round, "gateway", &counters, args.clients, crowd.open()).await?;
    let templates = target.durable(args.clients, run, args.bytes);
    let pace = Pace::Rate(args.rate * float(args.clients as u64));
    let meter = Meter::start(&target.processes())?;
    crowd.roam().await?;
    let publisher =
        Publisher::start(target.redis()?, templates, pace, counters.clone(), common.clock)?;
    common.wait(round, "losing connections", args.seconds).await;
    let sending = publisher.stop().await?;
    let usage = meter.stop()?;
    crowd.stay().await?;
    common.say(round, "waiting for the last");
    settle(&counters, args.clients, sending.sent).await;
    let travels = crowd.travels().await?;
    crowd.close().await?;
    let measured = Round {
        published: sending.sent,
        received: travels.received,
        doubles: travels.doubles,
        late: travels.late,
        reconnects: travels.reconnects,
        replayed: travels.replayed,
        refusals: travels.refusals.clone(),
        replay: Latency::of(&travels.replays),
        publisher_lag: Latency::of(&sending.lag),
        usage,
    };
    Ok((measured, travels))
}

/// Waits until every client is there and has everything, or nothing has moved for [`STILL`].
async fn settle(counters: &Counters, clients: usize, sent: u64) {
    let state = || (counters.open(), counters.received());
    let mut last = (state(), tokio::time::Instant::now());
    while counters.received() < sent || counters.open() < clients {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = tokio::time::Instant::now();
        if state() != last.0 {
            last = (state(), now);
        } else if now - last.1 > STILL {
            return;
        }
    }
}

fn faults_of(round: u16, measured: &Round, travels: &Travels) -> Vec<String> {
    let (round, published) = (round + 1, measured.published);
    let lost = published.saturating_sub(measured.received);
    let counts = [
        (lost, "notifications never arrived"),
        (travels.doubles, "notifications came twice"),
        (travels.late, "notifications came out of order"),
        (travels.foreign, "frames were of another user, or no frames of campanile.v1"),
        (travels.gaps, "greetings told of a gap"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let mut faults: Vec<String> = counts
        .map(|(count, what)| format!("round {round}: {count} {what} ({published} published)"))
        .collect();
    faults.extend(super::lost_sockets("the gateway", &travels.ends));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(published: u64, received: u64) -> Round {
        let nothing = Latency::of(&crate::stats::latency_histogram());
        Round {
            published,
            received,
            doubles: 0,
            late: 0,
            reconnects: 0,
            replayed: 0,
            refusals: [("503".to_owned(), 2), ("429".to_owned(), 3)].into(),
            replay: nothing,
            publisher_lag: nothing,
            usage: Usage { seconds: 1.0, cpu_seconds: Vec::new(), machine_busy: 0.0 },
        }
    }

    #[test]
    fn what_is_missing_is_a_fault_and_a_refusal_is_none() {
        let none = Travels::default();
        let whole = round(200, 200);
        assert_eq!((whole.delivered_percent(), whole.refused()), (Some(100.0), 5));
        assert!(faults_of(0, &whole, &none).is_empty());
        let faults = faults_of(0, &round(200, 199), &Travels { doubles: 2, ..none });
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("1 notifications never arrived (200 published)"), "{faults:?}");
    }
}
