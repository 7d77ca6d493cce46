//! One message for many sockets: to everyone (`broadcast`), or to one user who has them all (`fanout`).
//! What counts is when the last socket has it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::load::{Load, Part, merged};
use super::{Common, drain, lost_sockets, positive, rate, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Evidence, Watch, plots, verdict};
use crate::publish::{Pace, Published};
use crate::record::{Expectation, Reach, Spread};
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{float, median, quantile, ratio};
use crate::target::{Needs, People, Replica, TargetArgs, To};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Sockets that are to get each message
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    connections: usize,
    /// Messages per second, on a schedule that waits for nobody
    #[arg(long, value_name = "R", default_value_t = 5.0, value_parser = rate)]
    rate: f64,
    /// Measured time, seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// Unmeasured time before it, seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    warm_up: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    /// Leave out the floor, a bare TCP writer
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Serialize)]
struct Round {
    gateway: Spreading,
    floor: Option<Spreading>,
}

/// How one server spread its messages.
#[derive(Clone, Serialize)]
struct Spreading {
    part: Part,
    /// Intended publish → last socket, median over messages, milliseconds.
    last_p50_ms: Option<f64>,
    last_p99_ms: Option<f64>,
    last_max_ms: Option<f64>,
}

impl Spreading {
    fn new(part: Part, sockets: usize) -> Self {
        let at = |share| last_ms(&part.spreads, sockets as u64, share);
        let (last_p50_ms, last_p99_ms, last_max_ms) = (at(0.5), at(0.99), at(1.0));
        Self { part, last_p50_ms, last_p99_ms, last_max_ms }
    }
}

/// When the last socket had a message, of messages that all have.
fn last_ms(spreads: &[Spread], sockets: u64, share: f64) -> Option<f64> {
    let whole = spreads.iter().filter(|spread| spread.receivers == sockets);
    quantile(whole.map(|spread| float(spread.last) / 1e6), share)
}

/// Everyone has one socket, and a message is for everyone.
pub(crate) async fn broadcast(args: &Args, common: &Common) -> Result<Report> {
    run(args, common, "broadcast", args.connections, To::All).await
}

/// One user has all sockets.
pub(crate) async fn fanout(args: &Args, common: &Common) -> Result<Report> {
    run(args, common, "fanout", 1, To::Users(1)).await
}

async fn run(
    args: &Args,
    common: &Common,
    scenario: &'static str,
    users: usize,
    to: To,
) -> Result<Report> {
    // A user may have 32 sockets unless the gateway is told otherwise.
    let all = args.connections.to_string();
    let settings = [("CAMPANILE_MAX_CONNECTIONS_PER_USER", all.as_str())];
    let needs = Needs { settings: if users == 1 { &settings } else { &[] }, ..Needs::LIVE };
    let target = args.target.start(&common.progress, needs).await?;
    let people = People { users, ..People::users(args.connections) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    common.open(0, "server", &counters, args.connections, crowd.open(args.connections)).await?;
    let mut floor = if args.no_floor {
        None
    } else {
        Some(Floor::start(Manner::Write, args.connections, common.clock).await?)
    };
    if let Some(Floor { crowd, .. }) = &floor {
        let (counters, all) = (crowd.counters(), args.connections);
        common.open(0, "floor", &counters, all, crowd.open(all)).await?;
    }
    let (mut rounds, mut faults, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let pids = target.replicas.iter().filter_map(Replica::pid);
        let watch = Watch::start(pids, counters.clone());
        let load = Load {
            common,
            round,
            who: "server",
            to,
            pace: Pace::Rate(args.rate),
            bytes: args.bytes,
            warm_up: args.warm_up,
            seconds: args.seconds,
            still: 0,
        };
        let part = load.measure(&target, &crowd).await?;
        ensure!(part.received > 0, "no notification arrived: is the channel right?");
        faults.extend(part.faults(round));
        watched.push((format!("round {}", round + 1), watch.stop()));
        let (bytes, gateway) = (part.message_bytes, Spreading::new(part, args.connections));
        let floor = match &mut floor {
            Some(floor) => Some(bare(&load, floor, bytes, args).await?),
            None => None,
        };
        rounds.push(Round { gateway, floor });
    }
    faults.extend(lost_sockets("the server", &crowd.tally().await?.travels.ends));
    let latency = merged(rounds.iter().map(|round| &round.gateway.part)).nines();
    let latency = Plot::percentiles("Latency of every delivery").with("server", latency);
    let median_of = |pick: fn(&Spreading) -> Option<f64>| {
        median(rounds.iter().filter_map(|round| pick(&round.gateway)))
    };
    Ok(Report {
        scenario,
        title: format!(
            "{} sockets, each message of {} bytes for all of them, {}/s, {} s, rounds: {}",
            args.connections,
            args.bytes,
            number(args.rate),
            args.seconds.as_secs_f64(),
            rounds.len()
        ),
        tables: vec![table(&rounds)],
        plots: std::iter::once(latency).chain(plots(&watched)).collect(),
        notes: notes(args, &rounds),
        faults,
        data: json!({ "rounds": rounds, "median": {
            "last_socket_p50_ms": median_of(|spreading| spreading.last_p50_ms),
            "last_socket_p99_ms": median_of(|spreading| spreading.last_p99_ms),
            "last_socket_ratio": last_ratio(&rounds),
            "cpu_us_per_delivery": median_of(|spreading| spreading.part.cpu_us_per_delivery),
        } }),
    })
}

/// The floor: a process that writes each message to as many bare TCP streams.
async fn bare(load: &Load<'_>, floor: &mut Floor, bytes: u64, args: &Args) -> Result<Spreading> {
    let common = load.common;
    let run = common.run_id();
    let from = common.measured_from(args.warm_up);
    floor.crowd.record(Expectation { run, from, reach: Reach::All }).await?;
    let counters = floor.crowd.counters();
    floor.write_to_all(run, bytes, args.rate, common.clock)?;
    let processes = vec![("server", Some(floor.pid())), ("this tool", Some(std::process::id()))];
    let window = load.window(processes, &counters).await?;
    let written = floor.stop().await?;
    drain(&counters, written).await;
    let sent = Published { sent: written, ..Published::default() };
    let mut part = window.part(floor.crowd.tally().await?, &sent);
    load.forget_warm_up(&mut part);
    Ok(Spreading::new(part, args.connections))
}

/// The last socket's time, server / floor: the median of the rounds' ratios.
fn last_ratio(rounds: &[Round]) -> Option<f64> {
    median(
        rounds.iter().filter_map(|round| {
            ratio(round.gateway.last_p50_ms?, round.floor.as_ref()?.last_p50_ms?)
        }),
    )
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "Intended publish → last socket, ms",
        &["round", "deliveries", "p50", "p99", "max", "µs CPU each"],
    );
    for (index, round) in rounds.iter().enumerate() {
        let floor = round.floor.iter().map(|floor| (format!("{}, floor", index + 1), floor));
        let gateway = ((index + 1).to_string(), &round.gateway);
        for (label, spreading) in std::iter::once(gateway).chain(floor) {
            table.row([
                label,
                spreading.part.deliveries.to_string(),
                cell(spreading.last_p50_ms),
                cell(spreading.last_p99_ms),
                cell(spreading.last_max_ms),
                cell(spreading.part.cpu_us_per_delivery),
            ]);
        }
    }
    table
}

fn notes(args: &Args, rounds: &[Round]) -> Vec<String> {
    let verdicts = rounds.last().map(|round| {
        verdict(&Evidence {
            usage: &round.gateway.part.usage,
            late_us: round.gateway.part.publisher_lag.map(|lag| lag.p99_us),
            overflows: 0,
            asked: Some(format!("{}/s", number(args.rate))),
        })
    });
    let ratio = last_ratio(rounds).map(|ratio| {
        format!(
            "Last socket, server / bare TCP writer: {} (p50; median of the rounds' ratios).",
            number(ratio)
        )
    });
    ratio.into_iter().chain(verdicts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_all_have_are_timed() {
        let spread = |receivers, last| Spread { receivers, last };
        let spreads = [spread(2, 4_000_000), spread(1, 9_000_000), spread(2, 6_000_000)];
        assert_eq!(last_ms(&spreads, 2, 1.0), Some(6.0));
        assert_eq!(last_ms(&spreads, 2, 0.0), Some(4.0));
        assert_eq!(last_ms(&spreads, 3, 0.5), None);
    }
}
