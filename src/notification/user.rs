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
        if has_control(text) {
            return Err(UserIdError::ControlCharacter);
        }
        Ok(())
    }

    /// As published; unlike `Debug`, neither quoted nor escaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether there is a character of the category Cc: U+0000 to U+001F, U+007F to U+009F. Once per notification,
/// so it looks at bytes; in UTF-8 the upper ones are C2 80 to C2 9F.
fn has_control(text: &str) -> bool {
    let mut before = 0;
    text.bytes().any(|byte| {
        let upper = before == 0xC2 && byte < 0xA0;
        before = byte;
        byte < 0x20 || byte == 0x7F || upper
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_those_of_unicode() {
        for c in (0..=0x3000).chain(0x1_F600..0x1_F610).filter_map(char::from_u32) {
            for text in [c.to_string(), format!("a{c}b"), format!("\u{c2}{c}")] {
                assert_eq!(has_control(&text), c.is_control(), "{c:?}");
            }
        }
    }
}
