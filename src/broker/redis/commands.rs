//! Commands on pooled connections. Every one has a deadline, and its round trip is measured.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_redis::{Manager, Pool, PoolConfig, Runtime, Timeouts};
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind};
use tokio::time::timeout;

use super::Order;
use super::channels::Channels;
use super::connect::{BadEndpoint, CONNECT_TIMEOUT, Endpoint};
use crate::broker::{Away, Census};
use crate::notification::{Target, UserId};
use crate::telemetry::Metrics;

/// Connections for commands. They are multiplexed, so a few suffice.
const POOL_SIZE: usize = 4;
/// How long one command, or one pipeline, may take, waiting for a connection included.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of the shared Redis that publishes and asks; it does not listen.
pub struct Commands {
    pool: Pool,
    pub(super) channels: Channels,
    metrics: Arc<Metrics>,
    address: String,
    /// For the rare connection that is not pooled.
    client: redis::Client,
}

impl Commands {
    /// For programs that publish without being a replica.
    ///
    /// # Errors
    /// The URL or a certificate cannot be used. Redis itself is not asked yet.
    pub fn new(
        config: &crate::config::Redis,
        channels: Channels,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BadEndpoint> {
        Self::connect(&Endpoint::new(config)?, channels, metrics)
    }

    pub(super) fn connect(
        endpoint: &Endpoint,
        channels: Channels,
        metrics: Arc<Metrics>,
    ) -> Result<Self, BadEndpoint> {
        // The library's own 500 ms are less than a pipeline of large notifications takes on a busy machine.
        let deadlines = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(COMMAND_TIMEOUT));
        let manager = Manager::new_with_config(endpoint.info().clone(), deadlines)
            .map_err(|error| BadEndpoint::new(&error))?;
        let timeouts = Timeouts {
            wait: Some(COMMAND_TIMEOUT),
            create: Some(CONNECT_TIMEOUT),
            recycle: Some(CONNECT_TIMEOUT),
        };
        let config = PoolConfig { max_size: POOL_SIZE, timeouts, ..PoolConfig::default() };
        let pool = Pool::builder(manager)
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| BadEndpoint::new(&error))?;
        let client = redis::Client::open(endpoint.info().clone())
            .map_err(|error| BadEndpoint::new(&error))?;
        Ok(Self { pool, channels, metrics, address: endpoint.address(), client })
    }

    /// `host:port`, for people.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Publishes in order; how many subscribers each had.
    pub async fn publish(&self, items: &[(Target<'_>, &str)]) -> Result<Vec<u64>, Away> {
        let mut pipeline = redis::pipe();
        for (target, payload) in items {
            pipeline.publish(self.channels.of(*target).as_ref(), payload);
        }
        self.run("publish", &pipeline).await
    }

    pub(super) async fn order(&self, order: &Order) -> Result<(), Away> {
        let text = serde_json::to_string(order).map_err(|error| Away(error.to_string()))?;
        let mut pipeline = redis::pipe();
        pipeline.publish(self.channels.control(), text);
        self.run::<(u64,)>("publish", &pipeline).await.map(|_| ())
    }

    pub(super) async fn probe(&self, replica: &str, number: u64) -> Result<(), Away> {
        let mut pipeline = redis::pipe();
        pipeline.publish(self.channels.probe(replica), number);
        self.run::<(u64,)>("publish", &pipeline).await.map(|_| ())
    }

    pub(super) async fn census(&self) -> Result<Census, Away> {
        let mut pipeline = redis::pipe();
        pipeline.hlen(self.channels.presence_users()).get(self.channels.presence_total());
        let (users, connections): (u64, Option<u64>) = self.run("census", &pipeline).await?;
        Ok(Census { users, connections: connections.unwrap_or_default() })
    }

    pub(super) async fn connections_of(&self, user: &UserId) -> Result<u64, Away> {
        let mut pipeline = redis::pipe();
        pipeline.hget(self.channels.presence_users(), user.as_str());
        let (count,): (Option<u64>,) = self.run("presence", &pipeline).await?;
        Ok(count.unwrap_or_default())
    }

    /// Whether one of these keys does not exist.
    pub(super) async fn any_missing(&self, keys: &[String]) -> Result<bool, Away> {
        let mut pipeline = redis::pipe();
        pipeline.exists(keys);
        let (existing,): (usize,) = self.run("lease", &pipeline).await?;
        Ok(existing < keys.len())
    }

    /// Registers a library of functions, in place of what it was before.
    pub(super) async fn load_library(&self, library: &str) -> Result<(), Away> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("FUNCTION").arg("LOAD").arg("REPLACE").arg(library);
        self.run::<(String,)>("function", &pipeline).await.map(|_| ())
    }

    /// `INFO server`'s version of the server, such as `7.0.15`.
    pub async fn version(&self) -> Result<String, Away> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("INFO").arg("server");
        let (info,): (String,) = self.run("info", &pipeline).await?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        Ok(version.unwrap_or("unknown").trim().to_owned())
    }

    /// Tries, without leaving a trace, what a replica does, and if `capturing`, what that takes; each with
    /// what came of it.
    pub async fn permissions(&self, capturing: bool) -> Vec<(&'static str, Result<(), Away>)> {
        let channels = &self.channels;
        let name = "campanile-check";
        let mut publish = redis::pipe();
        publish.publish(channels.probe(name), "").publish(channels.user(name), "{}");
        publish.publish(channels.control(), r#"{"nothing":{}}"#);
        let mut script = redis::pipe();
        let hash = channels.presence_replica(name);
        script.cmd("EVAL").arg("return redis.call('HDEL', KEYS[1], 'x')").arg(1).arg(hash);
        let mut tried = vec![
            ("publish", self.run::<redis::Value>("check", &publish).await.map(|_| ())),
            ("subscribe", self.measured("check", self.may_subscribe(name)).await),
            ("run scripts", self.run::<redis::Value>("check", &script).await.map(|_| ())),
        ];
        if capturing {
            let result = self.measured("check", self.may_capture()).await;
            tried.push(("subscribe by pattern, to keep plain notifications", result));
        }
        tried
    }

    async fn may_capture(&self) -> Result<(), Away> {
        let mut pubsub = self.client.get_async_pubsub().await?;
        Ok(pubsub.psubscribe(self.channels.every_user()).await?)
    }

    async fn may_subscribe(&self, name: &str) -> Result<(), Away> {
        let mut pubsub = self.client.get_async_pubsub().await?;
        for channel in [
            self.channels.user(name),
            self.channels.broadcast().to_owned(),
            self.channels.control(),
            self.channels.probe(name),
        ] {
            pubsub.subscribe(channel).await?;
        }
        Ok(())
    }

    async fn run<T: FromRedisValue>(
        &self,
        command: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T, Away> {
        self.measured(command, async {
            let mut connection = self.pool.get().await.map_err(|error| Away(error.to_string()))?;
            pipeline.query_async(&mut connection).await.map_err(Away::from)
        })
        .await
    }

    /// Runs a script by its hash; the library loads it when Redis does not have it (any more).
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        command: &'static str,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, Away> {
        self.measured(command, async {
            let mut connection = self.pool.get().await.map_err(|error| Away(error.to_string()))?;
            let mut call = script.prepare_invoke();
            for key in keys {
                call.key(key);
            }
            for argument in arguments {
                call.arg(argument);
            }
            call.invoke_async(&mut connection).await.map_err(Away::from)
        })
        .await
    }

    /// Runs a pipeline of calls of one script; loads it first when Redis does not have it.
    pub(super) async fn scripted<T: FromRedisValue>(
        &self,
        command: &'static str,
        script: &Script,
        pipeline: &Pipeline,
    ) -> Result<T, Away> {
        self.measured(command, async {
            let mut connection = self.pool.get().await.map_err(|error| Away(error.to_string()))?;
            match pipeline.query_async(&mut connection).await {
                // Nothing of the pipeline was done: it is one script, and that is missing.
                Err(error) if is_unknown_script(&error) => {
                    script.prepare_invoke().load_async(&mut connection).await?;
                    pipeline.query_async(&mut connection).await.map_err(Away::from)
                }
                result => result.map_err(Away::from),
            }
        })
        .await
    }

    /// Appends through the registered function; the cursor.
    pub async fn notify(&self, user: &UserId, payload: &str) -> Result<String, Away> {
        let mut pipeline = redis::pipe();
        let function = self.channels.function("notify");
        pipeline.cmd("FCALL").arg(function).arg(1).arg(user.as_str()).arg(payload);
        self.run::<(String,)>("fcall", &pipeline).await.map(|(cursor,)| cursor)
    }

    async fn measured<T>(
        &self,
        command: &'static str,
        run: impl Future<Output = Result<T, Away>>,
    ) -> Result<T, Away> {
        let started = Instant::now();
        // Boxed: the library's future takes 16 KB, in every handshake that waits for one.
        let result = timeout(COMMAND_TIMEOUT, Box::pin(run))
            .await
            .unwrap_or_else(|_elapsed| Err(Away(format!("no answer within {COMMAND_TIMEOUT:?}"))));
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.redis_command_seconds.with_label_values(&[command]).observe(seconds);
        result
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.to_string().contains("NOSCRIPT") || error.kind() == ServerErrorKind::NoScript.into()
}

impl From<RedisError> for Away {
    fn from(error: RedisError) -> Self {
        Self(error.to_string())
    }
}
