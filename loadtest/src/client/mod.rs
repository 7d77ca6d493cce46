//! The receiving side: a WebSocket client small enough to hold thousands of sockets on one thread.

mod crowd;
mod cuts;
mod envelope;
mod fleet;
mod frame;
mod handshake;
mod roamer;
mod seen;
mod socket;

pub(crate) use crowd::{Crowd, CrowdPlan, Travels};
pub(crate) use cuts::Cuts;
pub(crate) use fleet::{Counters, Fleet, Hello, Plan};
pub(crate) use frame::text_frame;
pub(crate) use handshake::head_end;
