//! Ready-made `PUBLISH` commands of which only the stamp's digits change.

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

/// One channel's command.
pub(crate) struct Template {
    command: Vec<u8>,
    stamp: usize,
}

impl Template {
    pub(crate) fn new(channel: &str, run: RunId, bytes: usize) -> Self {
        let payload = notification(run, bytes);
        let mut out = Vec::new();
        let words = [b"PUBLISH".as_slice(), channel.as_bytes(), &payload];
        command(&mut out, words.into_iter());
        let stamp = out.len() - 2 - payload.len() + HEAD.len();
        Self { command: out, stamp }
    }

    /// Appends the command for message `number`, meant to be sent at `intended`.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: u64, intended: u64) {
        let start = out.len() + self.stamp;
        out.extend_from_slice(&self.command);
        fill_stamp(&mut out[start..start + STAMP], number, intended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

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
    fn a_command_carries_the_filled_stamp() {
        let mut out = b"before".to_vec();
        Template::new("user:1:notifications", *b"0000000a", 300).write(&mut out, 7, 1_000);
        let mut recorder = Recorder::new(*b"0000000a", 0, 1);
        recorder.message(0, &out, 3_000);
        assert_eq!(recorder.tally().latency.max(), 2_000);
    }
}
