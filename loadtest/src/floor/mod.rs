//! The floors for CPU and memory: a child process of this tool that holds bare TCP streams, one tokio
//! task each, and either writes ready-made frames straight to them or answers a handshake with 101.

mod child;
mod writer;

pub(crate) use child::Floor;
pub(crate) use writer::{FloorArgs, Manner, run};
