//! Tables and medians of the jitter rounds.

use serde_json::json;

use super::{Args, Round};
use crate::probe::{Evidence, Sample, plots, verdict};
use crate::record::Times;
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{Latency, float, median};

pub(super) fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let replays: Vec<Latency> = rounds.iter().map(|round| round.replay).collect();
    let percent = |name| median(rounds.iter().filter_map(|round| round.usage.percent(name)));
    let medians = json!({
        "delivered_percent": median(rounds.iter().filter_map(Round::delivered_percent)),
        "replay": Latency::median(&replays),
        "live": Latency::median(&rounds.iter().map(|round| round.live).collect::<Vec<_>>()),
        "gateway_cpu_percent": percent("server"),
        "redis_cpu_percent": percent("redis-server"),
    });
    Report {
        scenario: "jitter",
        title: format!(
            "{} clients, each with {}/s of {} bytes and cut off every {} s for {} s, {} s, replicas: {}, \
             rounds: {}",
            args.clients,
            args.rate,
            args.bytes,
            args.cut_every.as_secs_f64(),
            args.away.as_secs_f64(),
            args.seconds.as_secs_f64(),
            args.replicas,
            rounds.len()
        ),
        tables: vec![delivery(rounds), replay(rounds), usage(rounds)],
        plots: drawn(rounds, watched),
        notes: notes(rounds),
        faults,
        data: json!({ "rounds": rounds, "median": medians }),
    }
}

/// A row per round.
fn table<const N: usize>(
    title: &str,
    columns: [&'static str; N],
    rounds: &[Round],
    row: impl Fn(&Round) -> [String; N],
) -> Table {
    let columns: Vec<&str> = std::iter::once("round").chain(columns).collect();
    let mut table = Table::new(title, &columns);
    for (index, round) in rounds.iter().enumerate() {
        table.row(std::iter::once((index + 1).to_string()).chain(row(round)));
    }
    table
}

fn delivery(rounds: &[Round]) -> Table {
    let columns = ["published", "received", "%", "twice", "out of order", "replayed"];
    table("Notifications", columns, rounds, |round| {
        [
            round.published.to_string(),
            round.received.to_string(),
            round.delivered_percent().map_or_else(|| cell(None), |percent| format!("{percent:.4}")),
            round.doubles.to_string(),
            round.late.to_string(),
            round.replayed.to_string(),
        ]
    })
}

fn replay(rounds: &[Round]) -> Table {
    let columns = ["reconnects", "refused", "p50", "p90", "p99", "max"];
    table("Coming back, first attempt → last replayed, ms", columns, rounds, |round| {
        let Latency { p50_us, p90_us, p99_us, max_us, .. } = round.replay;
        let [p50, p90, p99, max] = [p50_us, p90_us, p99_us, max_us].map(|us| number(us / 1e3));
        [round.reconnects.to_string(), round.refused().to_string(), p50, p90, p99, max]
    })
}

fn usage(rounds: &[Round]) -> Table {
    let columns = ["gateways", "redis-server", "this tool", "machine", "published per s"];
    table("CPU, % of a core (the machine: % of it)", columns, rounds, |round| {
        let of = |name| cell(round.usage.percent(name));
        [
            of("server"),
            of("redis-server"),
            of("this tool"),
            number(100.0 * round.usage.machine_busy),
            number(float(round.published) / round.usage.seconds),
        ]
    })
}

fn notes(rounds: &[Round]) -> Vec<String> {
    let limit = rounds.last().map(|round| {
        verdict(&Evidence {
            usage: &round.usage,
            late_us: Some(round.publisher_lag.p99_us),
            overflows: 0,
            asked: Some("the rate and the cuts".into()),
        })
    });
    let refusals = rounds.iter().flat_map(|round| &round.refusals);
    let refusals = refusals.map(|(why, count)| format!("Refused {count} times: {why}"));
    limit.into_iter().chain(refusals).collect()
}

fn drawn(rounds: &[Round], watched: &[(String, Vec<Sample>)]) -> Vec<Plot> {
    let merged = |pick: fn(&Round) -> &Times| {
        let mut all = Times::default();
        for round in rounds {
            all.merge(pick(round));
        }
        all.nines()
    };
    let latency = Plot::percentiles("Latency")
        .with("coming back, first attempt → last replayed", merged(|round| &round.times.0))
        .with("live, intended publish → received", merged(|round| &round.times.1));
    std::iter::once(latency).chain(plots(watched)).collect()
}
