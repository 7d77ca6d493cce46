//! Tables and medians of the resume rounds.

use serde_json::json;

use super::{Args, Round};
use crate::report::{Report, Table, cell, number};
use crate::stats::{Latency, float, median};

/// Machine use above which CPU was the limit.
const BUSY: f64 = 0.9;
/// The publisher's own lateness (p99) above which it did not keep its pace, microseconds.
const LATE_US: f64 = 100_000.0;

pub(super) fn report(args: &Args, rounds: &[Round], faults: Vec<String>) -> Report {
    let replays: Vec<Latency> = rounds.iter().map(|round| round.replay).collect();
    let percent = |name| median(rounds.iter().filter_map(|round| round.usage.percent(name)));
    let medians = json!({
        "delivered_percent": median(rounds.iter().filter_map(Round::delivered_percent)),
        "replay": Latency::median(&replays),
        "gateway_cpu_percent": percent("server"),
        "redis_cpu_percent": percent("redis-server"),
    });
    Report {
        scenario: "resume",
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
    let busy = median(rounds.iter().map(|round| round.usage.machine_busy)).unwrap_or_default();
    let lag = median(rounds.iter().map(|round| round.publisher_lag.p99_us)).unwrap_or_default();
    let machine = format!("the machine was {:.0} % busy", 100.0 * busy);
    let limit = match (lag > LATE_US, busy > BUSY) {
        (true, _) => {
            let late = number(lag / 1e3);
            format!("The publisher did not keep its pace: {late} ms late (p99); {machine}.")
        }
        (false, true) => format!("Limited by CPU, which all share with this tool: {machine}."),
        (false, false) => format!("Limited by what was asked for; {machine}."),
    };
    let refusals = rounds.iter().flat_map(|round| &round.refusals);
    let refusals = refusals.map(|(why, count)| format!("Refused {count} times: {why}"));
    std::iter::once(limit).chain(refusals).collect()
}
