//! The benchmark tool of Campanile.

mod client;
mod floor;
mod probe;
mod publish;
mod record;
mod report;
mod scenario;
mod stats;
mod target;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use probe::Machine;
use report::Report;
use scenario::{
    Common, compare, durable, idle, jitter, rates, redis_loss, restart, slow, spread, storm,
    unicast,
};

/// Measures a notification server and what the same load costs without one: memory, CPU, latency, and
/// what happens when connections, replicas or Redis are lost.
///
/// Exit codes: 0 measured; 1 measured, but notifications or sockets were lost; 2 could not run.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Repeat everything so often, interleaved, and report medians
    #[arg(long, global = true, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Also write the result to this file
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write a page with plots to this file
    #[arg(long, global = true, value_name = "FILE.html")]
    report: Option<PathBuf>,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Authenticated sockets that receive nothing: resident bytes each, and idle CPU
    Idle(idle::Args),
    /// Notifications to single users: CPU per delivery and latency
    Unicast(unicast::Args),
    /// The same at several rates: does CPU grow as notifications do
    Rates(rates::Args),
    /// One message for everyone: when the last socket has it
    Broadcast(spread::Args),
    /// One message for one user with many sockets: when the last one has it
    Fanout(spread::Args),
    /// Everyone connects at once, and again after the server was killed
    Storm(storm::Args),
    /// Clients that lose their connection and come back: is anything missing, and how long it takes
    #[command(alias = "resume")]
    Jitter(jitter::Args),
    /// A rolling restart of several replicas: is anything missing
    Restart(restart::Args),
    /// Some clients stop reading: do the others notice
    Slow(slow::Args),
    /// Redis is killed and comes back: when is everyone served again
    RedisLoss(redis_loss::Args),
    /// Publishes that are kept: how many per second, what each costs Redis in CPU, bytes per entry
    Durable(durable::Args),
    /// The gateway, what one would run instead, and the floors, in turn
    Compare(compare::Args),
    /// A process that holds sockets, started by the scenarios
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    /// The floor's process, started by the scenarios
    #[command(hide = true)]
    Floor(floor::FloorArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) => fail(&format!("{error:#}")),
    }
}

/// Prints help as clap does, and an error of the command line as one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let help = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || error.kind() == help {
        let printed = error.print().is_ok();
        return if printed && !error.use_stderr() { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    fail(&format!("{} (try --help)", words.join(" ")))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("campanile-loadtest: {}", message.replace('\n', " "));
    ExitCode::from(2)
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { rounds, json, report: page, scenario } = cli;
    match &scenario {
        Scenario::Worker(args) => return worker::run(args).map(|()| ExitCode::SUCCESS),
        Scenario::Floor(args) => return floor::run(args).map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let common = Common::new(rounds);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report: Option<Report> = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let measured = async {
            match &scenario {
                Scenario::Idle(args) => idle::run(args, &common).await,
                Scenario::Unicast(args) => unicast::run(args, &common).await,
                Scenario::Rates(args) => rates::run(args, &common).await,
                Scenario::Broadcast(args) => spread::broadcast(args, &common).await,
                Scenario::Fanout(args) => spread::fanout(args, &common).await,
                Scenario::Storm(args) => storm::run(args, &common).await,
                Scenario::Jitter(args) => jitter::run(args, &common).await,
                Scenario::Restart(args) => restart::run(args, &common).await,
                Scenario::Slow(args) => slow::run(args, &common).await,
                Scenario::RedisLoss(args) => redis_loss::run(args, &common).await,
                Scenario::Durable(args) => durable::run(args, &common).await,
                Scenario::Compare(args) => compare::run(args, &common).await,
                Scenario::Worker(_) | Scenario::Floor(_) => unreachable!("handled above"),
            }
        };
        // Dropping the scenario stops its children.
        tokio::select! {
            report = measured => report.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
            _ = terminate.recv() => Ok(None),
        }
    })?;
    drop(common);
    let report = report.context("interrupted; nothing was reported")?;
    let machine = Machine::read();
    report.print(&machine)?;
    if let Some(path) = json {
        report.save(&machine, &path)?;
    }
    if let Some(path) = page {
        report.save_page(&machine, &path)?;
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
