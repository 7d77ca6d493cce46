//! Idle sockets: resident bytes of the server per socket, and its CPU while nothing happens.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::{Common, lost_sockets, seconds};
use crate::floor::{Floor, Manner};
use crate::probe::{Meter, Usage, Watch, resident_bytes};
use crate::report::Report;
use crate::stats::{float, growth, slope};
use crate::target::{Needs, People, TargetArgs};
use crate::worker::Crowd;

mod summary;

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
    /// How long idle CPU is measured in each step, seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Leave out the bare TCP floor
    #[arg(long)]
    no_floor: bool,
    #[command(flatten)]
    target: TargetArgs,
}

/// What one server took with so many sockets.
#[derive(Clone, Serialize)]
struct Step {
    connections: usize,
    resident_bytes: u64,
    usage: Usage,
}

/// One server's steps in one round.
#[derive(Clone, Serialize)]
struct Measured {
    steps: Vec<Step>,
    /// Between the first and the last step.
    growth_bytes_per_connection: Option<f64>,
    /// Least squares over all steps.
    slope_bytes_per_connection: Option<f64>,
    /// The same of its CPU, microseconds per second.
    slope_cpu_us_per_connection: Option<f64>,
}

impl Step {
    /// CPU of the server, microseconds per second.
    fn cpu(&self) -> f64 {
        1e6 * self.usage.of("server").unwrap_or_default() / self.usage.seconds
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
    Ok(summary::report(args, &steps, (&gateway, &floor), &watched, faults))
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
        let resident_bytes = resident_bytes(pid)?;
        let meter = Meter::start(&[("server", Some(pid)), ("tool", Some(std::process::id()))])?;
        common.wait(round, &format!("{who}: idle CPU of {step}"), args.seconds).await;
        seen.push(Step { connections: step, resident_bytes, usage: meter.stop()? });
    }
    let points = |of: fn(&Step) -> f64| -> Vec<(f64, f64)> {
        seen.iter().map(|step| (float(step.connections as u64), of(step))).collect()
    };
    let bytes = points(|step| float(step.resident_bytes));
    Ok(Measured {
        growth_bytes_per_connection: growth(&bytes),
        slope_bytes_per_connection: slope(&bytes),
        slope_cpu_us_per_connection: slope(&points(Step::cpu)),
        steps: seen,
    })
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
