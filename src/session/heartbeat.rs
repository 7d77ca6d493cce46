use super::Moment;

/// When to ping a peer and when to call it dead. No clock and no timer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat {
    last_heard: Moment,
    next_ping: Moment,
}

/// Intervals shared by all connections, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Between two pings.
    pub ping_interval: u64,
    /// Silence after which a peer is dead; longer than `ping_interval`.
    pub pong_timeout: u64,
}

/// What a look at the clock leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping now.
    Ping,
    /// Nothing to do before the deadline.
    Wait,
    /// Nothing was heard for the pong timeout.
    Dead,
}

impl Heartbeat {
    /// `jitter` in `0.0..1.0` places the first ping within the interval, so that connections that were
    /// opened together are not pinged together.
    pub fn new(now: Moment, rhythm: Rhythm, jitter: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a fraction of an interval"
        )]
        let first = (rhythm.ping_interval as f64 * jitter) as u64;
        Self { last_heard: now, next_ping: now.after(first.max(1)) }
    }

    /// Any inbound frame proves that the peer lives.
    pub fn heard(&mut self, now: Moment) {
        self.last_heard = now;
    }

    /// What is due at `now`; a ping that is due is taken as sent.
    pub fn beat(&mut self, now: Moment, rhythm: Rhythm) -> Beat {
        if now >= self.last_heard.after(rhythm.pong_timeout) {
            return Beat::Dead;
        }
        if now < self.next_ping {
            return Beat::Wait;
        }
        self.next_ping = now.after(rhythm.ping_interval);
        Beat::Ping
    }

    /// When [`beat`](Self::beat) has something to say next.
    pub fn deadline(&self, rhythm: Rhythm) -> Moment {
        self.next_ping.min(self.last_heard.after(rhythm.pong_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { ping_interval: 54_000, pong_timeout: 60_000 };

    /// Runs the heartbeat of a peer that answers pings until `silent_from`; lists pings and death.
    fn run(jitter: f64, silent_from: u64) -> (Vec<u64>, Option<u64>) {
        let mut heartbeat = Heartbeat::new(Moment::from_millis(0), RHYTHM, jitter);
        let mut pings = Vec::new();
        loop {
            let now = heartbeat.deadline(RHYTHM);
            match heartbeat.beat(now, RHYTHM) {
                Beat::Dead => return (pings, Some(now.millis())),
                Beat::Wait => {}
                Beat::Ping => {
                    pings.push(now.millis());
                    if now.millis() < silent_from {
                        heartbeat.heard(now);
                    }
                }
            }
            if now.millis() > 290_000 {
                return (pings, None);
            }
        }
    }

    #[test]
    fn a_peer_that_answers_is_pinged_at_every_interval() {
        let (pings, dead) = run(0.5, u64::MAX);
        assert_eq!(pings, [27_000, 81_000, 135_000, 189_000, 243_000, 297_000]);
        assert_eq!(dead, None);
    }

    #[test]
    fn a_silent_peer_is_dead_one_pong_timeout_after_its_last_word() {
        assert_eq!(run(0.5, 0), (vec![27_000], Some(60_000)));
        assert_eq!(run(0.5, 100_000), (vec![27_000, 81_000, 135_000], Some(141_000)));
    }
}
