//! A real redis-server of one's own, on a port and directory that survive its restarts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, InfoDict, RedisResult, TlsCertificates,
};
use tempfile::TempDir;
use tokio::time::sleep;

use super::ports;
use super::process::Process;
use super::tls::Certificates;
use super::wait::{PATIENCE, seen, within};

/// The user that the harness itself signs in as once a server has users or a password.
pub(crate) const ADMIN: (&str, &str) = ("harness", "of-the-tests");

/// A running redis-server; dropping it kills the process and removes its directory.
pub(crate) struct Redis {
    process: Mutex<Process>,
    address: SocketAddr,
    options: Builder,
    certificates: Option<Certificates>,
    directory: TempDir,
}

/// What the server is to be; see [`Redis::builder`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    login: Option<(String, String)>,
    tls: Option<ClientCertificates>,
    signed_by: Option<Certificates>,
    role: Role,
    lines: Vec<String>,
}

/// What the server is to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    Alone,
    Sentinel,
    ClusterNode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientCertificates {
    Ignored,
    Required,
}

impl Builder {
    /// Keeps what was written over [`Redis::kill`] and [`Redis::restart`].
    pub(crate) fn aof(self) -> Self {
        self.config("appendonly yes")
    }

    /// `requirepass`: the default user with a password.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.login = Some(("default".into(), password.into()));
        let (user, secret) = ADMIN;
        self.config(&format!("requirepass {password}"))
            .config(&format!("user {user} on >{secret} ~* &* +@all"))
    }

    /// No default user, and this one with rules such as `~campanile:* &* +@all`.
    pub(crate) fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        self.login = Some((name.into(), password.into()));
        let (user, secret) = ADMIN;
        self.config("user default off")
            .config(&format!("user {name} on >{password} {rules}"))
            .config(&format!("user {user} on >{secret} ~* &* +@all"))
    }

    /// TLS only, with a certificate of a fresh authority.
    pub(crate) fn tls(mut self) -> Self {
        self.tls = Some(ClientCertificates::Ignored);
        self
    }

    /// TLS only, and clients must show a certificate too.
    pub(crate) fn mutual_tls(mut self) -> Self {
        self.tls = Some(ClientCertificates::Required);
        self
    }

    /// With these certificates instead of fresh ones, as others of the same authority.
    pub(crate) fn signed_by(mut self, certificates: &Certificates) -> Self {
        self.signed_by = Some(certificates.clone());
        self
    }

    /// `redis-server --sentinel`.
    pub(crate) fn sentinel(mut self) -> Self {
        self.role = Role::Sentinel;
        self
    }

    /// Cluster mode; it belongs to no cluster yet.
    pub(crate) fn cluster_node(mut self) -> Self {
        self.role = Role::ClusterNode;
        self
    }

    /// Speaks to others of its kind as the user of the harness, and with TLS where it has that.
    pub(crate) fn with_peers(self) -> Self {
        let (user, secret) = ADMIN;
        let is_open = self.login.is_none();
        let peer = if is_open {
            self
        } else {
            self.config(&format!("masteruser {user}")).config(&format!("masterauth {secret}"))
        };
        if peer.tls.is_none() { peer } else { peer.config("tls-replication yes") }
    }

    /// One more line of redis.conf.
    pub(crate) fn config(mut self, line: &str) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> Redis {
        loop {
            let redis = self.clone().spawn();
            match redis.wait_ready().await {
                Ok(()) => return redis,
                // Somebody took the port between our look and redis-server's bind.
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("redis-server ended:\n{log}"),
            }
        }
    }

    fn spawn(self) -> Redis {
        let directory = tempfile::tempdir().expect("makes a directory");
        let certificates = self.tls.map(|_| {
            self.signed_by.clone().unwrap_or_else(|| Certificates::write_into(directory.path()))
        });
        let address = ports::free();
        let file = self.file(address, directory.path(), certificates.as_ref());
        std::fs::write(directory.path().join("redis.conf"), file).expect("writes redis.conf");
        let process = Mutex::new(spawn(directory.path(), self.role));
        Redis { process, address, options: self, certificates, directory }
    }

    fn file(
        &self,
        address: SocketAddr,
        directory: &Path,
        certificates: Option<&Certificates>,
    ) -> String {
        let (plain, tls) =
            if self.tls.is_some() { (0, address.port()) } else { (address.port(), 0) };
        let directory = directory.display();
        let mut file = format!(
            "bind {}\nport {plain}\ntls-port {tls}\ndir {directory}\nsave \"\"\n",
            address.ip(),
        );
        if let Some(certificates) = certificates {
            let auth = if self.tls == Some(ClientCertificates::Required) { "yes" } else { "no" };
            write!(
                file,
                "tls-ca-cert-file {}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients {auth}\n",
                certificates.ca.display(),
                certificates.server.cert.display(),
                certificates.server.key.display(),
            )
            .expect("writes to a string");
        }
        if self.role == Role::ClusterNode {
            let bus = ports::free().port();
            write!(file, "cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 1000\n")
                .expect("writes to a string");
            if self.tls.is_some() {
                file.push_str("tls-cluster yes\n");
            }
        }
        for line in &self.lines {
            writeln!(file, "{line}").expect("writes to a string");
        }
        file
    }
}

impl Redis {
    /// In memory, no password, no TLS.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, whether it runs or not.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For a client, with the credentials of [`Builder::user`] or [`Builder::password`].
    pub(crate) fn url(&self) -> String {
        self.url_through(self.address)
    }

    /// User and password of [`Redis::url`].
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        self.options.login.as_ref().map(|(user, secret)| (user.as_str(), secret.as_str()))
    }

    /// [`Redis::url`] with another host and port, such as a proxy's.
    pub(crate) fn url_through(&self, address: SocketAddr) -> String {
        self.url_of(address, self.login())
    }

    /// The files a client of a TLS server needs.
    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Whether clients must show [`Certificates::client`].
    pub(crate) fn wants_client_certificate(&self) -> bool {
        self.options.tls == Some(ClientCertificates::Required)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Whether it does not run.
    pub(crate) fn exited(&self) -> bool {
        self.process().exited().is_some()
    }

    /// The server's log since its last start.
    pub(crate) fn log(&self) -> String {
        self.process().stdout()
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(&self) {
        self.process().signal("TERM");
        seen("redis-server stops", PATIENCE, || self.process().exited()).await;
    }

    /// Ends it as the kernel would when memory is short.
    pub(crate) fn kill(&self) {
        self.process().kill();
    }

    /// Starts it again on the same port and directory, ending it first if it still runs.
    pub(crate) async fn restart(&self) {
        self.kill();
        *self.process() = spawn(self.directory.path(), self.options.role);
        if let Err(log) = self.wait_ready().await {
            panic!("redis-server did not come back:\n{log}");
        }
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub(crate) fn pause(&self) {
        self.process().signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.process().signal("CONT");
    }

    /// What redis-cli prints for this command.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args([
            "-h",
            &self.address.ip().to_string(),
            "-p",
            &self.address.port().to_string(),
        ]);
        if let Some((user, secret)) = self.admin() {
            command.args(["--user", user, "--pass", secret, "--no-auth-warning"]);
        }
        if let Some(files) = &self.certificates {
            command.arg("--tls").arg("--cacert").arg(&files.ca);
            command.arg("--cert").arg(&files.client.cert).arg("--key").arg(&files.client.key);
        }
        let output = Process::run(command.args(arguments), PATIENCE).await;
        assert!(output.status.success(), "redis-cli {arguments:?}: {output:?}");
        output.stdout.trim_end().to_owned()
    }

    /// A fresh connection with every permission; it does not outlive a restart.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.connect().await.unwrap_or_else(|error| panic!("cannot connect to Redis: {error}"))
    }

    /// Plain PUBLISH; the number of connections that are subscribed to this very channel.
    pub(crate) async fn publish(&self, channel: &str, payload: &str) -> usize {
        publish(&mut self.connection().await, channel, payload.as_bytes()).await
    }

    /// The channels with at least one subscriber, sorted. Patterns do not count.
    pub(crate) async fn pubsub_channels(&self, pattern: &str) -> Vec<String> {
        let mut channels: Vec<String> =
            self.ask(redis::cmd("PUBSUB").arg("CHANNELS").arg(pattern)).await;
        channels.sort();
        channels
    }

    /// Closes every connection that is subscribed to something; how many there were.
    pub(crate) async fn client_kill_pubsub(&self) -> usize {
        self.ask(redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub")).await
    }

    /// Sends one command on a connection of its own.
    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let answer = command.query_async(&mut self.connection().await).await;
        answer.unwrap_or_else(|error| panic!("Redis: {error}"))
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admin(&self) -> Option<(&'static str, &'static str)> {
        self.options.login.as_ref().map(|_| ADMIN)
    }

    fn url_of(&self, address: SocketAddr, login: Option<(&str, &str)>) -> String {
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        match login {
            Some((user, secret)) => format!("{scheme}://{user}:{secret}@{address}/0"),
            None => format!("{scheme}://{address}/0"),
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let url = self.url_of(self.address, self.admin());
        let client = match &self.certificates {
            Some(files) => Client::build_with_tls(url, tls_certificates(files))?,
            None => Client::open(url)?,
        };
        // Its defaults of 1 s and 500 ms are for production, not for two busy cores.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Waits until this very process answers; its log when it ended instead.
    async fn wait_ready(&self) -> Result<(), String> {
        within("redis-server answers", PATIENCE, async {
            loop {
                if self.process().exited().is_some() {
                    return Err(self.log());
                }
                if self.answering_pid().await.is_ok_and(|pid| pid == self.pid()) {
                    return Ok(());
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// The process id of whoever answers at our address.
    async fn answering_pid(&self) -> RedisResult<u32> {
        let mut connection = self.connect().await?;
        let info: InfoDict = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        Ok(info.get("process_id").unwrap_or_default())
    }
}

/// As [`Redis::publish`], on an open connection. What PUBLISH itself answers counts patterns too.
pub(crate) async fn publish(
    connection: &mut MultiplexedConnection,
    channel: &str,
    payload: &[u8],
) -> usize {
    let mut both = redis::pipe();
    both.atomic().cmd("PUBSUB").arg("NUMSUB").arg(channel);
    both.cmd("PUBLISH").arg(channel).arg(payload).ignore();
    let answer: RedisResult<((String, usize),)> = both.query_async(connection).await;
    answer.unwrap_or_else(|error| panic!("Redis: {error}")).0.1
}

fn spawn(directory: &Path, role: Role) -> Process {
    let mut command = Command::new("redis-server");
    command.arg(directory.join("redis.conf"));
    if role == Role::Sentinel {
        command.arg("--sentinel");
    }
    Process::spawn(&mut command)
}

fn tls_certificates(files: &Certificates) -> TlsCertificates {
    // Fails only when another test of this process was first.
    tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let read = |path: &Path| std::fs::read(path).expect("reads a PEM file");
    TlsCertificates {
        client_tls: Some(ClientTlsConfig {
            client_cert: read(&files.client.cert),
            client_key: read(&files.client.key),
        }),
        root_cert: Some(read(&files.ca)),
    }
}
