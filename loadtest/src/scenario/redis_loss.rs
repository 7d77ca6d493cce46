//! Redis is killed and comes back: do sockets stay, and when is everyone served again?

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::jitter::settle;
use super::load::{Load, Part, merged};
use super::{Common, lost_sockets, positive, rate, seconds};
use crate::probe::{Sample, Watch, plots};
use crate::publish::Pace;
use crate::report::{Plot, Report, Table, cell, number};
use crate::target::{Lane, Needs, People, Replica, TargetArgs, To};
use crate::worker::ComeBack;

const RETRY: Duration = Duration::from_millis(500);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Clients, each of its own user
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    clients: usize,
    /// Notifications per second, all users together
    #[arg(long, value_name = "R", default_value_t = 1_000.0, value_parser = rate)]
    rate: f64,
    /// How long Redis is away, seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
    away: Duration,
    /// How long is published before and after, seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Size of a published notification, bytes
    #[arg(long, value_name = "N", default_value_t = 300)]
    bytes: usize,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Serialize)]
struct Round {
    before: Part,
    /// From the moment on at which Redis answers again.
    after: Part,
    sockets_ended: u64,
    reconnects: u64,
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
    let needs = Needs { persistent: true, ..Needs::DURABLE };
    let mut target = args.target.start(&common.progress, needs).await?;
    let durable = target.lane == Lane::Fcall;
    let come_back = Some(ComeBack { away: RETRY, retry: RETRY });
    let people = People { come_back, ..People::users(args.clients) };
    let crowd = target.crowd(people, common.clock)?;
    let counters = crowd.counters();
    common.open(round, "server", &counters, args.clients, crowd.open(args.clients)).await?;
    let pids: Vec<u32> = target.replicas.iter().filter_map(Replica::pid).collect();
    let watch = Watch::start(pids, counters.clone());
    let load = |who| Load {
        common,
        round,
        who,
        to: To::Users(args.clients),
        pace: Pace::Rate(args.rate),
        bytes: args.bytes,
        // Nothing is left out: the first moments are what it is about.
        warm_up: Duration::ZERO,
        seconds: args.seconds,
        still: 0,
    };
    let before = load("before the loss").measure(&target, &crowd).await?;
    let redis = target.redis_service()?;
    redis.kill()?;
    common.wait(round, "Redis is away", args.away).await;
    redis.again().await?;
    if durable {
        target.until_function().await?;
    }
    let mut after = load("Redis is back").measure(&target, &crowd).await?;
    settle(&counters, args.clients, after.sent, Duration::from_secs(5)).await;
    let tally = crowd.tally().await?;
    (after.received, after.times) = (tally.received, tally.latency);
    after.latency = Some(after.times.summary());
    crowd.close().await?;
    // A plain publish before the subscriptions are back is gone, as it is for any subscriber.
    let mut faults = before.faults(round);
    if durable {
        faults.extend(after.faults(round));
    }
    faults.extend(lost_sockets("the server", &tally.travels.ends));
    let sockets_ended = tally.travels.ends.values().sum();
    let measured = Round { before, after, sockets_ended, reconnects: tally.travels.reconnects };
    Ok((measured, faults, watch.stop()))
}

fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let columns =
        ["round", "", "published", "missing", "p50 ms", "p99 ms", "max ms", "sockets ended"];
    let mut table =
        Table::new("Before the loss, and from the moment Redis answers again", &columns);
    for (index, round) in rounds.iter().enumerate() {
        for (name, part) in [("before", &round.before), ("after", &round.after)] {
            let at = |pick: fn(&crate::stats::Latency) -> f64| {
                cell(part.latency.as_ref().map(|latency| pick(latency) / 1e3))
            };
            table.row([
                (index + 1).to_string(),
                name.to_owned(),
                part.sent.to_string(),
                part.expected.saturating_sub(part.received).to_string(),
                at(|l| l.p50_us),
                at(|l| l.p99_us),
                at(|l| l.max_us),
                round.sockets_ended.to_string(),
            ]);
        }
    }
    let of = |pick: fn(&Round) -> &Part| merged(rounds.iter().map(pick)).nines();
    let latency = Plot::percentiles("Latency, intended publish → received")
        .with("before", of(|round| &round.before))
        .with("after", of(|round| &round.after));
    Report {
        scenario: "redis-loss",
        title: format!(
            "{} clients, {}/s, Redis away for {} s, rounds: {}",
            args.clients,
            number(args.rate),
            args.away.as_secs_f64(),
            rounds.len()
        ),
        tables: vec![table],
        plots: std::iter::once(latency).chain(plots(watched)).collect(),
        notes: vec![
            format!("Limited by what was asked for, {}/s.", number(args.rate)),
            "The longest latency after the loss is what the last user waited for, counted from the \
             publish: Redis answered, and its replica had not caught up."
                .into(),
        ],
        faults,
        data: json!({ "rounds": rounds }),
    }
}
