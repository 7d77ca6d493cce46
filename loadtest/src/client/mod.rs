//! The receiving side: a WebSocket client small enough to hold thousands of sockets on one thread.

mod fleet;
mod frame;
mod handshake;
mod socket;

pub(crate) use fleet::{Counters, Fleet, Hello, Plan};
pub(crate) use frame::text_frame;
