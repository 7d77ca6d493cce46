//! What a person types: the commands, their options, and what they print.

mod args;
mod check;
mod demo;
mod healthcheck;
mod publish;
mod serve;
mod terminal;
mod token;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use args::{Cli, Command, Healthcheck, Publish, Target, Token};

use crate::config;

/// Parses the arguments and runs the command. The exit code is 0, 1 for a failure, or 2 for a bad
/// command line or configuration.
pub fn main() -> ExitCode {
    let command = Cli::parse().into_command();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&anyhow::Error::new(error)),
    };
    let result = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(&args).await,
            Command::Worker(args) => worker::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Publish(args) => publish::run(*args).await,
            Command::Token(args) => token::run(&args),
            Command::Check(args) => Box::pin(check::run(&args)).await,
            Command::Healthcheck(args) => healthcheck::run(&args).await,
        }
    });
    // A JWKS fetch may still be running in a blocking thread; nobody waits for its answer.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| terminal::fail(&error))
}

/// Environment variables that look like ours and are not.
fn unknown_variables() -> Vec<config::Warning> {
    config::unknown_variables(&Cli::command(), std::env::vars_os())
}
