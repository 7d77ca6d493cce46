use std::borrow::Cow;

use serde_json::json;
use serde_json::value::RawValue;
use smallvec::{SmallVec, smallvec};

use crate::notification::{Cursor, Notification, rewrite_into};

use super::Message;

/// `{"type":"notification","data":{"notification_id":…,"notification_type":…,…}}`, with `cursor` where it has
/// one. `notification_id` is always text, as in every other frame; `id` is what was published.
pub(super) fn write_notification(
    notification: &Notification,
    cursor: Option<Cursor>,
    read: Option<bool>,
    out: &mut String,
) {
    out.push_str(r#"{"type":"notification","data":"#);
    write_fields(notification, cursor, read, out);
    out.push('}');
}

/// One entry of a page: the notification's data, and whether it is `read`.
pub(super) fn item(notification: &Notification, cursor: Cursor, read: bool) -> String {
    fields(notification, Some(cursor), Some(read))
}

/// The notification's own fields, and those that every client gets.
pub(super) fn fields(
    notification: &Notification,
    cursor: Option<Cursor>,
    read: Option<bool>,
) -> String {
    let mut out = String::with_capacity(notification.body().len() + 200);
    write_fields(notification, cursor, read, &mut out);
    out
}

fn write_fields(
    notification: &Notification,
    cursor: Option<Cursor>,
    read: Option<bool>,
    out: &mut String,
) {
    let id = match notification.id_json() {
        text if text.starts_with('"') => Cow::from(text),
        number => format!("\"{number}\"").into(),
    };
    let kind = notification.kind_json().into();
    let mut own: SmallVec<[(&str, Cow<'_, str>); 4]> =
        smallvec![("notification_id", id), ("notification_type", kind)];
    own.extend(cursor.map(|cursor| ("cursor", format!("\"{cursor}\"").into())));
    own.extend(read.map(|read| ("read", if read { "true" } else { "false" }.into())));
    let skip: &[&str] = if notification.shadows_envelope() {
        &["notification_id", "notification_type"]
    } else {
        &[]
    };
    rewrite_into(out, notification.body(), &own, skip);
}

pub(super) fn write(message: &Message<'_>) -> String {
    let (kind, data, reference) = parts(message);
    frame(kind, data.as_deref(), reference)
}

/// The `type` of a message, its `data` as JSON, and the `ref` that it answers.
pub(super) fn parts<'a>(
    message: &Message<'a>,
) -> (&'static str, Option<Cow<'a, str>>, Option<&'a RawValue>) {
    let (kind, data, reference) = match message {
        Message::Pong { reference } => ("pong", None, *reference),
        Message::Error { code, text, reference } => {
            ("error", Some(json!({"code": code, "message": text})), *reference)
        }
        Message::Connected { connection_id, user, ping_interval, inbox, recovered, replayed } => {
            let mut data = json!({
                "connection_id": connection_id,
                "user_id": user.as_str(),
                "ping_interval": ping_interval.as_secs_f64(),
                "recovered": recovered,
                "replayed": replayed,
            });
            if let Some((cursor, count)) = inbox {
                data["cursor"] = json!(cursor.to_string());
                data["unread_count"] = json!(count.unread);
                data["version"] = json!(count.version);
            }
            ("connected", Some(data), None)
        }
        Message::UnreadCount { count, reference, cursor } => {
            let mut data = json!({"count": count.unread, "version": count.version});
            if let Some(cursor) = cursor {
                data["cursor"] = json!(cursor.to_string());
            }
            ("unread_count", Some(data), *reference)
        }
        Message::Update { id, status } => {
            let data = json!({"notification_id": id, "status": status});
            ("notification_update", Some(data), None)
        }
        Message::Page { page, reference } => {
            return ("notifications", Some(Cow::Borrowed(page)), *reference);
        }
        Message::Refreshed { expires_in, reference } => {
            let seconds = expires_in.map(|left| left.as_secs());
            ("refreshed", Some(json!({"expires_in_s": seconds})), *reference)
        }
        Message::TokenExpiring { left } => {
            ("token_expiring", Some(json!({"in_s": left.as_secs()})), None)
        }
        Message::Reconnect { after, reason } => {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            ("reconnect", Some(json!({"after_ms": after_ms, "reason": reason})), None)
        }
    };
    (kind, data.map(|data| Cow::Owned(data.to_string())), reference)
}

fn frame(kind: &str, data: Option<&str>, reference: Option<&RawValue>) -> String {
    let mut frame = format!(r#"{{"type":"{kind}""#);
    if let Some(data) = data {
        frame.push_str(r#","data":"#);
        frame.push_str(data);
    }
    if let Some(reference) = reference {
        frame.push_str(r#","ref":"#);
        frame.push_str(reference.get());
    }
    frame.push('}');
    frame
}
