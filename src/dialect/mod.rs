//! How each kind of client speaks: pure text in, text out; no IO and no clock.

mod bare;
mod command;
pub mod engineio;
mod envelope;
mod message;
pub mod socketio;
mod sse;

pub use command::{BadCommand, Command, Request};
pub use message::Message;
pub use socketio::Namespace;

use crate::notification::{Count, Cursor, Notification};

/// WebSocket subprotocol of [`Dialect::Campanile`].
pub const SUBPROTOCOL: &str = "campanile.v1";

/// What a Socket.IO client may send at a time, in bytes: a token of 8 KiB, and more than enough besides.
const MAX_PAYLOAD: usize = 16 * 1024;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `/ws/notifications`: `{type,data}` frames, as the messaging app's clients expect them.
    Envelope,
    /// The envelope with subprotocol `campanile.v1`: also greets, warns and advises.
    Campanile,
    /// `/api/ws`: every frame is a notification, inbound text is ignored.
    Bare,
    /// `/api/notifications/stream`: server-sent events; the client cannot say anything.
    Sse,
    /// `/socket.io/`: Socket.IO 5 over Engine.IO 4, by WebSocket or by polling.
    SocketIo,
}

/// One entry of an inbox page, as JSON: the notification's data with `cursor` and `read`.
pub fn item(notification: &Notification, cursor: Cursor, read: bool) -> String {
    envelope::item(notification, cursor, read)
}

/// How a notification is written. Dialects of one form share the encoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"type":"notification","data":{…}}`.
    Envelope,
    /// The envelope, and after it the unread count where that has changed.
    Campanile,
    /// The object alone.
    Bare,
    /// An event whose `id:` is the cursor, and after it one with the unread count where that has changed.
    Sse,
    /// An event `NEW_NOTIFICATION` in the namespace `/ws`, and `UNREAD_COUNT` where that has changed.
    SocketIo,
    /// The same in the namespace `/`.
    SocketIoRoot,
}

impl Form {
    /// Indexed by `form as usize`, as the frames of a parcel are.
    pub const ALL: [Self; 6] = [
        Self::Envelope,
        Self::Campanile,
        Self::Bare,
        Self::Sse,
        Self::SocketIo,
        Self::SocketIoRoot,
    ];

    /// The form for sockets of Socket.IO that are in `namespace`.
    pub fn of_namespace(namespace: Namespace) -> Self {
        match namespace {
            Namespace::Root => Self::SocketIoRoot,
            Namespace::Ws => Self::SocketIo,
        }
    }

    /// The namespace in which clients of this form are, if they are of Socket.IO.
    pub fn namespace(self) -> Option<Namespace> {
        match self {
            Self::SocketIo => Some(Namespace::Ws),
            Self::SocketIoRoot => Some(Namespace::Root),
            Self::Envelope | Self::Campanile | Self::Bare | Self::Sse => None,
        }
    }

    /// Appends `notification` to `out`; `cursor` is its place in the log, if it is in one, and `read` whether
    /// it was read elsewhere, where that is known.
    pub fn write(
        self,
        notification: &Notification,
        cursor: Option<Cursor>,
        read: Option<bool>,
        out: &mut String,
    ) {
        match self {
            Self::Envelope | Self::Campanile => {
                envelope::write_notification(notification, cursor, read, out);
            }
            Self::Bare => bare::write_notification(notification, out),
            Self::Sse => sse::write_notification(notification, cursor, read, out),
            Self::SocketIo => {
                socketio::write_notification(Namespace::Ws, notification, read, out);
            }
            Self::SocketIoRoot => {
                socketio::write_notification(Namespace::Root, notification, read, out);
            }
        }
    }

    /// What clients of this form are told of a change in their inbox.
    pub fn write_change(self, change: &Message<'_>) -> Option<String> {
        match self {
            Self::Envelope | Self::Campanile => Some(envelope::write(change)),
            Self::Bare => None,
            Self::Sse => Some(sse::write(change)),
            Self::SocketIo => socketio::write_change(Namespace::Ws, change),
            Self::SocketIoRoot => socketio::write_change(Namespace::Root, change),
        }
    }

    /// What clients of this form are told of their count, unasked; `cursor` is the entry's that changed it,
    /// if they do not get the entry itself.
    pub fn write_count(self, count: Count, cursor: Option<Cursor>) -> Option<String> {
        let message = Message::UnreadCount { count, reference: None, cursor };
        match self {
            Self::Envelope | Self::Bare => None,
            Self::Campanile => Some(envelope::write(&message)),
            Self::Sse | Self::SocketIo | Self::SocketIoRoot => self.write_change(&message),
        }
    }
}

impl Dialect {
    /// For metrics that must exist before the first socket does. Indexed by `dialect as usize`.
    pub const ALL: [Self; 5] =
        [Self::Envelope, Self::Campanile, Self::Bare, Self::Sse, Self::SocketIo];

    /// The value of the metrics' `dialect` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Campanile => SUBPROTOCOL,
            Self::Bare => "bare",
            Self::Sse => "sse",
            Self::SocketIo => "socketio",
        }
    }

    /// Which of the shared frames its sockets get; of Socket.IO, those in `/ws`.
    pub fn form(self) -> Form {
        match self {
            Self::Envelope => Form::Envelope,
            Self::Campanile => Form::Campanile,
            Self::Bare => Form::Bare,
            Self::Sse => Form::Sse,
            Self::SocketIo => Form::SocketIo,
        }
    }

    /// Whether its clients are told first how their inbox stands, and told anew when something is lost.
    pub fn greets(self) -> bool {
        matches!(self, Self::Campanile | Self::Sse)
    }

    /// Whether its clients are told how many are unread, unasked.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Envelope | Self::Bare)
    }

    /// What a silent connection is sent where the transport has no pings, or pings of its own.
    pub fn comment(self) -> Option<&'static str> {
        match self {
            Self::Sse => Some(sse::COMMENT),
            Self::SocketIo => Some(engineio::PING),
            Self::Envelope | Self::Campanile | Self::Bare => None,
        }
    }

    /// What is said last where the transport has no close codes.
    pub fn farewell(self, code: u16, reason: &str, reconnect: bool) -> Option<String> {
        (self == Self::Sse).then(|| sse::farewell(code, reason, reconnect))
    }

    /// Largest inbound frame in bytes unless configured: the seeds' own limits.
    pub fn default_max_frame_bytes(self) -> usize {
        match self {
            Self::Envelope | Self::Campanile => 4096,
            Self::Bare | Self::Sse => 512,
            Self::SocketIo => MAX_PAYLOAD,
        }
    }

    /// Reads one inbound text. `Ok(None)` where the dialect ignores what clients say, and for Socket.IO, whose
    /// packets are read in [`socketio`].
    ///
    /// # Errors
    /// [`BadCommand`], to be answered with an error frame.
    pub fn read(self, text: &str) -> Result<Option<Request>, BadCommand> {
        match self {
            Self::Envelope | Self::Campanile => Request::read(text).map(Some),
            Self::Bare | Self::Sse | Self::SocketIo => Ok(None),
        }
    }

    /// The frame for `message`, or `None` where clients of this dialect do not know it.
    pub fn write(self, message: &Message<'_>) -> Option<String> {
        match self {
            Self::Bare | Self::SocketIo => None,
            Self::Envelope if message.needs_subprotocol() => None,
            Self::Envelope | Self::Campanile => Some(envelope::write(message)),
            Self::Sse => Some(sse::write(message)),
        }
    }
}

#[cfg(test)]
mod tests;
