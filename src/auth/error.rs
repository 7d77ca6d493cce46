use std::path::PathBuf;

/// Why a token was refused. No text contains any part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("a token is required, for example in the header `Authorization: Bearer <token>`")]
    MissingToken,
    /// The reason is a clause such as `its signature does not fit`.
    #[error("the token is invalid: {0}")]
    InvalidToken(&'static str),
    #[error("the token has expired; get a new one")]
    Expired,
    #[error("the token is not valid yet; compare the clocks of its issuer and of this server")]
    NotYetValid,
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
    #[error("no JWT key: configure a secret, a public key file or a JWKS URL")]
    NoKey,
    #[error("a JWT secret is empty")]
    EmptySecret,
    #[error("cannot read the JWT public key file {}", path.display())]
    ReadKeyFile { path: PathBuf, source: std::io::Error },
    #[error("the JWT public key file {} {problem}", path.display())]
    KeyFile { path: PathBuf, problem: String },
    #[error("the JWKS URL {0}")]
    JwksUrl(&'static str),
}
