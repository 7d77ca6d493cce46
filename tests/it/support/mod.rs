//! What a test needs to stand a system up, speak to it, break it and see what happened.
//!
//! Every server is a child process on a loopback port of its own and dies with the value that
//! started it. Waiting has a condition and a deadline; nothing sleeps and hopes.
#![expect(dead_code, reason = "a vocabulary for tests is wider than the tests of any one day")]

pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod engineio;
pub(crate) mod garbage;
pub(crate) mod gateway;
pub(crate) mod handshake;
pub(crate) mod haproxy;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod notify;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rabbit;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod refusal;
pub(crate) mod script;
pub(crate) mod seed;
pub(crate) mod sentinel;
pub(crate) mod smtp;
pub(crate) mod sse;
pub(crate) mod swarm;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod wait;
