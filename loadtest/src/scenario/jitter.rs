//! Clients that lose their connection and come back: what they missed has to be there, once and in
//! order, and soon.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::{Common, positive, rate, seconds};
use crate::client::Cuts;
use crate::probe::{Meter, Sample, Usage, Watch};
use crate::publish::Pace;
use crate::record::{Expectation, Reach, Tally, Times};
use crate::report::Report;
use crate::stats::{Latency, float, ratio};
use crate::target::{Needs, People, Replica, TargetArgs, To};
use crate::worker::{ComeBack, Counters};

mod summary;

/// How long arrivals may stand still at the end before the rest is given up.
const STILL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients, each of its own user
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

/// After a refusal.
const RETRY: Duration = Duration::from_millis(500);

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
    /// Of live notifications, intended publish → received.
    live: Latency,
    #[serde(skip)]
    times: (Times, Times),
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
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (measured, tally, samples) = measure(args, common, round).await?;
        faults.extend(faults_of(round, &measured, &tally));
        rounds.push(measured);
        watched.push((format!("round {}", round + 1), samples));
    }
    Ok(summary::report(args, &rounds, &watched, faults))
}

async fn measure(args: &Args, common: &Common, round: u16) -> Result<(Round, Tally, Vec<Sample>)> {
    let needs = Needs { replicas: args.replicas.into(), ..Needs::DURABLE };
    let target = args.target.start(&common.progress, needs).await?;
    let come_back = Some(ComeBack { away: RETRY, retry: RETRY });
    let people = People { come_back, ..People::users(args.clients) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    common.open(round, "server", &counters, args.clients, crowd.open(args.clients)).await?;
    let run = common.run_id();
    let reach = Reach::Each(args.clients);
    crowd.record(Expectation { run, from: common.clock.now(), reach }).await?;
    let templates = target.templates(target.lane, To::Users(args.clients), run, args.bytes)?;
    let pace = Pace::Rate(args.rate * float(args.clients as u64));
    let watch = Watch::start(target.replicas.iter().filter_map(Replica::pid), counters.clone());
    let meter = Meter::start(&target.processes(Some(&crowd)))?;
    crowd.roam(Cuts { every: args.cut_every, away: args.away }).await?;
    let publishing =
        target.publish(target.lane, templates, pace, counters.clone(), common.clock)?;
    common.wait(round, "losing connections", args.seconds).await;
    let sending = publishing.stop().await?;
    let usage = meter.stop()?;
    crowd.stay().await?;
    common.say(round, "waiting for the last");
    settle(&counters, args.clients, sending.sent, STILL).await;
    let tally = crowd.tally().await?;
    crowd.close().await?;
    let travels = &tally.travels;
    let measured = Round {
        published: sending.sent,
        received: tally.received,
        doubles: tally.doubles,
        late: tally.late,
        reconnects: travels.reconnects,
        replayed: travels.replayed,
        refusals: travels.refusals.clone(),
        replay: travels.returning.summary(),
        publisher_lag: sending.lag.summary(),
        usage,
        live: tally.latency.summary(),
        times: (travels.returning.clone(), tally.latency.clone()),
    };
    Ok((measured, tally, watch.stop()))
}

/// Waits until every client is there and has everything, or nothing has moved for `still`.
pub(super) async fn settle(counters: &Counters, clients: usize, sent: u64, still: Duration) {
    let state = || (counters.open(), counters.received());
    let mut last = (state(), tokio::time::Instant::now());
    while counters.received() < sent || counters.open() < clients {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = tokio::time::Instant::now();
        if state() != last.0 {
            last = (state(), now);
        } else if now - last.1 > still {
            return;
        }
    }
}

fn faults_of(round: u16, measured: &Round, tally: &Tally) -> Vec<String> {
    let (round, published) = (round + 1, measured.published);
    let lost = published.saturating_sub(measured.received);
    let counts = [
        (lost, "notifications never arrived"),
        (tally.doubles, "notifications came twice"),
        (tally.late, "notifications came out of order"),
        (tally.foreign, "frames were of another user, or none of this dialect"),
        (tally.travels.gaps, "greetings told of a gap"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let mut faults: Vec<String> = counts
        .map(|(count, what)| format!("round {round}: {count} {what} ({published} published)"))
        .collect();
    faults.extend(super::lost_sockets("the server", &tally.travels.ends));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(published: u64, received: u64) -> Round {
        let nothing = Times::default().summary();
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
            live: nothing,
            times: Default::default(),
            usage: Usage { seconds: 1.0, cpu_seconds: Vec::new(), machine_busy: 0.0 },
        }
    }

    #[test]
    fn what_is_missing_is_a_fault_and_a_refusal_is_none() {
        let none = Tally::default();
        let whole = round(200, 200);
        assert_eq!((whole.delivered_percent(), whole.refused()), (Some(100.0), 5));
        assert!(faults_of(0, &whole, &none).is_empty());
        let faults = faults_of(0, &round(200, 199), &Tally { doubles: 2, ..none });
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("1 notifications never arrived (200 published)"), "{faults:?}");
    }
}
