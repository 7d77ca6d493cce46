//! What Socket.IO servers tell each other through Redis, as far as it concerns our users:
//! `@socket.io/redis-adapter` 8.3 (classic and sharded) and `@socket.io/redis-emitter` 5.1.
//!
//! Classic: msgpack `[uid, packet, opts]` on `socket.io#<namespace>#<room>#` when it is for one room, else on
//! `socket.io#<namespace>#`; requests as JSON objects on `socket.io-request#<namespace>#`. Sharded: a JSON
//! object `{type, data: {packet, opts}, nsp}`, in msgpack where it holds binary data; for one room whose name
//! is as long as a socket's id (20), such as that of user 7, on the namespace's channel all the same.

mod answers;
mod message;
mod msgpack;

pub(super) use answers::Answers;

use super::channels::{Channels, Heard};
use crate::broker::Emitted;
use crate::notification::{Invalid, Target};
use message::{Audience, Message};

/// What comes of a message, user by user.
pub(super) enum Said<'a> {
    Emitted(Emitted<'a>),
    /// The sockets of this user are to be ended.
    Disconnect(&'a str),
    /// Somebody waits on this channel for this answer, that there is nothing here.
    Asked {
        channel: &'a str,
        answer: &'a str,
    },
}

/// Reads what was heard on `channel`, which means `place`.
///
/// # Errors
/// As [`message::read`]; nothing was said then.
pub(super) fn understand(
    place: Heard<'_>,
    channel: &str,
    payload: &[u8],
    mut say: impl FnMut(&Said<'_>),
) -> Result<(), Invalid> {
    let text = message::text(payload)?;
    match message::read(place, &text)? {
        Message::Emitted { namespace, audience, event, arguments } => {
            let (event, arguments) = (&*event, &*arguments);
            let mut emit = |target: Target<'_>, except: &[&str], channel: &str| {
                say(&Said::Emitted(Emitted {
                    target,
                    except,
                    channel,
                    namespace,
                    event,
                    arguments,
                }));
            };
            match audience {
                Audience::Users(users) => {
                    for user in users {
                        emit(Target::User(&user), &[], &Channels::room(namespace, &user));
                    }
                }
                Audience::EveryoneBut(users) => {
                    let users: Vec<&str> = users.iter().map(String::as_str).collect();
                    emit(Target::Broadcast, &users, channel);
                }
            }
        }
        Message::Disconnect { users } => {
            for user in users {
                say(&Said::Disconnect(&user));
            }
        }
        Message::Asked { namespace, asker, answer } => {
            let channel = Channels::answers(namespace, &asker);
            say(&Said::Asked { channel: &channel, answer: &answer });
        }
        Message::Other(kind) => {
            tracing::debug!(channel, kind, "a Socket.IO server's request is none of ours");
        }
    }
    Ok(())
}
