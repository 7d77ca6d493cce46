//! Campanile, a notification gateway.

pub mod app;
pub mod auth;
pub mod broker;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod dialect;
pub mod drain;
pub mod http;
pub mod hub;
pub mod inbox;
pub mod notification;
pub mod router;
pub mod session;
pub mod socket;
pub mod telemetry;
mod web_client;
