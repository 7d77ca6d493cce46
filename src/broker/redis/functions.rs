//! Keeps the function for publishers registered: on every new link, for Redis may be another one, or empty.

use std::sync::Arc;
use std::time::Duration;

use super::bus::Probes;
use super::log::Log;

/// How often a new link is looked for, and a refused registration tried again.
const LOOK: Duration = Duration::from_secs(1);

/// Registers for ever.
pub(super) async fn keep(log: Arc<Log>, probes: Arc<Probes>, max_payload_bytes: usize) {
    let mut registered = 0;
    let mut complained = false;
    loop {
        let link = probes.links();
        if link > registered {
            match log.register(max_payload_bytes).await {
                Ok(()) => (registered, complained) = (link, false),
                Err(away) if !complained => {
                    complained = true;
                    tracing::warn!(%away, "the function for publishers could not be registered");
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
