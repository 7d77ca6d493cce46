//! Which messages are in hand, and what may be said about them to RabbitMQ. No IO.

use std::collections::VecDeque;

/// `basic.ack`: of one message, or with `multiple` of all up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    pub(super) multiple: bool,
}

struct Held {
    tag: u64,
    bytes: usize,
    is_settled: bool,
}

/// The messages of one channel that RabbitMQ waits to hear about, in the order they came.
#[derive(Default)]
pub(super) struct Ledger {
    held: VecDeque<Held>,
    bytes: usize,
}

impl Ledger {
    /// Tags rise, as RabbitMQ gives them.
    pub(super) fn add(&mut self, tag: u64, bytes: usize) {
        self.bytes += bytes;
        self.held.push_back(Held { tag, bytes, is_settled: false });
    }

    /// Nothing more has to be done about this message than to acknowledge it.
    pub(super) fn settle(&mut self, tag: u64) {
        if let Ok(index) = self.held.binary_search_by_key(&tag, |held| held.tag) {
            self.held[index].is_settled = true;
        }
    }

    /// What to acknowledge now; those messages are in hand no longer. One word stands for all at the front; a
    /// settled message behind one that is not gets a word of its own, which does not touch the other.
    pub(super) fn acks(&mut self) -> Vec<Ack> {
        let mut acks = Vec::new();
        let run = self.held.iter().take_while(|held| held.is_settled).count();
        if let Some(last) = self.held.drain(..run).next_back() {
            acks.push(Ack { tag: last.tag, multiple: run > 1 });
        }
        self.held.retain(|held| {
            if held.is_settled {
                acks.push(Ack { tag: held.tag, multiple: false });
            }
            !held.is_settled
        });
        self.bytes = self.held.iter().map(|held| held.bytes).sum();
        acks
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Of the bodies.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_acknowledges_a_run_and_never_a_message_that_is_not_settled() {
        let mut ledger = Ledger::default();
        for tag in 1..=6 {
            ledger.add(tag, 10);
        }
        assert_eq!(ledger.acks(), []);
        for tag in [1, 2, 4, 6] {
            ledger.settle(tag);
        }
        let single = |tag| Ack { tag, multiple: false };
        assert_eq!(ledger.acks(), [Ack { tag: 2, multiple: true }, single(4), single(6)]);
        assert_eq!((ledger.len(), ledger.bytes()), (2, 20));
        ledger.settle(3);
        assert_eq!(ledger.acks(), [single(3)]);
        ledger.settle(5);
        ledger.settle(99);
        assert_eq!(ledger.acks(), [single(5)]);
        assert_eq!((ledger.len(), ledger.bytes()), (0, 0));
    }

    #[test]
    fn at_random_everything_settled_is_acknowledged_once_and_nothing_else() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut ledger, mut open, mut next) = (Ledger::default(), Vec::new(), 1_u64);
            let mut acknowledged = Vec::new();
            for _ in 0..50 {
                for _ in 0..rng.usize(..4) {
                    ledger.add(next, 1);
                    open.push(next);
                    next += 1;
                }
                let mut settled = Vec::new();
                for _ in 0..rng.usize(..4).min(open.len()) {
                    settled.push(open.swap_remove(rng.usize(..open.len())));
                }
                for tag in &settled {
                    ledger.settle(*tag);
                }
                open.sort_unstable();
                let mut said: Vec<u64> = Vec::new();
                for ack in ledger.acks() {
                    assert!(!ack.multiple || open.iter().all(|tag| *tag > ack.tag));
                    said.push(ack.tag);
                    if ack.multiple {
                        let run =
                            settled.iter().filter(|tag| **tag < ack.tag && !said.contains(tag));
                        said.extend(run.copied().collect::<Vec<_>>());
                    }
                }
                said.sort_unstable();
                said.dedup();
                settled.sort_unstable();
                // A single word for a run of several names only its last.
                assert!(said.iter().all(|tag| settled.contains(tag)));
                acknowledged.extend(settled);
                assert_eq!(ledger.len(), open.len());
            }
            acknowledged.extend(open);
            acknowledged.sort_unstable();
            assert_eq!(acknowledged, (1..next).collect::<Vec<_>>());
        }
    }
}
