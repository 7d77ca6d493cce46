//! What operators see: metrics and logs.

/// The lines on standard error.
pub mod log;
mod metrics;

pub use metrics::{Metrics, Replay, Source};
