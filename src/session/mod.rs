//! One connection as a state machine: what it may say, when it is pinged, when it ends. No IO, no clock.

mod close;
mod heartbeat;
mod manners;
mod moment;
mod talk;

use std::time::Duration;

use serde_json::value::RawValue;

pub use close::CloseReason;
pub use heartbeat::{Beat, Heartbeat, Rhythm};
pub use manners::{Manners, Verdict};
pub use moment::{Moment, millis};
pub use talk::{Next, Talk, Token, Turn};

use crate::dialect::{Command, Dialect, Message};

/// How long before a token expires its client is warned, in milliseconds.
const EXPIRY_WARNING: u64 = 30_000;
/// Between two comments on an event stream, in milliseconds: below every proxy's idle timeout.
const COMMENT_INTERVAL: u64 = 15_000;

/// Looks at what is due within the shortest ping interval; and the longest time between two, in milliseconds.
const TICKS: u64 = 128;
const LONGEST_TICK: u64 = 500;

/// What all sessions of a replica have in common.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// When the peers of WebSockets are pinged and given up.
    pub rhythm: Rhythm,
    /// The same for clients of Socket.IO, which are told of it.
    pub socketio: Rhythm,
    /// On one connection, where a second's worth may come at once; `None`: unlimited.
    pub commands_per_second: Option<u32>,
}

impl Rules {
    /// The rhythm of one dialect. A client that cannot answer is not waited for: what it does not take is
    /// noticed in writing.
    pub fn rhythm_of(&self, dialect: Dialect) -> Rhythm {
        match dialect {
            Dialect::Sse => Rhythm { ping_interval: COMMENT_INTERVAL, pong_timeout: u64::MAX },
            Dialect::SocketIo => self.socketio,
            Dialect::Envelope | Dialect::Campanile | Dialect::Bare => self.rhythm,
        }
    }

    /// Between two looks at what is due, in milliseconds. The longer, the more pings share a wake-up of the
    /// worker, and the more pongs: one of its own costs twice what the ping does.
    pub fn tick(&self) -> u64 {
        let shortest = self.rhythm.ping_interval.min(self.socketio.ping_interval);
        (shortest / TICKS).clamp(1, LONGEST_TICK)
    }
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    heartbeat: Heartbeat,
    manners: Manners,
    expires: Option<Moment>,
    warned: bool,
}

/// What an inbound text leads to: perhaps a frame to send, and then something to do.
#[derive(Debug, Default)]
pub struct Reaction {
    /// Text of the frame to send.
    pub say: Option<String>,
    /// To be done after `say` was handed to the peer.
    pub then: Then,
}

/// What follows an inbound frame.
#[derive(Debug, Default)]
pub enum Then {
    /// Nothing.
    #[default]
    Listen,
    /// End the connection.
    Close(CloseReason),
    /// Do it in the inbox, and answer in the dialect of the connection.
    Ask {
        /// One of the inbox's.
        command: Command,
        /// To be echoed.
        reference: Option<Box<RawValue>>,
    },
    /// Check the token, then call [`Session::refreshed`] or [`Session::refuse`].
    Refresh {
        /// Not verified yet; must name the connection's user.
        token: String,
        /// To be echoed with the answer.
        reference: Option<Box<RawValue>>,
    },
}

/// What is due at a deadline.
#[derive(Debug)]
pub struct Due {
    /// Send a ping frame (RFC 6455 §5.5.2), or what stands for it.
    pub ping: bool,
    /// Text of the frame to send.
    pub say: Option<String>,
    /// End the connection; what else is due does not matter then.
    pub close: Option<CloseReason>,
    /// When to ask again.
    pub next: Moment,
}

impl Session {
    /// `jitter` in `0.0..1.0` spreads the first pings.
    pub fn new(
        dialect: Dialect,
        rules: &Rules,
        expires: Option<Moment>,
        now: Moment,
        jitter: f64,
    ) -> Self {
        Self {
            dialect,
            heartbeat: Heartbeat::new(now, rules.rhythm_of(dialect), jitter),
            manners: Manners::new(now, rules.commands_per_second),
            expires,
            warned: false,
        }
    }

    /// Any frame arrived.
    pub fn heard(&mut self, now: Moment) {
        self.heartbeat.heard(now);
    }

    /// A text frame arrived.
    pub fn on_text(&mut self, text: &str, rules: &Rules, now: Moment) -> Reaction {
        let request = match self.dialect.read(text) {
            Ok(None) => return Reaction::default(),
            Ok(Some(request)) => request,
            Err(bad) => {
                return self.complain(
                    bad.code,
                    &bad.text,
                    bad.reference.as_deref(),
                    CloseReason::ProtocolErrors,
                );
            }
        };
        let reference = request.reference.as_deref();
        if !self.manners.admit(now, rules.commands_per_second) {
            let text = "too many commands in a second";
            return self.complain("rate_limited", text, reference, CloseReason::RateLimit);
        }
        self.manners.good();
        match request.command {
            Command::Ping => self.answer(&Message::Pong { reference }),
            Command::Refresh { token } => {
                Reaction { say: None, then: Then::Refresh { token, reference: request.reference } }
            }
            Command::Auth { .. } => self.answer(&Message::Error {
                code: "already_authenticated",
                text: "this connection has its user; send \"refresh\" to renew the token",
                reference,
            }),
            command @ (Command::GetUnreadCount
            | Command::MarkRead { .. }
            | Command::MarkAllRead
            | Command::Delete { .. }
            | Command::List { .. }) => {
                Reaction { say: None, then: Then::Ask { command, reference: request.reference } }
            }
        }
    }

    /// A binary frame arrived; no dialect has any.
    pub fn on_binary(&mut self) -> Reaction {
        if self.dialect == Dialect::Bare {
            return Reaction::default();
        }
        let text = "binary frames are not understood, send text";
        self.complain("bad_frame", text, None, CloseReason::ProtocolErrors)
    }

    /// A `refresh` was accepted; the frame to send.
    pub fn refreshed(
        &mut self,
        expires: Option<Moment>,
        now: Moment,
        reference: Option<&RawValue>,
    ) -> Option<String> {
        self.expires = expires;
        self.warned = false;
        let expires_in = expires.map(|at| Duration::from_millis(at.since(now)));
        self.dialect.write(&Message::Refreshed { expires_in, reference })
    }

    /// An error frame that costs the client nothing.
    pub fn refuse(&self, code: &str, text: &str, reference: Option<&RawValue>) -> Option<String> {
        self.dialect.write(&Message::Error { code, text, reference })
    }

    /// Whose token it is became known after the opening, or is known no more.
    pub fn set_expiry(&mut self, expires: Option<Moment>) {
        self.expires = expires;
        self.warned = false;
    }

    /// Whether one more command fits the rate.
    pub fn admit(&mut self, rules: &Rules, now: Moment) -> bool {
        self.manners.admit(now, rules.commands_per_second)
    }

    /// It sent what it may.
    pub fn well_behaved(&mut self) {
        self.manners.good();
    }

    /// It sent what it may not.
    pub fn misbehaved(&mut self) -> Verdict {
        self.manners.bad()
    }

    /// What has become due by `now`.
    pub fn on_deadline(&mut self, rules: &Rules, now: Moment) -> Due {
        let mut due = Due { ping: false, say: None, close: None, next: now };
        match self.heartbeat.beat(now, rules.rhythm_of(self.dialect)) {
            Beat::Ping => due.ping = true,
            Beat::Wait => {}
            Beat::Dead => due.close = Some(CloseReason::PongTimeout),
        }
        if let Some(expires) = self.expires {
            if now >= expires {
                due.close = Some(CloseReason::TokenExpired);
            } else if !self.warned && now.after(EXPIRY_WARNING) >= expires {
                self.warned = true;
                let left = Duration::from_millis(expires.since(now));
                due.say = self.dialect.write(&Message::TokenExpiring { left });
            }
        }
        due.next = self.deadline(rules);
        due
    }

    /// When [`on_deadline`](Self::on_deadline) has to be called next.
    pub fn deadline(&self, rules: &Rules) -> Moment {
        let beat = self.heartbeat.deadline(rules.rhythm_of(self.dialect));
        let Some(expires) = self.expires else { return beat };
        let expiry = if self.warned {
            expires
        } else {
            Moment::from_millis(expires.millis().saturating_sub(EXPIRY_WARNING))
        };
        beat.min(expiry)
    }

    fn answer(&self, message: &Message<'_>) -> Reaction {
        Reaction { say: self.dialect.write(message), then: Then::Listen }
    }

    fn complain(
        &mut self,
        code: &str,
        text: &str,
        reference: Option<&RawValue>,
        reason: CloseReason,
    ) -> Reaction {
        let then = match self.manners.bad() {
            Verdict::Close => Then::Close(reason),
            Verdict::Tolerate => Then::Listen,
        };
        Reaction { say: self.refuse(code, text, reference), then }
    }
}

#[cfg(test)]
mod tests;
