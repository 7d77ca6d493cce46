//! Campanile, a notification gateway.

pub mod auth;
pub mod cli;
pub mod config;
pub mod notification;
pub mod telemetry;
