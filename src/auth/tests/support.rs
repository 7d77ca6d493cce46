use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::Verifier;
use crate::config;

pub(super) struct Pair {
    pub algorithm: Algorithm,
    pub private: EncodingKey,
    pub private_pem: String,
    pub public_pem: String,
}

pub(super) static RSA: LazyLock<Pair> = LazyLock::new(rsa);
pub(super) static OTHER_RSA: LazyLock<Pair> = LazyLock::new(rsa);
pub(super) static P256: LazyLock<Pair> =
    LazyLock::new(|| pair(&generate(&rcgen::PKCS_ECDSA_P256_SHA256), Algorithm::ES256));
pub(super) static P384: LazyLock<Pair> =
    LazyLock::new(|| pair(&generate(&rcgen::PKCS_ECDSA_P384_SHA384), Algorithm::ES384));
pub(super) static ED: LazyLock<Pair> =
    LazyLock::new(|| pair(&generate(&rcgen::PKCS_ED25519), Algorithm::EdDSA));

fn rsa() -> Pair {
    let algorithm = &rcgen::PKCS_RSA_SHA256;
    let key = rcgen::KeyPair::generate_rsa_for(algorithm, rcgen::RsaKeySize::_2048).unwrap();
    pair(&key, Algorithm::RS256)
}

fn generate(algorithm: &'static rcgen::SignatureAlgorithm) -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(algorithm).unwrap()
}

fn pair(key: &rcgen::KeyPair, algorithm: Algorithm) -> Pair {
    let private_pem = key.serialize_pem();
    let pem = private_pem.as_bytes();
    let private = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_ec_pem(pem),
    };
    Pair { algorithm, private: private.unwrap(), private_pem, public_pem: key.public_key_pem() }
}

impl Pair {
    /// A token for the user `ada` under the pair's usual algorithm.
    pub(super) fn token(&self, kid: Option<&str>) -> String {
        sign(&self.private, self.algorithm, kid, &json!({"sub": "ada", "exp": in_an_hour()}))
    }

    /// The public half as a member of a JWKS, with `alg`.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let pem = self.public_pem.as_bytes();
        let public = match self.algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            _ => DecodingKey::from_ec_pem(pem),
        };
        let jwk = Jwk::from_decoding_key(&public.unwrap(), Some(self.algorithm)).unwrap();
        let mut jwk = serde_json::to_value(jwk).unwrap();
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }
}

pub(super) fn sign(
    key: &EncodingKey,
    algorithm: Algorithm,
    kid: Option<&str>,
    claims: &Value,
) -> String {
    let header = Header { kid: kid.map(Into::into), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// A token whose parts are these texts; signed with nothing.
pub(super) fn unsigned(header: &str, claims: &str, signature: &str) -> String {
    format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

pub(super) fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600
}

/// The user's name, or the code of the refusal.
pub(super) async fn outcome(verifier: &Verifier, token: &str) -> String {
    match verifier.verify(token).await {
        Ok(identity) => identity.user.to_string(),
        Err(error) => error.code().into(),
    }
}

/// A verifier of PEM texts, as if concatenated in a file.
pub(super) fn pem_verifier(pems: &[&str]) -> Verifier {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pems.concat()).unwrap();
    let auth =
        config::Auth { public_key_file: Some(file.path().into()), ..config::Auth::default() };
    Verifier::new(&auth).unwrap()
}

/// An HTTP server on a loopback port that gives every request the same answer.
pub(super) struct KeyServer {
    pub url: String,
    answer: Arc<Mutex<(u16, String)>>,
    requests: Arc<AtomicUsize>,
}

impl KeyServer {
    pub(super) fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks.json?key=hush", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new((200, key_set(keys))));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (Arc::clone(&answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                let (status, body) = shared.lock().unwrap().clone();
                // The client may hang up on a body that is too large.
                let _sent = respond(stream.unwrap(), status, &body);
            }
        });
        Self { url, answer, requests }
    }

    pub(super) fn answer(&self, status: u16, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    pub(super) fn serve(&self, keys: &[Value]) {
        self.answer(200, key_set(keys));
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(super) fn auth(&self) -> config::Auth {
        config::Auth { jwks_url: Some(self.url.clone()), ..config::Auth::default() }
    }
}

fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn respond(mut stream: TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    // A TLS hello, which begins with 0x16, is answered in HTTP too.
    while !head.ends_with(b"\r\n\r\n") && !head.starts_with(&[0x16]) {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
