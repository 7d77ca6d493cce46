//! A real HAProxy in front of replicas, as an ordinary load balancer in front of sockets is set up.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::gateway::Gateway;
use super::ports;
use super::process::Process;
use super::wait::{PATIENCE, until};

/// How it chooses a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balance {
    /// Each request goes to the next one.
    RoundRobin,
    /// A client that keeps cookies stays where its first request went.
    StickyCookie,
    /// A client address stays with one replica.
    Source,
}

/// A running balancer; dropping it kills the process.
pub(crate) struct HaProxy {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

impl HaProxy {
    /// Listens in front of these replicas.
    pub(crate) async fn start(balance: Balance, replicas: &[&Gateway]) -> Self {
        loop {
            let address = ports::free();
            let directory = TempDir::new().expect("a directory");
            let file = directory.path().join("haproxy.cfg");
            std::fs::write(&file, configuration(address, balance, replicas)).expect("is written");
            let process = Process::spawn(Command::new("haproxy").args(["-db", "-f"]).arg(&file));
            let started = until("haproxy listens", PATIENCE, async || {
                if process.exited().is_some() {
                    return Some(false);
                }
                TcpStream::connect(address).await.is_ok().then_some(true)
            });
            if started.await {
                return Self { process, address, _directory: directory };
            }
            let stderr = process.stderr();
            // Somebody took the port between our look and the bind.
            assert!(stderr.contains("cannot bind") || stderr.contains("in use"), "{stderr}");
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn ws_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

fn configuration(address: SocketAddr, balance: Balance, replicas: &[&Gateway]) -> String {
    let (algorithm, cookie) = match balance {
        Balance::RoundRobin => ("roundrobin", ""),
        Balance::StickyCookie => ("roundrobin", "  cookie REPLICA insert indirect nocache\n"),
        Balance::Source => ("source", ""),
    };
    let mut text = format!(
        "global\n  maxconn 4000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  timeout tunnel 1h\n  option redispatch\n  retries 3\n\
         frontend public\n  bind {address}\n  default_backend replicas\n\
         backend replicas\n  balance {algorithm}\n{cookie}"
    );
    for (n, replica) in replicas.iter().enumerate() {
        // Ready replicas only, as behind a Kubernetes service.
        let ops = replica.ops().port();
        writeln!(
            text,
            "  server r{n} {} cookie r{n} check port {ops} inter 200ms fall 2 rise 1",
            replica.addr()
        )
        .expect("a string takes it");
    }
    text.push_str("  option httpchk GET /readyz\n");
    text
}
