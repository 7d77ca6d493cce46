use std::net::IpAddr;

use ipnet::IpNet;

use super::kind::{Kind, LIMIT, bytes, list, whole_number};
use super::{Reader, Refused, Setting};

/// Bounds on what peers may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Inbound frame; `None`: 512 on `/api/ws`, 16 KiB for Socket.IO, else 4096.
    pub max_frame_bytes: Option<usize>,
    /// Outbox of one socket, frames.
    pub send_queue: usize,
    /// Outbox of one socket, bytes.
    pub send_queue_bytes: usize,
    /// `None`: unlimited.
    pub max_connections: Option<usize>,
    /// Cluster-wide; `None`: unlimited (`0`).
    pub max_connections_per_user: Option<u32>,
    /// `None`: off (`0`).
    pub connections_per_ip_per_second: Option<u32>,
    /// Client commands on one socket; `None`: unlimited (`0`).
    pub commands_per_second: Option<u32>,
    /// Peers whose `Forwarded` (RFC 7239) and `X-Forwarded-For` are believed; empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
}

/// Raw options of [`Limits`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitsArgs {
    /// Largest frame a client may send, in bytes (or KiB, MiB).
    /// Default: 512 on `/api/ws`, 16 KiB for Socket.IO, else 4096.
    ///
    /// A larger one closes the socket with 1009 as soon as its header is read. For Socket.IO it is also the largest
    /// request body, and the token has to fit.
    #[arg(long, env = "CAMPANILE_MAX_FRAME_BYTES", value_name = "BYTES")]
    pub max_frame_bytes: Option<String>,

    /// Frames that may wait for one socket; one more closes it with 4008 and it resumes.
    #[arg(long, env = "CAMPANILE_SEND_QUEUE", value_name = "FRAMES", default_value = "256")]
    pub send_queue: String,

    /// Bytes (or KiB, MiB) that may wait for one socket; more closes it with 4008.
    #[arg(
        long,
        env = "CAMPANILE_SEND_QUEUE_BYTES",
        value_name = "BYTES",
        default_value = "262144"
    )]
    pub send_queue_bytes: String,

    /// Sockets this replica accepts; 0 for no limit. Default: unlimited.
    ///
    /// Each takes a file descriptor. The replica raises its limit of these to the hard one (`ulimit -Hn`) and warns at its
    /// start where that is too low for this number.
    #[arg(long, env = "CAMPANILE_MAX_CONNECTIONS", value_name = "COUNT")]
    pub max_connections: Option<String>,

    /// Sockets one user may have on all replicas together; 0 for no limit.
    #[arg(
        long,
        env = "CAMPANILE_MAX_CONNECTIONS_PER_USER",
        value_name = "COUNT",
        default_value = "32"
    )]
    pub max_connections_per_user: String,

    /// New sockets per second from one IP address; 0 for no limit.
    ///
    /// Behind a proxy, name it in `--trusted-proxies`, or all clients count as one.
    #[arg(
        long,
        env = "CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND",
        value_name = "COUNT",
        default_value = "0"
    )]
    pub connections_per_ip_per_second: String,

    /// Commands per second that one socket may send; 0 for no limit.
    #[arg(long, env = "CAMPANILE_COMMANDS_PER_SECOND", value_name = "COUNT", default_value = "20")]
    pub commands_per_second: String,

    /// Networks (CIDR, separated by commas) whose `X-Forwarded-For` and `Forwarded` are believed.
    /// Default: none.
    #[arg(long, env = "CAMPANILE_TRUSTED_PROXIES", value_name = "NETWORKS")]
    pub trusted_proxies: Option<String>,
}

// A control frame has up to 125 bytes of payload (RFC 6455, 5.5).
const FRAME: Kind<usize> = Kind {
    allowed: "bytes, or a number with KiB or MiB, from 125 to 16MiB",
    example: "4096",
    parse: |text| bytes(text, 125..=16 * 1024 * 1024),
};

const QUEUE: Kind<usize> = Kind {
    allowed: "a whole number from 1 to 65536",
    example: "256",
    parse: |text| whole_number(text, 1..=65_536),
};

const QUEUE_BYTES: Kind<usize> = Kind {
    allowed: "bytes, or a number with KiB or MiB, from 1KiB to 1024MiB",
    example: "262144",
    parse: |text| bytes(text, 1024..=1024 * 1024 * 1024),
};

const CONNECTIONS: Kind<Option<usize>> = Kind {
    allowed: LIMIT.allowed,
    example: "50000",
    parse: |text| whole_number(text, 0..=usize::MAX).map(|limit| (limit > 0).then_some(limit)),
};

const NETWORKS: Kind<Vec<IpNet>> = Kind {
    allowed: "IP addresses or networks in CIDR notation, separated by commas",
    example: "10.0.0.0/8,fd00::/8",
    parse: |text| list(text, network),
};

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "is neither an address nor a network".to_owned())
}

impl LimitsArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Limits, Refused> {
        let max_frame_bytes =
            reader.optional("max-frame-bytes", self.max_frame_bytes.as_deref(), &FRAME);
        let send_queue = reader.value("send-queue", &self.send_queue, &QUEUE);
        let send_queue_bytes =
            reader.value("send-queue-bytes", &self.send_queue_bytes, &QUEUE_BYTES);
        let max_connections =
            reader.optional("max-connections", self.max_connections.as_deref(), &CONNECTIONS);
        let [per_user, per_ip, commands] = [
            ("max-connections-per-user", &self.max_connections_per_user),
            ("connections-per-ip-per-second", &self.connections_per_ip_per_second),
            ("commands-per-second", &self.commands_per_second),
        ]
        .map(|(name, raw)| reader.value(name, raw, &LIMIT));
        let trusted_proxies =
            reader.optional("trusted-proxies", self.trusted_proxies.as_deref(), &NETWORKS);
        let trusted_proxies = trusted_proxies.map(Option::unwrap_or_default);
        if trusted_proxies.iter().flatten().any(|network| network.prefix_len() == 0) {
            let everyone = "every client is believed about its own address";
            reader.warn(Setting::new("trusted-proxies"), everyone);
        }
        Ok(Limits {
            max_frame_bytes: max_frame_bytes?,
            send_queue: send_queue?,
            send_queue_bytes: send_queue_bytes?,
            max_connections: max_connections?.flatten(),
            max_connections_per_user: per_user?,
            connections_per_ip_per_second: per_ip?,
            commands_per_second: commands?,
            trusted_proxies: trusted_proxies?,
        })
    }
}
