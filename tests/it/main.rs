//! The integration tests: the real binary as child processes, against real servers.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod admission;
mod api;
mod architecture;
mod broker;
mod cli;
mod cluster;
mod crowds;
mod delivery;
mod docs;
mod drain;
mod harness;
mod inbox;
mod log;
mod payloads;
mod redis_access;
mod redis_outage;
mod refusals;
mod replica_loss;
mod sentinel;
mod sharded;
mod sockets;
mod subscribed;
mod support;
mod topologies;
