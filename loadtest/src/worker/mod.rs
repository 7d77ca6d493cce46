//! Worker processes: this program again, each with a share of the sockets, told what to do and asked
//! what it saw by lines of JSON on its standard streams. A process has its own descriptors and its own
//! core, so that many sockets are a matter of more workers.

mod crowd;
mod order;
mod serve;

pub(crate) use crowd::{Counters, Crowd};
pub(crate) use order::{ComeBack, Plan, Server};
pub(crate) use serve::{WorkerArgs, run};
