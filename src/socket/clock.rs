use std::time::{Duration, Instant};

use crate::session::{Moment, millis};

/// Where [`Moment`]s come from.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Moment 0 is now. One for the whole process: moments of two clocks do not compare.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Monotonic; a change of the wall clock does not show.
    pub fn now(self) -> Moment {
        Moment::from_millis(millis(self.0.elapsed()))
    }

    /// The instant of `moment`, for timers.
    pub fn instant(self, moment: Moment) -> Instant {
        self.0 + Duration::from_millis(moment.millis())
    }
}
