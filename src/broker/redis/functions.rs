//! Keeps the function for publishers registered: on every new link, for Redis may be another one, or empty.

use std::sync::Arc;
use std::time::Duration;

use super::bus::Probes;
use super::log::Log;

/// How often a new link is looked for, and a refused registration tried again.
const LOOK: Duration = Duration::from_millis(100);

/// Registers for ever.
pub(super) async fn keep(log: Arc<Log>, probes: Arc<Probes>, max_payload_bytes: usize) {
    let mut registered = 0;
    let mut complained_of = 0;
    loop {
        let link = probes.links();
        if link > registered {
            match log.register(max_payload_bytes).await {
                Ok(()) => registered = link,
                Err(away) if complained_of < link => {
                    complained_of = link;
                    tracing::warn!(%away, "the function for publishers could not be registered");
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
