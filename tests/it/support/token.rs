//! Tokens as a login service would mint them.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The secret every gateway of the tests trusts unless told otherwise.
pub(crate) const SECRET: &str = "a-test-secret-of-sixteen-bytes";

/// A token for `user`, good for an hour.
pub(crate) fn for_user(user: &str) -> String {
    hs256(&json!({ "sub": user, "exp": seconds_from_now(3600) }), SECRET)
}

/// These claims and nothing else, signed with HS256.
pub(crate) fn hs256(claims: &Value, secret: &str) -> String {
    signed(claims, Algorithm::HS256, &EncodingKey::from_secret(secret.as_bytes()), None)
}

/// These claims and nothing else, under any algorithm, key and `kid`.
pub(crate) fn signed(
    claims: &Value,
    algorithm: Algorithm,
    key: &EncodingKey,
    kid: Option<&str>,
) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).expect("signs the token")
}

/// Unix seconds, `offset` from now; negative is the past.
pub(crate) fn seconds_from_now(offset: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(now.as_secs()).expect("fits until the sun is cold") + offset
}
