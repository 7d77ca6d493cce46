//! The integration tests: the real binary as child processes, against real servers.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod architecture;
mod broker;
mod delivery;
mod docs;
mod drain;
mod harness;
mod redis_access;
mod redis_outage;
mod replica_loss;
mod subscribed;
mod support;
