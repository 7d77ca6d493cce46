//! The integration tests: the real binary as child processes, against real servers.
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod delivery;
mod drain;
mod harness;
mod redis_access;
mod redis_outage;
mod replica_loss;
mod subscribed;
mod support;
