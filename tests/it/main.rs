//! The integration tests: the real binary as child processes, against real servers.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod adapter;
mod admission;
mod api;
mod architecture;
mod broker;
mod capture;
mod cli;
mod cluster;
mod compose;
mod crowds;
mod delivery;
mod docs;
mod drain;
mod faults;
mod fuzz;
mod harness;
mod inbox;
mod log;
mod mail;
mod mail_faults;
mod mail_schedule;
mod mail_topologies;
mod payloads;
mod rabbit;
mod redis_access;
mod redis_outage;
mod refusals;
mod repair;
mod replica_loss;
mod resume;
mod rollout;
mod sentinel;
mod sharded;
mod socketio;
mod socketio_fuzz;
mod socketio_limits;
mod socketio_polling;
mod sockets;
mod stream;
mod stream_ends;
mod subscribed;
mod support;
mod topologies;
mod tradepulse;
