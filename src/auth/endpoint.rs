use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use super::SetupError;
use super::key::Key;
use crate::web_client;

/// One fetch from the first DNS packet to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Sets of real providers have 1–10 KiB; with certificate chains up to 30 KiB.
const BODY_LIMIT: u64 = 256 * 1024;

/// Where a JWKS is fetched from. Its URL may hold credentials, so no text contains it.
#[derive(Clone)]
pub(super) struct Endpoint {
    url: Arc<str>,
    agent: ureq::Agent,
}

#[derive(Deserialize)]
struct KeySet {
    /// Parsed one by one: RFC 7517 §5 asks to ignore keys that are not understood.
    keys: Vec<Value>,
}

impl Endpoint {
    pub(super) fn new(url: &str) -> Result<Self, SetupError> {
        let uri: ureq::http::Uri =
            url.parse().map_err(|_| SetupError::JwksUrl("is not a valid URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(SetupError::JwksUrl("must begin with https:// or http://")),
        };
        let agent = web_client::client(TIMEOUT)
            .https_only(https) // no redirect may leave TLS
            .max_redirects(3)
            .build()
            .new_agent();
        Ok(Self { url: url.into(), agent })
    }

    /// The usable keys, at least one. Blocks for up to [`TIMEOUT`].
    pub(super) fn fetch(&self) -> Result<Vec<Key>, String> {
        let body = self
            .agent
            .get(&*self.url)
            .call()
            .and_then(|mut answer| answer.body_mut().with_config().limit(BODY_LIMIT).read_to_vec())
            .map_err(|error| describe(&error))?;
        parse(&body)
    }
}

fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(status) => format!("the JWKS endpoint answered {status}"),
        ureq::Error::BodyExceedsLimit(limit) => format!("the JWKS is larger than {limit} bytes"),
        ureq::Error::Timeout(_) => {
            format!("the JWKS endpoint did not answer within {} s", TIMEOUT.as_secs())
        }
        ureq::Error::HostNotFound => "the host of the JWKS URL cannot be resolved".into(),
        // Also what rustls says, such as a certificate of an unknown issuer.
        ureq::Error::Io(error) => format!("talking to the JWKS endpoint failed: {error}"),
        ureq::Error::BadUri(_) => "the JWKS endpoint redirects to a URL that is not allowed".into(),
        ureq::Error::TooManyRedirects => "the JWKS endpoint redirects more than 3 times".into(),
        _ => "the JWKS endpoint did not answer in HTTP".into(),
    }
}

fn parse(body: &[u8]) -> Result<Vec<Key>, String> {
    let set: KeySet = serde_json::from_slice(body)
        .map_err(|_| "the JWKS endpoint did not answer with a JSON Web Key Set")?;
    let offered = set.keys.len();
    let keys: Vec<Key> = set
        .keys
        .into_iter()
        .filter_map(|value| serde_json::from_value::<Jwk>(value).ok())
        .filter_map(|jwk| Key::from_jwk(&jwk))
        .collect();
    if keys.is_empty() {
        return Err(format!("none of the {offered} keys in the JWKS can verify a token here"));
    }
    Ok(keys)
}
