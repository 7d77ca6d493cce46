//! What is loaded: a running server, or servers and a Redis that the tool starts itself.

mod address;
mod args;
mod peers;
mod process;
mod service;
mod start;
mod token;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub(crate) use address::{HttpAddress, RedisAddress};
pub(crate) use args::{Kind, Lane, TargetArgs};
pub(crate) use process::Process;
pub(crate) use service::Service;
pub(crate) use token::mint;

use args::setting;

use crate::client::Dialect;
use crate::publish::{Console, Form, Pace, Poster, Publisher, Publishing, Template};
use crate::record::{Clock, RunId};
use crate::report::Progress;
use crate::worker::{ComeBack, Counters, Crowd, Plan, Server};

/// One server.
pub(crate) struct Replica {
    pub(crate) http: HttpAddress,
    /// Of a running server, as far as it is known.
    known_pid: Option<u32>,
    service: Option<Service>,
}

impl Replica {
    fn started(http: HttpAddress, service: Service) -> Self {
        Self { http, known_pid: None, service: Some(service) }
    }

    /// Its process, if that is on this machine and known.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.service.as_ref().map(Service::pid).or(self.known_pid)
    }

    /// The process that the tool started.
    pub(crate) fn service(&mut self) -> Result<&mut Service> {
        self.service.as_mut().context("this server was not started here")
    }
}

/// What a scenario needs of what the tool starts.
#[derive(Clone, Copy)]
pub(crate) struct Needs<'a> {
    pub(crate) replicas: usize,
    /// Names and values of variables.
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// Redis keeps what it has over a restart.
    pub(crate) persistent: bool,
    /// What clients speak to the gateway unless it was asked otherwise.
    pub(crate) dialect: Dialect,
    /// How to publish to the gateway unless it was asked otherwise.
    pub(crate) lane: Lane,
}

impl Needs<'_> {
    /// One gateway as it is, live notifications.
    pub(crate) const LIVE: Needs<'static> = Needs {
        replicas: 1,
        settings: &[],
        persistent: false,
        dialect: Dialect::Bare,
        lane: Lane::Publish,
    };
    /// One gateway as it is, and clients that come back to where they were.
    pub(crate) const DURABLE: Needs<'static> =
        Needs { dialect: Dialect::CampanileV1, lane: Lane::Fcall, ..Needs::LIVE };
}

/// How many clients of whom.
#[derive(Clone, Copy)]
pub(crate) struct People {
    pub(crate) clients: usize,
    pub(crate) users: usize,
    pub(crate) come_back: Option<ComeBack>,
    pub(crate) receive_buffer: Option<u32>,
}

impl People {
    /// One client of each user, who does not come back.
    pub(crate) fn users(users: usize) -> Self {
        Self { clients: users, users, come_back: None, receive_buffer: None }
    }
}

/// For whom one message is.
#[derive(Clone, Copy)]
pub(crate) enum To {
    /// User after user, so many.
    Users(usize),
    /// Everyone.
    All,
}

/// Servers that answer. Dropping it stops what the tool started, the gateways before their Redis.
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) lane: Lane,
    pub(crate) dialect: Dialect,
    redis: Option<RedisAddress>,
    redis_service: Option<Service>,
    publish_key: Option<String>,
    secret: String,
    args: TargetArgs,
}

impl TargetArgs {
    /// Attaches to the server, which is taken as it is, or starts what is needed and waits until it
    /// is ready.
    pub(crate) async fn start(&self, progress: &Progress, needs: Needs<'_>) -> Result<Target> {
        let dialect = self.dialect(needs.dialect);
        let lane = self.lane(dialect, needs.lane)?;
        if let Some(url) = &self.gateway {
            return self.attach(url, dialect, lane);
        }
        let started = start::start(self, self.server, progress, needs).await?;
        let target = Target {
            kind: self.server,
            replicas: started.replicas,
            lane,
            dialect,
            redis: Some(started.redis),
            redis_service: Some(started.redis_service),
            publish_key: Some(start::PUBLISH_KEY.to_owned()),
            secret: start::SECRET.to_owned(),
            args: self.clone(),
        };
        if lane != Lane::Publish && needs.replicas > 0 {
            target.until_function().await?;
        }
        Ok(target)
    }

    /// Starts Redis and nothing else.
    pub(crate) async fn start_redis(&self, progress: &Progress) -> Result<Target> {
        let needs = Needs { replicas: 0, ..Needs::LIVE };
        self.of_kind(Kind::Campanile).start(progress, needs).await
    }

    fn attach(&self, url: &str, dialect: Dialect, lane: Lane) -> Result<Target> {
        let http = HttpAddress::parse(url)?;
        address::allow(http.address, self.i_own_this_server)?;
        let redis = self.redis.as_deref().map(RedisAddress::parse).transpose()?;
        if let Some(redis) = &redis {
            address::allow(redis.address, self.i_own_this_server)?;
        }
        if let Some(pid) = self.pid {
            crate::probe::cpu_seconds(pid)?;
        }
        let secret = self.jwt_secret.clone().context("--jwt-secret is missing")?;
        Ok(Target {
            kind: self.server,
            replicas: vec![Replica { http, known_pid: self.pid, service: None }],
            lane,
            dialect,
            redis,
            redis_service: None,
            publish_key: self.publish_key.clone(),
            secret: secret.split(',').next().unwrap_or_default().to_owned(),
            args: self.clone(),
        })
    }
}

impl Target {
    /// Sockets, none open yet.
    pub(crate) fn crowd(&self, people: People, clock: Clock) -> Result<Crowd> {
        let server = |replica: &Replica| {
            let HttpAddress { host, address } = replica.http.clone();
            Server { host, address }
        };
        let plan = Plan {
            servers: self.replicas.iter().map(server).collect(),
            dialect: self.dialect,
            path: self.args.path(self.dialect),
            channel: self.args.channel.clone(),
            secret: Some(self.secret.clone()),
            users: people.users,
            clients: people.clients,
            come_back: people.come_back,
            receive_buffer: people.receive_buffer,
            worker: 0,
            workers: 1,
            clock: 0,
        };
        self.check_descriptors(people.clients)?;
        Crowd::start(&plan, self.args.workers, clock)
    }

    /// The channel of a user.
    pub(crate) fn channel(&self, index: usize) -> String {
        self.args.channel.replace("{user_id}", &user(index))
    }

    /// Waits until the function that appends to logs is there: a replica registers it when it has
    /// been ready for a moment.
    pub(crate) async fn until_function(&self) -> Result<()> {
        let mut console = Console::open(self.redis()?)?;
        let start = Instant::now();
        while !console.has_function(&self.args.function)? {
            ensure!(
                start.elapsed() < service::DEADLINE,
                "Redis has no function {}: is the inbox on, and --function right?",
                self.args.function
            );
            tokio::time::sleep(service::PAUSE).await;
        }
        Ok(())
    }

    /// What publishes by a lane.
    pub(crate) fn templates(
        &self,
        lane: Lane,
        to: To,
        run: RunId,
        bytes: usize,
    ) -> Result<Vec<Template>> {
        let users = match to {
            To::Users(users) => users,
            To::All => return Ok(vec![self.to_all(lane, run, bytes)?]),
        };
        let function = &self.args.function;
        let template = |index: usize| match (lane, self.kind, self.dialect) {
            (Lane::Publish, Kind::SocketIo, _) => {
                Template::adapter(Some(&self.channel(index)), run, bytes)
            }
            (Lane::Publish, ..) => Template::plain(&self.channel(index), run, bytes),
            (Lane::Fcall, ..) => Template::durable(function, &user(index), run, bytes),
            (Lane::Http, _, Dialect::Centrifugo) => {
                Template::centrifugo(&self.channel(index), run, bytes)
            }
            (Lane::Http, ..) => Template::element(&user(index), run, bytes),
        };
        Ok((0..users).map(template).collect())
    }

    fn to_all(&self, lane: Lane, run: RunId, bytes: usize) -> Result<Template> {
        ensure!(lane != Lane::Fcall, "the function is for one user: use --publish publish or http");
        ensure!(self.dialect != Dialect::Centrifugo, "Centrifugo's clients share no channel here");
        Ok(match (lane, self.kind) {
            (Lane::Publish, Kind::SocketIo) => Template::adapter(None, run, bytes),
            (Lane::Publish, _) => Template::plain(&self.args.broadcast_channel, run, bytes),
            _ => Template::to_all(run, bytes),
        })
    }

    /// Publishes by a lane until it is stopped. Over HTTP: on `posters` connections, at most `batch`
    /// notifications in a request.
    pub(crate) fn publish(
        &self,
        lane: Lane,
        templates: Vec<Template>,
        pace: Pace,
        receivers: Arc<Counters>,
        clock: Clock,
    ) -> Result<Publishing> {
        if lane == Lane::Http {
            return Ok(Publishing::Http(self.post(
                templates,
                (1, 1_000),
                pace,
                receivers,
                clock,
            )?));
        }
        let redis = self.redis()?;
        Ok(Publishing::Redis(Publisher::start(redis, templates, pace, receivers, clock)?))
    }

    pub(crate) fn post(
        &self,
        templates: Vec<Template>,
        shape: (usize, usize),
        pace: Pace,
        receivers: Arc<Counters>,
        clock: Clock,
    ) -> Result<Poster> {
        let key = self.publish_key.as_deref().context("--publish-key is missing")?;
        let form =
            if self.dialect == Dialect::Centrifugo { Form::Centrifugo } else { Form::Campanile };
        let server = &self.replicas[0].http;
        Poster::start((server, form, key), templates, shape, (pace, receivers), clock)
    }

    /// Whether publishing over HTTP is possible.
    pub(crate) fn has_key(&self) -> bool {
        self.publish_key.is_some()
    }

    /// What the started gateways delivered and could not keep, so far.
    pub(crate) async fn not_kept(&self) -> u64 {
        let mut all = 0;
        for service in self.replicas.iter().filter_map(|replica| replica.service.as_ref()) {
            all += service.not_kept().await.unwrap_or_default();
        }
        all
    }

    /// Where to publish.
    pub(crate) fn redis(&self) -> Result<&RedisAddress> {
        self.redis.as_ref().context("--redis is missing: publishing goes through it")
    }

    /// The Redis that the tool started.
    pub(crate) fn redis_service(&mut self) -> Result<&mut Service> {
        self.redis_service.as_mut().context("this Redis was not started here")
    }

    pub(crate) fn redis_pid(&self) -> Option<u32> {
        self.redis_service.as_ref().map(Service::pid)
    }

    /// Fails unless each server, when it is on this machine, may hold that many sockets.
    fn check_descriptors(&self, sockets: usize) -> Result<()> {
        let mut pids = self.replicas.iter().filter_map(Replica::pid);
        pids.try_for_each(|pid| crate::probe::check_descriptors(pid, "the server", sockets))
    }

    /// What to meter: servers, Redis, and the workers of this tool with itself.
    pub(crate) fn processes(&self, crowd: Option<&Crowd>) -> Vec<(&'static str, Option<u32>)> {
        let servers = self.replicas.iter().map(|replica| ("server", replica.pid()));
        let own = ("this tool", Some(std::process::id()));
        let workers = crowd.into_iter().flat_map(Crowd::pids).map(|pid| ("this tool", Some(pid)));
        servers.chain([("redis-server", self.redis_pid()), own]).chain(workers).collect()
    }
}

/// The name of a user.
pub(crate) fn user(index: usize) -> String {
    format!("load-{index:06}")
}
