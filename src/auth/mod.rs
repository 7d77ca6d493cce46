//! Tokens to identities.
