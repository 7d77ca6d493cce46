//! Notifications from a queue of RabbitMQ: each is published, with an inbox into the logs of its users, and only
//! then acknowledged. What is none is moved to a queue of its own.

mod backoff;
mod check;
mod dead;
mod identity;
mod ledger;
mod link;
mod message;
mod session;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use check::check;

use crate::broker::{Away, Broker};
use crate::config;
use crate::telemetry::Metrics;
use backoff::Backoff;
use link::Door;
use message::Poison;
use session::{Appetite, End, Session};

/// What [`Rabbit::stop`] takes at the most.
const STOP: Duration = Duration::from_secs(6);
/// A session that lasted this long is followed by the next at once.
const LASTING: Duration = Duration::from_secs(10);
/// What goes on is logged when it begins, and then this often.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// What the ingest needs to know besides its own options.
pub struct Parts {
    /// Where notifications go.
    pub broker: Broker,
    /// Without one, they are published live only.
    pub has_inbox: bool,
    /// Largest notification, in bytes.
    pub max_payload_bytes: usize,
    /// Gets the `campanile_amqp_*` family.
    pub metrics: Arc<Metrics>,
}

/// The running ingest.
pub struct Rabbit {
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The configuration names no usable RabbitMQ. Safe to show.
#[derive(Debug, thiserror::Error)]
#[error("RabbitMQ: {0}")]
pub struct BadAddress(String);

struct Shared {
    config: config::Amqp,
    door: Arc<Door>,
    broker: Broker,
    has_inbox: bool,
    max_payload_bytes: usize,
    metrics: Arc<Metrics>,
    complaints: Mutex<Complaints>,
}

impl Rabbit {
    /// Starts to consume on the current runtime. RabbitMQ need not be there yet.
    ///
    /// # Errors
    /// The address or the file with the authorities cannot be used.
    pub fn start(config: config::Amqp, parts: Parts) -> Result<Self, BadAddress> {
        let door = Door::new(&config).map_err(|trouble| BadAddress(trouble.to_string()))?;
        let Parts { broker, has_inbox, max_payload_bytes, metrics } = parts;
        let shared = Shared {
            config,
            door: Arc::new(door),
            broker,
            has_inbox,
            max_payload_bytes,
            metrics,
            complaints: Mutex::default(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(shared, stop.clone()));
        Ok(Self { stop, task: Mutex::new(Some(task)) })
    }

    /// Whether it still does its work; RabbitMQ need not be there for that.
    pub fn is_running(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Takes no more, finishes what is in hand and closes, within 6 s. What is not finished by then is handed
    /// out again by RabbitMQ.
    pub async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task
            && timeout(STOP, &mut task).await.is_err()
        {
            tracing::warn!("RabbitMQ does not answer; what is in hand will be handed out again");
            task.abort();
        }
    }
}

async fn run(shared: Shared, stop: CancellationToken) {
    let (mut backoff, mut appetite) = (Backoff::default(), Appetite::Usual);
    while !stop.is_cancelled() {
        let session = tokio::select! {
            session = Session::start(&shared, appetite) => session,
            () = stop.cancelled() => return,
        };
        let trouble = match session {
            Err(trouble) => trouble,
            Ok(session) => {
                shared.metrics.amqp_connected.set(1);
                let began = Instant::now();
                let end = session.run(&stop).await;
                shared.metrics.amqp_connected.set(0);
                if began.elapsed() > LASTING {
                    backoff.reset();
                }
                appetite = Appetite::Usual;
                match end {
                    End::Stopped => return tracing::info!("no longer consuming"),
                    End::Relaxed => continue,
                    End::Overloaded => {
                        appetite = Appetite::OneByOne;
                        link::Trouble::new("messages are too large to take many; going one by one")
                    }
                    End::Lost(trouble) => trouble,
                }
            }
        };
        shared.metrics.amqp_reconnects.inc();
        let pause = backoff.next();
        tracing::warn!(%trouble, server = %shared.door, retry_in = ?pause, "not consuming");
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// What is logged now and then, however often it happens.
#[derive(Default)]
struct Complaints {
    away: Option<Instant>,
    dead: Option<Instant>,
    unsaid: usize,
}

impl Complaints {
    fn away(&mut self, away: &Away, waiting: usize) {
        if is_due(&mut self.away) {
            tracing::warn!(%away, waiting, "messages wait in hand until they can be published");
        }
    }

    fn dead(&mut self, queue: &str, poison: &Poison) {
        self.unsaid += 1;
        if is_due(&mut self.dead) {
            let messages = std::mem::take(&mut self.unsaid);
            let Poison { reason, error } = poison;
            tracing::warn!(
                messages,
                reason,
                error,
                "moving what cannot be published to {queue}.dead"
            );
        }
    }
}

fn is_due(last: &mut Option<Instant>) -> bool {
    let due = last.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY);
    if due {
        *last = Some(Instant::now());
    }
    due
}
