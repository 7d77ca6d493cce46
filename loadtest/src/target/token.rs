//! Tokens of the load's users.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::Serialize;

/// Longer than any run.
const LIFETIME: Duration = Duration::from_hours(24);

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// An HS256 token (RFC 7519) with `sub`.
pub(crate) fn mint(secret: &str, user: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let claims = Claims { sub: user, iat: now.as_secs(), exp: (now + LIFETIME).as_secs() };
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
        .context("cannot sign a token")
}
