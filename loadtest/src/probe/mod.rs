//! What `/proc` knows: CPU and memory of a process, limits, the machine.

mod backlog;
mod limits;
mod machine;
mod process;
mod usage;
mod verdict;
mod watch;

pub(crate) use backlog::listen_overflows;
pub(crate) use limits::{check_descriptors, most_sockets};
pub(crate) use machine::Machine;
pub(crate) use process::{cpu_seconds, resident_bytes};
pub(crate) use usage::{Meter, Usage};
pub(crate) use verdict::{Evidence, verdict};
pub(crate) use watch::{Sample, Watch, plots};
