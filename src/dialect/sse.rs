use serde_json::json;

use crate::notification::{Cursor, Notification};

use super::{Message, envelope};

/// Milliseconds after which a client that was cut off comes back, unless it is advised otherwise.
const RETRY: u32 = 1000;
/// A line that clients skip; proxies see that the stream lives.
pub(super) const COMMENT: &str = ": \n\n";

/// An event `notification`, whose `id:` is the cursor where it has one.
pub(super) fn write_notification(
    notification: &Notification,
    cursor: Option<Cursor>,
    read: Option<bool>,
    out: &mut String,
) {
    let data = envelope::fields(notification, cursor, read);
    out.push_str(&event("notification", cursor, &data));
}

/// An event with the `type` and `data` that the envelope has.
pub(super) fn write(message: &Message<'_>) -> String {
    let id = match message {
        // Before a replay the client stays where it is until the first of those brings its own cursor:
        // it might be cut off in between.
        Message::Connected { inbox: Some((cursor, _)), replayed: 0, .. } => Some(*cursor),
        Message::UnreadCount { cursor, .. } => *cursor,
        Message::Reconnect { after, .. } => return format!("retry: {}\n\n", after.as_millis()),
        _ => None,
    };
    let (kind, data, _) = envelope::parts(message);
    let event = event(kind, id, data.as_deref().unwrap_or("null"));
    match message {
        Message::Connected { .. } => format!("retry: {RETRY}\n{event}"),
        _ => event,
    }
}

/// The last event, in place of a close frame.
pub(super) fn farewell(code: u16, reason: &str, reconnect: bool) -> String {
    let data = json!({"code": code, "reason": reason, "reconnect": reconnect});
    event("close", None, &data.to_string())
}

/// `data` is JSON, where a line break can only be white space; so it fits one line.
fn event(kind: &str, id: Option<Cursor>, data: &str) -> String {
    let id = id.map(|cursor| format!("id: {cursor}\n")).unwrap_or_default();
    let data = data.replace(['\n', '\r'], " ");
    format!("{id}event: {kind}\ndata: {data}\n\n")
}
