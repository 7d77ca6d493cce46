//! Keeps the function for publishers registered on every master: on every new link and connection, for behind
//! it may be another Redis, or an empty one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::bus::Probes;
use super::connect::Node;
use super::log::Log;
use crate::broker::Away;

/// How often a new link is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How often the masters are visited, link or not, and how often it is asked who they are.
const VISIT: Duration = Duration::from_secs(2);

/// Pause after a registration that failed.
const RETRY: Duration = Duration::from_millis(500);

/// Registers for ever.
pub(super) async fn keep(log: Arc<Log>, probes: Arc<Probes>, max_payload_bytes: usize) {
    let mut keeper = Keeper { log, max_payload_bytes, registered: HashMap::new() };
    let (mut link, mut complained) = (0, false);
    let mut next = Instant::now();
    loop {
        if probes.links() > link {
            link = probes.links();
            keeper.registered.clear();
            complained = false;
            next = Instant::now();
        }
        if link > 0 && Instant::now() >= next {
            let registered = keeper.register().await;
            next = Instant::now() + if registered.is_ok() { VISIT } else { RETRY };
            if let Err(away) = registered
                && !std::mem::replace(&mut complained, true)
            {
                tracing::warn!(%away, "the function for publishers could not be registered");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

struct Keeper {
    log: Arc<Log>,
    max_payload_bytes: usize,
    /// Where it was registered, and how many connections it had taken until then.
    registered: HashMap<Node, u64>,
}

impl Keeper {
    /// On every master that may not have it.
    async fn register(&mut self) -> Result<(), Away> {
        let nodes = self.log.nodes();
        let mut map = nodes.map().await?;
        if nodes.topology.can_change() {
            map = nodes.refresh(&map).await?;
        }
        self.registered.retain(|node, _| map.masters().contains(node));
        let mut failed = Ok(());
        for node in map.masters() {
            let registered = async {
                let connects = nodes.visit(node).await?;
                if self.registered.get(node) != Some(&connects) {
                    self.log.register(node, self.max_payload_bytes).await?;
                }
                Ok(connects)
            };
            match registered.await {
                Ok(connects) => drop(self.registered.insert(node.clone(), connects)),
                Err(away) => failed = Err(away),
            }
        }
        failed
    }
}
