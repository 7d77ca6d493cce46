//! Socket.IO 5, as text inside Engine.IO messages: what is said; [`packet`] is what is heard.
//!
//! <https://socket.io/docs/v4/socket-io-protocol/>

pub mod packet;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Message;
use crate::notification::{Count, Notification, json_string, rewrite};

/// Where a Socket.IO client can connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// `/`
    Root,
    /// `/ws`, the one of Ulens.
    Ws,
}

impl Namespace {
    /// Indexed by `namespace as usize`.
    pub const ALL: [Self; 2] = [Self::Root, Self::Ws];

    /// As in a packet that is not of the root namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Ws => "/ws",
        }
    }

    /// `None`: there is no such namespace.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|namespace| namespace.name() == name)
    }

    /// What stands between the type of a packet and its data.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Ws => "/ws,",
        }
    }
}

/// A notification as [`socketio`](self) clients see it: its own fields, and of `message`, `sentAt` and `readAt`
/// what it has not itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Own<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow)]
    read_at: Option<&'a RawValue>,
}

/// `42/ws,["NEW_NOTIFICATION",{…}]`
pub(super) fn write_notification(
    namespace: Namespace,
    notification: &Notification,
    read: Option<bool>,
    out: &mut String,
) {
    out.push_str("42");
    out.push_str(namespace.prefix());
    out.push_str(r#"["NEW_NOTIFICATION","#);
    out.push_str(&data(notification, read == Some(true)));
    out.push(']');
}

fn data(notification: &Notification, read: bool) -> String {
    let body = notification.body();
    // A name that appears twice is an error here; then the last one counts, as everywhere.
    let last;
    let (body, own) = if let Ok(own) = serde_json::from_str::<Own<'_>>(body) {
        (body, own)
    } else {
        last = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default().to_string();
        match serde_json::from_str(&last) {
            Ok(own) => (last.as_str(), own),
            Err(_) => return body.to_owned(),
        }
    };
    let sent_at = own.sent_at.or(own.timestamp).map_or("null", RawValue::get);
    let mut missing: Vec<(&str, String)> = Vec::new();
    if own.message.is_none() {
        let title = own.title.map(RawValue::get).filter(|raw| raw.starts_with('"'));
        missing.push(("message", title.unwrap_or("\"\"").to_owned()));
    }
    if own.sent_at.is_none() {
        missing.push(("sentAt", sent_at.to_owned()));
    }
    if own.read_at.is_none() {
        // When it was read is not kept, only that it was.
        missing.push(("readAt", if read { sent_at } else { "null" }.to_owned()));
    }
    // What is there as `null`.
    let is_there = |name: &str| body.contains(&format!("\"{name}\""));
    let skip: Vec<&str> =
        missing.iter().map(|(name, _)| *name).filter(|name| is_there(name)).collect();
    rewrite(body, &missing, &skip)
}

/// `42/ws,["NAME",…]`; `text` is the array.
pub fn event(namespace: Namespace, text: &str) -> String {
    format!("42{}{text}", namespace.prefix())
}

/// What is told of a change in the inbox, and of the count.
pub(super) fn write_change(namespace: Namespace, message: &Message<'_>) -> Option<String> {
    let (name, data) = match message {
        Message::UnreadCount { count, .. } => ("UNREAD_COUNT", counted(*count)),
        Message::Update { id, status } => {
            ("NOTIFICATION_UPDATE", json!({"id": id, "status": status}).to_string())
        }
        _ => return None,
    };
    Some(event(namespace, &format!("[{},{data}]", json_string(name))))
}

/// A namespace is open; `sid` is the public name of the client in it.
pub fn connected(namespace: Namespace, sid: &str) -> String {
    format!("40{}{}", namespace.prefix(), json!({"sid": sid}))
}

/// There is no such namespace. `name` is as the client said it, so without a comma.
pub fn unknown_namespace(name: &str) -> String {
    format!("44{name},{}", json!({"message": "Invalid namespace"}))
}

/// The end of a namespace; the client does not come back by itself.
pub fn disconnect(namespace: Namespace) -> String {
    format!("41{}", namespace.prefix())
}

/// The event `ERROR` with a text: a verdict that ends the connection.
pub fn error(namespace: Namespace, text: &str) -> String {
    event(namespace, &json!(["ERROR", text]).to_string())
}

/// The event that shows that events arrive.
pub fn test_notification(namespace: Namespace) -> String {
    event(namespace, r#"["TEST_NOTIFICATION",{"message":"Hello, world!"}]"#)
}

/// It was done. `ack` are the digits that came with the event; without, nothing is said.
pub fn done(namespace: Namespace, ack: Option<&str>) -> Option<String> {
    Some(acknowledgement(namespace, ack?, &json!({"ok": true})))
}

/// The count, for who asked for it or changed it; without `ack`, as the event that all get.
pub fn count(namespace: Namespace, ack: Option<&str>, count: Count) -> String {
    match ack {
        Some(ack) => {
            let answer = json!({"ok": true, "count": count.unread, "version": count.version});
            acknowledgement(namespace, ack, &answer)
        }
        None => event(namespace, &format!(r#"["UNREAD_COUNT",{}]"#, counted(count))),
    }
}

/// It was not done; without `ack` as the event `exception`, as Nest has it.
pub fn failure(namespace: Namespace, ack: Option<&str>, code: &str, text: &str) -> String {
    if let Some(ack) = ack {
        let answer = json!({"ok": false, "error": {"code": code, "message": text}});
        return acknowledgement(namespace, ack, &answer);
    }
    let exception = json!({"status": "error", "code": code, "message": text});
    event(namespace, &json!(["exception", exception]).to_string())
}

fn acknowledgement(namespace: Namespace, ack: &str, answer: &serde_json::Value) -> String {
    format!("43{}{ack}[{answer}]", namespace.prefix())
}

fn counted(count: Count) -> String {
    json!({"count": count.unread, "version": count.version}).to_string()
}
