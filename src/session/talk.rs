//! What a Socket.IO client has said so far, and what it is in. Its heartbeat and manners are the session's.

use super::{CloseReason, Moment, Rules, Session, Verdict};
use crate::dialect::Command;
use crate::dialect::engineio::Packet as Outer;
use crate::dialect::socketio::packet::{Given, Packet, Request, request};
use crate::dialect::socketio::{self, Namespace};

/// What the token of a namespace turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It names the user of the connection.
    Good,
    /// There was none.
    Missing,
    /// It was refused.
    Invalid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Out,
    /// Its token is being looked at.
    Joining,
    In {
        token: Token,
        subscribed: bool,
    },
}

/// One connection as a Socket.IO client.
#[derive(Debug)]
pub struct Talk {
    standings: [Standing; Namespace::ALL.len()],
    /// Until when it must have shown a valid token; `None`: it has.
    limbo: Option<Moment>,
}

/// What one packet leads to: perhaps one to send, and then something to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The packet to send, of Socket.IO.
    pub say: Option<String>,
    /// To be done after `say` was handed to the peer.
    pub then: Next,
}

/// What follows a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    #[default]
    Listen,
    /// End the connection.
    Close(CloseReason),
    /// The client has ended it.
    Leave,
    /// Look at the token, then call [`Talk::joined`].
    Join {
        /// Where it wants to be.
        namespace: Namespace,
        /// What it gave.
        token: Given,
    },
    /// It has left; whether nothing is left that it was let in for is for [`Talk::is_let_in`] to tell.
    Left,
    /// Do it in the inbox, and acknowledge.
    Ask {
        /// One of the inbox's.
        command: Command,
        /// Where it was said.
        namespace: Namespace,
        /// The digits to acknowledge it with.
        ack: Option<Box<str>>,
    },
}

impl Talk {
    /// Nothing said yet; a valid token has to come by `limbo`.
    pub fn new(limbo: Moment) -> Self {
        Self { standings: Default::default(), limbo: Some(limbo) }
    }

    /// A packet of Engine.IO arrived, on the transport of the connection.
    pub fn on_packet(
        &mut self,
        session: &mut Session,
        rules: &Rules,
        now: Moment,
        text: &str,
    ) -> Turn {
        match Outer::read(text) {
            Ok(Outer::Message(message)) => self.on_message(session, rules, now, message),
            Ok(Outer::Pong) => Turn::default(),
            Ok(Outer::Close) => Next::Leave.into(),
            Ok(Outer::Binary) => Next::Close(CloseReason::Binary).into(),
            // Pings are the server's, and there is nothing to move to.
            Ok(Outer::Ping(_) | Outer::Upgrade) | Err(_) => CloseReason::BadPacket.into(),
        }
    }

    fn on_message(
        &mut self,
        session: &mut Session,
        rules: &Rules,
        now: Moment,
        text: &str,
    ) -> Turn {
        let admitted = session.admit(rules, now);
        let Ok(packet) = Packet::read(text) else { return CloseReason::BadPacket.into() };
        match packet {
            Packet::Connect { namespace, token } => {
                let Some(namespace) = Namespace::named(namespace) else {
                    let say = socketio::unknown_namespace(namespace);
                    return complain(session, Some(say), CloseReason::BadPacket);
                };
                let standing = &mut self.standings[namespace as usize];
                if *standing != Standing::Out {
                    return CloseReason::BadPacket.into();
                }
                if !admitted {
                    return CloseReason::RateLimit.into();
                }
                *standing = Standing::Joining;
                Next::Join { namespace, token }.into()
            }
            Packet::Disconnect { namespace } => {
                match self.inside(namespace) {
                    Some((namespace, ..)) => {
                        self.standings[namespace as usize] = Standing::Out;
                        Next::Left.into()
                    }
                    // It changed its mind: not worth a connection, but not in order either.
                    None => CloseReason::BadPacket.into(),
                }
            }
            Packet::Event { namespace, ack, name, arguments } => {
                let Some((namespace, token, subscribed)) = self.inside(namespace) else {
                    return CloseReason::BadPacket.into();
                };
                if !admitted {
                    let text = "too many commands in a second";
                    let say = socketio::failure(namespace, ack, "rate_limited", text);
                    return complain(session, Some(say), CloseReason::RateLimit);
                }
                let request = match request(name.as_deref(), &arguments) {
                    Ok(request) => request,
                    Err((code, text)) => {
                        let say = socketio::failure(namespace, ack, code, text);
                        return complain(session, Some(say), CloseReason::ProtocolErrors);
                    }
                };
                session.well_behaved();
                match request {
                    Request::Subscribe => self.subscribe(namespace, token, ack),
                    Request::Ask(_) if !subscribed => {
                        let text = "send SUBSCRIBE_NOTIFICATIONS first";
                        let say = socketio::failure(namespace, ack, "not_subscribed", text);
                        complain(session, Some(say), CloseReason::ProtocolErrors)
                    }
                    Request::Ask(command) => {
                        let ack = ack.map(Into::into);
                        Next::Ask { command, namespace, ack }.into()
                    }
                }
            }
            Packet::Ack { namespace } => match self.inside(namespace) {
                Some(_) => Turn::default(),
                None => CloseReason::BadPacket.into(),
            },
            Packet::Binary => CloseReason::Binary.into(),
        }
    }

    fn subscribe(&mut self, namespace: Namespace, token: Token, ack: Option<&str>) -> Turn {
        let text = match token {
            Token::Good => {
                self.standings[namespace as usize] = Standing::In { token, subscribed: true };
                return Turn { say: socketio::done(namespace, ack), then: Next::Listen };
            }
            Token::Missing => "Missing token",
            Token::Invalid => "Invalid token",
        };
        let then = Next::Close(CloseReason::TokenRefused);
        Turn { say: Some(socketio::error(namespace, text)), then }
    }

    fn inside(&self, name: &str) -> Option<(Namespace, Token, bool)> {
        let namespace = Namespace::named(name)?;
        match self.standings[namespace as usize] {
            Standing::In { token, subscribed } => Some((namespace, token, subscribed)),
            Standing::Out | Standing::Joining => None,
        }
    }

    /// The token was looked at. With [`Token::Good`], everything is subscribed.
    pub fn joined(&mut self, namespace: Namespace, token: Token) {
        self.standings[namespace as usize] = Standing::In { token, subscribed: false };
        if token == Token::Good {
            self.limbo = None;
        }
    }

    /// Whether a namespace is open in which it showed a valid token.
    pub fn is_let_in(&self) -> bool {
        let good = |standing| matches!(standing, &Standing::In { token: Token::Good, .. });
        self.standings.iter().any(good)
    }

    /// Nothing is left that it was let in for; a valid token has to come by `limbo`.
    pub fn left(&mut self, limbo: Moment) {
        self.limbo = Some(limbo);
    }

    /// By when a valid token has to come; `None`: it has.
    pub fn limbo(&self) -> Option<Moment> {
        self.limbo
    }

    /// Where notifications go.
    pub fn subscribed(&self) -> impl Iterator<Item = Namespace> {
        let subscribed = |standing| matches!(standing, Standing::In { subscribed: true, .. });
        let standings = self.standings;
        Namespace::ALL.into_iter().filter(move |n| subscribed(standings[*n as usize]))
    }

    /// Where it is connected.
    pub fn connected(&self) -> impl Iterator<Item = Namespace> {
        let standings = self.standings;
        Namespace::ALL
            .into_iter()
            .filter(move |n| matches!(standings[*n as usize], Standing::In { .. }))
    }

    /// The last packets of a connection that ends for `reason`. With them the client stays away until its
    /// page calls it back; without, it comes back by itself.
    pub fn farewell(&self, reason: CloseReason) -> Vec<String> {
        if !reason.is_verdict() {
            return Vec::new();
        }
        let mut say = Vec::new();
        for namespace in self.connected() {
            // Of a refusal it has been told.
            if !matches!(reason, CloseReason::TokenRefused | CloseReason::Forbidden) {
                say.push(socketio::error(namespace, reason.text()));
            }
        }
        say.extend(self.connected().map(socketio::disconnect));
        say
    }
}

fn complain(session: &mut Session, say: Option<String>, reason: CloseReason) -> Turn {
    let then = match session.misbehaved() {
        Verdict::Close => Next::Close(reason),
        Verdict::Tolerate => Next::Listen,
    };
    Turn { say, then }
}

impl From<Next> for Turn {
    fn from(then: Next) -> Self {
        Self { say: None, then }
    }
}

impl From<CloseReason> for Turn {
    fn from(reason: CloseReason) -> Self {
        Next::Close(reason).into()
    }
}

#[cfg(test)]
mod tests;
