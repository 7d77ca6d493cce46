//! What `/proc` knows: CPU and memory of a process, limits, the machine.

mod limits;
mod machine;
mod process;
mod usage;

pub(crate) use limits::{check_descriptors, most_sockets};
pub(crate) use machine::Machine;
pub(crate) use process::{cpu_seconds, resident_bytes};
pub(crate) use usage::{Meter, Usage};
