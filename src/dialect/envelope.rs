use serde_json::json;
use serde_json::value::RawValue;

use crate::notification::{Cursor, Notification, json_string, rewrite};

use super::Message;

/// `{"type":"notification","data":{"notification_id":…,"notification_type":…,…}}`, with `cursor` where it has
/// one. `notification_id` is always text, as in every other frame; `id` is what was published.
pub(super) fn write_notification(
    notification: &Notification,
    cursor: Option<Cursor>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(br#"{"type":"notification","data":"#);
    out.extend_from_slice(fields(notification, cursor, None).as_bytes());
    out.push(b'}');
}

/// One entry of a page: the notification's data, and whether it is `read`.
pub(super) fn item(notification: &Notification, cursor: Cursor, read: bool) -> String {
    fields(notification, Some(cursor), Some(read))
}

fn fields(notification: &Notification, cursor: Option<Cursor>, read: Option<bool>) -> String {
    let body = notification.body();
    let mut own = vec![
        ("notification_id", json_string(&notification.id_text())),
        ("notification_type", notification.kind_json().to_owned()),
    ];
    own.extend(cursor.map(|cursor| ("cursor", format!("\"{cursor}\""))));
    own.extend(read.map(|read| ("read", read.to_string())));
    let skip: &[&str] = if notification.shadows_envelope() {
        &["notification_id", "notification_type"]
    } else {
        &[]
    };
    rewrite(body, &own, skip)
}

pub(super) fn write(message: &Message<'_>) -> String {
    let (kind, data, reference) = match message {
        Message::Pong { reference } => ("pong", None, *reference),
        Message::Error { code, text, reference } => {
            ("error", Some(json!({"code": code, "message": text})), *reference)
        }
        Message::Connected { connection_id, user, ping_interval, inbox } => {
            let mut data = json!({
                "connection_id": connection_id,
                "user_id": user.as_str(),
                "ping_interval": ping_interval.as_secs_f64(),
            });
            if let Some((cursor, count)) = inbox {
                data["cursor"] = json!(cursor.to_string());
                data["unread_count"] = json!(count.unread);
                data["version"] = json!(count.version);
            }
            ("connected", Some(data), None)
        }
        Message::UnreadCount { count, cursor, reference } => {
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
            return frame("notifications", Some(page), *reference);
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
    frame(kind, data.map(|data| data.to_string()).as_deref(), reference)
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
