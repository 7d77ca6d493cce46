//! What clients say, with every rule by which the reference server closes a connection.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Command;

/// Names that mean something to the libraries themselves.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
/// More digits than any number of an acknowledgement has.
const MAX_ACK: usize = 20;

/// One packet.
#[derive(Debug)]
pub enum Packet<'a> {
    /// Wants into a namespace.
    Connect {
        /// Such as `/ws`.
        namespace: &'a str,
        /// What `auth` of the client gave, if anything.
        token: Given,
    },
    /// Leaves a namespace.
    Disconnect {
        /// Such as `/ws`.
        namespace: &'a str,
    },
    /// Says something.
    Event {
        /// Such as `/ws`.
        namespace: &'a str,
        /// The number to acknowledge it with, as digits.
        ack: Option<&'a str>,
        /// `None`: a number.
        name: Option<String>,
        /// What follows the name.
        arguments: Vec<&'a RawValue>,
    },
    /// Acknowledges what was never asked to be.
    Ack {
        /// Such as `/ws`.
        namespace: &'a str,
    },
    /// Announces binary data.
    Binary,
}

/// The token in the handshake of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// None, `null` or an empty one.
    Nothing,
    /// Not verified.
    Token(String),
    /// Not a text.
    Unusable,
}

/// A text is no packet, or one that closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of Socket.IO 5")]
pub struct BadPacket;

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    token: serde_json::Value,
}

impl<'a> Packet<'a> {
    /// Reads what stood in one message of Engine.IO.
    ///
    /// # Errors
    /// Not a packet, or one that a client must not send.
    pub fn read(text: &'a str) -> Result<Self, BadPacket> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(BadPacket)?;
        let rest = rest.as_str();
        if matches!(kind, '5' | '6') {
            return Ok(Self::Binary);
        }
        let (namespace, rest) = match rest.strip_prefix('/') {
            None => ("/", rest),
            // At the end of a packet the comma may be missing.
            Some(_) => rest.split_once(',').unwrap_or((rest, "")),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (ack, data) = rest.split_at_checked(digits).ok_or(BadPacket)?;
        let ack = Some(ack).filter(|ack| !ack.is_empty());
        if ack.is_some_and(|ack| ack.len() > MAX_ACK) {
            return Err(BadPacket);
        }
        match kind {
            '0' if ack.is_none() => Ok(Self::Connect { namespace, token: given(data)? }),
            '1' if rest.is_empty() => Ok(Self::Disconnect { namespace }),
            '2' => {
                let mut all = array(data)?.into_iter();
                let head = all.next().ok_or(BadPacket)?.get();
                let name = match serde_json::from_str(head) {
                    Ok(serde_json::Value::String(name)) => Some(name),
                    Ok(serde_json::Value::Number(_)) => None,
                    _ => return Err(BadPacket),
                };
                if name.as_ref().is_some_and(|name| RESERVED.contains(&name.as_str())) {
                    return Err(BadPacket);
                }
                Ok(Self::Event { namespace, ack, name, arguments: all.collect() })
            }
            '3' if ack.is_some() => array(data).map(|_| Self::Ack { namespace }),
            // 4, the refusal of a namespace, is the server's.
            _ => Err(BadPacket),
        }
    }
}

fn array(text: &str) -> Result<Vec<&RawValue>, BadPacket> {
    serde_json::from_str(text).map_err(|_| BadPacket)
}

fn given(text: &str) -> Result<Given, BadPacket> {
    if text.is_empty() {
        return Ok(Given::Nothing);
    }
    if !text.starts_with('{') {
        return Err(BadPacket);
    }
    // A name that appears twice is no token that anybody meant.
    let auth: Auth = serde_json::from_str(text)
        .or_else(|error| if error.is_data() { Ok(Auth { token: true.into() }) } else { Err(error) })
        .map_err(|_| BadPacket)?;
    Ok(match auth.token {
        serde_json::Value::Null => Given::Nothing,
        serde_json::Value::String(token) if token.is_empty() => Given::Nothing,
        serde_json::Value::String(token) => Given::Token(token),
        _ => Given::Unusable,
    })
}

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `SUBSCRIBE_NOTIFICATIONS`
    Subscribe,
    /// Something of the inbox.
    Ask(Command),
}

/// An event that asks for nothing there is; the code is for programs, the text for people.
pub type BadEvent = (&'static str, &'static str);

/// Reads an event.
///
/// # Errors
/// Not known, or without what it needs.
pub fn request(name: Option<&str>, arguments: &[&RawValue]) -> Result<Request, BadEvent> {
    match name {
        Some("SUBSCRIBE_NOTIFICATIONS") => Ok(Request::Subscribe),
        Some("GET_UNREAD_COUNT") => Ok(Request::Ask(Command::GetUnreadCount)),
        Some("MARK_READ") => {
            let id = arguments.first().and_then(|argument| id(argument.get()));
            let id = id.ok_or(("bad_fields", "MARK_READ needs {\"id\": text or number}"))?;
            Ok(Request::Ask(Command::MarkRead { id }))
        }
        _ => Err((
            "unknown_event",
            "unknown event; known are SUBSCRIBE_NOTIFICATIONS, MARK_READ and GET_UNREAD_COUNT",
        )),
    }
}

/// `{"id":7}`, or the id alone.
fn id(argument: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Text(String),
        Number(serde_json::Number),
        In { id: Box<Id> },
    }
    match serde_json::from_str(argument).ok()? {
        Id::Text(text) => Some(text),
        Id::Number(number) => Some(number.to_string()),
        Id::In { id } => match *id {
            Id::Text(text) => Some(text),
            Id::Number(number) => Some(number.to_string()),
            Id::In { .. } => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_with_and_without_namespace_and_comma() {
        let connect = |text| match Packet::read(text) {
            Ok(Packet::Connect { namespace, token }) => Some((namespace, token)),
            _ => None,
        };
        assert_eq!(connect("0"), Some(("/", Given::Nothing)));
        assert_eq!(connect("0{}"), Some(("/", Given::Nothing)));
        assert_eq!(connect("0/ws"), Some(("/ws", Given::Nothing)));
        assert_eq!(connect("0/ws,"), Some(("/ws", Given::Nothing)));
        let token = Given::Token("t".into());
        assert_eq!(connect(r#"0/ws,{"token":"t","x":[1]}"#), Some(("/ws", token)));
        assert_eq!(connect(r#"0/ws,{"token":7}"#), Some(("/ws", Given::Unusable)));
        assert_eq!(connect(r#"0{"token":""}"#), Some(("/", Given::Nothing)));
        assert!(matches!(Packet::read("1/ws,"), Ok(Packet::Disconnect { namespace: "/ws" })));
        assert!(matches!(Packet::read("1"), Ok(Packet::Disconnect { namespace: "/" })));
        assert!(matches!(Packet::read("3/ws,0[]"), Ok(Packet::Ack { namespace: "/ws" })));
        assert!(matches!(Packet::read(r#"51-["e",{}]"#), Ok(Packet::Binary)));
    }

    #[test]
    fn events_are_read_with_their_acknowledgement_as_digits() {
        let Ok(Packet::Event { namespace, ack, name, arguments }) =
            Packet::read(r#"2/ws,007["MARK_READ",{"id":17}]"#)
        else {
            panic!("not an event")
        };
        assert_eq!((namespace, ack, name.as_deref()), ("/ws", Some("007"), Some("MARK_READ")));
        let mark = Request::Ask(Command::MarkRead { id: "17".into() });
        assert_eq!(request(name.as_deref(), &arguments), Ok(mark.clone()));
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        assert_eq!(request(Some("MARK_READ"), &[&raw("17")]), Ok(mark.clone()));
        assert_eq!(request(Some("MARK_READ"), &[&raw("\"17\"")]), Ok(mark));
        for bad in ["null", "{}", "[17]", r#"{"id":{"id":1}}"#] {
            assert_eq!(request(Some("MARK_READ"), &[&raw(bad)]).unwrap_err().0, "bad_fields");
        }
        assert_eq!(request(Some("DANCE"), &[]).unwrap_err().0, "unknown_event");
        assert!(matches!(Packet::read("2[5]"), Ok(Packet::Event { name: None, .. })));
    }

    #[test]
    fn what_closes_a_connection_at_the_reference_server_is_no_packet() {
        let long = format!("2{}[\"e\"]", "1".repeat(21));
        let bad = [
            "",
            "7",
            "x",
            "é",
            "2",
            "2{}",
            "2[]",
            "2[null]",
            "2[{}]",
            "2notjson",
            "2[\"e\"",
            "2[\"e\"]x",
            "2[\"connect\"]",
            "2/ws,[\"newListener\"]",
            "1{}",
            "1/ws,1",
            "0[]",
            "0\"x\"",
            "0/ws,7",
            "0{",
            "3[]",
            "30",
            "30{}",
            "4{}",
            "4/ws,{\"message\":\"x\"}",
            &long,
        ];
        for text in bad {
            assert_eq!(Packet::read(text).err(), Some(BadPacket), "{text}");
        }
    }
}
