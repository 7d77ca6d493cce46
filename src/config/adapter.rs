use super::kind::Kind;
use super::{PubSub, Reader, Redis, Refused, Servers, Topology};

/// Which publishers of Socket.IO are heard beside our own channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketIoAdapter {
    /// None.
    #[default]
    Off,
    /// `createAdapter` of `@socket.io/redis-adapter`, and `@socket.io/redis-emitter`.
    Classic,
    /// `createShardedAdapter` of `@socket.io/redis-adapter`; never in a cluster.
    Sharded,
}

/// Raw option of [`SocketIoAdapter`].
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Channels")]
pub struct AdapterArgs {
    /// Hear what Socket.IO servers and emitters publish for their Redis adapter: `off`, `classic`
    /// (createAdapter, @socket.io/redis-emitter) or `sharded` (createShardedAdapter).
    ///
    /// What they emit in the namespaces `/ws` and `/` to the room `user:{user_id}:notifications` reaches that
    /// user, `NEW_NOTIFICATION` as a notification. Costs two more subscriptions per connected user.
    #[arg(long, env = "CAMPANILE_SOCKETIO_ADAPTER", value_name = "KIND", default_value = "off")]
    pub socketio_adapter: String,
}

const NAME: &str = "socketio-adapter";

const KIND: Kind<SocketIoAdapter> = Kind {
    allowed: "off, classic or sharded",
    example: "classic",
    parse: |text| match text {
        "off" => Ok(SocketIoAdapter::Off),
        "classic" => Ok(SocketIoAdapter::Classic),
        "sharded" => Ok(SocketIoAdapter::Sharded),
        _ => Err("is none of off, classic and sharded".to_owned()),
    },
};

impl AdapterArgs {
    pub(crate) fn read(&self, reader: &mut Reader) -> Result<SocketIoAdapter, Refused> {
        reader.value(NAME, &self.socketio_adapter, &KIND)
    }
}

/// The adapter's channels of a user have hash slots of their own, so that in a cluster one link could not
/// be subscribed to all of them.
pub(crate) fn check_adapter(
    reader: &mut Reader,
    redis: Option<&Redis>,
    adapter: Option<SocketIoAdapter>,
) {
    let (Some(redis), Some(adapter)) = (redis, adapter) else { return };
    if adapter == SocketIoAdapter::Off {
        return;
    }
    let Some(url) = &redis.url else {
        return reader.problem(
            NAME,
            "it is on, but there is no Redis on which Socket.IO servers could publish; allowed: off, or \
             together with --redis-url (CAMPANILE_REDIS_URL); example: redis://redis.internal:6379",
        );
    };
    let is_cluster = Servers::parse(url.expose())
        .is_ok_and(|servers| matches!(servers.topology, Topology::Cluster));
    if redis.pubsub == PubSub::Sharded {
        reader.problem(
            NAME,
            "it is on together with --pubsub (CAMPANILE_PUBSUB) sharded, where the channels of one user \
             would be at several nodes; allowed: off, or classic with CAMPANILE_PUBSUB=classic; \
             example: CAMPANILE_PUBSUB=classic",
        );
    } else if is_cluster && adapter == SocketIoAdapter::Sharded {
        reader.problem(
            NAME,
            "it is sharded, but --redis-url (CAMPANILE_REDIS_URL) is the address of a cluster, where the \
             channels of one user would be at several nodes; allowed: sharded with redis:// or \
             redis+sentinel://, or classic, for which the servers have to use createAdapter; example: classic",
        );
    }
}
