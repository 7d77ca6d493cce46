use std::process::ExitCode;

use super::{terminal, unknown_variables};
use crate::app;
use crate::config::{Config, JwtKey, ServeArgs};
use crate::telemetry::log;

/// `campanile serve`
pub(super) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let (config, warnings) = Config::from_args(args, JwtKey::Required).inspect_err(|_| {
        // The mistyped name is often the reason for what is missing.
        for warning in unknown_variables() {
            terminal::note(format!("campanile: {warning}"));
        }
    })?;
    log::init(&config.log)?;
    for warning in warnings.iter().chain(&unknown_variables()) {
        tracing::warn!("{warning}");
    }
    app::serve(config, |_| {}, || {}).await?;
    Ok(ExitCode::SUCCESS)
}
