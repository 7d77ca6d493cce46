use std::fmt;

use super::{Reader, Setting};

/// Shorter than this, a secret can be guessed (RFC 7518, 3.2 asks for 32 bytes with HS256).
const SHORT: usize = 16;

/// A value that never shows in logs or error texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// White space is part of it.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Name the reason at the call site by what it is passed to.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads comma-separated secrets; white space belongs to them.
pub(super) fn list(text: &str) -> Result<Vec<Secret>, String> {
    let secrets: Vec<_> = text.split(',').map(Secret::new).collect();
    if secrets.iter().any(|secret| secret.expose().trim().is_empty()) {
        return Err("has an empty member".to_owned());
    }
    Ok(secrets)
}

pub(super) fn warn_if_short(reader: &mut Reader, setting: Setting, secrets: &[Secret]) {
    if secrets.iter().any(|secret| secret.expose().len() < SHORT) {
        reader.warn(setting, "a secret is shorter than 16 bytes and can be guessed");
    }
}
