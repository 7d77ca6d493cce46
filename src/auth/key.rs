use std::collections::HashSet;
use std::path::Path;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation};
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::claims::Claims;
use super::{AuthError, SetupError};
use crate::config::Secret;

/// The DER of the curves' object identifiers (RFC 5480 §2.1.1.1).
const CURVE_OIDS: [&[u8]; 2] = [
    &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22],
];

/// One key and the algorithms it may be used with. They follow from the key alone, so that a token
/// cannot choose how it is verified (RFC 8725 §3.1).
pub(super) struct Key {
    kid: Option<String>,
    decoding: DecodingKey,
    validation: Validation,
}

/// Why no key opened a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No key has the token's `kid` and algorithm.
    NoKeyFits,
    BadSignature,
    /// It is no JWT, whatever the key.
    Malformed,
}

impl From<Refusal> for AuthError {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidToken(match refusal {
            Refusal::NoKeyFits => "no configured key fits its `kid` and `alg`",
            Refusal::BadSignature => "its signature does not fit",
            Refusal::Malformed => "it is not a signed JWT",
        })
    }
}

impl Key {
    pub(super) fn from_secret(secret: &Secret) -> Result<Self, SetupError> {
        let bytes = secret.expose().as_bytes();
        if bytes.is_empty() {
            return Err(SetupError::EmptySecret);
        }
        let algorithms = AlgorithmFamily::Hmac.algorithms();
        Ok(Self::new(None, DecodingKey::from_secret(bytes), algorithms))
    }

    /// A public signature key of a JWKS; `None` when it is for another purpose, symmetric, or
    /// of a kind that is not supported (RFC 7517 §4, RFC 7518 §6).
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !signs {
            return None;
        }
        let possible = algorithms(&jwk.algorithm)?;
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        let kid = common.key_id.clone();
        match common.key_algorithm {
            None => Some(Self::new(kid, decoding, possible)),
            Some(named) => {
                let named = Algorithm::try_from(named).ok().filter(|it| possible.contains(it))?;
                Some(Self::new(kid, decoding, &[named]))
            }
        }
    }

    fn new(kid: Option<String>, decoding: DecodingKey, algorithms: &[Algorithm]) -> Self {
        // The payload is judged in `claims`, where the clock is an argument.
        let validation = Validation {
            algorithms: algorithms.to_vec(),
            required_spec_claims: HashSet::new(),
            validate_exp: false,
            validate_aud: false,
            ..Validation::default()
        };
        Self { kid, decoding, validation }
    }

    pub(super) fn has_kid(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid)
    }

    /// Keys and tokens without a `kid` fit any.
    fn fits(&self, header: &Header) -> bool {
        let same_kid = match (&self.kid, &header.kid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        same_kid && self.validation.algorithms.contains(&header.alg)
    }
}

/// The payload of `token` if one of the `keys` signed it.
pub(super) fn open(keys: &[Key], token: &str, header: &Header) -> Result<Claims, Refusal> {
    let mut refusal = Refusal::NoKeyFits;
    for key in keys.iter().filter(|key| key.fits(header)) {
        match jsonwebtoken::decode::<Claims>(token, &key.decoding, &key.validation) {
            Ok(opened) => return Ok(opened.claims),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                refusal = Refusal::BadSignature;
            }
            Err(_) => return Err(Refusal::Malformed),
        }
    }
    Err(refusal)
}

/// What a public key can verify; `None` if nothing. Keys that the cryptography would refuse at every
/// use (RSA outside 2048–8192 bits, coordinates of a wrong length) count as nothing.
fn algorithms(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    match parameters {
        AlgorithmParameters::RSA(rsa) => (2048..=8192).contains(&modulus_bits(rsa)).then_some(&[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ]),
        // 32, 48 and 32 bytes in unpadded base64.
        AlgorithmParameters::EllipticCurve(ec) => match (&ec.curve, ec.x.len(), ec.y.len()) {
            (EllipticCurve::P256, 43, 43) => Some(&[Algorithm::ES256]),
            (EllipticCurve::P384, 64, 64) => Some(&[Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => (pair.curve == EllipticCurve::Ed25519
            && pair.x.len() == 43)
            .then_some(&[Algorithm::EdDSA]),
        _ => None,
    }
}

/// Counted on the base64 text, to within the 8 bits of its first byte and the padding zeros some
/// encoders put in front.
fn modulus_bits(rsa: &RSAKeyParameters) -> usize {
    rsa.n.trim_start_matches('A').len() * 6 / 8 * 8
}

/// All keys of a PEM file with one or more `PUBLIC KEY` or `RSA PUBLIC KEY` sections (RFC 7468 §13).
pub(super) fn from_pem_file(path: &Path) -> Result<Vec<Key>, SetupError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SetupError::ReadKeyFile { path: path.into(), source })?;
    from_pem(&text).map_err(|problem| SetupError::KeyFile { path: path.into(), problem })
}

pub(super) fn from_pem(text: &str) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    for (start, _) in text.match_indices("-----BEGIN ") {
        let section = text.get(start..).unwrap_or_default();
        let key = from_section(section)
            .map_err(|problem| format!("has an unusable section {}: {problem}", keys.len() + 1))?;
        keys.push(key);
    }
    if keys.is_empty() {
        return Err("holds no PEM section, which begins with `-----BEGIN PUBLIC KEY-----`".into());
    }
    Ok(keys)
}

/// The key of the section that `text` begins with.
fn from_section(text: &str) -> Result<Key, &'static str> {
    let label = text.lines().next().unwrap_or_default();
    if label.contains("PRIVATE KEY") {
        return Err("it is a private key; give the public one (openssl pkey -pubout)");
    }
    if label.contains("CERTIFICATE") {
        return Err("it is a certificate; give its public key (openssl x509 -pubkey -noout)");
    }
    let pem = text.as_bytes();
    let decoding = DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .map_err(|_| "it is not the public key of RSA, EC or Ed25519")?;
    // jsonwebtoken tells curves apart by the length of the point: secp256k1 would pass as P-256.
    if decoding.family() == AlgorithmFamily::Ec && !names_supported_curve(pem) {
        return Err("its curve is neither P-256 nor P-384");
    }
    Jwk::from_decoding_key(&decoding, None)
        .ok()
        .and_then(|jwk| algorithms(&jwk.algorithm))
        .map(|possible| Key::new(None, decoding, possible))
        .ok_or("it needs an RSA key of 2048 to 8192 bits or an uncompressed P-256 or P-384 point")
}

fn names_supported_curve(pem: &[u8]) -> bool {
    SubjectPublicKeyInfoDer::from_pem_slice(pem).is_ok_and(|der| {
        CURVE_OIDS.iter().any(|oid| der.as_ref().windows(oid.len()).any(|bytes| bytes == *oid))
    })
}
