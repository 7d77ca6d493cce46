use std::sync::Arc;
use std::time::SystemTime;

use jsonwebtoken::AlgorithmFamily;

use super::claims::Rules;
use super::endpoint::Endpoint;
use super::jwks::{Jwks, Pace};
use super::key::{self, Key, Refusal};
use super::{AuthError, Identity, SetupError};
use crate::config;

/// Longest accepted token, in bytes: what fits beside other headers in the 8 KiB that proxies allow.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Turns tokens into identities (RFC 7519, RFC 8725). Cheap to clone; clones share the JWKS cache.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

struct Shared {
    keys: Vec<Key>,
    jwks: Option<Arc<Jwks>>,
    rules: Rules,
}

impl Verifier {
    /// Reads the public key file; the JWKS is fetched by [`preload`](Self::preload) or when the first
    /// token needs it.
    pub fn new(auth: &config::Auth) -> Result<Self, SetupError> {
        Self::with_pace(auth, Pace::default())
    }

    pub(super) fn with_pace(auth: &config::Auth, pace: Pace) -> Result<Self, SetupError> {
        let mut keys =
            auth.secrets.iter().map(Key::from_secret).collect::<Result<Vec<_>, SetupError>>()?;
        if let Some(path) = &auth.public_key_file {
            keys.extend(key::from_pem_file(path)?);
        }
        let jwks = match &auth.jwks_url {
            Some(url) => Some(Arc::new(Jwks::new(Endpoint::new(url)?, pace))),
            None => None,
        };
        if keys.is_empty() && jwks.is_none() {
            return Err(SetupError::NoKey);
        }
        Ok(Self { shared: Arc::new(Shared { keys, jwks, rules: Rules::new(auth) }) })
    }

    /// Whom the token names. Waits only for a JWKS fetch that an unknown key id calls for, at most
    /// 6 s; needs a tokio runtime then.
    pub async fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        if token.is_empty() {
            return Err(AuthError::MissingToken);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::InvalidToken("it is longer than 8 KiB"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| {
            AuthError::InvalidToken("it is not a JWT, or its `alg` is `none` or unknown")
        })?;
        // RFC 7515 §4.1.11: what is critical must be understood, and no extension is.
        if header.crit.is_some() {
            return Err(AuthError::InvalidToken("its header has a `crit` extension"));
        }
        let Shared { keys, jwks, rules } = &*self.shared;
        let claims = match (key::open(keys, token, &header), jwks) {
            (Err(Refusal::NoKeyFits | Refusal::BadSignature), Some(jwks))
                if header.alg.family() != AlgorithmFamily::Hmac =>
            {
                jwks.open(token, &header).await?
            }
            (opened, _) => opened?,
        };
        rules.identity(&claims, SystemTime::now())
    }

    /// Fetches the JWKS now and returns how many of its keys can be used; 0 without a JWKS URL.
    /// The error is a sentence for a person.
    pub async fn preload(&self) -> Result<usize, String> {
        match &self.shared.jwks {
            Some(jwks) => jwks.preload().await,
            None => Ok(0),
        }
    }
}
