//! Puts what was published plainly into the logs of its users: behind delivery, and never in its way.

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::broker::log::Item;
use crate::broker::{Away, Broker, Numbers, Prints, Record};
use crate::notification::{Notification, UserId};
use crate::telemetry::Metrics;

/// Notifications that may wait; beyond it, and beyond the bytes, what comes is dropped and counted.
const MAX_ITEMS: usize = 65_536;
/// Bytes that may wait, [`OVERHEAD`] included.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// What one takes besides its texts.
const OVERHEAD: usize = 96;
/// Notifications in one pipeline, at most.
const PIPELINE: usize = 256;
/// So many at least, and as a rule an eighth of those that wait: while Redis appends it publishes nothing, and
/// eight take a third of a millisecond.
const SHARE: usize = 8;
/// How long the first waits for others to share its pipeline; alone, each costs three times as much.
const COALESCE: Duration = Duration::from_millis(2);
/// Pause after Redis took nothing.
const RETRY: Duration = Duration::from_millis(200);
/// How long a notification is tried that Redis refuses although it is there, such as for a key of another
/// type. Those behind it wait meanwhile.
const GIVE_UP: Duration = Duration::from_secs(10);
/// An outage is logged when it begins, and then this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Where notifications are offered; see [`Recording::run`].
pub struct Recorder {
    asks: mpsc::Sender<Ask>,
    load: Arc<Load>,
}

/// The task behind a [`Recorder`].
pub struct Recording {
    asks: mpsc::Receiver<Ask>,
    load: Arc<Load>,
    /// Since when the first in line has been refused by a Redis that is there.
    refused: Option<Instant>,
    complained: Option<Instant>,
}

enum Ask {
    Append(Entry),
    Settle(oneshot::Sender<()>),
}

struct Entry {
    user: UserId,
    notification: Notification,
    /// Of user and id.
    hash: u64,
}

/// What waits, and where it is counted.
struct Load {
    bytes: AtomicUsize,
    /// Of each that waits, the hash of user and id: a replica that holds a socket of the user and listens to
    /// all users too is offered it twice. Appended once is not known for ever, only until it is trimmed.
    waiting: Mutex<Numbers>,
    hasher: RandomState,
    prints: Prints,
    metrics: Arc<Metrics>,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.user.as_str().len() + self.notification.to_keep().len() + OVERHEAD
    }
}

impl Load {
    /// `Err` with the result to count, if it need not, or cannot, wait.
    fn take(&self, entry: &Entry) -> Result<(), &'static str> {
        if !self.waiting().insert(entry.hash) {
            return Err("known");
        }
        let bytes = entry.bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.waiting().remove(&entry.hash);
            return Err("dropped");
        }
        self.metrics.capture_queue_items.inc();
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Numbers> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, entry: &Entry) {
        self.waiting().remove(&entry.hash);
        self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
        self.metrics.capture_queue_items.dec();
    }

    fn count(&self, result: &str) {
        self.metrics.inbox_operations.with_label_values(&["capture", result]).inc();
    }
}

impl Recorder {
    /// Both ends of the queue.
    pub fn new(metrics: Arc<Metrics>) -> (Self, Recording) {
        let (sender, asks) = mpsc::channel(MAX_ITEMS);
        let load = Arc::new(Load {
            bytes: AtomicUsize::new(0),
            waiting: Mutex::default(),
            hasher: RandomState::new(),
            prints: Prints::default(),
            metrics,
        });
        let recorder = Self { asks: sender, load: load.clone() };
        (recorder, Recording { asks, load, refused: None, complained: None })
    }
}

impl Record for Recorder {
    fn record(&self, user: &UserId, notification: &Notification) {
        let hash = self.load.hasher.hash_one((user.as_str(), &*notification.id_text()));
        let entry = Entry { user: user.clone(), notification: notification.clone(), hash };
        if let Err(result) = self.load.take(&entry) {
            return self.load.count(result);
        }
        if let Err(refused) = self.asks.try_send(Ask::Append(entry)) {
            if let Ask::Append(entry) = refused.into_inner() {
                self.load.release(&entry);
            }
            self.load.count("dropped");
        }
    }

    fn print(&self, channel: &str, payload: &[u8]) -> u64 {
        self.load.hasher.hash_one((channel, payload))
    }

    fn prints(&self) -> &Prints {
        &self.load.prints
    }

    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let asks = self.asks.clone();
        Box::pin(async move {
            let (settle, settled) = oneshot::channel();
            if asks.send(Ask::Settle(settle)).await.is_ok() {
                settled.await.ok();
            }
        })
    }
}

impl Recording {
    /// Appends in the order of the offers, until the last [`Recorder`] is gone. While Redis is away
    /// everything waits.
    pub async fn run(mut self, broker: Broker) {
        let mut batch = Vec::with_capacity(PIPELINE);
        while let Some(first) = self.asks.recv().await {
            if matches!(first, Ask::Append(_)) && self.asks.len() < SHARE {
                sleep(COALESCE).await;
            }
            let settle = self.collect(first, &mut batch);
            while !batch.is_empty() {
                self.append(&broker, &mut batch).await;
            }
            if let Some(settle) = settle {
                settle.send(()).ok();
            }
        }
    }

    /// Takes this and what else has arrived by now; whom to tell when it is done.
    fn collect(&mut self, first: Ask, batch: &mut Vec<Entry>) -> Option<oneshot::Sender<()>> {
        let share = (self.asks.len() / 8).clamp(SHARE, PIPELINE);
        let mut next = Some(first);
        while let Some(ask) = next {
            match ask {
                Ask::Append(entry) => batch.push(entry),
                Ask::Settle(settle) => return Some(settle),
            }
            next = if batch.len() < share { self.asks.try_recv().ok() } else { None };
        }
        None
    }

    /// Appends the first of `batch`, at best all, and takes them out.
    async fn append(&mut self, broker: &Broker, batch: &mut Vec<Entry>) {
        // One at a time after a refusal, so that it is known which one was refused.
        let size = if self.refused.is_some() { 1 } else { batch.len() };
        let ids: Vec<Cow<'_, str>> =
            batch[..size].iter().map(|entry| entry.notification.id_text()).collect();
        let items: Vec<Item<'_>> = batch[..size]
            .iter()
            .zip(&ids)
            .map(|(entry, id)| Item {
                user: &entry.user,
                id,
                payload: entry.notification.to_keep(),
            })
            .collect();
        let done = match broker.capture(&items).await {
            Ok(appended) => {
                for one in &appended {
                    self.load.count(if one.is_new { "ok" } else { "known" });
                }
                (self.refused, self.complained) = (None, None);
                size
            }
            Err(away) => {
                self.load.count("away");
                self.complain(&away);
                sleep(RETRY).await;
                usize::from(self.is_hopeless(broker.link().is_up()))
            }
        };
        for entry in batch.drain(..done) {
            self.load.release(&entry);
        }
    }

    fn is_hopeless(&mut self, redis_is_there: bool) -> bool {
        if !redis_is_there {
            self.refused = None;
            return false;
        }
        let since = *self.refused.get_or_insert_with(Instant::now);
        let hopeless = since.elapsed() > GIVE_UP;
        if hopeless {
            self.refused = Some(Instant::now());
            self.load.count("dropped");
        }
        hopeless
    }

    fn complain(&mut self, away: &Away) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            let waiting = self.load.metrics.capture_queue_items.get();
            tracing::warn!(%away, waiting, "plain notifications wait to be kept; beyond {MAX_ITEMS} they are dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::broker::log::Retention;
    use crate::broker::memory::Memory;
    use crate::broker::redis::Channels;
    use crate::hub::Hub;
    use crate::notification::{MissingId, Target};
    use crate::recovery;
    use crate::router::Router;

    use super::*;

    fn broker(metrics: &Arc<Metrics>) -> Broker {
        let hub = Hub::new();
        let (discarder, _) = recovery::discarding();
        let router = Router::new(hub.clone(), metrics.clone(), 1000, discarder);
        let channels = Channels::new("user:{user_id}", "all", "c:");
        let retention = Retention { size: 10, ttl: Duration::from_hours(1), mail_after: None };
        Broker::Memory(Memory::start(hub, Box::new(router), channels, retention))
    }

    fn notification(id: &str, size: usize) -> Notification {
        let text = format!(r#"{{"id":"{id}","text":"{}"}}"#, "x".repeat(size));
        let (target, missing) = (Target::User("ada"), MissingId::Fresh);
        Notification::parse(text.as_bytes(), target, missing, Timestamp::now(), usize::MAX).unwrap()
    }

    fn results(metrics: &Metrics) -> [u64; 3] {
        let of = |result| metrics.inbox_operations.with_label_values(&["capture", result]).get();
        ["ok", "known", "dropped"].map(of)
    }

    #[tokio::test]
    async fn what_is_offered_is_appended_in_order_once_per_id() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let broker = broker(&metrics);
        let (recorder, recording) = Recorder::new(metrics.clone());
        let ada = UserId::new("ada").unwrap();
        for id in ["a", "b", "a", "c"] {
            recorder.record(&ada, &notification(id, 1));
        }
        assert_eq!(metrics.capture_queue_items.get(), 3, "what waits already is not kept twice");
        tokio::spawn(recording.run(broker.clone()));
        recorder.settled().await;
        let entries = broker.list(&ada, 0, 9, false).await.unwrap();
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!((ids.as_slice(), results(&metrics)), (&["c", "b", "a"][..], [3, 1, 0]));
        assert_eq!(metrics.capture_queue_items.get(), 0);
    }

    #[tokio::test]
    async fn neither_more_items_nor_more_bytes_wait_than_may() {
        let large = 1024 * 1024;
        // The other fields take less than a kilobyte.
        for (size, fit) in [(1, MAX_ITEMS), (large, MAX_BYTES / (large + 1024))] {
            let metrics = Arc::new(Metrics::new().unwrap());
            let (recorder, recording) = Recorder::new(metrics.clone());
            let ada = UserId::new("ada").unwrap();
            for n in 0..fit + 7 {
                recorder.record(&ada, &notification(&n.to_string(), size));
            }
            let waiting = usize::try_from(metrics.capture_queue_items.get()).unwrap();
            assert_eq!((waiting, results(&metrics)), (fit, [0, 0, 7]));
            tokio::spawn(recording.run(broker(&metrics)));
            recorder.settled().await;
            recorder.record(&ada, &notification("afterwards", size));
            recorder.settled().await;
            assert_eq!(results(&metrics), [fit as u64 + 1, 0, 7]);
            assert_eq!(recorder.load.bytes.load(Ordering::Relaxed), 0);
        }
    }
}
