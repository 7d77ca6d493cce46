//! What one client has received, by the numbers that a publisher gave.

/// What an arrival is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Higher than all before.
    New,
    /// Not there before, but something later was.
    Late,
    /// There before.
    Double,
}

/// The numbers received so far, one bit each.
#[derive(Default)]
pub(super) struct Seen {
    bits: Vec<u64>,
    /// The highest number so far, plus one.
    next: u64,
}

impl Seen {
    /// Notes that `number` has arrived.
    pub(super) fn take(&mut self, number: u64) -> Arrival {
        // The run's own publisher counts without gaps, so there are no more bits than it has sent.
        let word = usize::try_from(number / 64).unwrap_or_default();
        let bit = 1 << (number % 64);
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit != 0 {
            return Arrival::Double;
        }
        self.bits[word] |= bit;
        if number < self.next {
            return Arrival::Late;
        }
        self.next = number + 1;
        Arrival::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_told_from_what_comes_late() {
        let mut seen = Seen::default();
        for (number, arrival) in [
            (0, Arrival::New),
            (1, Arrival::New),
            (1, Arrival::Double),
            (130, Arrival::New),
            (64, Arrival::Late),
            (64, Arrival::Double),
            (0, Arrival::Double),
            (131, Arrival::New),
        ] {
            assert_eq!(seen.take(number), arrival, "{number}");
        }
    }
}
