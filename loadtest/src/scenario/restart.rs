//! A rolling restart: one replica after the other is asked to end and started again, while everyone is
//! published to. What is missing, and for how long were clients away?

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::jitter::settle;
use super::{Common, positive, rate, seconds};
use crate::probe::{Sample, Watch, plots};
use crate::publish::Pace;
use crate::record::{Expectation, Reach, Times};
use crate::report::{Plot, Report, Table, number};
use crate::stats::{Latency, float};
use crate::target::{Needs, People, Replica, TargetArgs, To};
use crate::worker::ComeBack;

const RETRY: Duration = Duration::from_millis(500);
/// How long arrivals may stand still at the end before the rest is given up.
const STILL: Duration = Duration::from_secs(10);
/// Beyond delay and window, until a replica has ended.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Gateways, restarted one after the other
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=8))]
    replicas: u8,
    /// Clients, each of its own user
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    clients: usize,
    /// Notifications per second, all users together
    #[arg(long, value_name = "R", default_value_t = 500.0, value_parser = rate)]
    rate: f64,
    /// Time before the first restart and after each, seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pause: Duration,
    /// `CAMPANILE_DRAIN_DELAY` of the gateways, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    drain_delay: Duration,
    /// `CAMPANILE_DRAIN_WINDOW` of the gateways, seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    drain_window: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Serialize)]
struct Round {
    published: u64,
    received: u64,
    doubles: u64,
    late: u64,
    reconnects: u64,
    /// First attempt to connect → last replayed notification.
    returning: Latency,
    live: Latency,
    ends: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    #[serde(skip)]
    times: (Times, Times),
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    args.target.must_start()?;
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let (measured, found, samples) = measure(args, common, round).await?;
        rounds.push(measured);
        faults.extend(found);
        watched.push((format!("round {}", round + 1), samples));
    }
    Ok(report(args, &rounds, &watched, faults))
}

async fn measure(
    args: &Args,
    common: &Common,
    round: u16,
) -> Result<(Round, Vec<String>, Vec<Sample>)> {
    let [delay, window] =
        [args.drain_delay, args.drain_window].map(|d| format!("{}ms", d.as_millis()));
    let settings = [("CAMPANILE_DRAIN_DELAY", &*delay), ("CAMPANILE_DRAIN_WINDOW", &*window)];
    let needs = Needs { replicas: args.replicas.into(), settings: &settings, ..Needs::DURABLE };
    let mut target = args.target.start(&common.progress, needs).await?;
    let come_back = Some(ComeBack { away: RETRY, retry: RETRY });
    let people = People { come_back, ..People::users(args.clients) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    common.open(round, "server", &counters, args.clients, crowd.open(args.clients)).await?;
    let (run, reach) = (common.run_id(), Reach::Each(args.clients));
    crowd.record(Expectation { run, from: common.clock.now(), reach }).await?;
    let templates = target.templates(target.lane, To::Users(args.clients), run, args.bytes)?;
    let pace = Pace::Rate(args.rate);
    let publishing =
        target.publish(target.lane, templates, pace, counters.clone(), common.clock)?;
    let pids: Vec<u32> = target.replicas.iter().filter_map(Replica::pid).collect();
    let watch = Watch::start(pids, counters.clone());
    common.wait(round, "before the first restart", args.pause).await;
    for index in 0..target.replicas.len() {
        common.say(round, &format!("restarting replica {} of {}", index + 1, args.replicas));
        let service = target.replicas[index].service()?;
        service.end(args.drain_delay + args.drain_window + PATIENCE).await?;
        service.again().await?;
        watch.follow(target.replicas.iter().filter_map(Replica::pid).collect::<Vec<_>>());
        common.wait(round, &format!("replica {} is back", index + 1), args.pause).await;
    }
    let sending = publishing.stop().await?;
    settle(&counters, args.clients, sending.sent, STILL).await;
    let tally = crowd.tally().await?;
    crowd.close().await?;
    let travels = tally.travels;
    let lost = sending.sent.saturating_sub(tally.received);
    let rough =
        travels.ends.iter().filter(|(why, _)| *why != "close code 1012").map(|(_, n)| n).sum();
    let counts = [
        (lost, "notifications never arrived"),
        (tally.doubles, "notifications came twice"),
        (tally.late, "notifications came out of order"),
        (travels.gaps, "greetings told of a gap"),
        (rough, "sockets ended otherwise than with 1012"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let sent = sending.sent;
    let faults = counts
        .map(|(count, what)| format!("round {}: {count} {what} ({sent} published)", round + 1))
        .collect();
    let measured = Round {
        published: sending.sent,
        received: tally.received,
        doubles: tally.doubles,
        late: tally.late,
        reconnects: travels.reconnects,
        returning: travels.returning.summary(),
        live: tally.latency.summary(),
        ends: travels.ends,
        refusals: travels.refusals,
        times: (travels.returning, tally.latency),
    };
    Ok((measured, faults, watch.stop()))
}

fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let columns = [
        "round",
        "published",
        "received",
        "twice",
        "late",
        "reconnects",
        "back p50 ms",
        "p99",
        "max",
    ];
    let mut table = Table::new("A rolling restart", &columns);
    let (mut returning, mut live) = (Times::default(), Times::default());
    for (index, round) in rounds.iter().enumerate() {
        let counts = [round.published, round.received, round.doubles, round.late, round.reconnects];
        let Latency { p50_us, p99_us, max_us, .. } = round.returning;
        let times = [p50_us, p99_us, max_us].map(|us| number(us / 1e3));
        let counts = counts.into_iter().map(|count| count.to_string());
        table.row(std::iter::once((index + 1).to_string()).chain(counts).chain(times));
        returning.merge(&round.times.0);
        live.merge(&round.times.1);
    }
    let latency = Plot::percentiles("Latency")
        .with("coming back, first attempt → last replayed", returning.nines())
        .with("live, intended publish → received", live.nines());
    let mut notes = vec![format!(
        "Limited by what was asked for, {}/s; clients left as the gateway told them: {} per client.",
        number(args.rate),
        number(
            float(rounds.iter().map(|r| r.reconnects).sum())
                / float((args.clients * rounds.len().max(1)) as u64)
        )
    )];
    for (what, pick) in [
        ("Ended", (|round| &round.ends) as fn(&Round) -> &BTreeMap<String, u64>),
        ("Refused", |round| &round.refusals),
    ] {
        let all = rounds.iter().flat_map(pick);
        notes.extend(all.map(|(why, count)| format!("{what} {count} times: {why}")));
    }
    Report {
        scenario: "restart",
        title: format!(
            "{} replicas restarted one after the other, {} clients, {}/s, rounds: {}",
            args.replicas,
            args.clients,
            number(args.rate),
            rounds.len()
        ),
        tables: vec![table],
        plots: std::iter::once(latency).chain(plots(watched)).collect(),
        notes,
        faults,
        data: json!({ "rounds": rounds }),
    }
}
