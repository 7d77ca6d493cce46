//! Ready-made publishes of which only the stamp's digits change.

use serde_json::{Value, json};

use super::msgpack;
use super::resp::command;
use crate::record::{RunId, STAMP, blank_stamp, fill_stamp};

const HEAD: &str = r#"{"id":""#;
const BODY: &str = r#"","type":"info","title":"Order filled","message":""#;
const TAIL: &str = r#""}"#;

/// A notification of `bytes` bytes, or of the least possible number, with a blank stamp as its id.
/// `user_id` and `timestamp` are left to the gateway, as most publishers do.
pub(crate) fn notification(run: RunId, bytes: usize) -> Vec<u8> {
    let fixed = HEAD.len() + STAMP + BODY.len() + TAIL.len();
    let message = "x".repeat(bytes.saturating_sub(fixed));
    let parts =
        [HEAD.as_bytes(), &blank_stamp(run), BODY.as_bytes(), message.as_bytes(), TAIL.as_bytes()];
    parts.concat()
}

/// What publishes to one user.
pub(crate) struct Template {
    text: Vec<u8>,
    stamp: usize,
}

impl Template {
    /// `PUBLISH`, which is live only.
    pub(crate) fn plain(channel: &str, run: RunId, bytes: usize) -> Self {
        Self::command(&["PUBLISH", channel], run, bytes)
    }

    /// `FCALL` of the gateway's function, which appends to the user's log.
    pub(crate) fn durable(function: &str, user: &str, run: RunId, bytes: usize) -> Self {
        Self::command(&["FCALL", function, "1", user], run, bytes)
    }

    /// An element of the array that `POST /api/publish` takes.
    pub(crate) fn element(user: &str, run: RunId, bytes: usize) -> Self {
        let payload = notification(run, bytes);
        let head = format!(r#"{{"user_id":"{user}","#);
        Self::stamped([head.as_bytes(), &payload[1..]].concat(), run)
    }

    /// An element for every user.
    pub(crate) fn to_all(run: RunId, bytes: usize) -> Self {
        let payload = notification(run, bytes);
        Self::stamped([br#"{"broadcast":true,"#, &payload[1..]].concat(), run)
    }

    /// A command of Centrifugo's batch API.
    pub(crate) fn centrifugo(channel: &str, run: RunId, bytes: usize) -> Self {
        let payload = notification(run, bytes);
        let head = format!(r#"{{"publish":{{"channel":"{channel}","data":"#);
        Self::stamped([head.as_bytes(), &payload, b"}}"].concat(), run)
    }

    /// What Socket.IO's Redis adapter publishes for `NEW_NOTIFICATION` to a room of `/ws`, or to all.
    pub(crate) fn adapter(room: Option<&str>, run: RunId, bytes: usize) -> Self {
        let payload: Value = serde_json::from_slice(&notification(run, bytes)).unwrap_or_default();
        let rooms: Vec<&str> = room.into_iter().collect();
        let packet = json!([
            "loadtest",
            { "type": 2, "data": ["NEW_NOTIFICATION", payload], "nsp": "/ws" },
            { "rooms": rooms, "except": [], "flags": {} },
        ]);
        let mut bytes = Vec::new();
        msgpack::write(&mut bytes, &packet);
        let channel = room.map_or("socket.io#/ws#".into(), |room| format!("socket.io#/ws#{room}#"));
        let mut text = Vec::new();
        command(&mut text, [b"PUBLISH", channel.as_bytes(), &bytes].into_iter());
        Self::stamped(text, run)
    }

    fn stamped(text: Vec<u8>, run: RunId) -> Self {
        let blank = blank_stamp(run);
        let stamp = text.windows(STAMP).position(|window| window == blank).unwrap_or_default();
        Self { text, stamp }
    }

    fn command(words: &[&str], run: RunId, bytes: usize) -> Self {
        let payload = notification(run, bytes);
        let words: Vec<&[u8]> = words.iter().map(|w| w.as_bytes()).chain([&*payload]).collect();
        let mut text = Vec::new();
        command(&mut text, words.into_iter());
        Self::stamped(text, run)
    }

    /// Appends the publish of message `number`, meant to be sent at `intended`.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: u64, intended: u64) {
        let start = out.len() + self.stamp;
        out.extend_from_slice(&self.text);
        fill_stamp(&mut out[start..start + STAMP], number, intended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::find_stamp;

    #[test]
    fn a_notification_is_json_of_the_asked_size() {
        for (asked, got) in [(300, 300), (1_000, 1_000), (1, 98)] {
            let bytes = notification(*b"0000000a", asked);
            assert_eq!(bytes.len(), got);
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["type"], "info");
        }
    }

    #[test]
    fn every_form_carries_the_filled_stamp() {
        let run = *b"0000000a";
        for template in [
            Template::plain("user:1:notifications", run, 300),
            Template::durable("campanile_notify", "1", run, 300),
            Template::element("1", run, 300),
            Template::to_all(run, 300),
            Template::centrifugo("user:1:notifications", run, 300),
            Template::adapter(Some("user:1:notifications"), run, 300),
            Template::adapter(None, run, 300),
        ] {
            let mut out = b"before".to_vec();
            template.write(&mut out, 7, 1_000);
            assert_eq!(find_stamp(&out, run), Some((7, 1_000)));
        }
    }

    #[test]
    fn an_element_is_the_notification_and_whom_it_is_for() {
        let mut out = Vec::new();
        Template::element("load-1", *b"0000000a", 300).write(&mut out, 7, 0);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&value["user_id"], &value["type"]), (&"load-1".into(), &"info".into()));
        assert!(value["id"].as_str().unwrap().contains("-0000000007-"));
    }
}
