//! The sending side: pipelined publishes at a fixed rate or as fast as they are taken, arrays over
//! HTTP, and the bare Redis subscriber that the gateway's latency is compared with.

mod console;
mod poster;
mod publisher;
mod resp;
mod subscriber;
mod template;

pub(crate) use console::{Console, RedisUsage};
pub(crate) use poster::Poster;
pub(crate) use publisher::{Pace, Publisher};
pub(crate) use resp::connect;
pub(crate) use subscriber::Subscriber;
pub(crate) use template::{Template, notification};
