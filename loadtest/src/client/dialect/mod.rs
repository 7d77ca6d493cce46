//! The languages in which servers hand out notifications. No I/O here: text in, text out.

mod centrifugo;
mod envelope;
mod socketio;

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::frame::text;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub(crate) enum Dialect {
    /// Each notification is one text frame (/api/ws)
    Bare,
    /// `{"type":"notification","data":{…}}` (/ws/notifications)
    Envelope,
    /// The same with greetings and cursors, by subprotocol
    #[value(name = "campanile.v1")]
    CampanileV1,
    /// Socket.IO 5 over WebSocket, namespace /ws
    #[value(name = "socket.io")]
    SocketIo,
    /// Centrifugo's JSON protocol, one subscription per user
    Centrifugo,
    /// Any WebSocket server: what arrives is a notification if it carries the stamp of the run
    Plain,
    /// Frames without a handshake, as the floor writes them
    #[value(skip)]
    Raw,
}

impl Dialect {
    /// Where such a server usually listens; `{token}` is replaced.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Bare => "/api/ws",
            Self::Envelope | Self::CampanileV1 => "/ws/notifications",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Self::Centrifugo => "/connection/websocket",
            Self::Plain | Self::Raw => "/",
        }
    }

    pub(super) fn protocol(self) -> Option<&'static str> {
        (self == Self::CampanileV1).then_some("campanile.v1")
    }

    /// Whether a client has to ask for its notifications behind the handshake.
    pub(super) fn asks(self) -> bool {
        matches!(self, Self::SocketIo | Self::Centrifugo)
    }

    /// Whether a client can come back to where it was.
    pub(crate) fn resumes(self) -> bool {
        self == Self::CampanileV1
    }

    /// Whether every frame of the server is a notification.
    fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::Plain | Self::Raw)
    }
}

/// Who a client is.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) token: &'a str,
    /// Of the subscription, where there is one.
    pub(super) channel: &'a str,
}

/// What a message means to the client.
#[derive(Debug, PartialEq)]
pub(super) enum Said<'a> {
    /// Nothing that counts.
    Nothing,
    /// From now on notifications arrive.
    Ready,
    /// A greeting of `campanile.v1`.
    Greeting { cursor: Option<&'a str>, replayed: u64, gap: bool },
    /// Notifications, each carrying its stamp, in the message; and after which to go on.
    Notification { cursor: Option<&'a str> },
    /// Come back after a while.
    Reconnect(Duration),
    /// Something no server of this dialect says.
    Strange,
}

/// What a client says behind the handshake; empty: it waits.
pub(super) fn opening(dialect: Dialect, who: Who<'_>) -> Vec<u8> {
    match dialect {
        Dialect::Centrifugo => text(centrifugo::connect(who.token).as_bytes()),
        _ => Vec::new(),
    }
}

/// Reads one message; what it has to be answered with is appended to `answers` as a frame.
pub(super) fn hear<'a>(
    dialect: Dialect,
    who: Who<'_>,
    message: &'a [u8],
    answers: &mut Vec<u8>,
) -> Result<Said<'a>> {
    if dialect.is_bare() {
        return Ok(Said::Notification { cursor: None });
    }
    let heard = match dialect {
        Dialect::SocketIo => socketio::hear(who, message),
        Dialect::Centrifugo => centrifugo::hear(who, message),
        _ => envelope::hear(message),
    };
    if let Some(answer) = heard.answer {
        answers.extend(text(answer.as_bytes()));
    }
    if let Some(why) = heard.refused {
        bail!("refused: {why}");
    }
    Ok(heard.said)
}

/// What a message means and what to answer.
struct Heard<'a> {
    said: Said<'a>,
    answer: Option<String>,
    refused: Option<String>,
}

impl<'a> Heard<'a> {
    fn said(said: Said<'a>) -> Self {
        Self { said, answer: None, refused: None }
    }

    fn answer(answer: String) -> Self {
        Self { said: Said::Nothing, answer: Some(answer), refused: None }
    }

    fn refused(why: &[u8]) -> Self {
        let why = String::from_utf8_lossy(why).chars().take(200).collect();
        Self { said: Said::Nothing, answer: None, refused: Some(why) }
    }
}
