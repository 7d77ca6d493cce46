//! Notifications to single users at several rates: does the CPU of the server grow as they do.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::load::{Load, Part};
use super::{Common, lost_sockets, positive, rate, seconds};
use crate::publish::Pace;
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{median, slope};
use crate::target::{Needs, People, TargetArgs, To};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Users, one socket each
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = positive)]
    users: usize,
    /// Notifications per second, one rate after the other
    #[arg(long, value_name = "R,R", value_delimiter = ',', value_parser = rate, default_value = "2500,5000,10000,20000")]
    rates: Vec<f64>,
    /// Measured time of each rate, seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
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

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    let target = args.target.start(&common.progress, Needs::LIVE).await?;
    let crowd = target.crowd(People::users(args.users), common.clock)?;
    common.open(0, "server", &crowd.counters(), args.users, crowd.open(args.users)).await?;
    let (mut rounds, mut faults) = (Vec::new(), Vec::new());
    for round in 0..common.rounds {
        let mut parts = Vec::new();
        for &rate in &args.rates {
            let load = Load {
                common,
                round,
                who: &format!("{}/s", number(rate)),
                to: To::Users(args.users),
                pace: Pace::Rate(rate),
                bytes: args.bytes,
                warm_up: args.warm_up,
                seconds: args.seconds,
                still: 0,
            };
            let part = load.measure(&target, &crowd).await?;
            faults.extend(part.faults(round));
            parts.push(part);
        }
        rounds.push(parts);
    }
    faults.extend(lost_sockets("the server", &crowd.tally().await?.travels.ends));
    Ok(report(args, &rounds, faults))
}

/// CPU of the server, microseconds per second.
fn cpu(part: &Part) -> Option<f64> {
    Some(part.cpu_us_per_delivery? * part.deliveries_per_second)
}

/// Deliveries per second, and percent of a core.
fn points(parts: &[Part]) -> Vec<(f64, f64)> {
    parts.iter().filter_map(|part| Some((part.deliveries_per_second, cpu(part)? / 1e4))).collect()
}

/// Microseconds that one more notification takes.
fn each(parts: &[Part]) -> Option<f64> {
    slope(&points(parts)).map(|percent| percent * 1e4)
}

fn report(args: &Args, rounds: &[Vec<Part>], faults: Vec<String>) -> Report {
    let mut table = Table::new(
        "At each rate, medians of the rounds",
        &["asked per s", "deliveries/s", "CPU, % of a core", "µs CPU each", "p50 ms", "p99 ms"],
    );
    for (index, rate) in args.rates.iter().enumerate() {
        let of = |pick: &dyn Fn(&Part) -> Option<f64>| {
            cell(median(rounds.iter().filter_map(|parts| parts.get(index)).filter_map(pick)))
        };
        table.row([
            number(*rate),
            of(&|part| Some(part.deliveries_per_second)),
            of(&|part| cpu(part).map(|cpu| cpu / 1e4)),
            of(&|part| part.cpu_us_per_delivery),
            of(&|part| part.latency.map(|latency| latency.p50_us / 1e3)),
            of(&|part| part.latency.map(|latency| latency.p99_us / 1e3)),
        ]);
    }
    let slope = median(rounds.iter().filter_map(|parts| each(parts)));
    let plot = Plot::lines("CPU by deliveries", "deliveries/s", "% of a core");
    Report {
        scenario: "rates",
        title: format!(
            "{}, {} users, {}-byte notifications, {} s at each rate, rounds: {}",
            args.target.kind().name(),
            args.users,
            args.bytes,
            args.seconds.as_secs_f64(),
            rounds.len()
        ),
        tables: vec![table],
        plots: vec![rounds.iter().enumerate().fold(plot, |plot, (round, parts)| {
            plot.with(format!("round {}", round + 1), points(parts))
        })],
        notes: vec![
            format!("One more notification: {} µs (least squares over the rates).", cell(slope)),
            "Limited by the asked rates. A wake-up that serves one notification costs as much as one that serves many, \
             so that each costs less at a higher rate."
                .into(),
        ],
        faults,
        data: data(args, rounds, slope),
    }
}

fn data(args: &Args, rounds: &[Vec<Part>], slope: Option<f64>) -> Value {
    json!({ "rates": args.rates, "rounds": rounds, "median": { "slope_cpu_us_per_delivery": slope } })
}
