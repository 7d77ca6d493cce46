use std::time::Duration;

use serde_json::value::RawValue;

use crate::notification::{Count, Cursor, UserId};

/// What the gateway says to one client, apart from notifications.
#[derive(Debug)]
pub enum Message<'a> {
    /// The answer to [`Command::Ping`](super::Command::Ping).
    Pong {
        /// The `ref` of the command, echoed.
        reference: Option<&'a RawValue>,
    },
    /// `code` is stable and meant for programs, `text` for people.
    Error {
        /// Such as `rate_limited`.
        code: &'a str,
        /// May change with any release.
        text: &'a str,
        /// The `ref` of what was wrong, if it had one.
        reference: Option<&'a RawValue>,
    },
    /// The greeting; comes before every notification.
    Connected {
        /// The connection's name in the logs of this gateway.
        connection_id: &'a str,
        /// Whom the token named.
        user: &'a UserId,
        /// How often the client can expect a ping; seconds on the wire.
        ping_interval: Duration,
        /// Where the user's log stands, if there is one.
        inbox: Option<(Cursor, Count)>,
    },
    /// The count, asked for or not.
    UnreadCount {
        /// With its version.
        count: Count,
        /// Of the entry that changed it, where that was heard without one.
        cursor: Option<Cursor>,
        /// The `ref` of the command, if it was one.
        reference: Option<&'a RawValue>,
    },
    /// One entry, or with `id` `None` all of them, are now `read`, `deleted` or `all_read`.
    Update {
        /// As text.
        id: Option<&'a str>,
        /// One of the three.
        status: &'a str,
    },
    /// `{"items":[…],"next":cursor or null}`
    Page {
        /// JSON.
        page: &'a str,
        /// The `ref` of the command.
        reference: Option<&'a RawValue>,
    },
    /// A `refresh` was accepted; `None`: the new token does not expire.
    Refreshed {
        /// Whole seconds on the wire.
        expires_in: Option<Duration>,
        /// The `ref` of the command, echoed.
        reference: Option<&'a RawValue>,
    },
    /// The connection ends with its token, unless a `refresh` comes first.
    TokenExpiring {
        /// Whole seconds on the wire.
        left: Duration,
    },
    /// The connection is about to be closed; come back after `after`.
    Reconnect {
        /// Milliseconds on the wire; spread, so that clients do not return all at once.
        after: Duration,
        /// Why, in one word for programs.
        reason: &'a str,
    },
}

impl Message<'_> {
    /// Whether only clients that asked for `campanile.v1` know it.
    pub(super) fn needs_subprotocol(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::TokenExpiring { .. } | Self::Reconnect { .. })
    }
}
