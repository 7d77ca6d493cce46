use std::time::Duration;

use serde_json::value::RawValue;

use crate::notification::{Count, Cursor, UserId};

/// What the gateway says to one client, apart from notifications.
#[derive(Debug)]
pub enum Message<'a> {
    Pong {
        reference: Option<&'a RawValue>,
    },
    /// `code` is stable and meant for programs, `text` for people.
    Error {
        code: &'a str,
        text: &'a str,
        reference: Option<&'a RawValue>,
    },
    /// `inbox`: where the user's log stands, if there is one.
    Connected {
        connection_id: &'a str,
        user: &'a UserId,
        ping_interval: Duration,
        inbox: Option<(Cursor, Count)>,
    },
    UnreadCount {
        count: Count,
        reference: Option<&'a RawValue>,
    },
    /// One entry, or with `id` `None` all of them, are now `read`, `deleted` or `all_read`.
    Update {
        id: Option<&'a str>,
        status: &'a str,
    },
    /// `{"items":[…],"next":cursor or null}`
    Page {
        page: &'a str,
        reference: Option<&'a RawValue>,
    },
    /// A `refresh` was accepted; `None`: the new token does not expire.
    Refreshed {
        expires_in: Option<Duration>,
        reference: Option<&'a RawValue>,
    },
    TokenExpiring {
        left: Duration,
    },
    /// The connection is about to be closed; come back after `after`.
    Reconnect {
        after: Duration,
        reason: &'a str,
    },
}

impl Message<'_> {
    /// Whether only clients that asked for `campanile.v1` know it.
    pub(super) fn needs_subprotocol(&self) -> bool {
        matches!(self, Self::Connected { .. } | Self::TokenExpiring { .. } | Self::Reconnect { .. })
    }
}
