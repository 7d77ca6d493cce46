//! Entries that are no notifications. Redis checks less than the gateway does when it appends through the
//! function; what no client can be given must not stay in the count either.

use tokio::sync::mpsc;

use crate::broker::Broker;
use crate::broker::log::Mark;
use crate::notification::{Invalid, UserId};
use crate::telemetry::{Metrics, Source};

/// Entries that may wait to be taken out; those beyond it are found again when the log is next read.
const MAX_WAITING: usize = 1024;

/// Where they are handed in.
#[derive(Clone)]
pub struct Discarder(mpsc::Sender<(UserId, Box<str>)>);

/// What has been handed in.
pub struct Discarded(mpsc::Receiver<(UserId, Box<str>)>);

/// Both ends.
pub fn discarding() -> (Discarder, Discarded) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    (Discarder(sender), Discarded(receiver))
}

impl Discarder {
    /// Has the entry `id` taken out of the log, soon.
    pub fn discard(&self, user: &str, id: &str) {
        if let Ok(user) = UserId::new(user) {
            self.0.try_send((user, id.into())).ok();
        }
    }

    /// As [`discard`](Self::discard), for one that was found in the log, where nobody has counted it yet.
    pub fn found(&self, metrics: &Metrics, user: &str, id: &str) {
        metrics.invalid(Source::Log, Invalid::NotAnObject);
        self.discard(user, id);
    }
}

pub(super) async fn discard(broker: Broker, mut waiting: Discarded) {
    while let Some((user, id)) = waiting.0.recv().await {
        match broker.mark(&user, &id, Mark::Deleted).await {
            Ok(_) => tracing::debug!("an entry that is no notification was taken out of a log"),
            Err(away) => tracing::debug!(%away, "an entry that is no notification stays in a log"),
        }
    }
}
