//! Tokens to identities: where a request carries its token, which keys may have signed it, and whom
//! it names. Knows nothing of sockets or Redis.
//!
//! ```text
//! headers, query ─ carrier ─► token ─ verifier ─► Identity
//!                                      │  key      secrets and PEM files, fixed at start
//!                                      │  jwks     keys of an endpoint, cached
//!                                      └─ claims   times, issuer, audience, user
//! ```

pub mod carrier;
mod claims;
mod endpoint;
mod error;
mod jwks;
mod key;
mod mint;
mod verifier;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub use error::{AuthError, SetupError};
pub use mint::{MintError, mint};
pub use verifier::Verifier;

use crate::notification::UserId;

/// Who a verified token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// From the configured claim, else the first present of `sub`, `user_id`, `userId`.
    pub user: UserId,
    /// The token's `exp`, without the leeway. `None`: the token does not expire.
    pub expires_at: Option<SystemTime>,
}
