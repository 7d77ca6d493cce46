//! Engine.IO 4: the packets under Socket.IO, the payloads of polling, and its errors.
//!
//! <https://socket.io/docs/v4/engine-io-protocol/>

use std::time::Duration;

use serde_json::json;

/// Between the packets of one payload.
pub const SEPARATOR: u8 = 0x1e;
/// The server asks whether the client lives.
pub const PING: &str = "2";
/// What a [`Packet::Ping`] says on a WebSocket that the connection may move to.
pub const PROBE: &str = "probe";
/// The answer to [`Packet::Ping`] with [`PROBE`].
pub const PROBED: &str = "3probe";
/// The end of the connection.
pub const CLOSE: &str = "1";
/// Nothing: it ends a poll.
pub const NOOP: &str = "6";

/// What a client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// It goes.
    Close,
    /// With [`PROBE`]: a WebSocket that the connection may move to works. Anything else is the server's to say.
    Ping(&'a str),
    /// It lives.
    Pong,
    /// What Socket.IO says.
    Message(&'a str),
    /// The connection moves to this WebSocket.
    Upgrade,
    /// Base64 in a payload, as a packet of its own.
    Binary,
}

/// A text is no packet that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of Engine.IO 4")]
pub struct BadPacket;

impl<'a> Packet<'a> {
    /// Reads one packet.
    ///
    /// # Errors
    /// It is none, or one that only servers send.
    pub fn read(text: &'a str) -> Result<Self, BadPacket> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(BadPacket)?;
        let data = rest.as_str();
        match (kind, data) {
            ('1', "") => Ok(Self::Close),
            ('2', data) => Ok(Self::Ping(data)),
            ('3', _) => Ok(Self::Pong),
            ('4', data) => Ok(Self::Message(data)),
            ('5', "") => Ok(Self::Upgrade),
            ('b', _) => Ok(Self::Binary),
            _ => Err(BadPacket),
        }
    }
}

/// The packets of a polling payload.
pub fn packets(payload: &str) -> impl Iterator<Item = &str> {
    payload.split(char::from(SEPARATOR))
}

/// What a client is told first.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Of the connection; who knows it can take it over.
    pub sid: &'a str,
    /// Whether it may move to a WebSocket.
    pub upgrades: bool,
    /// Between two pings.
    pub ping_interval: Duration,
    /// How long a ping may go unanswered.
    pub ping_timeout: Duration,
    /// What the server takes at a time, in bytes.
    pub max_payload: usize,
}

impl Open<'_> {
    /// The packet.
    pub fn write(&self) -> String {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let upgrades: &[&str] = if self.upgrades { &["websocket"] } else { &[] };
        let handshake = json!({
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": millis(self.ping_interval),
            "pingTimeout": millis(self.ping_timeout),
            "maxPayload": self.max_payload,
        });
        format!("0{handshake}")
    }
}

/// Why a request is refused: the protocol's own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither `polling` nor `websocket`.
    Transport,
    /// Closed, of another replica, or never there.
    Session,
    /// A connection begins with GET.
    Method,
    /// It does not fit the state of the connection.
    Request,
    /// Not let in; the text says why.
    Forbidden,
    /// Not 4.
    Version,
}

impl Fault {
    /// On the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Transport => 0,
            Self::Session => 1,
            Self::Method => 2,
            Self::Request => 3,
            Self::Forbidden => 4,
            Self::Version => 5,
        }
    }

    /// On the wire, as the reference server says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Transport => "Transport unknown",
            Self::Session => "Session ID unknown",
            Self::Method => "Bad handshake method",
            Self::Request => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::Version => "Unsupported protocol version",
        }
    }

    /// The metrics' `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Transport => "engineio_transport",
            Self::Session => "engineio_session",
            Self::Method => "engineio_method",
            Self::Request => "engineio_request",
            Self::Forbidden => "engineio_forbidden",
            Self::Version => "engineio_version",
        }
    }

    /// `{"code":1,"message":"…"}`
    pub fn body(self, text: &str) -> String {
        json!({"code": self.code(), "message": text}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_clients_are_read_and_those_of_servers_are_not() {
        let cases = [
            ("1", Ok(Packet::Close)),
            ("2probe", Ok(Packet::Ping("probe"))),
            ("2", Ok(Packet::Ping(""))),
            ("3", Ok(Packet::Pong)),
            ("40/ws,", Ok(Packet::Message("0/ws,"))),
            ("4é", Ok(Packet::Message("é"))),
            ("5", Ok(Packet::Upgrade)),
            ("bAAAA", Ok(Packet::Binary)),
            ("", Err(BadPacket)),
            ("0{}", Err(BadPacket)),
            ("6", Err(BadPacket)),
            ("7", Err(BadPacket)),
            ("11", Err(BadPacket)),
            ("5x", Err(BadPacket)),
            ("é", Err(BadPacket)),
        ];
        for (text, packet) in cases {
            assert_eq!(Packet::read(text), packet, "{text}");
        }
        assert_eq!(packets("3\u{1e}40\u{1e}").collect::<Vec<_>>(), ["3", "40", ""]);
    }

    #[test]
    fn the_first_packet_looks_as_documented() {
        let open = Open {
            sid: "s",
            upgrades: true,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 16_384,
        };
        let text = open.write();
        let value: serde_json::Value =
            serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
        let want = json!({"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,
            "maxPayload":16384});
        assert_eq!(value, want);
    }
}
