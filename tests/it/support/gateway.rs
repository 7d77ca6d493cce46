//! The campanile binary as a child process.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::http::{self, Response};
use super::metrics::Metrics;
use super::ports;
use super::process::{Output, Process};
use super::proxy::Proxy;
use super::redis::Redis;
use super::sentinel::Sentinel;
use super::token;
use super::wait::{PATIENCE, until};

/// A running replica; dropping it kills the process.
pub(crate) struct Gateway {
    process: Process,
    addr: SocketAddr,
    ops: SocketAddr,
}

/// What the binary is told. Nothing of the environment of the test run reaches it that could
/// configure it; it trusts [`token::SECRET`] unless told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    probe: &'static str,
    open_files: Option<(u32, u32)>,
    listeners: Option<(SocketAddr, SocketAddr)>,
}

impl Builder {
    /// The Redis it uses, with credentials and certificates.
    pub(crate) fn redis(self, redis: &Redis) -> Self {
        self.redis_at(redis, redis.address())
    }

    /// The same, through a proxy in front of it.
    pub(crate) fn redis_through(self, redis: &Redis, proxy: &Proxy) -> Self {
        self.redis_at(redis, proxy.address())
    }

    /// The master that these sentinels name.
    pub(crate) fn sentinel(self, sentinel: &Sentinel) -> Self {
        self.redis_by(&sentinel.url(), sentinel.any())
    }

    /// This cluster.
    pub(crate) fn cluster(self, cluster: &Cluster) -> Self {
        self.redis_by(&cluster.url(), cluster.any())
    }

    fn redis_at(self, redis: &Redis, address: SocketAddr) -> Self {
        self.redis_by(&redis.url_through(address), redis)
    }

    /// `url`, with the certificates that `redis` wants.
    fn redis_by(mut self, url: &str, redis: &Redis) -> Self {
        self = self.env("CAMPANILE_REDIS_URL", url);
        if let Some(files) = redis.certificates() {
            self = self.env("CAMPANILE_REDIS_CA_FILE", &files.ca.to_string_lossy());
            if redis.wants_client_certificate() {
                let (cert, key) = (&files.client.cert, &files.client.key);
                self = self.env("CAMPANILE_REDIS_CERT_FILE", &cert.to_string_lossy());
                self = self.env("CAMPANILE_REDIS_KEY_FILE", &key.to_string_lossy());
            }
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Takes back what [`Builder::env`] or a default set.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The command line, `serve` unless said.
    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self
    }

    /// The soft and the hard limit of open files that it is started with; the test's own unless said.
    pub(crate) fn open_files(mut self, soft: u32, hard: u32) -> Self {
        self.open_files = Some((soft, hard));
        self
    }

    /// The public and the private address, any free ones unless said.
    pub(crate) fn listeners(mut self, public: SocketAddr, ops: SocketAddr) -> Self {
        self.listeners = Some((public, ops));
        self
    }

    /// Lets [`Builder::start`] return once the process is alive, for tests in which Redis is not.
    pub(crate) fn not_ready(mut self) -> Self {
        self.probe = "/livez";
        self
    }

    /// Starts the replica and waits until it is ready; panics with its output when it ends.
    pub(crate) async fn start(self) -> Gateway {
        match self.try_start().await {
            Ok(gateway) => gateway,
            Err(ended) => panic!("the gateway ended with {}:\n{}", ended.status, ended.stderr),
        }
    }

    /// Starts the replica and waits until it is ready, or until it ends.
    pub(crate) async fn try_start(self) -> Result<Gateway, Output> {
        loop {
            let (addr, ops) = self.listeners.unwrap_or_else(|| (ports::free(), ports::free()));
            let mut command = self.command();
            command.env("CAMPANILE_LISTEN", addr.to_string());
            command.env("CAMPANILE_OPS_LISTEN", ops.to_string());
            let gateway = Gateway { process: Process::spawn(&mut command), addr, ops };
            match gateway.wait_ready(self.probe).await {
                Ok(()) => return Ok(gateway),
                // Somebody took a port between our look and the gateway's bind.
                Err(ended)
                    if self.listeners.is_none()
                        && ended.stderr.contains("ddress already in use") => {}
                Err(ended) => return Err(ended),
            }
        }
    }

    /// Runs a command such as `check` to its end.
    pub(crate) async fn run(self) -> Output {
        Process::run(&mut self.command(), 3 * PATIENCE).await
    }

    fn command(&self) -> Command {
        let binary = env!("CARGO_BIN_EXE_campanile");
        let mut command = Command::new(self.open_files.map_or(binary, |_| "sh"));
        if let Some((soft, hard)) = self.open_files {
            let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
            command.args(["-c", &limited, binary]);
        }
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CAMPANILE_") || text == "ACCESS_SECRET_KEY" {
                command.env_remove(&name);
            }
        }
        command.args(&self.arguments).envs(&self.environment);
        command
    }
}

impl Gateway {
    pub(crate) fn builder() -> Builder {
        Builder {
            arguments: vec!["serve".into()],
            environment: BTreeMap::from([("CAMPANILE_JWT_SECRET".into(), token::SECRET.into())]),
            probe: "/readyz",
            open_files: None,
            listeners: None,
        }
    }

    /// A ready replica on this Redis, with every other setting at its default.
    pub(crate) async fn start(redis: &Redis) -> Self {
        Self::builder().redis(redis).start().await
    }

    /// The public listener.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The private listener.
    pub(crate) fn ops(&self) -> SocketAddr {
        self.ops
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub(crate) fn ws_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// One exchange with the public listener.
    pub(crate) async fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        http::request(self.addr, method, path, headers, body).await
    }

    /// The same, signed in as `user`.
    pub(crate) async fn http_as(&self, user: &str, method: &str, path: &str) -> Response {
        let bearer = format!("Bearer {}", token::for_user(user));
        self.http(method, path, &[("Authorization", &bearer)], b"").await
    }

    /// GET on the private listener.
    pub(crate) async fn ops_get(&self, path: &str) -> Response {
        http::request(self.ops, "GET", path, &[], b"").await
    }

    /// Users and sockets over all replicas, as this one tells; the refusal when it cannot.
    pub(crate) async fn stats(&self) -> Result<(u64, u64), Response> {
        let response = self.http_as("an onlooker", "GET", "/api/notifications/stats").await;
        if response.status != 200 {
            return Err(response);
        }
        let data = &response.json()["data"];
        let count = |name: &str| data[name].as_u64().expect("stats are numbers");
        Ok((count("total_users"), count("total_clients")))
    }

    /// Waits until the stats are so; how long that took.
    pub(crate) async fn stats_become(
        &self,
        users: u64,
        sockets: u64,
        patience: Duration,
    ) -> Duration {
        let started = Instant::now();
        let mut last = None;
        while last != Some((users, sockets)) {
            let waited = started.elapsed();
            let told = last.map(|(users, sockets)| format!("{users} users and {sockets} sockets"));
            assert!(
                waited < patience,
                "{users} users and {sockets} sockets, not {told:?}, after {waited:?}"
            );
            last = self.stats().await.ok();
            sleep(Duration::from_millis(5)).await;
        }
        started.elapsed()
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        let response = self.ops_get("/metrics").await;
        assert_eq!(response.status, 200, "{}", response.text());
        Metrics::parse(response.text())
    }

    /// Waits until this metric, summed over these labels, satisfies the condition.
    pub(crate) async fn metric_becomes(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        condition: impl Fn(f64) -> bool,
    ) -> f64 {
        until(&format!("{name}{labels:?} becomes as expected"), PATIENCE, async || {
            Some(self.metrics().await.value(name, labels)).filter(|&value| condition(value))
        })
        .await
    }

    /// Waits until this metric, summed over all labels, is this whole number.
    pub(crate) async fn metric_is(&self, name: &str, expected: f64) {
        self.metric_becomes(name, &[], |value| (value - expected).abs() < 0.5).await;
    }

    /// SIGTERM: the gateway drains.
    pub(crate) fn term(&self) {
        self.process.signal("TERM");
    }

    /// SIGKILL, reaped when it returns.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Freezes the process, as a machine that swaps does.
    pub(crate) fn pause(&self) {
        self.process.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    pub(crate) async fn wait_exit(&self, within: Duration) -> ExitStatus {
        self.process.wait_exit(within).await
    }

    pub(crate) fn stderr_so_far(&self) -> String {
        self.process.stderr()
    }

    pub(crate) fn stdout_so_far(&self) -> String {
        self.process.stdout()
    }

    /// Resident memory of the process.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(path).expect("the gateway is running");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        1024 * kibibytes.expect("Linux says how much memory is resident")
    }

    async fn wait_ready(&self, probe: &str) -> Result<(), Output> {
        let one = Duration::from_secs(1);
        let ready = async {
            loop {
                if self.process.exited().is_some() {
                    return false;
                }
                let asked = http::try_request(self.ops, "GET", probe, &[], b"");
                if let Ok(Ok(Response { status: 200, .. })) = timeout(one, asked).await {
                    return true;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(PATIENCE, ready).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(late) => {
                panic!("{probe} is not 200: {late}\n{}", self.stderr_so_far())
            }
        }
        let status = self.process.wait_exit(PATIENCE).await;
        Err(Output { status, stdout: self.stdout_so_far(), stderr: self.stderr_so_far() })
    }
}
