//! What a message of the queue says: a notification in one of several shapes, or why it is none.

use jiff::Timestamp;
use lapin::message::Delivery;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::identity::derived;
use crate::ingest::publication::{Item, Problem, Terms};
use crate::notification::{Invalid, MissingId};

/// What may surround the notification in a message: names of many users, or the pattern of Nest.
const AROUND: usize = 1024 * 1024;
/// A larger number of seconds is in milliseconds, as some publishers write it.
const SECONDS: u64 = 100_000_000_000;

/// What a message says, ready to be published.
pub(super) struct Read {
    pub(super) item: Item,
    /// When it was sent, as far as it says.
    pub(super) sent: Option<Timestamp>,
}

/// Why a message is not published.
#[derive(Clone, Debug)]
pub(super) struct Poison {
    /// The metric's `reason`.
    pub(super) reason: &'static str,
    /// For people; never has a part of the message.
    pub(super) error: String,
}

impl From<Problem> for Poison {
    fn from(problem: Problem) -> Self {
        Self { reason: problem.label(), error: problem.message }
    }
}

impl From<Invalid> for Poison {
    fn from(invalid: Invalid) -> Self {
        Self { reason: invalid.label(), error: invalid.to_string() }
    }
}

/// What Nest sends: the payload of an event, behind its pattern.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(rename = "pattern")]
    _pattern: IgnoredAny,
    user_id: Option<IgnoredAny>,
    #[serde(rename = "userId")]
    user_id_alias: Option<IgnoredAny>,
    user_ids: Option<IgnoredAny>,
    broadcast: Option<IgnoredAny>,
}

/// Reads a message; a notification may have up to `limit` bytes.
pub(super) fn read(delivery: &Delivery, limit: usize) -> Result<Read, Poison> {
    let Delivery { data, properties, .. } = delivery;
    if data.len() > limit.saturating_add(AROUND) {
        return Err(Invalid::TooLarge { limit }.into());
    }
    let not_an_object = |error: &str| Poison { reason: "not_an_object", error: error.to_owned() };
    if let Some(encoding) = properties.content_encoding()
        && !["", "utf-8", "utf8", "identity"]
            .contains(&encoding.to_string().to_lowercase().as_str())
    {
        return Err(not_an_object("the message has a content_encoding other than utf-8"));
    }
    let text = std::str::from_utf8(data)
        .map_err(|_| not_an_object("the message is not UTF-8"))?
        // Some libraries of .NET put a byte order mark in front (RFC 8259, 8.1, lets a reader ignore it).
        .trim_start_matches('\u{feff}')
        .trim();
    let text = unwrapped(text);

    let derived = derived(data, properties);
    let stamped = properties.timestamp().and_then(time);
    let now = stamped.unwrap_or_else(Timestamp::now);
    let with_id = |id: Uuid| {
        let id = id.to_string();
        let missing_id = MissingId::Kept(&id);
        let item = Item::read(text, &Terms { limit, missing_id, now, has_recipients: true })?;
        Ok::<_, Problem>(item)
    };
    let mut item = with_id(derived)?;
    let has_mark = properties.message_id().is_some()
        || stamped.is_some()
        || item.timestamp != Some(now)
        || item.key() != derived.to_string();
    if !has_mark {
        // Two of one text may be meant, and a lost one would be worse than a double: each is new.
        item = with_id(Uuid::now_v7())?;
    }
    let own = item.timestamp.filter(|at| *at != now);
    Ok(Read { item, sent: own.or(stamped) })
}

/// The payload of what Nest sends, or `text` itself.
fn unwrapped(text: &str) -> &str {
    let Ok(wrapped) = serde_json::from_str::<Wrapped<'_>>(text) else { return text };
    let is_addressed = wrapped.user_id.is_some()
        || wrapped.user_id_alias.is_some()
        || wrapped.user_ids.is_some()
        || wrapped.broadcast.is_some();
    let data = wrapped.data.get();
    if is_addressed || !data.starts_with('{') { text } else { data }
}

/// The property is in seconds (AMQP 0-9-1, 4.2.5.4).
fn time(at: lapin::types::Timestamp) -> Option<Timestamp> {
    let milliseconds = if at < SECONDS { at.checked_mul(1000)? } else { at };
    Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use lapin::BasicProperties;

    use super::*;

    fn delivery(text: &str) -> Delivery {
        Delivery::mock(1, "".into(), "q".into(), false, text.as_bytes().to_vec())
    }

    fn parcel(text: &str) -> Read {
        read(&delivery(text), 1000).unwrap_or_else(|poison| panic!("{text}: {poison:?}"))
    }

    fn users(parcel: &Read) -> Vec<&str> {
        parcel.item.users.iter().map(crate::notification::UserId::as_str).collect()
    }

    #[test]
    fn every_shape_names_its_users_and_keeps_its_id() {
        for (text, user, id) in [
            (r#"{"user_id":"42","id":"a"}"#, "42", "a"),
            (r#"{"userId":"42","userEmail":"a@b","eventType":"n","notificationId":7}"#, "42", "7"),
            (r#"{"pattern":"n","data":{"userId":"42","notificationId":8}}"#, "42", "8"),
            (r#"{"pattern":{"cmd":"n"},"data":{"user_id":42,"id":"b"},"id":"rpc"}"#, "42", "b"),
            (r#"{"user_id":"42","pattern":"x","data":{"user_id":"no"},"id":"c"}"#, "42", "c"),
            (r#"{"recipient_id":"42","notification_id":"d"}"#, "42", "d"),
            (r#"{"recipient":"42","id":"e"}"#, "42", "e"),
            ("\u{feff}{\"recipientId\":42,\"id\":\"f\"}\n", "42", "f"),
        ] {
            let parcel = parcel(text);
            assert_eq!((users(&parcel), parcel.item.key()), (vec![user], id), "{text}");
        }
        assert_eq!(users(&parcel(r#"{"user_ids":["a",7],"id":"g"}"#)), ["a", "7"]);
        assert!(users(&parcel(r#"{"broadcast":true,"id":"g"}"#)).is_empty());
    }

    #[test]
    fn what_is_no_notification_has_a_reason_and_does_not_show_itself() {
        let long = format!(r#"{{"user_id":"42","message":"{}"}}"#, "x".repeat(1000));
        let longer = format!(r#"{{"user_id":"42","message":"{}"}}"#, "x".repeat(2 * AROUND));
        for (text, reason) in [
            ("hunter2", "not_an_object"),
            (r#"["hunter2"]"#, "not_an_object"),
            (r#"{"title":"hunter2"}"#, "user_id"),
            (r#"{"user_id":"","title":"hunter2"}"#, "user_id"),
            (r#"{"user_id":"a\nb","title":"hunter2"}"#, "user_id"),
            (r#"{"recipient":{"name":"hunter2"}}"#, "user_id"),
            (r#"{"user_id":{"hunter2":1}}"#, "not_an_object"),
            (r#"{"pattern":"x","data":"hunter2"}"#, "user_id"),
            (long.as_str(), "too_large"),
            (longer.as_str(), "too_large"),
        ] {
            let read = read(&delivery(text), 1000);
            let Err(poison) = read else { panic!("{text}") };
            assert_eq!(poison.reason, reason, "{text}: {poison:?}");
            assert!(!poison.error.contains("hunter2"), "{poison:?}");
        }
        let mut zipped = delivery(r#"{"user_id":"42"}"#);
        zipped.properties = BasicProperties::default().with_content_encoding("gzip".into());
        assert!(read(&zipped, 1000).is_err());
    }

    #[test]
    fn a_missing_id_is_the_same_each_time_where_anything_tells_messages_apart() {
        let bare = r#"{"user_id":"42","message":"hi"}"#;
        let dated = r#"{"user_id":"42","message":"hi","timestamp":"2026-01-02T03:04:05Z"}"#;
        let key = |text: &str, properties: BasicProperties| {
            let mut delivery = delivery(text);
            delivery.properties = properties;
            let parcel = read(&delivery, 1000);
            parcel.unwrap_or_else(|poison| panic!("{poison:?}")).item.key().to_owned()
        };
        let plain = BasicProperties::default;
        let named = plain().with_message_id("m".into());
        let stamped = plain().with_timestamp(1_767_323_045);
        for (text, properties) in [(bare, named), (bare, stamped), (dated, plain())] {
            assert_eq!(key(text, properties.clone()), key(text, properties), "{text}");
        }
        assert_ne!(key(bare, plain()), key(bare, plain()), "both may be meant");
    }

    #[test]
    fn the_time_it_was_sent_is_the_notifications_or_the_propertys() {
        let at = |text: &str, stamp: Option<u64>| {
            let mut delivery = delivery(text);
            if let Some(stamp) = stamp {
                delivery.properties = BasicProperties::default().with_timestamp(stamp);
            }
            let parcel = read(&delivery, 1000).ok().unwrap();
            parcel.sent.map(Timestamp::as_second)
        };
        let dated = r#"{"user_id":"42","sentAt":"2026-01-02T03:04:05Z"}"#;
        assert_eq!(at(dated, Some(5)), Some(1_767_323_045));
        assert_eq!(at(r#"{"user_id":"42"}"#, Some(1_767_323_046)), Some(1_767_323_046));
        assert_eq!(at(r#"{"user_id":"42"}"#, Some(1_767_323_046_000)), Some(1_767_323_046));
        assert_eq!(at(r#"{"user_id":"42"}"#, None), None);
    }
}
