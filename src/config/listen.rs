use std::net::SocketAddr;
use std::num::NonZero;

use super::kind::{Kind, whole_number};
use super::{Reader, Refused};

/// Listeners and threads.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Public: sockets and HTTP API.
    pub public: SocketAddr,
    /// Private: probes and metrics.
    pub ops: SocketAddr,
    /// Threads that own sockets.
    pub workers: usize,
}

/// Raw options of [`Listen`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub struct ListenArgs {
    /// Public address and port: sockets, server-sent events and the HTTP API.
    ///
    /// Port 0 takes any free port.
    #[arg(long, env = "CAMPANILE_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub listen: String,

    #[command(flatten)]
    pub(crate) ops: OpsArgs,

    /// Threads that own sockets, 1 to 1024. Default: one per core.
    #[arg(long, env = "CAMPANILE_WORKERS", value_name = "COUNT")]
    pub workers: Option<String>,
}

/// Where the private listener is, for those who only ask it.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub struct OpsArgs {
    /// Private address and port: `/livez`, `/readyz` and `/metrics`.
    ///
    /// It asks for no token, so keep it away from the internet. Must differ from the public one.
    #[arg(long, env = "CAMPANILE_OPS_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:9090")]
    pub ops_listen: String,
}

const ADDRESS: Kind<SocketAddr> = Kind {
    allowed: "an IP address and a port",
    example: "0.0.0.0:8080 or [::1]:8080",
    parse: |text| text.parse().map_err(|_| "is no IP address with a port".to_owned()),
};

const WORKERS: Kind<usize> = Kind {
    allowed: "a whole number from 1 to 1024",
    example: "4",
    parse: |text| whole_number(text, 1..=1024),
};

impl ListenArgs {
    pub(super) fn read(&self, reader: &mut Reader) -> Result<Listen, Refused> {
        let public = reader.value("listen", &self.listen, &ADDRESS);
        let ops = self.ops.read(reader);
        let workers = reader.optional("workers", self.workers.as_deref(), &WORKERS);
        if let (Ok(public), Ok(ops)) = (public, ops)
            && overlap(public, ops)
        {
            reader.problem(
                "ops-listen",
                format!(
                    "{ops} and the public listener {public} (--listen) cannot both be bound; \
                     allowed: another port, or another address; example: 0.0.0.0:9090"
                ),
            );
        }
        Ok(Listen { public: public?, ops: ops?, workers: workers?.unwrap_or_else(cores) })
    }
}

impl OpsArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<SocketAddr, Refused> {
        reader.value("ops-listen", &self.ops_listen, &ADDRESS)
    }
}

/// The wildcard address takes the port on all others too.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_address = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_address
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
