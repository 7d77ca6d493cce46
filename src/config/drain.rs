use std::time::Duration;

use super::kind::DURATION_OR_ZERO;
use super::{Reader, Refused};

/// What SIGTERM does.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Not ready, still serving.
    pub delay: Duration,
    /// Closes are spread over this.
    pub window: Duration,
}

/// Raw options of [`Drain`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Shutdown")]
pub struct DrainArgs {
    /// After SIGTERM, how long to serve on while reporting not ready; 0 for not at all.
    ///
    /// Gives load balancers the time to look elsewhere.
    #[arg(long, env = "CAMPANILE_DRAIN_DELAY", value_name = "DURATION", default_value = "5s")]
    pub drain_delay: String,

    /// Time over which sockets are then closed, evenly; 0 for all at once.
    ///
    /// Delay and window together must fit into the grace period of the orchestrator.
    #[arg(long, env = "CAMPANILE_DRAIN_WINDOW", value_name = "DURATION", default_value = "20s")]
    pub drain_window: String,
}

impl DrainArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Drain, Refused> {
        let delay = reader.value("drain-delay", &self.drain_delay, &DURATION_OR_ZERO);
        let window = reader.value("drain-window", &self.drain_window, &DURATION_OR_ZERO);
        Ok(Drain { delay: delay?, window: window? })
    }
}
