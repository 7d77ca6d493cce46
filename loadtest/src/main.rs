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

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use probe::Machine;
use report::Report;
use scenario::{Common, durable, idle, resume, unicast};

/// Measures a Campanile gateway: memory per idle socket, CPU per delivery, and latency, each beside
/// a floor measured in the same run.
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
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Authenticated sockets that receive nothing: resident bytes each, and idle CPU
    Idle(idle::Args),
    /// Notifications to single users: CPU per delivery and latency
    Unicast(unicast::Args),
    /// Publishes that are kept: how many per second, what each costs Redis in CPU, bytes per entry
    Durable(durable::Args),
    /// Clients that lose their connection and come back: is anything missing, and how long it takes
    Resume(resume::Args),
    /// The floor's process, started by the other scenarios
    #[command(hide = true)]
    FloorWriter(floor::WriterArgs),
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
    let Cli { rounds, json, scenario } = cli;
    if let Scenario::FloorWriter(args) = &scenario {
        return floor::run_writer(args).map(|()| ExitCode::SUCCESS);
    }
    let common = Common::new(rounds);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report: Option<Report> = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let measured = async {
            match &scenario {
                Scenario::Idle(args) => idle::run(args, &common).await,
                Scenario::Unicast(args) => unicast::run(args, &common).await,
                Scenario::Durable(args) => durable::run(args, &common).await,
                Scenario::Resume(args) => resume::run(args, &common).await,
                Scenario::FloorWriter(_) => unreachable!("handled above"),
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
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
