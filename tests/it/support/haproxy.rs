//! A real HAProxy in front of replicas, as an ordinary load balancer in front of sockets is set up.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

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
    directory: TempDir,
}

/// Places for replicas that come and go, and how those listed are looked at.
pub(crate) struct Slots {
    pub(crate) count: usize,
    /// Path on the private listener.
    pub(crate) probe: String,
    pub(crate) period: Duration,
    /// Failures in a row after which a replica gets nothing new.
    pub(crate) failures: u64,
}

impl HaProxy {
    /// Listens in front of these replicas.
    pub(crate) async fn start(balance: Balance, replicas: &[&Gateway]) -> Self {
        Self::with(|address, _| configuration(address, balance, replicas)).await
    }

    /// Listens in front of nobody yet; see [`HaProxy::list`].
    pub(crate) async fn with_slots(slots: &Slots) -> Self {
        Self::with(|address, admin| slots.configuration(address, admin)).await
    }

    /// With a configuration of the project's, which has to bind the given address.
    pub(crate) async fn configured(configuration: impl Fn(SocketAddr) -> String) -> Self {
        Self::with(|address, _| configuration(address)).await
    }

    async fn with(configuration: impl Fn(SocketAddr, &Path) -> String) -> Self {
        loop {
            let address = ports::free();
            let directory = TempDir::new().expect("a directory");
            let file = directory.path().join("haproxy.cfg");
            let text = configuration(address, &admin(&directory));
            std::fs::write(&file, text).expect("is written");
            let process = Process::spawn(Command::new("haproxy").args(["-db", "-f"]).arg(&file));
            let started = until("haproxy listens", PATIENCE, async || {
                if process.exited().is_some() {
                    return Some(false);
                }
                TcpStream::connect(address).await.is_ok().then_some(true)
            });
            if started.await {
                return Self { process, address, directory };
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

    /// Puts a replica into an empty slot; it gets its share from now on while it is ready.
    pub(crate) async fn list(&self, slot: usize, replica: &Gateway) {
        let (public, ops) = (replica.addr(), replica.ops().port());
        let server = format!("set server replicas/r{slot}");
        self.tell(&format!("{server} addr {} port {}", public.ip(), public.port())).await;
        self.tell(&format!("{server} check-port {ops}")).await;
        self.tell(&format!("{server} state ready")).await;
    }

    /// Gives the replica in this slot nothing new; what is open stays.
    pub(crate) async fn unlist(&self, slot: usize) {
        self.tell(&format!("set server replicas/r{slot} state drain")).await;
    }

    /// One command of the runtime API, which answers nothing or what it did unless it is wrong.
    async fn tell(&self, command: &str) {
        let mut socket = UnixStream::connect(admin(&self.directory)).await.expect("is there");
        socket.write_all(format!("{command}\n").as_bytes()).await.expect("takes a command");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("answers");
        let answer = answer.trim();
        let fine = ["", "no need to change"].contains(&answer) || answer.contains("changed from");
        assert!(fine, "{command}: {answer}");
    }
}

/// The socket of the runtime API.
fn admin(directory: &TempDir) -> PathBuf {
    directory.path().join("admin")
}

impl Slots {
    fn configuration(&self, address: SocketAddr, admin: &Path) -> String {
        let Self { count, probe, period, failures } = self;
        format!(
            "global\n  maxconn 8000\n  stats socket {} level admin\n{DEFAULTS}\
             frontend public\n  bind {address}\n  default_backend replicas\n\
             backend replicas\n  balance roundrobin\n  option httpchk GET {probe}\n\
             default-server check inter {}ms fall {failures} rise 1 disabled\n\
             server-template r 0-{} 127.0.0.1:1 port 1\n",
            admin.display(),
            period.as_millis(),
            count - 1,
        )
    }
}

const DEFAULTS: &str = "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
                        timeout server 60s\n  timeout tunnel 1h\n  option redispatch\n  retries 3\n";

fn configuration(address: SocketAddr, balance: Balance, replicas: &[&Gateway]) -> String {
    let (algorithm, cookie) = match balance {
        Balance::RoundRobin => ("roundrobin", ""),
        Balance::StickyCookie => ("roundrobin", "  cookie REPLICA insert indirect nocache\n"),
        Balance::Source => ("source", ""),
    };
    let mut text = format!(
        "global\n  maxconn 4000\n{DEFAULTS}\
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
