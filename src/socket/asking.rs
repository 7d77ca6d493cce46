//! Commands that have to be asked of the inbox, each in a task of its own.

use std::rc::Rc;

use serde_json::value::RawValue;

use super::{Conn, Lane};
use crate::dialect::{Command, Message};
use crate::inbox::{Answer, Failure};
use crate::notification::UserId;

/// Commands of one connection that may be under way; Redis answers in a millisecond, or within 3 s not.
pub(super) const MAX_ASKING: u8 = 8;

impl Conn {
    /// Does `command` in the inbox and answers.
    pub(super) fn ask(
        self: &Rc<Self>,
        lane: &Rc<Lane>,
        command: Command,
        reference: Option<Box<RawValue>>,
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
            let error = Message::Error { code: "busy", text, reference: reference.as_deref() };
            return self.say(lane, self.dialect.write(&error));
        }
        actix_rt::spawn(self.clone().perform(lane.clone(), user, command, reference));
    }

    async fn perform(
        self: Rc<Self>,
        lane: Rc<Lane>,
        user: UserId,
        command: Command,
        reference: Option<Box<RawValue>>,
    ) {
        let result = lane.rig.inbox.perform(&user, command).await;
        self.state.borrow_mut().asking -= 1;
        self.say(&lane, self.answer(&result, reference.as_deref()));
    }

    fn answer(
        &self,
        result: &Result<Answer, Failure>,
        reference: Option<&RawValue>,
    ) -> Option<String> {
        let message = match result {
            Ok(Answer::Count(count)) => {
                Message::UnreadCount { count: *count, reference, cursor: None }
            }
            // Everyone concerned is told by way of the log; the asker gets its reference back.
            Ok(Answer::Done(count)) => {
                Message::UnreadCount { count: *count, reference: Some(reference?), cursor: None }
            }
            Ok(Answer::Page(page)) => Message::Page { page, reference },
            Err(failure) => {
                let text = failure.to_string();
                return self.dialect.write(&Message::Error {
                    code: failure.code(),
                    text: &text,
                    reference,
                });
            }
        };
        self.dialect.write(&message)
    }
}
