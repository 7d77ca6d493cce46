//! A namespace is open when its token was looked at and, if that is valid, everything is subscribed.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use uuid::Uuid;

use crate::auth::{AuthError, Identity};
use crate::dialect::socketio::packet::Given;
use crate::dialect::socketio::{self, Namespace};
use crate::hub::{Address, Membership};
use crate::session::{CloseReason, Token};
use crate::socket::conn::State;
use crate::socket::{Conn, Greeting, Lane};

/// A user who was let in.
pub struct Entered {
    /// Delivered to from before the subscription was confirmed on.
    pub membership: Membership,
    /// Where the log stood then.
    pub greeting: Greeting,
}

/// Why a user was not let in.
#[derive(Clone, Debug)]
pub enum Denied {
    /// The same client may be let in in a moment.
    Later,
    /// Not as it is; the text is for people.
    Refused(String),
}

/// Lets a user in on a connection that is open already.
pub trait Door: Send + Sync {
    /// Counts the connection at `address` as one of the user, and waits until the user's channel is heard.
    fn enter<'a>(
        &'a self,
        identity: &'a Identity,
        address: Address,
    ) -> Pin<Box<dyn Future<Output = Result<Entered, Denied>> + 'a>>;
}

impl Conn {
    /// Has the token of a namespace looked at, in its turn.
    pub(super) fn join(self: &Rc<Self>, lane: &Rc<Lane>, namespace: Namespace, token: Given) {
        let mut state = self.state.borrow_mut();
        let Some(engine) = &mut state.engine else { return };
        engine.joins.push_back((namespace, token));
        if !std::mem::replace(&mut engine.joining, true) {
            actix_rt::spawn(self.clone().look_at_tokens(lane.clone()));
        }
    }

    async fn look_at_tokens(self: Rc<Self>, lane: Rc<Lane>) {
        while let Some((namespace, given)) = self.next_join() {
            match self.look_at(&lane, given).await {
                Ok(token) => self.joined(&lane, namespace, token),
                Err(Denied::Later) => self.close(&lane, CloseReason::Away),
                Err(Denied::Refused(text)) => {
                    self.joined(&lane, namespace, Token::Invalid);
                    self.say(&lane, Some(socketio::error(namespace, &text)));
                    self.close(&lane, CloseReason::Forbidden);
                }
            }
        }
    }

    fn next_join(&self) -> Option<(Namespace, Given)> {
        let mut state = self.state.borrow_mut();
        let ending = state.ending.is_some();
        let engine = state.engine.as_mut()?;
        let next = engine.joins.pop_front().filter(|_| !ending);
        engine.joining = next.is_some();
        next
    }

    async fn look_at(self: &Rc<Self>, lane: &Rc<Lane>, given: Given) -> Result<Token, Denied> {
        let carried = || self.state.borrow().engine.as_ref().and_then(|e| e.carried.clone());
        let token = match given {
            Given::Token(token) => token,
            Given::Unusable => return Ok(Token::Invalid),
            Given::Nothing => match carried() {
                Some(token) => token.into(),
                None => return Ok(Token::Missing),
            },
        };
        let identity = match lane.rig.verifier.verify(&token).await {
            Ok(identity) => identity,
            Err(AuthError::KeysUnavailable) => return Err(Denied::Later),
            Err(error) => {
                tracing::debug!(connection = self.id(lane), code = error.code(), "token refused");
                return Ok(Token::Invalid);
            }
        };
        self.let_in(lane, &identity).await
    }

    async fn let_in(
        self: &Rc<Self>,
        lane: &Rc<Lane>,
        identity: &Identity,
    ) -> Result<Token, Denied> {
        let member = self.state.borrow().membership.as_ref().map(|member| member.user().clone());
        match member {
            // One connection is one user's.
            Some(user) if user != identity.user => return Ok(Token::Invalid),
            Some(_) => {}
            None => {
                if self.state.borrow().ending.is_some() {
                    return Err(Denied::Later);
                }
                // What is heard before it is in waits.
                self.state.borrow_mut().catching = Some(Box::default());
                let entered = lane.rig.door.enter(identity, self.address).await;
                self.entered(lane, entered)?;
            }
        }
        if let Some(session) = &mut self.state.borrow_mut().session {
            session.set_expiry(lane.rig.expiry(identity));
        }
        Ok(Token::Good)
    }

    fn entered(
        self: &Rc<Self>,
        lane: &Rc<Lane>,
        entered: Result<Entered, Denied>,
    ) -> Result<(), Denied> {
        let mut state = self.state.borrow_mut();
        let is_over = state.ending.is_some();
        let Entered { membership, greeting } = match entered
            .and_then(|entered| if is_over { Err(Denied::Later) } else { Ok(entered) })
        {
            Ok(entered) => entered,
            Err(denied) => {
                if let Some(catching) = state.catching.take() {
                    catching.end(&lane.rig.metrics, CloseReason::Gone);
                }
                return Err(denied);
            }
        };
        let user = membership.user().clone();
        state.membership = Some(membership);
        drop(state);
        tracing::info!(connection = self.id(lane), %user, "connection let in");
        self.begin(lane, &user, greeting);
        Ok(())
    }

    fn joined(self: &Rc<Self>, lane: &Rc<Lane>, namespace: Namespace, token: Token) {
        let mut state = self.state.borrow_mut();
        let State { engine: Some(engine), ending: None, .. } = &mut *state else { return };
        engine.talk.joined(namespace, token);
        let stranger = if token == Token::Good { engine.stranger.take() } else { None };
        drop(state);
        drop(stranger);
        self.keep_deadlines(lane);
        // Not the sid of the connection: pages show this one around.
        let sid = Uuid::new_v4().simple().to_string();
        self.say(lane, Some(socketio::connected(namespace, &sid)));
    }
}
