use std::path::PathBuf;

/// Why a token was refused. No text contains any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No carrier held one, or all were empty.
    #[error("a token is required, for example in the header `Authorization: Bearer <token>`")]
    MissingToken,
    /// The reason is a clause such as `its signature does not fit`.
    #[error("the token is invalid: {0}")]
    InvalidToken(&'static str),
    /// `exp` and the leeway have passed (RFC 7519 §4.1.4).
    #[error("the token has expired; get a new one")]
    Expired,
    /// `nbf` is further ahead than the leeway (RFC 7519 §4.1.5).
    #[error("the token is not valid yet; compare the clocks of its issuer and of this server")]
    NotYetValid,
    /// No key set has been fetched yet and no other key fits; the token may be good, so HTTP says 503.
    #[error("the keys that verify tokens could not be loaded yet; try again later")]
    KeysUnavailable,
}

impl AuthError {
    /// The `code` of an error answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingToken => "token_missing",
            Self::InvalidToken(_) => "token_invalid",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::KeysUnavailable => "keys_unavailable",
        }
    }
}

/// Why tokens cannot be verified with this configuration. No text contains key material.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A verifier without keys would refuse everyone.
    #[error("no JWT key: configure a secret, a public key file or a JWKS URL")]
    NoKey,
    /// Anyone could sign with it.
    #[error("a JWT secret is empty")]
    EmptySecret,
    /// Missing, or not ours to read.
    #[error("cannot read the JWT public key file {}", path.display())]
    ReadKeyFile {
        /// As configured.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Read, but no PEM of public keys that can verify (RFC 7468).
    #[error("the JWT public key file {} {problem}", path.display())]
    KeyFile {
        /// As configured.
        path: PathBuf,
        /// The end of a sentence that begins with the path.
        problem: String,
    },
    /// What is wrong with the address, as the end of a sentence; it never repeats the address.
    #[error("the JWKS URL {0}")]
    JwksUrl(&'static str),
}
