//! The nouns everything speaks of; no IO.

mod user;

pub use user::{UserId, UserIdError};
