//! What operators see: metrics and logs.

pub mod log;
mod metrics;

pub use metrics::{Metrics, Source};
