//! Moves messages that cannot be published to a queue of their own. On a connection of its own: RabbitMQ stops
//! reading from connections that publish while it is short of memory or disk, and acknowledgements on them
//! would wait too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Event};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::link::{self, Door, Trouble, answer};
use super::message::Poison;

/// How long RabbitMQ may take to confirm, unless it has said that it is short of memory or disk.
const CONFIRM: Duration = Duration::from_secs(30);
/// Messages on their way at once.
const TOGETHER: usize = 32;
/// Bytes of bodies on their way at once; one may exceed it.
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// Longest text of a header, in bytes.
const TEXT: usize = 512;

/// A message to be moved.
pub(super) struct Condemned {
    pub(super) delivery: Delivery,
    pub(super) poison: Poison,
}

/// Moves what comes, until nobody sends any more; says each tag once its message is safe.
pub(super) async fn bury(
    door: Arc<Door>,
    queue: String,
    mut condemned: mpsc::Receiver<Condemned>,
    buried: mpsc::Sender<u64>,
) {
    let mut open: Option<Open> = None;
    let mut backoff = Backoff::default();
    while let Some(first) = condemned.recv().await {
        let mut bytes = first.delivery.data.len();
        let mut batch = vec![first];
        while batch.len() < TOGETHER
            && bytes < TOGETHER_BYTES
            && let Ok(next) = condemned.try_recv()
        {
            bytes += next.delivery.data.len();
            batch.push(next);
        }
        while !batch.is_empty() {
            let moved = match open.take() {
                Some(open) => Ok(open),
                None => Open::new(&door, &queue).await,
            };
            let moved = match moved {
                Ok(it) => it.publish(&queue, &batch).await.map(|tags| (it, tags)),
                Err(trouble) => Err(trouble),
            };
            match moved {
                Ok((it, tags)) => {
                    backoff.reset();
                    batch.retain(|one| !tags.contains(&one.delivery.delivery_tag));
                    for tag in tags {
                        if buried.send(tag).await.is_err() {
                            return;
                        }
                    }
                    open = Some(it);
                }
                Err(trouble) => {
                    let pause = backoff.next();
                    tracing::warn!(%trouble, queue, waiting = batch.len(), retry_in = ?pause,
                        "messages that are no notifications cannot be moved and stay in their queue");
                    // Ends when the session does: nobody would hear of it any more.
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = buried.closed() => return,
                    }
                }
            }
        }
    }
}

/// A connection that confirms.
struct Open {
    channel: Channel,
    is_blocked: Arc<AtomicBool>,
    _connection: Connection,
}

impl Open {
    async fn new(door: &Door, queue: &str) -> Result<Self, Trouble> {
        let connection = door.connect("campanile: dead letters").await?;
        link::ensure(&connection, queue).await?;
        let is_blocked = Arc::new(AtomicBool::new(false));
        tokio::spawn(watch(connection.events_listener(), is_blocked.clone()));
        let channel = link::open_channel(&connection).await?;
        let selecting = channel.confirm_select(ConfirmSelectOptions::default());
        answer("cannot ask for confirms", selecting).await?;
        Ok(Self { channel, is_blocked, _connection: connection })
    }

    /// The tags of those that RabbitMQ has, which are all unless there is an error.
    async fn publish(&self, queue: &str, batch: &[Condemned]) -> Result<Vec<u64>, Trouble> {
        let mut confirms = Vec::with_capacity(batch.len());
        for Condemned { delivery, poison } in batch {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = properties(delivery, poison);
            let publishing = self.channel.basic_publish(
                "".into(),
                queue.into(),
                options,
                &delivery.data,
                properties,
            );
            confirms.push(answer(format!("cannot publish to {queue}"), publishing).await?);
        }
        let mut tags = Vec::with_capacity(batch.len());
        for (mut confirm, one) in confirms.into_iter().zip(batch) {
            let confirmation = loop {
                match timeout(CONFIRM, &mut confirm).await {
                    Ok(confirmation) => break confirmation,
                    Err(_elapsed) if self.is_blocked.load(Ordering::Relaxed) => {}
                    Err(_elapsed) => {
                        return Err(Trouble::new(format!("no confirm within {CONFIRM:?}")));
                    }
                }
            };
            match answer("not confirmed", async { confirmation }).await? {
                Confirmation::Ack(None) => tags.push(one.delivery.delivery_tag),
                Confirmation::Ack(Some(_)) => {
                    return Err(Trouble::new(format!("the queue {queue} is gone")));
                }
                _ => return Err(Trouble::new(format!("the queue {queue} takes no more"))),
            }
        }
        Ok(tags)
    }
}

/// Until the connection ends.
async fn watch(events: impl futures_util::Stream<Item = Event>, is_blocked: Arc<AtomicBool>) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(reason, "RabbitMQ takes no messages at the moment");
                is_blocked.store(true, Ordering::Relaxed);
            }
            Event::ConnectionUnblocked => is_blocked.store(false, Ordering::Relaxed),
            _ => {}
        }
    }
}

type With = fn(BasicProperties, ShortString) -> BasicProperties;

/// Those of the original, with why it is here. What would make RabbitMQ drop it, refuse it or send it
/// elsewhere too becomes a header: its expiration, who sent it, and `CC`.
fn properties(delivery: &Delivery, poison: &Poison) -> BasicProperties {
    let original = &delivery.properties;
    let mut headers = FieldTable::default();
    for (name, value) in original.headers().iter().flat_map(FieldTable::inner) {
        let name = if name.as_str() == "CC" { "x-campanile-cc".into() } else { name.clone() };
        headers.insert(name, value.clone());
    }
    let mut say = |name: &str, text: &str| {
        let end = text.floor_char_boundary(TEXT);
        let text = text.get(..end).unwrap_or_default();
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    };
    say("x-campanile-reason", poison.reason);
    say("x-campanile-error", &poison.error);
    say("x-campanile-exchange", delivery.exchange.as_str());
    say("x-campanile-routing-key", delivery.routing_key.as_str());
    if let Some(expiration) = original.expiration() {
        say("x-campanile-expiration", expiration.as_str());
    }
    if let Some(user) = original.user_id() {
        say("x-campanile-user-id", user.as_str());
    }
    let mut properties = BasicProperties::default().with_headers(headers).with_delivery_mode(2);
    let texts: [(&Option<ShortString>, With); 7] = [
        (original.content_type(), BasicProperties::with_content_type),
        (original.content_encoding(), BasicProperties::with_content_encoding),
        (original.correlation_id(), BasicProperties::with_correlation_id),
        (original.reply_to(), BasicProperties::with_reply_to),
        (original.message_id(), BasicProperties::with_message_id),
        (original.kind(), BasicProperties::with_type),
        (original.app_id(), BasicProperties::with_app_id),
    ];
    for (text, with) in texts {
        if let Some(text) = text {
            properties = with(properties, text.clone());
        }
    }
    if let Some(priority) = original.priority() {
        properties = properties.with_priority(*priority);
    }
    if let Some(timestamp) = original.timestamp() {
        properties = properties.with_timestamp(*timestamp);
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_kept_but_for_those_that_would_do_something_to_the_message() {
        let mut headers = FieldTable::default();
        headers.insert("x-own".into(), AMQPValue::LongInt(7));
        headers.insert("CC".into(), AMQPValue::LongString("other".into()));
        let mut delivery = Delivery::mock(1, "ex".into(), "key".into(), false, b"x".to_vec());
        delivery.properties = BasicProperties::default()
            .with_headers(headers)
            .with_message_id("m".into())
            .with_content_type("application/json".into())
            .with_timestamp(5)
            .with_priority(3)
            .with_expiration("1000".into())
            .with_user_id("shop".into());
        let poison = Poison { reason: "too_large", error: "é".repeat(TEXT) };
        let found = properties(&delivery, &poison);
        assert_eq!(found.message_id(), delivery.properties.message_id());
        assert_eq!(found.content_type(), delivery.properties.content_type());
        assert_eq!((found.timestamp(), found.priority()), (&Some(5), &Some(3)));
        assert_eq!((found.expiration(), found.user_id()), (&None, &None));
        assert_eq!(found.delivery_mode(), &Some(2));
        let headers = found.headers().as_ref().unwrap().inner();
        let text = |name: &str| match headers.get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(headers.get("x-own"), Some(&AMQPValue::LongInt(7)));
        assert!(!headers.contains_key("CC"));
        assert_eq!(text("x-campanile-cc"), "other");
        assert_eq!(text("x-campanile-reason"), "too_large");
        assert_eq!(text("x-campanile-error").len(), TEXT);
        assert_eq!(text("x-campanile-routing-key"), "key");
        assert_eq!(text("x-campanile-expiration"), "1000");
        assert_eq!(text("x-campanile-user-id"), "shop");
    }
}
