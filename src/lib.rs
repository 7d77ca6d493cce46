//! Campanile, a notification gateway.

pub mod auth;
pub mod config;
pub mod notification;
