//! The floor for CPU and memory: a child process of this tool that holds bare TCP streams, one
//! tokio task each, and writes ready-made frames straight to them.

mod child;
mod writer;

pub(crate) use child::Floor;
pub(crate) use writer::{WriterArgs, run as run_writer};
