use std::time::Duration;

/// Milliseconds since the process began to serve: 8 bytes a connection where an `Instant` takes 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// `millis` after the process began to serve.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Since the process began to serve.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// `millis` later; at the end of time it stays there.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; 0 if it is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Whole milliseconds of a duration.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
