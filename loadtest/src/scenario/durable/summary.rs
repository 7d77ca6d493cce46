//! Tables, medians and ratios of the durable rounds.

use serde_json::json;

use super::{Args, Part, Round};
use crate::report::{Report, Table, cell, number};
use crate::stats::{median, ratio};

type Pick = fn(&Round) -> Option<&Part>;

const WAYS: [(&str, Pick); 3] =
    [("floor: plain PUBLISH", plain), ("the function", function), ("HTTP", http)];

#[expect(clippy::unnecessary_wraps, reason = "a `Pick` as HTTP, which may be left out")]
fn plain(round: &Round) -> Option<&Part> {
    Some(&round.plain)
}

#[expect(clippy::unnecessary_wraps, reason = "a `Pick` as HTTP, which may be left out")]
fn function(round: &Round) -> Option<&Part> {
    Some(&round.function)
}

fn http(round: &Round) -> Option<&Part> {
    round.http.as_ref()
}

pub(super) fn report(args: &Args, rounds: &[Round], faults: Vec<String>) -> Report {
    let mut tables = vec![publishes(rounds)];
    let sizes = memory(rounds);
    if !sizes.is_empty() {
        let mut table =
            Table::new("Memory of Redis", &["entries per user", "bytes each, beside the payload"]);
        for &(entries, bytes) in &sizes {
            table.row([entries.to_string(), cell(bytes)]);
        }
        tables.push(table);
    }
    tables.push(usage(rounds));
    if rounds.len() > 1 {
        tables.push(each(rounds));
    }
    let medians = json!({
        "publishes_per_second": WAYS.map(|(_, pick)| per_second(rounds, pick)),
        "redis_us_per_publish": WAYS.map(|(_, pick)| redis_us(rounds, pick)),
        "redis_ratio": WAYS.map(|(_, pick)| redis_ratio(rounds, pick)),
        "gateway_us_per_publish": WAYS.map(|(_, pick)| gateway_us(rounds, pick)),
        "bytes_per_entry_beside_payload": sizes,
    });
    Report {
        scenario: "durable",
        title: format!(
            "{} users, {}-byte notifications, {} s, {}, rounds: {}",
            args.users,
            args.bytes,
            args.seconds.as_secs_f64(),
            if args.connected { "a socket each" } else { "no sockets" },
            rounds.len()
        ),
        tables,
        plots: Vec::new(),
        notes: notes(rounds),
        faults,
        data: json!({ "rounds": rounds, "ways": WAYS.map(|(label, _)| label), "median": medians }),
    }
}

fn per_second(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(pick).map(|part| part.publishes_per_second))
}

fn redis_us(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(pick).filter_map(|part| part.redis_us_per_publish))
}

fn gateway_us(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(pick).filter_map(|part| part.gateway_us_per_publish))
}

/// The median of the ratios to plain PUBLISH: the parts of one round are neighbours.
fn redis_ratio(rounds: &[Round], pick: Pick) -> Option<f64> {
    median(rounds.iter().filter_map(|round| {
        ratio(pick(round)?.redis_us_per_publish?, round.plain.redis_us_per_publish?)
    }))
}

/// Entries per user, and the median of the bytes that one takes.
fn memory(rounds: &[Round]) -> Vec<(usize, Option<f64>)> {
    let steps = rounds.first().map(|round| round.memory.as_slice()).unwrap_or_default();
    let bytes = |step: usize| {
        let memory = rounds.iter().filter_map(|round| round.memory.get(step));
        median(memory.map(|memory| memory.bytes_per_entry))
    };
    steps.iter().enumerate().map(|(step, memory)| (memory.entries, bytes(step))).collect()
}

fn publishes(rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "Publishes, as fast as they are answered",
        &["", "per s", "µs CPU of Redis each", "ratio", "µs CPU of the gateway each"],
    );
    for (label, pick) in WAYS {
        if rounds.iter().any(|round| pick(round).is_some()) {
            table.row([
                label.to_owned(),
                cell(per_second(rounds, pick)),
                cell(redis_us(rounds, pick)),
                cell(redis_ratio(rounds, pick)),
                cell(gateway_us(rounds, pick)),
            ]);
        }
    }
    table
}

fn usage(rounds: &[Round]) -> Table {
    let mut table = Table::new(
        "CPU while it ran, % of a core (the last: % of the machine)",
        &["", "server", "redis-server", "this tool", "machine"],
    );
    for (label, pick) in WAYS {
        let parts: Vec<&Part> = rounds.iter().filter_map(pick).collect();
        if parts.is_empty() {
            continue;
        }
        let of = |name| cell(median(parts.iter().filter_map(|part| part.usage.percent(name))));
        let machine = cell(median(parts.iter().map(|part| 100.0 * part.usage.machine_busy)));
        table.row([label.to_owned(), of("server"), of("redis-server"), of("this tool"), machine]);
    }
    table
}

fn each(rounds: &[Round]) -> Table {
    let columns =
        ["round", "plain/s", "function/s", "HTTP/s", "plain µs", "function µs", "HTTP µs"];
    let mut table = Table::new("Each round, CPU of Redis", &columns);
    for (index, round) in rounds.iter().enumerate() {
        let part = |value: fn(&Part) -> Option<f64>| {
            WAYS.map(|(_, pick)| cell(pick(round).and_then(value)))
        };
        let rates = part(|part| Some(part.publishes_per_second));
        let costs = part(|part| part.redis_us_per_publish);
        table.row([(index + 1).to_string()].into_iter().chain(rates).chain(costs));
    }
    table
}

fn notes(rounds: &[Round]) -> Vec<String> {
    let redis = |pick: Pick| {
        let busy = rounds.iter().filter_map(pick).map(|part| part.usage.percent("redis-server"));
        median(busy.flatten()).map(number)
    };
    let mut notes = Vec::new();
    if let Some((function, http)) = redis(function).zip(redis(http)) {
        notes.push(format!(
            "Limited by Redis, which runs commands on one thread, if that was full: it was \
             {function} % of a core busy with the function, {http} % with HTTP."
        ));
    }
    if rounds.iter().all(|round| round.http.is_none()) {
        notes.push("HTTP needs --publish-key.".to_owned());
    }
    if rounds.iter().all(|round| round.memory.is_empty()) {
        notes.push("Bytes per entry need a Redis that the tool starts itself.".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Usage;
    use crate::scenario::durable::Memory;

    fn part(redis_us: f64) -> Part {
        let usage = Usage { seconds: 1.0, cpu_seconds: Vec::new(), machine_busy: 0.0 };
        Part {
            publishes: 1,
            publishes_per_second: 1.0,
            redis_us_per_publish: Some(redis_us),
            gateway_us_per_publish: None,
            usage,
        }
    }

    fn round(plain: f64, function: f64, bytes: [f64; 2]) -> Round {
        let entries = [20, 200].into_iter().zip(bytes);
        let memory = entries.map(|(entries, bytes_per_entry)| Memory { entries, bytes_per_entry });
        Round { memory: memory.collect(), plain: part(plain), function: part(function), http: None }
    }

    #[test]
    fn ratios_are_those_of_the_rounds_and_http_may_be_missing() {
        let rounds = [
            round(1.0, 8.0, [250.0, 230.0]),
            round(2.0, 10.0, [252.0, 230.0]),
            round(4.0, 12.0, [251.0, 230.0]),
        ];
        assert_eq!(redis_ratio(&rounds, function), Some(5.0));
        assert_eq!((redis_us(&rounds, function), redis_us(&rounds, http)), (Some(10.0), None));
        assert_eq!(memory(&rounds), [(20, Some(251.0)), (200, Some(230.0))]);
    }
}
