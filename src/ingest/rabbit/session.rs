//! One connection's worth of consuming: from its queue to the logs, and nothing is acknowledged before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Consumer};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::backoff::Backoff;
use super::dead::{self, Condemned};
use super::ledger::Ledger;
use super::link::{self, Trouble, answer};
use super::message::{self, Poison, Read};
use crate::broker::{Away, Broker};
use crate::ingest::publication::deliver;
use crate::telemetry::{Metrics, Source, Taken};

/// Bodies of all messages in hand, in bytes. Prefetch counts messages; with more than this in hand the
/// connection is given up, and messages are taken one by one for a while.
const IN_HAND: usize = 64 * 1024 * 1024;
/// Messages that are taken one by one after that.
const ONE_BY_ONE: usize = 64;
/// Messages in one publication.
const TOGETHER: usize = 256;
/// Messages that are tried singly when one of several was refused by a Redis that is there.
const SINGLY: usize = 8;
/// How long a message is tried that Redis refuses while it takes others, such as for a key of another type.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How often the queue is measured.
const MEASURE: Duration = Duration::from_secs(5);
/// What a stop may take, so that what is in hand is finished.
const FINISH: Duration = Duration::from_secs(4);

/// How a session ended.
pub(super) enum End {
    /// It was told to.
    Stopped,
    /// Taking one by one has served its purpose.
    Relaxed,
    /// More came than memory is for.
    Overloaded,
    /// Whatever was in hand is handed out again.
    Lost(Trouble),
}

/// How much is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Appetite {
    Usual,
    OneByOne,
}

/// One message in hand. The original is kept until it is published, for it may have to be moved.
struct Parcel {
    delivery: Delivery,
    read: Read,
}

impl Parcel {
    fn tag(&self) -> u64 {
        self.delivery.delivery_tag
    }
}

type Attempt = Pin<Box<dyn Future<Output = (Vec<Parcel>, Vec<Result<(), Away>>)> + Send>>;

pub(super) struct Session<'a> {
    shared: &'a Shared,
    channel: Channel,
    consumer: Consumer,
    measuring: JoinHandle<()>,
    ledger: Ledger,
    waiting: VecDeque<Parcel>,
    attempt: Option<Attempt>,
    /// The last attempt failed although Redis is there: whose fault it is shows singly.
    is_singly: bool,
    /// Since when a message is refused.
    refused: HashMap<u64, Instant>,
    away: Backoff,
    has_failed: bool,
    condemned: mpsc::Sender<Condemned>,
    buried: mpsc::Receiver<u64>,
    undertaker: JoinHandle<()>,
    /// Messages with the undertaker.
    dying: HashSet<u64>,
    one_by_one: Option<usize>,
    connection: Connection,
}

impl<'a> Session<'a> {
    /// Connects, sees to the queues and begins to consume.
    pub(super) async fn start(shared: &'a Shared, appetite: Appetite) -> Result<Self, Trouble> {
        let queue = &shared.config.queue;
        let connection = shared.door.connect("campanile: ingest").await?;
        for name in [queue.clone(), link::dead(queue)] {
            if !link::ensure(&connection, &name).await? {
                tracing::info!(queue = name, "created a queue");
            }
        }
        let channel = link::open_channel(&connection).await?;
        let prefetch = match appetite {
            Appetite::OneByOne => 1,
            Appetite::Usual => prefetch(shared.config.prefetch, shared.max_payload_bytes),
        };
        let gauge = link::open_channel(&connection).await?;
        let measuring = tokio::spawn(measure(gauge, queue.clone(), shared.metrics.clone()));
        let limiting = channel.basic_qos(prefetch, BasicQosOptions::default());
        answer("cannot limit the prefetch", limiting).await?;
        let consuming = channel.basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = answer(format!("cannot consume the queue {queue}"), consuming).await?;
        let (condemned, to_bury) = mpsc::channel(usize::from(prefetch));
        let (tell, buried) = mpsc::channel(usize::from(prefetch));
        let burying = dead::bury(shared.door.clone(), link::dead(queue), to_bury, tell);
        let undertaker = tokio::spawn(burying);
        tracing::info!(server = %shared.door, queue, prefetch, "consuming");
        Ok(Self {
            shared,
            channel,
            consumer,
            measuring,
            ledger: Ledger::default(),
            waiting: VecDeque::new(),
            attempt: None,
            is_singly: false,
            refused: HashMap::new(),
            away: Backoff::default(),
            has_failed: false,
            condemned,
            buried,
            undertaker,
            dying: HashSet::new(),
            one_by_one: (appetite == Appetite::OneByOne).then_some(ONE_BY_ONE),
            connection,
        })
    }

    /// Consumes until told to stop, or until it cannot any more.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> End {
        let end = self.consume(stop).await.unwrap_or_else(End::Lost);
        self.shared.metrics.amqp_in_hand_messages.set(0);
        if matches!(end, End::Stopped | End::Relaxed) {
            // What was said last arrives before the connection closes; what was not is handed out again.
            let closing = self.connection.close(200, "bye".into());
            if let Err(trouble) = answer("cannot close the connection", closing).await {
                tracing::debug!(%trouble, "closed without a word");
            }
        }
        end
    }

    async fn consume(&mut self, stop: &CancellationToken) -> Result<End, Trouble> {
        let (mut leaving, mut is_drained) = (None, false);
        loop {
            if leaving.is_some() && self.is_done(is_drained) {
                return Ok(End::Stopped);
            }
            self.begin();
            if self.one_by_one == Some(0) && self.ledger.len() == 0 {
                return Ok(End::Relaxed);
            }
            let deadline = leaving.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            tokio::select! {
                () = stop.cancelled(), if leaving.is_none() => {
                    leaving = Some(Instant::now() + FINISH);
                    let tag = self.consumer.tag();
                    let cancelling = self.channel.basic_cancel(tag, BasicCancelOptions::default());
                    answer("cannot cancel the consumer", cancelling).await?;
                }
                () = tokio::time::sleep_until(deadline), if leaving.is_some() => {
                    tracing::warn!(messages = self.ledger.len(), "gives back what was not published in time");
                    return Ok(End::Stopped);
                }
                (batch, results) = attempted(&mut self.attempt) => {
                    self.attempt = None;
                    self.conclude(batch, results).await?;
                }
                Some(tag) = self.buried.recv() => {
                    self.dying.remove(&tag);
                    self.ledger.settle(tag);
                    self.acknowledge(Taken::Dead).await?;
                }
                next = self.consumer.next(), if !is_drained => match next {
                    Some(Ok(delivery)) => {
                        self.take(delivery);
                        if self.ledger.bytes() > IN_HAND && self.one_by_one.is_none() {
                            return Ok(End::Overloaded);
                        }
                    }
                    Some(Err(error)) => return answer("the connection ended", async { Err(error) }).await,
                    None if leaving.is_some() => is_drained = true,
                    None => return Err(Trouble::new(
                        "RabbitMQ cancelled the consumer; was the queue deleted?",
                    )),
                },
            }
        }
    }

    /// Nothing is left that could be finished: with Redis away, there is nothing to wait for.
    fn is_done(&self, is_drained: bool) -> bool {
        let published = self.waiting.is_empty() && self.attempt.is_none() && is_drained;
        (published && self.dying.is_empty()) || (self.has_failed && self.attempt.is_none())
    }

    fn take(&mut self, delivery: Delivery) {
        let metrics = &self.shared.metrics;
        if delivery.redelivered {
            metrics.taken(Taken::Redelivered, 1);
        }
        if let Some(left) = &mut self.one_by_one {
            *left = left.saturating_sub(1);
        }
        self.ledger.add(delivery.delivery_tag, delivery.data.len());
        metrics.amqp_in_hand_messages.set(i64::try_from(self.ledger.len()).unwrap_or(i64::MAX));
        match message::read(&delivery, self.shared.max_payload_bytes) {
            Ok(read) => self.waiting.push_back(Parcel { delivery, read }),
            Err(poison) => self.condemn(delivery, poison),
        }
    }

    fn condemn(&mut self, delivery: Delivery, poison: Poison) {
        let labels = [Source::Amqp.label(), poison.reason];
        self.shared.metrics.notifications_invalid.with_label_values(&labels).inc();
        self.shared
            .complaints
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .dead(&self.shared.config.queue, &poison);
        let tag = delivery.delivery_tag;
        self.dying.insert(tag);
        // There is room for as many as can be in hand; if the task has ended, the session does so too.
        if self.condemned.try_send(Condemned { delivery, poison }).is_err() {
            tracing::debug!(tag, "no undertaker");
        }
    }

    /// Starts to publish what waits, unless that is going on.
    fn begin(&mut self) {
        if self.attempt.is_some() || self.waiting.is_empty() {
            return;
        }
        let size = self.waiting.len().min(if self.is_singly { SINGLY } else { TOGETHER });
        let batch: Vec<Parcel> = self.waiting.drain(..size).collect();
        let (broker, has_inbox) = (self.shared.broker.clone(), self.shared.has_inbox);
        let pause = if self.has_failed { self.away.next() } else { Duration::ZERO };
        let is_singly = self.is_singly;
        self.attempt = Some(Box::pin(async move {
            sleep(pause).await;
            let results = publish(&broker, has_inbox, &batch, is_singly).await;
            (batch, results)
        }));
    }

    /// What was published is acknowledged; the others wait at the front again, in their order.
    async fn conclude(
        &mut self,
        batch: Vec<Parcel>,
        results: Vec<Result<(), Away>>,
    ) -> Result<(), Trouble> {
        let metrics = self.shared.metrics.clone();
        let some_published = results.iter().any(Result::is_ok);
        let mut failed = Vec::new();
        let now = Timestamp::now();
        for (parcel, result) in batch.into_iter().zip(results) {
            match result {
                Ok(()) => {
                    self.refused.remove(&parcel.tag());
                    self.ledger.settle(parcel.tag());
                    metrics.received(Source::Amqp);
                    if let Some(sent) = parcel.read.sent {
                        let lag = now.duration_since(sent).as_secs_f64();
                        metrics.amqp_lag_seconds.observe(lag.max(0.0));
                    }
                }
                Err(away) => failed.push((parcel, away)),
            }
        }
        self.has_failed = !failed.is_empty();
        if failed.is_empty() {
            self.away.reset();
            self.is_singly = false;
        } else {
            metrics.taken(Taken::Retried, failed.len());
            let (_, away) = &failed[0];
            self.shared
                .complaints
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .away(away, self.ledger.len());
            self.is_singly = self.shared.broker.link().is_up();
        }
        for (parcel, away) in failed.into_iter().rev() {
            let since = *self.refused.entry(parcel.tag()).or_insert_with(Instant::now);
            if self.is_singly && some_published && since.elapsed() > GIVE_UP {
                self.refused.remove(&parcel.tag());
                let poison = Poison { reason: "refused", error: away.to_string() };
                self.condemn(parcel.delivery, poison);
            } else {
                self.waiting.push_front(parcel);
            }
        }
        self.acknowledge(Taken::Acked).await
    }

    async fn acknowledge(&mut self, taken: Taken) -> Result<(), Trouble> {
        let before = self.ledger.len();
        for ack in self.ledger.acks() {
            let options = BasicAckOptions { multiple: ack.multiple };
            answer("cannot acknowledge", self.channel.basic_ack(ack.tag, options)).await?;
        }
        let metrics = &self.shared.metrics;
        metrics.taken(taken, before - self.ledger.len());
        metrics.amqp_in_hand_messages.set(i64::try_from(self.ledger.len()).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// What it has not moved by then is handed out again.
impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.undertaker.abort();
        self.measuring.abort();
    }
}

/// Messages of the longest kind in hand must fit the memory that is meant for them.
fn prefetch(configured: u16, max_payload_bytes: usize) -> u16 {
    let fitting = u16::try_from(IN_HAND / max_payload_bytes.max(1)).unwrap_or(u16::MAX);
    configured.min(fitting.max(1))
}

/// Until it is aborted. A task of its own: the answer comes after all messages that are on their way.
async fn measure(channel: Channel, queue: String, metrics: Arc<Metrics>) {
    loop {
        if let Ok(messages) = link::depth(&channel, &queue).await {
            metrics.amqp_queue_messages.set(i64::from(messages));
        }
        sleep(MEASURE).await;
    }
}

/// Never resolves without an attempt.
async fn attempted(attempt: &mut Option<Attempt>) -> (Vec<Parcel>, Vec<Result<(), Away>>) {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}

async fn publish(
    broker: &Broker,
    has_inbox: bool,
    batch: &[Parcel],
    is_singly: bool,
) -> Vec<Result<(), Away>> {
    let items = || batch.iter().map(|parcel| &parcel.read.item);
    if is_singly {
        let mut results = Vec::with_capacity(batch.len());
        for item in items() {
            results.push(deliver(broker, has_inbox, std::iter::once(item)).await.map(|_| ()));
        }
        return results;
    }
    let result = deliver(broker, has_inbox, items()).await.map(|_| ());
    batch.iter().map(|_| result.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_the_longest_are_taken_as_fit() {
        assert_eq!(prefetch(256, 65_536), 256);
        assert_eq!(prefetch(256, 16 * 1024 * 1024), 4);
        assert_eq!(prefetch(10_000, 65_536), 1024);
        assert_eq!(prefetch(1, 64), 1);
        assert_eq!(prefetch(256, usize::MAX), 1);
    }
}
