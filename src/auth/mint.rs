use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::claims::Claims;
use crate::config;
use crate::notification::UserId;

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// Only HS256 is minted, so a private key would not help.
    #[error("no JWT secret is configured; only a secret can sign, a public key or a JWKS cannot")]
    NoSecret,
    /// The crypto library refused the key or the claims.
    #[error("the token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Makes an HS256 token that [`Verifier`](super::Verifier) accepts under the same configuration:
/// signed with the first secret, valid from now for `ttl`, with the configured user claim (`sub`
/// when none is), issuer and audience.
pub fn mint(auth: &config::Auth, user: &UserId, ttl: Duration) -> Result<String, MintError> {
    let secret = auth.secrets.first().ok_or(MintError::NoSecret)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = Claims::new();
    claims.insert("iat".into(), json!(now.as_secs()));
    claims.insert("exp".into(), json!(now.saturating_add(ttl).as_secs()));
    if let Some(issuer) = &auth.issuer {
        claims.insert("iss".into(), json!(issuer));
    }
    if let Some(audience) = &auth.audience {
        claims.insert("aud".into(), json!(audience));
    }
    claims.insert(auth.user_claim.as_deref().unwrap_or("sub").into(), json!(user.as_str()));
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(MintError::Sign)
}
