//! After any doubt the log of a local user is read from where its sockets are, and what they miss delivered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Discarder;
use crate::broker::Broker;
use crate::broker::log::{Ask, Since, Start};
use crate::delivery::Parcel;
use crate::hub::{Doubt, Hub};
use crate::telemetry::{Metrics, Replay};

/// Logs in one pipeline; it takes Redis about 5 ms.
const BATCH: usize = 256;
/// Pause after Redis did not answer.
const PAUSE: Duration = Duration::from_millis(50);

/// Repairs for ever.
pub(super) async fn repair(
    broker: Broker,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    discarder: Discarder,
) {
    loop {
        let doubts = hub.doubts(BATCH).await;
        let ask = |doubt: &Doubt| Ask { user: doubt.user.clone(), start: Start::After(doubt.from) };
        let asks: Vec<Ask> = doubts.iter().map(ask).collect();
        match broker.catch_up(&asks).await {
            Ok(parts) => {
                for (doubt, since) in doubts.into_iter().zip(parts) {
                    deliver(&hub, &metrics, &discarder, doubt, &since);
                }
            }
            Err(away) => {
                tracing::debug!(%away, logs = doubts.len(), "logs are read later");
                for doubt in doubts {
                    hub.not_read(doubt);
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn deliver(hub: &Hub, metrics: &Metrics, discarder: &Discarder, doubt: Doubt, since: &Since) {
    let received = Instant::now();
    let parcels: Vec<Arc<Parcel>> = since
        .entries
        .iter()
        .filter_map(|entry| {
            let user = doubt.user.as_str();
            let Some(notification) = entry.notification(user) else {
                discarder.found(metrics, user, &entry.id);
                return None;
            };
            let replay = Parcel::replay(notification, entry.cursor, !entry.unread, received);
            Some(Arc::new(replay))
        })
        .collect();
    let (cursor, count) = (since.begin(doubt.from), since.summary.count);
    let missing = hub.caught_up(doubt, since, &parcels, |is_newer| {
        if !since.whole {
            Some(Arc::new(Parcel::lost(cursor, count, received)))
        } else if is_newer && since.summary.cursor.position > 0 && !since.has_more() {
            Some(Arc::new(Parcel::count_only(None, count, received)))
        } else {
            None
        }
    });
    if !since.whole {
        tracing::warn!(
            "a log has lost entries that its user may not have had; the sockets are told"
        );
        metrics.replayed(Replay::LostWhileOpen);
    } else if missing > 0 {
        metrics.replayed(Replay::Repaired);
    }
}
