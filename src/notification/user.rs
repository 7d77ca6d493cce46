use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Who a notification is for: 1–256 bytes of UTF-8 without control characters. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

/// Why a text is no user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// No byte at all.
    #[error("a user id must not be empty")]
    Empty,
    /// Over [`UserId::MAX_BYTES`].
    #[error("a user id must not exceed {} bytes", UserId::MAX_BYTES)]
    TooLong,
    /// Unicode category Cc, such as a line break, which would forge log lines.
    #[error("a user id must not contain control characters")]
    ControlCharacter,
}

impl UserId {
    /// Longest accepted id, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Takes `text` as it is: case and white space count.
    pub fn new(text: &str) -> Result<Self, UserIdError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Tells whether `text` could be a user id, without allocating one.
    pub fn check(text: &str) -> Result<(), UserIdError> {
        if text.is_empty() {
            return Err(UserIdError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(UserIdError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(UserIdError::ControlCharacter);
        }
        Ok(())
    }

    /// As published; unlike `Debug`, neither quoted nor escaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Lets maps keyed by `UserId` be asked with a `&str`.
impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}
