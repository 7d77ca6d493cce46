use std::time::Duration;

use super::kind::{DURATION, DURATION_OR_ZERO, Kind, whole_number};
use super::{Reader, Refused};

/// What only Socket.IO has.
#[derive(Clone, Copy, Debug)]
pub struct SocketIo {
    /// Between two pings; clients are told.
    pub ping_interval: Duration,
    /// How long a ping may go unanswered; clients are told.
    pub ping_timeout: Duration,
    /// By when a connection must have shown a valid token.
    pub auth_timeout: Duration,
    /// Connections that may be without one at a time.
    pub max_unauthenticated: usize,
    /// Between two `TEST_NOTIFICATION`; zero: there is none.
    pub test_interval: Duration,
}

/// Raw options of [`SocketIo`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Socket.IO")]
pub struct SocketIoArgs {
    /// Time between pings to a Socket.IO client, which is told of it.
    #[arg(
        long,
        env = "CAMPANILE_SOCKETIO_PING_INTERVAL",
        value_name = "DURATION",
        default_value = "25s"
    )]
    pub socketio_ping_interval: String,

    /// How long a Socket.IO client may take to answer a ping, which it is told.
    ///
    /// A client that hears no ping for interval and timeout together reconnects.
    #[arg(
        long,
        env = "CAMPANILE_SOCKETIO_PING_TIMEOUT",
        value_name = "DURATION",
        default_value = "20s"
    )]
    pub socketio_ping_timeout: String,

    /// A Socket.IO connection that has shown no valid token for this long is closed.
    #[arg(
        long,
        env = "CAMPANILE_SOCKETIO_AUTH_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub socketio_auth_timeout: String,

    /// Socket.IO connections without a valid token at a time; one more is refused with 503.
    ///
    /// They connect first and show their token later. Each holds a few kilobytes until then.
    #[arg(
        long,
        env = "CAMPANILE_SOCKETIO_MAX_UNAUTHENTICATED",
        value_name = "COUNT",
        default_value = "4096"
    )]
    pub socketio_max_unauthenticated: String,

    /// Send every connected Socket.IO client the event `TEST_NOTIFICATION` this often; 0 for never.
    #[arg(
        long,
        env = "CAMPANILE_TEST_NOTIFICATION_INTERVAL",
        value_name = "DURATION",
        default_value = "0"
    )]
    pub test_notification_interval: String,
}

const UNAUTHENTICATED: Kind<usize> = Kind {
    allowed: "a whole number from 1 to 1000000",
    example: "4096",
    parse: |text| whole_number(text, 1..=1_000_000),
};

impl SocketIoArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<SocketIo, Refused> {
        let [ping_interval, ping_timeout, auth_timeout] = [
            ("socketio-ping-interval", &self.socketio_ping_interval),
            ("socketio-ping-timeout", &self.socketio_ping_timeout),
            ("socketio-auth-timeout", &self.socketio_auth_timeout),
        ]
        .map(|(name, raw)| reader.value(name, raw, &DURATION));
        let max_unauthenticated = reader.value(
            "socketio-max-unauthenticated",
            &self.socketio_max_unauthenticated,
            &UNAUTHENTICATED,
        );
        let test_interval = reader.value(
            "test-notification-interval",
            &self.test_notification_interval,
            &DURATION_OR_ZERO,
        );
        Ok(SocketIo {
            ping_interval: ping_interval?,
            ping_timeout: ping_timeout?,
            auth_timeout: auth_timeout?,
            max_unauthenticated: max_unauthenticated?,
            test_interval: test_interval?,
        })
    }
}
