//! The sending side: publishes at a fixed rate or as fast as they are taken, pipelined to Redis or as
//! arrays over HTTP, and the bare Redis subscriber that the latency of servers is compared with.

mod console;
mod msgpack;
mod pace;
mod poster;
mod publisher;
mod resp;
mod subscriber;
mod template;

use anyhow::Result;

pub(crate) use console::{Console, RedisUsage};
pub(crate) use pace::Pace;
pub(crate) use poster::{Form, Poster};
pub(crate) use publisher::{Published, Publisher};
pub(crate) use resp::connect;
pub(crate) use subscriber::Subscriber;
pub(crate) use template::{Template, notification};

/// A publisher at work; dropping it stops it.
pub(crate) enum Publishing {
    Redis(Publisher),
    Http(Poster),
}

impl Publishing {
    /// Stops, and waits for what is under way.
    pub(crate) async fn stop(self) -> Result<Published> {
        match self {
            Self::Redis(publisher) => publisher.stop().await,
            Self::Http(poster) => poster.stop().await,
        }
    }
}
