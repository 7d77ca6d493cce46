//! The integration tests: the real binary as child processes, against real servers.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, reason = "the lint spares only the functions marked as tests")]

mod architecture;
mod broker;
mod docs;
mod harness;
mod support;
