//! The integration tests: the real binary as child processes, against real servers.

mod harness;
mod support;
