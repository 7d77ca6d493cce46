//! A real rabbitmq-server of one's own, with its own Erlang port mapper, on ports and a directory that survive
//! its restarts.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::ports;
use super::process::Process;
use super::tls::Certificates;
use super::wait::{PATIENCE, until, within};

/// Starting takes seconds of CPU.
const BOOT: Duration = Duration::from_secs(90);

/// A running rabbitmq-server; dropping it kills the server and its port mapper.
pub(crate) struct Rabbit {
    process: Mutex<Process>,
    mapper: Process,
    mapper_port: u16,
    distribution_port: u16,
    address: SocketAddr,
    tls: Option<(SocketAddr, Certificates)>,
    directory: TempDir,
}

/// The one that tests share while any of them runs.
static SHARED: tokio::sync::Mutex<Weak<Rabbit>> = tokio::sync::Mutex::const_new(Weak::new());

impl Rabbit {
    /// One that other tests use at the same time, so with queues of one's own ([`queue`]); it must not be killed.
    pub(crate) async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(rabbit) = shared.upgrade() {
            return rabbit;
        }
        let rabbit = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&rabbit);
        rabbit
    }

    /// Empty, with the user `guest`.
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    /// The same, which listens with TLS too.
    pub(crate) async fn start_tls() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(tls: bool) -> Self {
        loop {
            let rabbit = Self::spawn(tls).await;
            match rabbit.wait_ready().await {
                Ok(()) => return rabbit,
                // Somebody took a port between our look and the bind.
                Err(log) if log.contains("eaddrinuse") => {}
                Err(log) => panic!("rabbitmq-server ended:\n{log}"),
            }
        }
    }

    async fn spawn(tls: bool) -> Self {
        let directory = tempfile::tempdir().expect("makes a directory");
        let mapper_port = ports::free().port();
        // In the foreground, or else the server starts one that outlives it.
        let mapper = Process::spawn(Command::new("epmd").args([
            "-address",
            "127.0.0.1",
            "-port",
            &mapper_port.to_string(),
        ]));
        until("epmd listens", PATIENCE, async || {
            TcpStream::connect(("127.0.0.1", mapper_port)).await.ok()
        })
        .await;
        let (address, distribution_port) = (ports::free(), ports::free().port());
        let tls = tls.then(|| (ports::free(), Certificates::write_into(directory.path())));
        write_files(directory.path(), address, tls.as_ref());
        let process = spawn(directory.path(), mapper_port, distribution_port);
        Self {
            process: Mutex::new(process),
            mapper,
            mapper_port,
            distribution_port,
            address,
            tls,
            directory,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `CAMPANILE_AMQP_URL`.
    pub(crate) fn url(&self) -> String {
        self.url_as("guest", "guest")
    }

    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("amqp://{user}:{password}@{}", self.address)
    }

    /// The same, through somebody who listens at `address`.
    pub(crate) fn url_through(address: SocketAddr) -> String {
        format!("amqp://guest:guest@{address}")
    }

    /// Address and authority of a server that was started with TLS.
    pub(crate) fn tls(&self) -> (String, &Path) {
        let (address, certificates) = self.tls.as_ref().expect("it was started with TLS");
        (format!("amqps://guest:guest@{address}"), &certificates.ca)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// The port mapper's.
    pub(crate) fn mapper_pid(&self) -> u32 {
        self.mapper.pid()
    }

    /// SIGKILL, reaped when it returns; what was durable stays.
    pub(crate) fn kill(&self) {
        self.process().kill();
    }

    /// Starts it again on its ports, with what it has kept.
    pub(crate) async fn restart(&self) {
        loop {
            self.process().kill();
            *self.process() =
                spawn(self.directory.path(), self.mapper_port, self.distribution_port);
            match self.wait_ready().await {
                Ok(()) => return,
                // The mapper may still think that the name is taken, and sockets of the last one linger.
                Err(log) if log.contains("eaddrinuse") || log.contains("already running") => {}
                Err(log) => panic!("rabbitmq-server ended:\n{log}"),
            }
        }
    }

    /// Runs `rabbitmqctl` with these words.
    pub(crate) async fn ctl(&self, words: &[&str]) -> String {
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
        command.args(["-n", &node(self.distribution_port)]).args(words);
        environment(&mut command, self.directory.path(), self.mapper_port, self.distribution_port);
        let output = Process::run(&mut command, BOOT).await;
        assert!(output.status.success(), "rabbitmqctl {words:?}: {output:?}");
        output.stdout
    }

    /// A connection of the test itself.
    pub(crate) async fn connect(&self) -> Connection {
        until("RabbitMQ lets in", PATIENCE, async || self.try_connect().await.ok()).await
    }

    pub(crate) async fn try_connect(&self) -> lapin::Result<Connection> {
        Connection::connect(&self.url(), ConnectionProperties::default()).await
    }

    /// A channel with confirms, for publishing, and whatever else a test does.
    pub(crate) async fn publisher(&self) -> Publisher {
        let connection = self.connect().await;
        let channel = connection.create_channel().await.expect("opens a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        Publisher { channel, _connection: connection }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its log when it ended instead.
    async fn wait_ready(&self) -> Result<(), String> {
        within("rabbitmq-server lets in", BOOT, async {
            loop {
                if self.process().exited().is_some() {
                    let process = self.process();
                    return Err(process.stdout() + &process.stderr());
                }
                let trying = tokio::time::timeout(PATIENCE, self.try_connect()).await;
                if matches!(trying, Ok(Ok(_))) {
                    return Ok(());
                }
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }
}

/// A name for a queue that no other test has.
pub(crate) fn queue() -> String {
    format!("q{:016x}", fastrand::u64(..))
}

/// Publishes with confirms, and looks at queues.
pub(crate) struct Publisher {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl Publisher {
    /// Persistent and confirmed.
    pub(crate) async fn publish(&self, queue: &str, body: &str) {
        self.publish_with(queue, body.as_bytes(), BasicProperties::default()).await;
    }

    pub(crate) async fn publish_with(&self, queue: &str, body: &[u8], properties: BasicProperties) {
        let confirmed = self.try_publish(queue, body, properties).await;
        assert!(confirmed.is_ok_and(|confirmed| confirmed), "{queue} takes it");
    }

    /// Whether RabbitMQ has it; mandatory, so that it does not vanish.
    pub(crate) async fn try_publish(
        &self,
        queue: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<bool> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.with_delivery_mode(2);
        let publishing =
            self.channel.basic_publish("".into(), queue.into(), options, body, properties);
        let confirmation = publishing.await?.await?;
        Ok(confirmation.is_ack() && confirmation.take_message().is_none())
    }

    /// Creates a durable queue with these arguments.
    pub(crate) async fn declare(&self, queue: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions::durable();
        let declared = self.channel.queue_declare(queue.into(), options, arguments).await;
        declared.unwrap_or_else(|error| panic!("{queue}: {error}"));
    }

    pub(crate) async fn delete(&self, queue: &str) {
        let deleted = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
        deleted.unwrap_or_else(|error| panic!("{queue}: {error}"));
    }

    /// Messages nobody has in hand, and consumers; panics when there is no such queue.
    pub(crate) async fn depth(&self, queue: &str) -> (u32, u32) {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let queue = queue.unwrap_or_else(|error| panic!("{error}"));
        (queue.message_count(), queue.consumer_count())
    }

    /// Waits for the next message and acknowledges it.
    pub(crate) async fn take(&self, queue: &str) -> Delivery {
        self.take_within(queue, 3 * PATIENCE).await
    }

    pub(crate) async fn take_within(&self, queue: &str, patience: Duration) -> Delivery {
        until(&format!("{queue} has a message"), patience, async || {
            let got = self.channel.basic_get(queue.into(), BasicGetOptions::default()).await;
            let delivery = got.unwrap_or_else(|error| panic!("{queue}: {error}"))?.delivery;
            delivery.ack(BasicAckOptions::default()).await.expect("acknowledges");
            Some(delivery)
        })
        .await
    }
}

fn node(distribution_port: u16) -> String {
    format!("campanile-test-{distribution_port}@localhost")
}

fn write_files(directory: &Path, address: SocketAddr, tls: Option<&(SocketAddr, Certificates)>) {
    let mut file = format!(
        "listeners.tcp.1 = {address}\nloopback_users = none\nlog.console = true\n\
         log.console.level = error\nlog.file = false\ndisk_free_limit.absolute = 1MB\n\
         vm_memory_high_watermark.absolute = 2GB\n"
    );
    if let Some((address, certificates)) = tls {
        write!(
            file,
            "listeners.ssl.1 = {address}\nssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\nssl_options.verify = verify_none\n",
            certificates.ca.display(),
            certificates.server.cert.display(),
            certificates.server.key.display(),
        )
        .expect("writes to a string");
    }
    std::fs::write(directory.join("rabbitmq.conf"), file).expect("writes rabbitmq.conf");
    std::fs::write(directory.join("plugins"), "[].\n").expect("writes the list of plugins");
    std::fs::create_dir(directory.join("home")).expect("makes a home");
}

/// Nothing of the machine's own RabbitMQ.
fn environment(command: &mut Command, directory: &Path, mapper_port: u16, distribution_port: u16) {
    let cookie = format!("-setcookie of-the-tests-{distribution_port}");
    let loopback = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none";
    command
        .env("HOME", directory.join("home"))
        .env("RABBITMQ_NODENAME", node(distribution_port))
        .env("RABBITMQ_DIST_PORT", distribution_port.to_string())
        .env("RABBITMQ_MNESIA_BASE", directory.join("data"))
        .env("RABBITMQ_LOG_BASE", directory.join("log"))
        .env("RABBITMQ_CONFIG_FILE", directory.join("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", directory.join("plugins"))
        .env("RABBITMQ_PID_FILE", directory.join("pid"))
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("{cookie} {loopback}"))
        .env("RABBITMQ_CTL_ERL_ARGS", cookie)
        .env("ERL_EPMD_PORT", mapper_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
}

/// Debian's wrapper changes to another user; the script behind it ends as the server itself, so that the process
/// is all there is to kill.
fn spawn(directory: &Path, mapper_port: u16, distribution_port: u16) -> Process {
    let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    environment(&mut command, directory, mapper_port, distribution_port);
    // Where it leaves its dumps.
    command.current_dir(directory);
    // Or else the shell stays, as the server's parent, and the server outlives its death.
    Process::spawn(command.env("RUNNING_UNDER_SYSTEMD", "true"))
}
