//! Idle sockets: resident bytes of the server per socket, and its CPU while nothing happens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::{Common, lost_sockets, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Meter, Sample, Usage, Watch, most_sockets, plots, resident_bytes};
use crate::report::{Plot, Report, Table, cell, number};
use crate::stats::{float, growth, median, ratio, slope};
use crate::target::{Needs, People, TargetArgs};
use crate::worker::Crowd;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Sockets in the last step [default: 1000, or the largest of --steps]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Numbers of sockets at which to measure [default: a quarter, half and all of them]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    steps: Vec<usize>,
    /// Pause before memory is read, seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    settle: Duration,
    /// How long idle CPU is measured in the last step, seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Leave out the bare TCP floor
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// One server's memory and idle CPU in one round.
#[derive(Clone, Serialize)]
struct Measured {
    /// Sockets and resident bytes of each step.
    steps: Vec<(usize, u64)>,
    /// Between the first and the last step.
    growth_bytes_per_connection: Option<f64>,
    /// Least squares over all steps.
    slope_bytes_per_connection: Option<f64>,
    idle: Usage,
}

impl Measured {
    fn idle_percent(&self) -> f64 {
        100.0 * self.idle.of("server").unwrap_or_default() / self.idle.seconds
    }
}

pub(crate) async fn run(args: &Args, common: &Common) -> Result<Report> {
    let steps = steps(args)?;
    let most = steps.last().copied().unwrap_or_default();
    let (mut gateway, mut floor, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    let mut watched = Vec::new();
    for round in 0..common.rounds {
        // A fresh server each round: an allocator does not give back what an earlier round used.
        let target = args.target.start(&common.progress, Needs::LIVE).await?;
        let pid = target.replicas[0]
            .pid()
            .context("--pid is missing: memory is read from its /proc entry")?;
        let crowd = target.crowd(People::users(most), common.clock)?;
        let watch = Watch::start([pid], crowd.counters());
        gateway.push(measure(args, common, round, ("server", pid), &crowd, &steps).await?);
        watched.push((format!("round {}", round + 1), watch.stop()));
        faults.extend(lost_sockets("the server", &crowd.tally().await?.travels.ends));
        crowd.close().await?;
        drop(target);
        if !args.no_floor {
            let server = Floor::start(Manner::Write, most, common.clock).await?;
            let who = ("floor", server.pid());
            floor.push(measure(args, common, round, who, &server.crowd, &steps).await?);
            server.crowd.close().await?;
        }
    }
    Ok(report(args, &steps, (&gateway, &floor), &watched, faults))
}

/// The steps in rising order, the last one being all connections.
fn steps(args: &Args) -> Result<Vec<usize>> {
    let mut steps = args.steps.clone();
    if steps.is_empty() {
        let all = args.connections.unwrap_or(1_000);
        steps = vec![all / 4, all / 2, all];
    }
    if let Some(all) = args.connections {
        ensure!(steps.iter().all(|step| *step <= all), "--steps go beyond --connections {all}");
        steps.push(all);
    }
    steps.sort_unstable();
    steps.dedup();
    steps.retain(|step| *step > 0);
    ensure!(!steps.is_empty(), "--connections and --steps take numbers above 0");
    Ok(steps)
}

async fn measure(
    args: &Args,
    common: &Common,
    round: u16,
    (who, pid): (&'static str, u32),
    crowd: &Crowd,
    steps: &[usize],
) -> Result<Measured> {
    let mut seen = Vec::new();
    for &step in steps {
        common.open(round, who, &crowd.counters(), step, crowd.open(step)).await?;
        common.wait(round, &format!("{who}: {step} sockets settle"), args.settle).await;
        seen.push((step, resident_bytes(pid)?));
    }
    let tool = std::process::id();
    let meter = Meter::start(&[("server", Some(pid)), ("tool", Some(tool))])?;
    common.wait(round, &format!("{who}: idle CPU"), args.seconds).await;
    let idle = meter.stop()?;
    let points: Vec<(f64, f64)> =
        seen.iter().map(|&(sockets, bytes)| (float(sockets as u64), float(bytes))).collect();
    Ok(Measured {
        steps: seen,
        growth_bytes_per_connection: growth(&points),
        slope_bytes_per_connection: slope(&points),
        idle,
    })
}

fn report(
    args: &Args,
    steps: &[usize],
    (gateway, floor): (&[Measured], &[Measured]),
    watched: &[(String, Vec<Sample>)],
    faults: Vec<String>,
) -> Report {
    let resident = |rounds: &[Measured], step: usize| {
        median(rounds.iter().filter_map(|r| r.steps.get(step)).map(|s| float(s.1) / 1_048_576.0))
    };
    let mut memory =
        Table::new("Resident memory of the server", &["connections", "server MiB", "floor MiB"]);
    for (index, step) in steps.iter().enumerate() {
        let connections = number(float(*step as u64).max(100.0));
        let shown = if *step < 100 { step.to_string() } else { connections };
        memory.row([shown, cell(resident(gateway, index)), cell(resident(floor, index))]);
    }
    let summary = |rounds: &[Measured]| {
        [
            median(rounds.iter().filter_map(|r| r.growth_bytes_per_connection)),
            median(rounds.iter().filter_map(|r| r.slope_bytes_per_connection)),
            median(rounds.iter().map(Measured::idle_percent)),
        ]
    };
    let (of_gateway, of_floor) = (summary(gateway), summary(floor));
    let mut each = Table::new(
        "Per connection",
        &["", "growth first→last, B", "least squares, B", "idle CPU, % of a core"],
    );
    each.row(row("server", of_gateway));
    if !floor.is_empty() {
        each.row(row("floor: tokio task on a TCP stream", of_floor));
        let ratios = std::array::from_fn(|i| of_gateway[i].zip(of_floor[i]).and_then(divide));
        each.row(row("server / floor", ratios));
    }
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
    if args.target.attaches() && gateway.len() > 1 {
        notes.push(
            "The gateway was not restarted between rounds: later rounds reuse memory.".into(),
        );
    }
    Report {
        scenario: "idle",
        title: format!("{most} connections, rounds: {}", gateway.len()),
        tables: vec![memory, each],
        plots: std::iter::once(growth_plot(gateway, floor)).chain(plots(watched)).collect(),
        notes,
        faults,
        data: json!({
            "gateway": gateway,
            "floor": floor,
            "median": {
                "growth_bytes_per_connection": of_gateway[0],
                "slope_bytes_per_connection": of_gateway[1],
                "idle_cpu_percent": of_gateway[2],
                "floor_growth_bytes_per_connection": of_floor[0],
                "floor_slope_bytes_per_connection": of_floor[1],
                "floor_idle_cpu_percent": of_floor[2],
            },
        }),
    }
}

/// Memory over sockets, of all rounds; a straight line is linear growth.
fn growth_plot(gateway: &[Measured], floor: &[Measured]) -> Plot {
    let points = |measured: &Measured| {
        let steps = measured.steps.iter();
        steps.map(|&(n, bytes)| (float(n as u64), float(bytes) / 1_048_576.0)).collect()
    };
    let plot = Plot::lines("Resident memory by connections", "connections", "MiB");
    let servers = [("server", gateway), ("floor", floor)];
    let all = servers.iter().flat_map(|(name, rounds)| rounds.iter().map(move |r| (*name, r)));
    all.fold(plot, |plot, (name, measured)| plot.with(name, points(measured)))
}

fn row(label: &str, values: [Option<f64>; 3]) -> Vec<String> {
    std::iter::once(label.to_owned()).chain(values.map(cell)).collect()
}

fn divide((a, b): (f64, f64)) -> Option<f64> {
    ratio(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn steps_of(line: &[&str]) -> Result<Vec<usize>> {
        let words = std::iter::once("idle").chain(line.iter().copied());
        steps(&<Line as clap::Parser>::parse_from(words).args)
    }

    #[test]
    fn steps_rise_and_end_with_all_connections() {
        for (line, want) in [
            ([].as_slice(), [250, 500, 1_000].as_slice()),
            (&["--connections", "2"], &[1, 2]),
            (&["--steps", "5000,1000"], &[1_000, 5_000]),
            (&["--steps", "10,20", "--connections", "30"], &[10, 20, 30]),
        ] {
            assert_eq!(steps_of(line).unwrap(), want, "{line:?}");
        }
        assert!(steps_of(&["--connections", "0"]).is_err());
        assert!(steps_of(&["--steps", "50", "--connections", "10"]).is_err());
    }
}
