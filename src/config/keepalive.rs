use std::time::Duration;

use super::kind::DURATION;
use super::{Reader, Refused};

/// Dead and stalled peers.
#[derive(Clone, Debug)]
pub struct Keepalive {
    /// Between two pings (RFC 6455 §5.5.2); the first comes at a random moment within it.
    pub ping_interval: Duration,
    /// Silence after which a peer is dead; longer than `ping_interval`.
    pub pong_timeout: Duration,
    /// How long a peer may take no byte before it is reset.
    pub write_timeout: Duration,
}

/// Raw options of [`Keepalive`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Keepalive")]
pub struct KeepaliveArgs {
    /// Time between pings to a peer; the first one comes at a random moment within it.
    #[arg(long, env = "CAMPANILE_PING_INTERVAL", value_name = "DURATION", default_value = "54s")]
    pub ping_interval: String,

    /// A peer that was silent for this long is dead; longer than the ping interval.
    #[arg(long, env = "CAMPANILE_PONG_TIMEOUT", value_name = "DURATION", default_value = "60s")]
    pub pong_timeout: String,

    /// A peer that accepts no bytes for this long is closed.
    #[arg(long, env = "CAMPANILE_WRITE_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub write_timeout: String,
}

impl KeepaliveArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Keepalive, Refused> {
        let ping_interval = reader.value("ping-interval", &self.ping_interval, &DURATION);
        let pong_timeout = reader.value("pong-timeout", &self.pong_timeout, &DURATION);
        let write_timeout = reader.value("write-timeout", &self.write_timeout, &DURATION);
        let (ping_interval, pong_timeout) = (ping_interval?, pong_timeout?);
        if pong_timeout <= ping_interval {
            reader.problem(
                "pong-timeout",
                format!(
                    "{:?} would close healthy peers between two pings; allowed: longer than \
                     --ping-interval (CAMPANILE_PING_INTERVAL), which is {:?}; example: 60s",
                    self.pong_timeout, self.ping_interval
                ),
            );
        }
        Ok(Keepalive { ping_interval, pong_timeout, write_timeout: write_timeout? })
    }
}
