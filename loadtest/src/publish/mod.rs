//! The sending side: pipelined `PUBLISH` at a fixed rate or as fast as the receivers take it, and
//! the bare Redis subscriber that the gateway's latency is compared with.

mod publisher;
mod resp;
mod subscriber;
mod template;

pub(crate) use publisher::{Pace, Publisher};
pub(crate) use resp::connect;
pub(crate) use subscriber::Subscriber;
pub(crate) use template::{Template, notification};
