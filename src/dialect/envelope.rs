use serde_json::json;

use crate::notification::{Notification, rewrite};

use super::Message;

/// `{"type":"notification","data":{"notification_id":…,"notification_type":…,…}}`
pub(super) fn write_notification(notification: &Notification, out: &mut Vec<u8>) {
    let body = notification.body();
    let own = [
        ("notification_id", notification.id_json().to_owned()),
        ("notification_type", notification.kind_json().to_owned()),
    ];
    let skip: &[&str] = if notification.shadows_envelope() {
        &["notification_id", "notification_type"]
    } else {
        &[]
    };
    out.extend_from_slice(br#"{"type":"notification","data":"#);
    out.extend_from_slice(rewrite(body, &own, skip).as_bytes());
    out.push(b'}');
}

pub(super) fn write(message: &Message<'_>) -> String {
    let (kind, data, reference) = match message {
        Message::Pong { reference } => ("pong", None, *reference),
        Message::Error { code, text, reference } => {
            ("error", Some(json!({"code": code, "message": text})), *reference)
        }
        Message::Connected { connection_id, user, ping_interval } => {
            let data = json!({
                "connection_id": connection_id,
                "user_id": user.as_str(),
                "ping_interval": ping_interval.as_secs_f64(),
            });
            ("connected", Some(data), None)
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
    let mut frame = format!(r#"{{"type":"{kind}""#);
    if let Some(data) = data {
        frame.push_str(r#","data":"#);
        frame.push_str(&data.to_string());
    }
    if let Some(reference) = reference {
        frame.push_str(r#","ref":"#);
        frame.push_str(reference.get());
    }
    frame.push('}');
    frame
}
