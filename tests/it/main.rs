//! The integration tests: the real binary as child processes, against real servers.
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod api;
mod cli;
mod crowds;
mod harness;
mod payloads;
mod refusals;
mod sockets;
mod support;
