//! Key pairs of a login service, and the endpoint it publishes them at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::token;

pub(crate) struct Pair {
    pub(crate) algorithm: Algorithm,
    pub(crate) public_pem: String,
    private: EncodingKey,
}

impl Pair {
    pub(crate) fn rsa() -> Self {
        let size = rcgen::RsaKeySize::_2048;
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
        Self::of(&key.expect("generates a key"), Algorithm::RS256, EncodingKey::from_rsa_pem)
    }

    pub(crate) fn p256() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        Self::of(&key.expect("generates a key"), Algorithm::ES256, EncodingKey::from_ec_pem)
    }

    pub(crate) fn ed25519() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519);
        Self::of(&key.expect("generates a key"), Algorithm::EdDSA, EncodingKey::from_ed_pem)
    }

    fn of(
        key: &rcgen::KeyPair,
        algorithm: Algorithm,
        read: fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>,
    ) -> Self {
        let private = read(key.serialize_pem().as_bytes()).expect("reads its own key");
        Self { algorithm, public_pem: key.public_key_pem(), private }
    }

    /// A token for `user`, good for an hour.
    pub(crate) fn token(&self, user: &str, kid: Option<&str>) -> String {
        let claims = json!({ "sub": user, "exp": token::seconds_from_now(3600) });
        token::signed(&claims, self.algorithm, &self.private, kid)
    }

    /// The public half as a member of a JWKS.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        let pem = self.public_pem.as_bytes();
        let public = match self.algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            _ => DecodingKey::from_ec_pem(pem),
        };
        let jwk = Jwk::from_decoding_key(&public.expect("reads the key"), Some(self.algorithm));
        let mut jwk = serde_json::to_value(jwk.expect("has a JWK form")).expect("is JSON");
        jwk["kid"] = json!(kid);
        jwk
    }
}

/// A JWKS endpoint on a loopback port.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    requests: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds a port");
        let address = listener.local_addr().expect("has an address");
        let requests = Arc::<AtomicUsize>::default();
        let (counter, body) = (Arc::clone(&requests), json!({ "keys": keys }).to_string());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // A client that hung up will ask again.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self { url: format!("http://{address}/jwks.json"), requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}
