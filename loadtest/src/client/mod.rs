//! The receiving side: clients small enough to hold thousands of sockets on one thread.

mod cuts;
mod dial;
mod dialect;
mod frame;
mod handshake;
mod life;
mod shared;

pub(crate) use cuts::Cuts;
pub(crate) use dialect::Dialect;
pub(crate) use frame::text_frame;
pub(crate) use handshake::{ACCEPT, head_end};
pub(crate) use life::Client;
pub(crate) use shared::{Counts, Shared, Signal};
