//! How each kind of client speaks: pure text in, text out; no IO and no clock.

mod bare;
mod command;
mod envelope;
mod message;

pub use command::{BadCommand, Command, Request};
pub use message::Message;

use crate::notification::{Count, Cursor, Notification};

/// WebSocket subprotocol of [`Dialect::Campanile`].
pub const SUBPROTOCOL: &str = "campanile.v1";

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `/ws/notifications`: `{type,data}` frames, as the messaging app's clients expect them.
    Envelope,
    /// The envelope with subprotocol `campanile.v1`: also greets, warns and advises.
    Campanile,
    /// `/api/ws`: every frame is a notification, inbound text is ignored.
    Bare,
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
}

impl Form {
    /// Indexed by `form as usize`, as the frames of a parcel are.
    pub const ALL: [Self; 3] = [Self::Envelope, Self::Campanile, Self::Bare];

    /// Appends `notification` to `out`; `cursor` is its place in the log, if it is in one.
    pub fn write(self, notification: &Notification, cursor: Option<Cursor>, out: &mut Vec<u8>) {
        match self {
            Self::Envelope | Self::Campanile => {
                envelope::write_notification(notification, cursor, out);
            }
            Self::Bare => bare::write_notification(notification, out),
        }
    }

    /// What clients of this form are told of a change in their inbox.
    pub fn write_change(self, change: &Message<'_>) -> Option<String> {
        (self != Self::Bare).then(|| envelope::write(change))
    }

    /// What clients of this form are told of their count, unasked; with the `cursor` of an entry that they
    /// got without one.
    pub fn write_count(self, count: Count, cursor: Option<Cursor>) -> Option<String> {
        let message = Message::UnreadCount { count, cursor, reference: None };
        (self == Self::Campanile).then(|| envelope::write(&message))
    }
}

impl Dialect {
    /// For metrics that must exist before the first socket does.
    pub const ALL: [Self; 3] = [Self::Envelope, Self::Campanile, Self::Bare];

    /// The value of the metrics' `dialect` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Campanile => SUBPROTOCOL,
            Self::Bare => "bare",
        }
    }

    /// Which of the shared frames its sockets get.
    pub fn form(self) -> Form {
        match self {
            Self::Envelope => Form::Envelope,
            Self::Campanile => Form::Campanile,
            Self::Bare => Form::Bare,
        }
    }

    /// Largest inbound frame in bytes unless configured: the seeds' own limits.
    pub fn default_max_frame_bytes(self) -> usize {
        match self {
            Self::Envelope | Self::Campanile => 4096,
            Self::Bare => 512,
        }
    }

    /// Reads one inbound text. `Ok(None)` where the dialect ignores what clients say.
    ///
    /// # Errors
    /// [`BadCommand`], to be answered with an error frame.
    pub fn read(self, text: &str) -> Result<Option<Request>, BadCommand> {
        match self {
            Self::Envelope | Self::Campanile => Request::read(text).map(Some),
            Self::Bare => Ok(None),
        }
    }

    /// The frame for `message`, or `None` where clients of this dialect do not know it.
    pub fn write(self, message: &Message<'_>) -> Option<String> {
        match self {
            Self::Bare => None,
            Self::Envelope if message.needs_subprotocol() => None,
            Self::Envelope | Self::Campanile => Some(envelope::write(message)),
        }
    }
}

#[cfg(test)]
mod tests;
