//! What operators see: metrics and logs.

mod metrics;

pub use metrics::{Metrics, Source};
