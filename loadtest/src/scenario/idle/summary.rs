//! Memory and CPU over the number of sockets, and what one more takes.

use serde_json::json;

use super::{Args, Measured, Step};
use crate::probe::{Sample, most_sockets, plots};
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{float, median, ratio};

pub(super) fn report(
    args: &Args,
    steps: &[usize],
    (gateway, floor): (&[Measured], &[Measured]),
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let of = |rounds: &[Measured], index: usize, pick: fn(&Step) -> f64| {
        cell(median(rounds.iter().filter_map(|r| r.steps.get(index)).map(pick)))
    };
    let mut resident = Table::new(
        "Of the server's process",
        &["connections", "MiB", "floor MiB", "idle CPU, % of a core", "floor"],
    );
    for (index, step) in steps.iter().enumerate() {
        let connections = number(float(*step as u64).max(100.0));
        resident.row([
            if *step < 100 { step.to_string() } else { connections },
            of(gateway, index, mebibytes),
            of(floor, index, mebibytes),
            of(gateway, index, percent),
            of(floor, index, percent),
        ]);
    }
    let summary = |rounds: &[Measured]| {
        let of = |pick: fn(&Measured) -> Option<f64>| median(rounds.iter().filter_map(pick));
        [
            of(|r| r.growth_bytes_per_connection),
            of(|r| r.slope_bytes_per_connection),
            of(|r| r.slope_cpu_us_per_connection),
        ]
    };
    let (of_gateway, of_floor) = (summary(gateway), summary(floor));
    let mut each = Table::new(
        "Per connection",
        &["", "growth first→last, B", "least squares, B", "idle CPU, µs/s"],
    );
    each.row(row("server", of_gateway));
    if !floor.is_empty() {
        each.row(row("floor: tokio task on a TCP stream", of_floor));
        let divided = |i: usize| ratio(of_gateway[i]?, of_floor[i]?);
        each.row(row("server / floor", [divided(0), divided(1), None]));
    }
    let last =
        |rounds: &[Measured]| median(rounds.iter().filter_map(|r| r.steps.last()).map(percent));
    Report {
        scenario: "idle",
        title: format!(
            "{} connections, rounds: {}",
            steps.last().copied().unwrap_or_default(),
            gateway.len()
        ),
        tables: vec![resident, each],
        plots: [
            drawn("Resident memory by connections", "MiB", mebibytes, gateway, floor),
            drawn("Idle CPU by connections", "% of a core", percent, gateway, floor),
        ]
        .into_iter()
        .chain(plots(watched))
        .collect(),
        notes: notes(args, steps, gateway.len()),
        faults,
        data: json!({
            "gateway": gateway,
            "floor": floor,
            "median": {
                "growth_bytes_per_connection": of_gateway[0],
                "slope_bytes_per_connection": of_gateway[1],
                "slope_cpu_us_per_connection": of_gateway[2],
                "idle_cpu_percent": last(gateway),
                "floor_growth_bytes_per_connection": of_floor[0],
                "floor_slope_bytes_per_connection": of_floor[1],
                "floor_idle_cpu_percent": last(floor),
            },
        }),
    }
}

fn notes(args: &Args, steps: &[usize], rounds: usize) -> Vec<String> {
    let most = steps.last().copied().unwrap_or_default();
    let mut notes = vec![
        "Kernel memory of the sockets is not in these figures: about 10 KB per connection for both ends."
            .to_owned(),
        format!(
            "Limited by the asked {most} sockets; the descriptors of one worker of this tool would allow {}.",
            cell(most_sockets().map(float))
        ),
    ];
    if steps.len() < 2 {
        notes.push("One step gives no growth: ask for several with --steps.".to_owned());
    }
    if args.target.attaches() && rounds > 1 {
        notes.push(
            "The gateway was not restarted between rounds: later rounds reuse memory.".into(),
        );
    }
    notes
}

fn mebibytes(step: &Step) -> f64 {
    float(step.resident_bytes) / 1_048_576.0
}

fn percent(step: &Step) -> f64 {
    step.cpu() / 1e4
}

/// A figure over sockets, of all rounds; a straight line is linear growth.
fn drawn(
    title: &str,
    unit: &'static str,
    of: fn(&Step) -> f64,
    gateway: &[Measured],
    floor: &[Measured],
) -> Plot {
    let points = |measured: &Measured| {
        measured.steps.iter().map(|step| (float(step.connections as u64), of(step))).collect()
    };
    let named = |name: &'static str, rounds: &'_ [Measured]| -> Vec<_> {
        let label = |round| format!("{name}, round {}", round + 1);
        rounds.iter().enumerate().map(|(round, of)| (label(round), points(of))).collect()
    };
    let series = [named("server", gateway), named("floor", floor)];
    let plot = Plot::lines(title, "connections", unit);
    series.into_iter().flatten().fold(plot, |plot, (name, points)| plot.with(name, points))
}

fn row(label: &str, values: [Option<f64>; 3]) -> Vec<String> {
    std::iter::once(label.to_owned()).chain(values.map(cell)).collect()
}
