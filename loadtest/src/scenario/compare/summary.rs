//! Medians, ratios and their spread.

use serde_json::{Value, json};

use super::{Args, Figures, Subject};
use crate::report::{Bar, Plot, Report, Table, cell, number};
use crate::stats::{median, range, ratio};

type Pick = fn(&Figures) -> Option<f64>;

/// What is compared: title, unit, figure, and how the floor is called.
const FIGURES: [(&str, &str, Pick); 6] = [
    ("memory per connection", "bytes", |f| f.bytes_per_connection),
    ("CPU per connect", "µs", |f| f.connect_cpu_us),
    ("deliveries at saturation", "per s", |f| f.deliveries_per_second),
    ("CPU per delivery", "µs", |f| f.cpu_us_per_delivery),
    ("latency p50", "µs", |f| f.p50_us),
    ("latency p99", "µs", |f| f.p99_us),
];

pub(super) fn report(
    args: &Args,
    subjects: &[Subject],
    found: &[Vec<Figures>],
    faults: Vec<String>,
) -> Report {
    let mut values = Table::new(
        "Medians of the rounds",
        &[
            "",
            "B per connection",
            "µs per connect",
            "deliveries/s",
            "µs per delivery",
            "p50 µs",
            "p99 µs",
        ],
    );
    for (subject, rounds) in subjects.iter().zip(found) {
        let cells = FIGURES.map(|(_, _, pick)| cell(median(rounds.iter().filter_map(pick))));
        values.row(std::iter::once(subject.name().to_owned()).chain(cells));
    }
    let mut ratios = Table::new(
        "Ratio to the first row: median of the rounds' ratios, and from – to",
        &[
            "",
            "B per connection",
            "µs per connect",
            "deliveries/s",
            "µs per delivery",
            "p50 µs",
            "p99 µs",
        ],
    );
    for (subject, rounds) in subjects.iter().zip(found).skip(1) {
        let cells = FIGURES.map(|(_, _, pick)| spread(&ratios_of(rounds, &found[0], pick)));
        ratios.row(std::iter::once(subject.name().to_owned()).chain(cells));
    }
    let rounds = found.first().map_or(0, Vec::len);
    Report {
        scenario: "compare",
        title: format!(
            "{} connections; {} users, {}-byte notifications, saturated and at {}/s, {} s each, rounds: {rounds}",
            args.connections,
            args.users,
            args.bytes,
            number(args.rate),
            args.seconds.as_secs_f64(),
        ),
        tables: vec![values, ratios],
        plots: FIGURES.iter().map(|figure| bars(subjects, found, *figure)).collect(),
        notes: vec![
            "One after the other on the same machine in every round; each round begins with another one.".into(),
            "Limited by the machine's CPU at saturation, and by the asked rate for latency.".into(),
            "Saturated CPU counts the server's process; Redis and this tool are not in it.".into(),
        ],
        faults,
        data: data(subjects, found),
    }
}

/// Round by round: neighbours in time are compared.
fn ratios_of(rounds: &[Figures], base: &[Figures], pick: Pick) -> Vec<f64> {
    let pairs = rounds.iter().zip(base);
    pairs.filter_map(|(other, base)| ratio(pick(other)?, pick(base)?)).collect()
}

fn spread(ratios: &[f64]) -> String {
    match median(ratios.iter().copied()).zip(range(ratios.iter().copied())) {
        Some((middle, (low, high))) if ratios.len() > 1 => {
            format!("{} ({} – {})", number(middle), number(low), number(high))
        }
        Some((middle, _)) => number(middle),
        None => cell(None),
    }
}

fn bars(
    subjects: &[Subject],
    found: &[Vec<Figures>],
    (title, unit, pick): (&str, &'static str, Pick),
) -> Plot {
    let bar = |(subject, rounds): (&Subject, &Vec<Figures>)| {
        let values = || rounds.iter().filter_map(pick);
        let ((low, high), value) = range(values()).zip(median(values()))?;
        Some(Bar { name: subject.name().to_owned(), value, low, high })
    };
    Plot::bars(title, unit, subjects.iter().zip(found).filter_map(bar).collect())
}

fn data(subjects: &[Subject], found: &[Vec<Figures>]) -> Value {
    let of = |(subject, rounds): (&Subject, &Vec<Figures>)| {
        let ratios: serde_json::Map<String, Value> = FIGURES
            .iter()
            .map(|(title, _, pick)| {
                let all = ratios_of(rounds, &found[0], *pick);
                let range = range(all.iter().copied());
                ((*title).to_owned(), json!({ "median": median(all), "range": range }))
            })
            .collect();
        json!({ "subject": subject.name(), "rounds": rounds, "ratio_to_first": ratios })
    };
    subjects.iter().zip(found).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Vec<Figures> {
        let figures = |value: &f64| Figures { p50_us: Some(*value), ..Figures::default() };
        values.iter().map(figures).collect()
    }

    #[test]
    fn ratios_are_of_neighbours_and_carry_their_spread() {
        let (base, other) = (rounds(&[1.0, 2.0, 4.0]), rounds(&[3.0, 4.0, 16.0]));
        let ratios = ratios_of(&other, &base, |f| f.p50_us);
        assert_eq!(spread(&ratios), "3.00 (2.00 – 4.00)");
        assert_eq!(spread(&ratios_of(&other, &base, |f| f.p99_us)), "–");
        assert_eq!(spread(&[2.5]), "2.50");
    }
}
