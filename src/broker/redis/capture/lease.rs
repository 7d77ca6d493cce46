//! Who listens by pattern: two at a time, so that a crash loses nothing.

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

use crate::broker::Away;
use crate::broker::redis::Order;
use crate::broker::redis::commands::Commands;

/// How long a lease outlives its holder.
pub(super) const LASTS: Duration = Duration::from_secs(6);

/// What a replica that listens by pattern does with what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Appends what nobody else has appended.
    Leader,
    /// Appends what the leader has not appended either.
    Standby,
}

pub(super) struct Leases {
    commands: Arc<Commands>,
    replica: String,
    script: Arc<Script>,
}

impl Leases {
    pub(super) fn new(commands: Arc<Commands>, replica: String) -> Self {
        let script = Arc::new(Script::new(include_str!("../scripts/lease.lua")));
        Self { commands, replica, script }
    }

    /// Whether one could be taken.
    pub(super) async fn any_free(&self) -> Result<bool, Away> {
        self.commands.any_missing(&self.commands.channels.capture_leases()).await
    }

    /// Takes or renews the better one of those that are free; `None`: both are somebody else's.
    pub(super) async fn hold(&self) -> Result<Option<Role>, Away> {
        Ok(match self.call(LASTS).await? {
            1 => Some(Role::Leader),
            2 => Some(Role::Standby),
            _ => None,
        })
    }

    /// Lets somebody else take it at once.
    pub(super) async fn give_back(&self) -> Result<(), Away> {
        self.call(Duration::ZERO).await?;
        self.commands.order(&Order::Vacancy {}).await
    }

    async fn call(&self, lasts: Duration) -> Result<u8, Away> {
        let keys = self.commands.channels.capture_leases();
        let arguments = [self.replica.clone(), lasts.as_millis().to_string()];
        self.commands.script("lease", &self.script, &keys, &arguments).await
    }
}
