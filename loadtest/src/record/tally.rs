//! What sockets received and went through, to be added up over workers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Times;

/// Messages for all of which the last receiver is noted; later ones are counted only.
const SPREADS: usize = 100_000;

/// How far one message for all has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) receivers: u64,
    /// Intended send → the last of them, nanoseconds.
    pub(crate) last: u64,
}

/// What the sockets of one run received, and what happened to them since their worker started.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Messages of the run, each once per socket.
    pub(crate) received: u64,
    /// Bytes of their payloads.
    pub(crate) bytes: u64,
    /// Came to the same socket again.
    pub(crate) doubles: u64,
    /// Came for the first time, after a later one.
    pub(crate) late: u64,
    /// Messages that are none of the run for this socket.
    pub(crate) foreign: u64,
    /// Intended send → receive.
    pub(crate) latency: Times,
    /// Of each message for all.
    pub(crate) spreads: Vec<Spread>,
    pub(crate) travels: Travels,
}

/// What happened to connections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Travels {
    /// First TCP connect → subscribed, of first connections.
    pub(crate) opening: Times,
    /// Connections that were lost and are there again.
    pub(crate) reconnects: u64,
    /// First attempt to come back → last replayed notification.
    pub(crate) returning: Times,
    /// Notifications that greetings promised to replay.
    pub(crate) replayed: u64,
    /// Greetings that told of a gap.
    pub(crate) gaps: u64,
    /// Attempts that failed, by reason.
    pub(crate) refusals: BTreeMap<String, u64>,
    /// Sockets that the server ended, by reason.
    pub(crate) ends: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn spread(&mut self, number: u64, latency: u64) {
        let Some(place) = usize::try_from(number).ok().filter(|place| *place < SPREADS) else {
            return;
        };
        if place >= self.spreads.len() {
            self.spreads.resize(place + 1, Spread::default());
        }
        let spread = &mut self.spreads[place];
        spread.receivers += 1;
        spread.last = spread.last.max(latency);
    }

    /// Adds what another worker counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.bytes += other.bytes;
        self.doubles += other.doubles;
        self.late += other.late;
        self.foreign += other.foreign;
        self.latency.merge(&other.latency);
        if self.spreads.len() < other.spreads.len() {
            self.spreads.resize(other.spreads.len(), Spread::default());
        }
        for (own, other) in self.spreads.iter_mut().zip(&other.spreads) {
            own.receivers += other.receivers;
            own.last = own.last.max(other.last);
        }
        self.travels.merge(&other.travels);
    }
}

impl Travels {
    fn merge(&mut self, other: &Self) {
        self.opening.merge(&other.opening);
        self.reconnects += other.reconnects;
        self.returning.merge(&other.returning);
        self.replayed += other.replayed;
        self.gaps += other.gaps;
        for (own, other) in [(&mut self.refusals, &other.refusals), (&mut self.ends, &other.ends)] {
            for (reason, count) in other {
                *own.entry(reason.clone()).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_add_up() {
        let mut one = Tally { received: 2, ..Tally::default() };
        one.spread(0, 10);
        one.travels.ends.insert("close code 4008".into(), 1);
        let mut other = Tally { received: 3, ..Tally::default() };
        other.spread(0, 30);
        other.spread(1, 5);
        other.travels.ends.insert("close code 4008".into(), 2);
        one.merge(&other);
        assert_eq!(one.received, 5);
        assert_eq!(
            one.spreads,
            [Spread { receivers: 2, last: 30 }, Spread { receivers: 1, last: 5 }]
        );
        assert_eq!(one.travels.ends["close code 4008"], 3);
    }
}
