use std::process::ExitCode;

use super::{terminal, unknown_variables};
use crate::config::{Worker, WorkerArgs};
use crate::telemetry::log;
use crate::worker;

/// `campanile worker`
pub(super) async fn run(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    let (config, warnings) = Worker::from_args(args).inspect_err(|_| {
        // The mistyped name is often the reason for what is missing.
        for warning in unknown_variables() {
            terminal::note(format!("campanile: {warning}"));
        }
    })?;
    log::init(&config.log)?;
    for warning in warnings.iter().chain(&unknown_variables()) {
        tracing::warn!("{warning}");
    }
    worker::work(config).await?;
    Ok(ExitCode::SUCCESS)
}
