//! Campanile, a notification gateway.

pub mod auth;
pub mod config;
pub mod dialect;
pub mod notification;
pub mod session;
pub mod socket;
