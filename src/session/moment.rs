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

    /// The next multiple of `tick` milliseconds, or itself.
    #[must_use]
    pub const fn round_up(self, tick: u64) -> Self {
        match self.0.checked_next_multiple_of(tick) {
            Some(millis) => Self(millis),
            None => self,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rounded_to_the_tick_that_follows_it() {
        let rounded = |millis| Moment::from_millis(millis).round_up(200).millis();
        assert_eq!([0, 1, 200, 201, u64::MAX].map(rounded), [0, 200, 200, 400, u64::MAX]);
    }
}
