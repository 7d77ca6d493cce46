//! What operators see: metrics and logs.

mod labels;
/// The lines on standard error.
pub mod log;
mod metrics;

pub use labels::{Mailed, Replay, Source, Taken};
pub use metrics::Metrics;
