/// Why a connection ends. One table: what goes on the wire, what the metric says, who may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed.
    Normal,
    /// The client vanished without a close frame.
    Gone,
    /// Against RFC 6455.
    Protocol,
    /// Text that is not UTF-8 (RFC 6455 §8.1).
    Utf8,
    /// A frame or message over the inbound limit (RFC 6455 §7.4.1).
    FrameTooBig,
    /// This replica stops; come back after the advised delay.
    Restarting,
    /// Too many frames in a row that are no commands.
    ProtocolErrors,
    /// The token's `exp` and the leeway passed while it was open.
    TokenExpired,
    /// `POST /api/disconnect`.
    Revoked,
    /// Over the per-user limit, found out only after the upgrade was answered.
    Forbidden,
    /// The outbox overflowed.
    TooSlow,
    /// The peer took no byte for the write timeout.
    WriteTimeout,
    /// Nothing was heard for the pong timeout.
    PongTimeout,
    /// A newer connection took its place under the per-user limit.
    Replaced,
    /// The tenth bad frame in a row was a command too many for its second.
    RateLimit,
    /// Against the protocols of Socket.IO.
    BadPacket,
    /// Binary data, of which Socket.IO clients have no use here.
    Binary,
    /// A Socket.IO client subscribed without a valid token.
    TokenRefused,
    /// A Socket.IO client had shown no valid token in time.
    Unauthenticated,
    /// Redis or the keys of tokens are away.
    Away,
}

struct Row {
    code: u16,
    text: &'static str,
    label: &'static str,
    reconnect: bool,
}

const fn row(code: u16, text: &'static str, label: &'static str, reconnect: bool) -> Row {
    Row { code, text, label, reconnect }
}

impl CloseReason {
    /// Every reason there is, for tables and tests.
    pub const ALL: [Self; 20] = [
        Self::Normal,
        Self::Gone,
        Self::Protocol,
        Self::Utf8,
        Self::FrameTooBig,
        Self::Restarting,
        Self::ProtocolErrors,
        Self::TokenExpired,
        Self::Revoked,
        Self::Forbidden,
        Self::TooSlow,
        Self::WriteTimeout,
        Self::PongTimeout,
        Self::Replaced,
        Self::RateLimit,
        Self::BadPacket,
        Self::Binary,
        Self::TokenRefused,
        Self::Unauthenticated,
        Self::Away,
    ];

    #[rustfmt::skip]
    const fn row(self) -> Row {
        match self {
            Self::Normal         => row(1000, "normal", "normal", true),
            Self::Gone           => row(1006, "", "gone", true),
            Self::Protocol       => row(1002, "not WebSocket (RFC 6455)", "protocol", false),
            Self::Utf8           => row(1007, "text must be UTF-8", "utf8", false),
            Self::FrameTooBig    => row(1009, "frame too big", "frame_too_big", false),
            Self::Restarting     => row(1012, "restarting, reconnect", "restarting", true),
            Self::ProtocolErrors => row(4000, "too many bad frames in a row", "protocol_errors", false),
            Self::TokenExpired   => row(4001, "token expired, get a new one", "token_expired", false),
            Self::Revoked        => row(4001, "disconnected, get a new token", "revoked", false),
            Self::Forbidden      => row(4003, "forbidden", "forbidden", false),
            Self::TooSlow        => row(4008, "too slow, reconnect and resume", "too_slow", true),
            Self::WriteTimeout   => row(1006, "", "write_timeout", true),
            Self::PongTimeout    => row(1006, "", "pong_timeout", true),
            Self::Replaced       => row(4009, "replaced by a newer connection", "replaced", false),
            Self::RateLimit      => row(4029, "too many commands", "rate_limit", true),
            Self::BadPacket      => row(1002, "not Socket.IO 5 over Engine.IO 4", "bad_packet", false),
            Self::Binary         => row(1003, "binary data is not understood", "binary", false),
            Self::TokenRefused   => row(4001, "no valid token", "token_refused", false),
            Self::Unauthenticated => row(4001, "no valid token in time", "unauthenticated", false),
            Self::Away           => row(1013, "try again later", "away", true),
        }
    }

    /// The close code (RFC 6455 §7.4). 1006 is never sent: the peer does not listen any more.
    pub const fn code(self) -> u16 {
        self.row().code
    }

    /// Whether the peer can still be told.
    pub const fn is_sent(self) -> bool {
        self.code() != 1006
    }

    /// For people, on the wire.
    pub const fn text(self) -> &'static str {
        self.row().text
    }

    /// The metrics' `reason`.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    /// Whether a Socket.IO client is told to stay away: about its user, not about its connection.
    pub const fn is_verdict(self) -> bool {
        matches!(self.code(), 4001 | 4003 | 4009)
    }

    /// Whether a client may reconnect as it is.
    pub const fn reconnect(self) -> bool {
        self.row().reconnect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_forbid_reconnecting_are_those_of_the_documented_ranges() {
        for reason in CloseReason::ALL {
            let code = reason.code();
            if (4000..=4007).contains(&code) || code == 4009 {
                assert!(!reason.reconnect(), "{reason:?}");
            }
            if [1000, 1006, 1012, 4008, 4029].contains(&code) {
                assert!(reason.reconnect(), "{reason:?}");
            }
        }
    }

    #[test]
    fn labels_are_distinct() {
        let mut labels: Vec<_> = CloseReason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), CloseReason::ALL.len());
    }
}
