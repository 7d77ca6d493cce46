use std::rc::Rc;

use crate::dialect::{Command, Namespace, engineio, socketio};
use crate::inbox::{Answer, Failure};
use crate::session::Next;
use crate::socket::asking::MAX_ASKING;
use crate::socket::conn::CLOSE_LINGER;
use crate::socket::conn::State;
use crate::socket::{Conn, Lane};

/// How long a client that was told to stay away has to close, in milliseconds.
const PARTING: u64 = 3_000;

impl Conn {
    /// One packet of Engine.IO arrived, by whichever transport; `false`: the client leaves.
    pub(in crate::socket) fn on_packet(self: &Rc<Self>, lane: &Rc<Lane>, text: &str) -> bool {
        let mut state = self.state.borrow_mut();
        let State { session: Some(session), engine: Some(engine), ending: None, .. } = &mut *state
        else {
            // It may still say that it leaves.
            return text != engineio::CLOSE;
        };
        let turn = engine.talk.on_packet(session, &lane.rig.rules, lane.now(), text);
        drop(state);
        self.say(lane, turn.say);
        match turn.then {
            Next::Listen => {}
            Next::Close(reason) => self.close(lane, reason),
            Next::Leave => return false,
            Next::Join { namespace, token } => self.join(lane, namespace, token),
            Next::Left => self.left(lane),
            Next::Ask { command, namespace, ack } => {
                self.ask_inbox(lane, command, namespace, ack);
            }
        }
        true
    }

    /// Clients close by themselves when they are told to stay away; python-socketio takes a close that comes right
    /// behind for an accident, and reconnects.
    pub(in crate::socket) fn part(&self, lane: &Lane) {
        let mut state = self.state.borrow_mut();
        let Some(engine) = &mut state.engine else { return };
        engine.parting = true;
        let limbo = engine.talk.limbo();
        drop(state);
        // Nobody gains time by being sent away.
        let (most, least) = (lane.now().after(PARTING), lane.now().after(CLOSE_LINGER));
        lane.set_timer(self, limbo.map_or(most, |limbo| most.min(limbo.max(least))));
    }

    /// Whether the close frame is still to be sent; it is not any more after this.
    pub(in crate::socket) fn parts(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state.engine.as_mut().is_some_and(|engine| std::mem::take(&mut engine.parting))
    }

    /// Nothing but leaving a namespace ends what a token has begun, so this does.
    fn left(self: &Rc<Self>, lane: &Rc<Lane>) {
        let mut state = self.state.borrow_mut();
        let State { session: Some(session), engine: Some(engine), .. } = &mut *state else {
            return;
        };
        if engine.talk.is_let_in() || engine.talk.limbo().is_some() {
            return;
        }
        engine.talk.left(lane.now().after(lane.rig.auth_timeout));
        engine.stranger = Some(lane.rig.sessions.stranger_again());
        session.set_expiry(None);
        let membership = state.membership.take();
        drop(state);
        drop(membership);
        self.keep_deadlines(lane);
    }

    fn ask_inbox(
        self: &Rc<Self>,
        lane: &Rc<Lane>,
        command: Command,
        namespace: Namespace,
        ack: Option<Box<str>>,
    ) {
        let mut state = self.state.borrow_mut();
        let Some(user) = state.membership.as_ref().map(|member| member.user().clone()) else {
            return;
        };
        let busy = state.asking >= MAX_ASKING;
        state.asking += u8::from(!busy);
        drop(state);
        if busy {
            let text = "too many commands are waiting for the inbox";
            let say = socketio::failure(namespace, ack.as_deref(), "busy", text);
            return self.say(lane, Some(say));
        }
        let (conn, lane) = (self.clone(), lane.clone());
        actix_rt::spawn(async move {
            let result = lane.rig.inbox.perform(&user, command).await;
            conn.state.borrow_mut().asking -= 1;
            conn.say(&lane, answer(namespace, ack.as_deref(), &result));
        });
    }
}

fn answer(
    namespace: Namespace,
    ack: Option<&str>,
    result: &Result<Answer, Failure>,
) -> Option<String> {
    match result {
        Ok(Answer::Count(count)) => Some(socketio::count(namespace, ack, *count)),
        // Everyone concerned is told by way of the log.
        Ok(Answer::Done(count)) => ack.map(|ack| socketio::count(namespace, Some(ack), *count)),
        Ok(Answer::Page(_)) => socketio::done(namespace, ack),
        Err(failure) => {
            let text = failure.to_string();
            Some(socketio::failure(namespace, ack, failure.code(), &text))
        }
    }
}
