//! As much of the envelope's frames as a client needs, one that resumes by `campanile.v1` too.

use std::time::Duration;

use serde::Deserialize;

use super::{Heard, Said};

/// A frame of the gateway.
#[derive(Debug, Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    data: Data<'a>,
}

/// The fields of all kinds of frames.
#[derive(Debug, Default, Deserialize)]
struct Data<'a> {
    /// After which to go on.
    #[serde(borrow, default)]
    cursor: Option<&'a str>,
    /// How many missed notifications follow the greeting.
    #[serde(default)]
    replayed: Option<u64>,
    /// Whether nothing is missing after the cursor that the client gave.
    #[serde(default)]
    recovered: Option<bool>,
    /// When to come back, of `reconnect`.
    #[serde(default)]
    after_ms: Option<u64>,
}

pub(super) fn hear(message: &[u8]) -> Heard<'_> {
    let Some(frame) = read(message) else { return Heard::said(Said::Strange) };
    let data = frame.data;
    Heard::said(match frame.kind {
        "notification" => Said::Notification { cursor: data.cursor },
        "connected" => Said::Greeting {
            cursor: data.cursor,
            replayed: data.replayed.unwrap_or_default(),
            gap: data.recovered == Some(false),
        },
        "reconnect" => Said::Reconnect(Duration::from_millis(data.after_ms.unwrap_or_default())),
        "unread_count" | "notification_update" | "pong" | "token_expiring" => Said::Nothing,
        _ => Said::Strange,
    })
}

/// `None`: no frame that this client understands.
fn read(text: &[u8]) -> Option<Frame<'_>> {
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_gives_what_resuming_needs() {
        let said = |text: &'static str| hear(text.as_bytes()).said;
        let hello = r#"{"type":"connected","data":{"connection_id":"c","replayed":3,"recovered":true,"cursor":"7-9"}}"#;
        assert_eq!(said(hello), Said::Greeting { cursor: Some("7-9"), replayed: 3, gap: false });
        let fresh = r#"{"type":"connected","data":{"recovered":null,"replayed":0}}"#;
        assert_eq!(said(fresh), Said::Greeting { cursor: None, replayed: 0, gap: false });
        let gap = r#"{"type":"connected","data":{"recovered":false,"replayed":0}}"#;
        assert_eq!(said(gap), Said::Greeting { cursor: None, replayed: 0, gap: true });
        let notification =
            r#"{"type":"notification","data":{"id":7,"data":{"a":[1]},"cursor":"8-9"}}"#;
        assert_eq!(said(notification), Said::Notification { cursor: Some("8-9") });
        let reconnect = r#"{"type":"reconnect","data":{"after_ms":700,"reason":"restarting"}}"#;
        assert_eq!(said(reconnect), Said::Reconnect(Duration::from_millis(700)));
        assert_eq!(said(r#"{"type":"unread_count","data":{"count":1}}"#), Said::Nothing);
        assert_eq!(said(r#"{"type":"error","data":{"code":"x"}}"#), Said::Strange);
        assert_eq!(said("[]"), Said::Strange);
    }
}
