//! As much of the frames of `campanile.v1` as a client needs that resumes.

use serde::Deserialize;

/// A frame of the gateway.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    #[serde(borrow, default)]
    pub(super) data: Data<'a>,
}

/// The fields of all kinds of frames.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Data<'a> {
    /// Of a notification.
    #[serde(borrow, default)]
    pub(super) id: Option<&'a str>,
    /// After which to go on.
    #[serde(borrow, default)]
    pub(super) cursor: Option<&'a str>,
    /// How many missed notifications follow the greeting.
    #[serde(default)]
    pub(super) replayed: Option<u64>,
    /// Whether nothing is missing after the cursor that the client gave.
    #[serde(default)]
    pub(super) recovered: Option<bool>,
}

/// `None`: no frame that this client understands.
pub(super) fn read(text: &[u8]) -> Option<Frame<'_>> {
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_gives_what_resuming_needs() {
        let hello = read(
            br#"{"type":"connected","data":{"connection_id":"c","replayed":3,"recovered":true,"cursor":"7-9"}}"#,
        )
        .unwrap();
        assert_eq!((hello.kind, hello.data.replayed), ("connected", Some(3)));
        assert_eq!((hello.data.recovered, hello.data.cursor), (Some(true), Some("7-9")));
        let text =
            br#"{"type":"notification","data":{"id":"lt-1","data":{"a":[1]},"cursor":"8-9"}}"#;
        let notification = read(text).unwrap();
        assert_eq!(notification.data.id.zip(notification.data.cursor), Some(("lt-1", "8-9")));
        let fresh =
            read(br#"{"type":"connected","data":{"recovered":null,"replayed":0}}"#).unwrap();
        assert_eq!((fresh.data.recovered, fresh.data.cursor), (None, None));
        assert_eq!(read(br#"{"type":"pong"}"#).unwrap().kind, "pong");
        assert!(
            read(b"[]").is_none() && read(br#"{"type":"notification","data":{"id":7}}"#).is_none()
        );
    }
}
