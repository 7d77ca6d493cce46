//! Tables, medians and ratios of the unicast rounds.

use serde_json::json;

use super::super::load::{merged, not_kept};
use super::{Args, Part, Round};
use crate::probe::{Evidence, Sample, plots, verdict};
use crate::publish::Pace;
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{Latency, float, median, ratio};

/// Share of the offered rate below which the load was not carried.
const CARRIED: f64 = 0.99;

pub(super) fn report(
    args: &Args,
    rounds: &[Round],
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let who = args.target.kind().name();
    let mut tables = vec![cpu(who, rounds), latency(who, rounds), usage(who, rounds)];
    if rounds.len() > 1 {
        tables.push(each(rounds));
    }
    let pace = match args.pace() {
        Pace::Rate(rate) => format!("{}/s", number(rate)),
        Pace::Window(window) | Pace::Pipeline(window) => {
            format!("saturated, {window} under way")
        }
    };
    let medians = json!({
        "deliveries_per_cpu_second": cpu_us(rounds, gateway).and_then(per_cpu_second),
        "cpu_us_per_delivery": cpu_us(rounds, gateway),
        "floor_cpu_us_per_frame": cpu_us(rounds, tcp),
        "cpu_ratio": cpu_ratio(rounds),
        "latency": latency_of(rounds, gateway),
        "redis_latency": latency_of(rounds, redis),
    });
    Report {
        scenario: "unicast",
        title: format!(
            "{} users, {}-byte notifications, {pace}, {} s, rounds: {}",
            args.users,
            args.bytes,
            args.seconds.as_secs_f64(),
            rounds.len()
        ),
        tables,
        plots: drawn(rounds, watched),
        notes: notes(args, rounds),
        faults,
        data: json!({ "rounds": rounds, "median": medians }),
    }
}

fn drawn(rounds: &[Round], watched: &[(String, Vec<Sample>)]) -> Vec<Plot> {
    let of = |pick: Pick| merged(rounds.iter().filter_map(pick)).nines();
    let mut latency =
        Plot::percentiles("Latency, intended publish → received").with("server", of(gateway));
    if rounds.iter().any(|round| round.redis.is_some()) {
        latency = latency.with("floor: bare Redis subscriber", of(redis));
    }
    std::iter::once(latency).chain(plots(watched)).collect()
}

type Pick = fn(&Round) -> Option<&Part>;

#[expect(clippy::unnecessary_wraps, reason = "a `Pick` as the floors, which may be left out")]
fn gateway(round: &Round) -> Option<&Part> {
    Some(&round.gateway)
}

fn redis(round: &Round) -> Option<&Part> {
    round.redis.as_ref()
}

fn tcp(round: &Round) -> Option<&Part> {
    round.tcp.as_ref()
}

fn cpu_us(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(pick).filter_map(|part| part.cpu_us_per_delivery))
}

fn per_cpu_second(us: f64) -> Option<f64> {
    ratio(1e6, us)
}

/// The median of the ratios, not the ratio of the medians: the parts of one round are neighbours.
fn cpu_ratio(rounds: &[Round]) -> Option<f64> {
    median(rounds.iter().filter_map(|round| {
        ratio(round.gateway.cpu_us_per_delivery?, tcp(round)?.cpu_us_per_delivery?)
    }))
}

fn latency_of(rounds: &[Round], pick: Pick) -> Option<Latency> {
    let all: Vec<Latency> = rounds.iter().filter_map(pick).filter_map(|p| p.latency).collect();
    Latency::median(&all)
}

fn cpu(who: &str, rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "CPU of the server per delivery",
        &["", "deliveries/s", "µs CPU each", "deliveries per CPU-s", "bytes each"],
    );
    let rows: [(&str, Pick); 2] = [(who, gateway), ("floor: bare TCP writer", tcp)];
    for (label, pick) in rows {
        let of = |value: fn(&Part) -> f64| cell(median(rounds.iter().filter_map(pick).map(value)));
        let us = cpu_us(rounds, pick);
        if rounds.iter().any(|round| pick(round).is_some()) {
            table.row([
                label.to_owned(),
                of(|part| part.deliveries_per_second),
                cell(us),
                cell(us.and_then(per_cpu_second)),
                of(|part| float(part.message_bytes)),
            ]);
        }
    }
    if let Some(ratio) = cpu_ratio(rounds) {
        table.row([format!("{who} / floor"), String::new(), number(ratio)]);
    }
    table
}

fn latency(who: &str, rounds: &[Round]) -> Table {
    let mut table =
        Table::new("Latency, intended publish → received, ms", &["", "p50", "p90", "p99", "max"]);
    let parts = |l: Latency| [l.p50_us, l.p90_us, l.p99_us, l.max_us];
    let row = |label: &str, cells: [Option<f64>; 4]| -> Vec<String> {
        std::iter::once(label.to_owned()).chain(cells.map(cell)).collect()
    };
    let of = |pick| latency_of(rounds, pick).map(parts);
    let (through, bare) = (of(gateway), of(redis));
    if let Some(through) = through {
        table.row(row(who, through.map(|us| Some(us / 1e3))));
    }
    if let Some((through, bare)) = through.zip(bare) {
        table.row(row("floor: bare Redis subscriber", bare.map(|us| Some(us / 1e3))));
        let ratios = std::array::from_fn(|i| ratio(through[i], bare[i]));
        table.row(row(&format!("{who} / floor"), ratios));
    }
    table
}

fn usage(who: &str, rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "CPU while it ran, % of a core (the last: % of the machine)",
        &["", "server", "redis-server", "this tool", "machine"],
    );
    let rows: [(&str, Pick); 3] =
        [(who, gateway), ("floor: bare Redis subscriber", redis), ("floor: bare TCP writer", tcp)];
    for (label, pick) in rows {
        let parts: Vec<&Part> = rounds.iter().filter_map(pick).collect();
        if parts.is_empty() {
            continue;
        }
        let of = |name: &str| median(parts.iter().filter_map(|part| part.usage.percent(name)));
        let cells = [of("server"), of("redis-server"), of("this tool"), busy(rounds, pick)];
        table.row(std::iter::once(label.to_owned()).chain(cells.map(cell)));
    }
    table
}

fn busy(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(pick).map(|part| 100.0 * part.usage.machine_busy))
}

fn each(rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "Each round",
        &["round", "µs CPU each", "floor µs", "p50 ms", "p99 ms", "floor p50 ms", "floor p99 ms"],
    );
    for (index, round) in rounds.iter().enumerate() {
        let at = |pick: Pick, value: fn(&Latency) -> f64| {
            cell(pick(round).and_then(|part| part.latency.as_ref()).map(|l| value(l) / 1e3))
        };
        table.row([
            (index + 1).to_string(),
            cell(round.gateway.cpu_us_per_delivery),
            cell(tcp(round).and_then(|part| part.cpu_us_per_delivery)),
            at(gateway, |l| l.p50_us),
            at(gateway, |l| l.p99_us),
            at(redis, |l| l.p50_us),
            at(redis, |l| l.p99_us),
        ]);
    }
    table
}

fn notes(args: &Args, rounds: &[Round]) -> Vec<String> {
    let mut notes = vec![limit(args, rounds)];
    if args.rate.is_none() {
        notes.push(
            "Latency of a saturated run is that of its own queue: use --rate for latency.".into(),
        );
    }
    notes.extend(not_kept(args.target.kind().name(), rounds.iter().map(|round| &round.gateway)));
    if cpu_us(rounds, gateway).is_none() {
        notes.push("CPU needs the server's process: add --pid.".into());
    }
    notes
}

/// One line: what kept the run from going faster.
fn limit(args: &Args, rounds: &[Round]) -> String {
    let Some(last) = rounds.last() else { return String::new() };
    let part = &last.gateway;
    let late_us = args.rate.and(part.publisher_lag).map(|lag| lag.p99_us);
    let carried = median(rounds.iter().map(|round| round.gateway.deliveries_per_second));
    let asked = args.rate.filter(|rate| carried.unwrap_or_default() >= CARRIED * rate);
    let asked = asked.map(|rate| format!("{}/s", number(rate)));
    verdict(&Evidence { usage: &part.usage, late_us, overflows: 0, asked })
}
