use super::Moment;

/// How many bad frames in a row end a connection.
const PATIENCE: u8 = 10;

/// What a connection may send, and how often it may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    bad_in_a_row: u8,
    /// Commands left, in thousandths, as of `filled`.
    tokens: u32,
    filled: Moment,
}

/// What one more bad frame leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer with an error frame.
    Tolerate,
    /// Answer, then close.
    Close,
}

impl Manners {
    /// Starts with a full second's worth of commands; `None`: unlimited.
    pub fn new(now: Moment, per_second: Option<u32>) -> Self {
        Self { bad_in_a_row: 0, tokens: full(per_second), filled: now }
    }

    /// A well-formed command.
    pub fn good(&mut self) {
        self.bad_in_a_row = 0;
    }

    /// A frame that is no command, or one too many.
    pub fn bad(&mut self) -> Verdict {
        self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
        if self.bad_in_a_row >= PATIENCE { Verdict::Close } else { Verdict::Tolerate }
    }

    /// Whether one more command fits the rate; a second's worth may come at once.
    pub fn admit(&mut self, now: Moment, per_second: Option<u32>) -> bool {
        let Some(rate) = per_second else { return true };
        // `rate` per second is `rate` thousandths per millisecond.
        let earned = now.since(self.filled).saturating_mul(u64::from(rate));
        let tokens = u64::from(self.tokens).saturating_add(earned).min(u64::from(full(per_second)));
        self.tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.filled = now;
        if self.tokens < 1000 {
            return false;
        }
        self.tokens -= 1000;
        true
    }
}

fn full(per_second: Option<u32>) -> u32 {
    per_second.unwrap_or_default().saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_bad_frame_in_a_row_closes() {
        let mut manners = Manners::new(Moment::from_millis(0), None);
        for _ in 0..3 {
            for _ in 0..9 {
                assert_eq!(manners.bad(), Verdict::Tolerate);
            }
            manners.good();
        }
        let verdicts: Vec<_> = (0..10).map(|_| manners.bad()).collect();
        assert_eq!(verdicts.last(), Some(&Verdict::Close));
    }

    #[test]
    fn a_second_of_commands_may_come_at_once_and_then_the_rate_holds() {
        let rate = Some(20);
        let at = Moment::from_millis;
        let mut manners = Manners::new(at(0), rate);
        assert_eq!((0..30).filter(|_| manners.admit(at(0), rate)).count(), 20);
        assert!(!manners.admit(at(49), rate));
        assert!(manners.admit(at(50), rate));
        assert_eq!((0..100).filter(|_| manners.admit(at(10_000), rate)).count(), 20);
    }
}
