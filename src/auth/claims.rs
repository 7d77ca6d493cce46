use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::{AuthError, Identity};
use crate::config;
use crate::notification::UserId;

/// The payload of a token whose signature was verified.
pub(super) type Claims = Map<String, Value>;

/// Tried in this order when no claim is configured.
const USER_CLAIMS: [&str; 3] = ["sub", "user_id", "userId"];

/// What a payload must say (RFC 7519 §4.1).
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    leeway: Duration,
    user_claim: Option<String>,
}

impl Rules {
    pub(super) fn new(auth: &config::Auth) -> Self {
        Self {
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway: auth.leeway,
            user_claim: auth.user_claim.clone(),
        }
    }

    /// Whom the claims name, if they hold at the time `now`.
    pub(super) fn identity(&self, claims: &Claims, now: SystemTime) -> Result<Identity, AuthError> {
        let expires_at = self.check_times(claims, now)?;
        self.check_issuer_and_audience(claims)?;
        Ok(Identity { user: self.user(claims)?, expires_at })
    }

    fn check_times(
        &self,
        claims: &Claims,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, AuthError> {
        let expires = date(claims, "exp").map_err(|()| invalid("`exp` is not a time"))?;
        let starts = date(claims, "nbf").map_err(|()| invalid("`nbf` is not a time"))?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if expires.is_some_and(|at| now >= at.saturating_add(self.leeway)) {
            return Err(AuthError::Expired);
        }
        if starts.is_some_and(|at| now.saturating_add(self.leeway) < at) {
            return Err(AuthError::NotYetValid);
        }
        // A time beyond the clock's range is as good as never.
        Ok(expires.and_then(|at| UNIX_EPOCH.checked_add(at)))
    }

    fn check_issuer_and_audience(&self, claims: &Claims) -> Result<(), AuthError> {
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(invalid("`iss` is not the configured issuer"));
        }
        if let Some(audience) = &self.audience {
            let meant = match claims.get("aud") {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(many)) => many.iter().any(|one| one == audience.as_str()),
                _ => false,
            };
            if !meant {
                return Err(invalid("`aud` does not contain the configured audience"));
            }
        }
        Ok(())
    }

    fn user(&self, claims: &Claims) -> Result<UserId, AuthError> {
        let present = |name: &str| claims.get(name).filter(|value| !value.is_null());
        let claim = match &self.user_claim {
            Some(name) => present(name),
            None => USER_CLAIMS.into_iter().find_map(present),
        };
        let user = match claim {
            Some(Value::String(text)) => UserId::new(text),
            Some(Value::Number(number)) if !number.is_f64() => UserId::new(&number.to_string()),
            Some(_) => return Err(invalid("the user's claim is neither a string nor an integer")),
            None => return Err(invalid("it has no claim that names the user")),
        };
        user.map_err(|_| invalid("the user's claim is not a valid user id"))
    }
}

fn invalid(reason: &'static str) -> AuthError {
    AuthError::InvalidToken(reason)
}

/// A `NumericDate` (RFC 7519 §2) as time since the epoch; fractions are allowed.
fn date(claims: &Claims, name: &str) -> Result<Option<Duration>, ()> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(seconds) = value.as_u64() {
        return Ok(Some(Duration::from_secs(seconds)));
    }
    let seconds = value.as_f64().ok_or(())?;
    Duration::try_from_secs_f64(seconds).map(Some).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn identity(auth: &config::Auth, claims: &Value) -> Result<Identity, AuthError> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        Rules::new(auth).identity(claims.as_object().unwrap(), now)
    }

    fn code(auth: &config::Auth, claims: &Value) -> &'static str {
        identity(auth, claims).map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn times_are_checked_with_the_leeway() {
        let auth = config::Auth { leeway: Duration::from_secs(5), ..Default::default() };
        for (claims, expected) in [
            (json!({"sub": "a"}), "ok"),
            (json!({"sub": "a", "exp": NOW + 1}), "ok"),
            (json!({"sub": "a", "exp": NOW - 4}), "ok"),
            (json!({"sub": "a", "exp": NOW - 5}), "token_expired"),
            (json!({"sub": "a", "exp": 0}), "token_expired"),
            (json!({"sub": "a", "exp": 1_799_999_995.5}), "ok"),
            (json!({"sub": "a", "exp": 1_799_999_994.5}), "token_expired"),
            (json!({"sub": "a", "exp": u64::MAX}), "ok"),
            (json!({"sub": "a", "exp": 1e300}), "token_invalid"),
            (json!({"sub": "a", "exp": -1}), "token_invalid"),
            (json!({"sub": "a", "exp": null}), "token_invalid"),
            (json!({"sub": "a", "exp": "1900000000"}), "token_invalid"),
            (json!({"sub": "a", "nbf": NOW + 5}), "ok"),
            (json!({"sub": "a", "nbf": NOW + 6}), "token_not_yet_valid"),
            (json!({"sub": "a", "nbf": "soon"}), "token_invalid"),
            (json!({"sub": "a", "nbf": NOW + 60, "exp": NOW - 60}), "token_expired"),
        ] {
            assert_eq!(code(&auth, &claims), expected, "{claims}");
        }
    }

    #[test]
    fn the_identity_tells_the_expiry_without_the_leeway() {
        let auth = config::Auth { leeway: Duration::from_secs(5), ..Default::default() };
        let expires_at = |claims: Value| identity(&auth, &claims).unwrap().expires_at;
        assert_eq!(expires_at(json!({"sub": "a"})), None);
        assert_eq!(
            expires_at(json!({"sub": "a", "exp": NOW + 60})),
            Some(UNIX_EPOCH + Duration::from_secs(NOW + 60))
        );
        assert_eq!(expires_at(json!({"sub": "a", "exp": u64::MAX})), None);
    }

    #[test]
    fn issuer_and_audience_are_required_once_configured() {
        let auth = config::Auth {
            issuer: Some("https://id.example".into()),
            audience: Some("bell".into()),
            ..Default::default()
        };
        for (claims, expected) in [
            (json!({"iss": "https://id.example", "aud": "bell"}), "ok"),
            (json!({"iss": "https://id.example", "aud": ["mail", "bell"]}), "ok"),
            (json!({"iss": "https://id.example", "aud": ["mail"]}), "token_invalid"),
            (json!({"iss": "https://id.example", "aud": []}), "token_invalid"),
            (json!({"iss": "https://id.example", "aud": {"bell": 1}}), "token_invalid"),
            (json!({"iss": "https://id.example"}), "token_invalid"),
            (json!({"iss": "https://id.example/", "aud": "bell"}), "token_invalid"),
            (json!({"iss": ["https://id.example"], "aud": "bell"}), "token_invalid"),
            (json!({"aud": "bell"}), "token_invalid"),
        ] {
            let mut claims = claims;
            claims["sub"] = json!("a");
            assert_eq!(code(&auth, &claims), expected, "{claims}");
        }
        let unset = config::Auth::default();
        assert_eq!(code(&unset, &json!({"sub": "a", "aud": "any", "iss": 7})), "ok");
    }

    #[test]
    fn the_user_is_the_first_claim_present_or_the_configured_one() {
        let any = config::Auth::default();
        let uid = config::Auth { user_claim: Some("uid".into()), ..Default::default() };
        let long = "x".repeat(UserId::MAX_BYTES + 1);
        for (auth, claims, expected) in [
            (&any, json!({"sub": "a", "user_id": "b", "userId": "c"}), Some("a")),
            (&any, json!({"user_id": "b", "userId": "c"}), Some("b")),
            (&any, json!({"userId": "c"}), Some("c")),
            (&any, json!({"sub": null, "userId": "c"}), Some("c")),
            (&any, json!({"user_id": 42}), Some("42")),
            (&any, json!({"user_id": -7}), Some("-7")),
            (&any, json!({"sub": u64::MAX}), Some("18446744073709551615")),
            (&any, json!({"sub": "", "user_id": "b"}), None),
            (&any, json!({"sub": 4.5}), None),
            (&any, json!({"sub": true}), None),
            (&any, json!({"sub": ["a"]}), None),
            (&any, json!({"sub": "a\u{0}b"}), None),
            (&any, json!({"sub": long}), None),
            (&any, json!({}), None),
            (&uid, json!({"uid": "u", "sub": "a"}), Some("u")),
            (&uid, json!({"sub": "a"}), None),
        ] {
            let user = identity(auth, &claims).ok().map(|found| found.user.to_string());
            assert_eq!(user.as_deref(), expected, "{claims}");
        }
    }
}
