use std::fmt;
use std::str::FromStr;

/// A place in a user's log: the position of an entry, counted from 1 without gaps, and when it was
/// appended, in milliseconds since 1970. Both have to fit: after a failover that lost entries, the position
/// alone could name another one. On the wire `17-1767323045678`; `0-0` is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// 0: before the first.
    pub position: u64,
    /// Milliseconds since 1970, of Redis's clock.
    pub at: u64,
}

/// A text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor looks like 17-1767323045678")]
pub struct BadCursor;

impl Cursor {
    /// Whether who has everything up to here has `other` too. Of a log that lost entries and went on, the
    /// positions come again at a later time.
    pub fn covers(self, other: Self) -> bool {
        other.position <= self.position && other.at <= self.at
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (position, at) = text.split_once('-').ok_or(BadCursor)?;
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().ok_or(BadCursor)
        };
        Ok(Self { position: number(position)?, at: number(at)? })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position, self.at)
    }
}

/// How many entries are unread, at a version that rises with every change: of two, the higher is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Entries that are neither read nor deleted.
    pub unread: u64,
    /// Rises also over a loss of all data, for it is never below the time in milliseconds.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_written_and_read() {
        let cursor = Cursor { position: 17, at: 1_767_323_045_678 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "17", "-", "17-", "+1-2", "1-2-3", "1.0-2", "99999999999999999999-1"] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
