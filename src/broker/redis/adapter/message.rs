//! One message of a Socket.IO server to the others.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::msgpack;
use crate::broker::redis::channels::{self, Heard};
use crate::notification::Invalid;

/// A packet with an event (socket.io-parser).
const EVENT: u64 = 2;
/// Disconnects sockets, among the requests of the classic adapter.
const DISCONNECT: u64 = 4;

/// Kinds of messages of the sharded adapter, and of answers to them (socket.io-adapter, `MessageType`).
mod sharded {
    pub(super) const BROADCAST: u64 = 3;
    pub(super) const DISCONNECT: u64 = 6;
    pub(super) const FETCH_SOCKETS: u64 = 7;
    pub(super) const SOCKETS: u64 = 8;
    pub(super) const SERVER_SIDE_EMIT: u64 = 9;
    pub(super) const SERVER_SIDE_ANSWER: u64 = 10;
    pub(super) const CLIENT_COUNT: u64 = 11;
}

/// A message as JSON, whatever it was.
#[derive(Debug)]
pub(in crate::broker::redis) struct Text<'a> {
    json: Cow<'a, str>,
    has_binary: bool,
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker::redis) enum Message<'a> {
    Emitted {
        namespace: &'a str,
        audience: Audience,
        event: String,
        /// Each as JSON text.
        arguments: Vec<&'a str>,
    },
    Disconnect {
        users: Vec<String>,
    },
    /// Somebody waits for as many answers as there are servers; this one says that there is nothing here.
    Asked {
        namespace: &'a str,
        /// Which server waits.
        asker: String,
        answer: String,
    },
    /// A request of this type that is for servers with rooms.
    Other(u64),
}

/// Who it is for.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker::redis) enum Audience {
    /// Each once.
    Users(Vec<String>),
    EveryoneBut(Vec<String>),
}

/// The JSON of a message.
///
/// # Errors
/// It is neither JSON in UTF-8 nor msgpack; whether it is a message, only [`read`] finds out.
pub(in crate::broker::redis) fn text(payload: &[u8]) -> Result<Text<'_>, Invalid> {
    // In msgpack these two would be numbers alone.
    if matches!(payload.first(), Some(b'{' | b'[')) {
        let json = std::str::from_utf8(payload).map_err(|_| Invalid::Malformed)?;
        return Ok(Text { json: json.into(), has_binary: false });
    }
    let written = msgpack::to_json(payload).ok_or(Invalid::Malformed)?;
    Ok(Text { json: written.json.into(), has_binary: written.has_binary })
}

/// Understands what was said on a channel of the adapter.
///
/// # Errors
/// It is not what an adapter says, or holds what no client of ours could be given.
pub(in crate::broker::redis) fn read<'a>(
    place: Heard<'a>,
    text: &'a Text<'_>,
) -> Result<Message<'a>, Invalid> {
    let (namespace, room) = match place {
        Heard::Room { namespace, user } => (namespace, Some(user)),
        Heard::Namespace(namespace) => (namespace, None),
        _ => return request(&text.json),
    };
    let (packet, opts) = if text.json.starts_with('[') {
        let (_uid, packet, opts): (IgnoredAny, Packet<'_>, Opts) = parse(&text.json)?;
        (packet, opts)
    } else {
        let message: Sharded<'_> = parse(&text.json)?;
        if message.nsp.as_deref().is_some_and(|nsp| nsp != namespace) {
            return Err(Invalid::Malformed);
        }
        if let Some(asked) = message.asked(namespace) {
            return Ok(asked);
        }
        let data: Broadcast<'_> = match message.kind {
            sharded::BROADCAST => parse(message.data.get())?,
            sharded::DISCONNECT => {
                let order: Disconnect = parse(message.data.get())?;
                return Ok(order.message(message.kind));
            }
            other => return Ok(Message::Other(other)),
        };
        (data.packet, data.opts)
    };
    if packet.nsp.as_deref().is_some_and(|nsp| nsp != namespace) || packet.kind != EVENT {
        return Err(Invalid::Malformed);
    }
    if text.has_binary {
        return Err(Invalid::Binary);
    }
    let (event, arguments) = packet.data.split_first().ok_or(Invalid::Malformed)?;
    let event = parse(event.get())?;
    let arguments = arguments.iter().map(|argument| argument.get()).collect();
    let audience = match (room, opts.is_for_everyone()) {
        (None, true) => Audience::EveryoneBut(opts.excepted()),
        (None, false) => Audience::Users(opts.users()),
        // Whoever listens to this room hears no more of the others.
        (Some(user), _) if opts.names(user) => {
            let mut users = opts.users();
            users.retain(|one| one == user);
            Audience::Users(users)
        }
        (Some(_), _) => return Err(Invalid::WrongUser),
    };
    Ok(Message::Emitted { namespace, audience, event, arguments })
}

fn request(json: &str) -> Result<Message<'static>, Invalid> {
    let request: Request = parse(json)?;
    if request.kind != DISCONNECT {
        return Ok(Message::Other(request.kind));
    }
    let order: Disconnect = parse(json)?;
    Ok(order.message(request.kind))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Invalid> {
    serde_json::from_str(json).map_err(|_| Invalid::Malformed)
}

#[derive(Deserialize)]
struct Packet<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    nsp: Option<String>,
}

#[derive(Deserialize)]
struct Sharded<'a> {
    #[serde(rename = "type")]
    kind: u64,
    #[serde(borrow)]
    data: &'a RawValue,
    uid: Option<String>,
    nsp: Option<String>,
}

impl Sharded<'_> {
    /// `None`: nobody waits for an answer.
    fn asked<'n>(&self, namespace: &'n str) -> Option<Message<'n>> {
        let (kind, field, nothing) = match self.kind {
            sharded::FETCH_SOCKETS => (sharded::SOCKETS, "sockets", json!([])),
            sharded::SERVER_SIDE_EMIT => (sharded::SERVER_SIDE_ANSWER, "packet", json!(null)),
            // How many clients are going to acknowledge it.
            sharded::BROADCAST => (sharded::CLIENT_COUNT, "clientCount", json!(0)),
            _ => return None,
        };
        let Asking { request_id } = serde_json::from_str(self.data.get()).ok()?;
        let asker = self.uid.clone().filter(|uid| is_server(uid))?;
        let data = json!({"requestId": request_id?, field: nothing});
        let answer = json!({"type": kind, "data": data, "uid": "campanile", "nsp": namespace});
        Some(Message::Asked { namespace, asker, answer: answer.to_string() })
    }
}

/// It becomes part of a channel's name.
fn is_server(uid: &str) -> bool {
    (1..=64).contains(&uid.len()) && uid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[derive(Deserialize)]
struct Asking {
    #[serde(rename = "requestId")]
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct Broadcast<'a> {
    #[serde(borrow)]
    packet: Packet<'a>,
    opts: Opts,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: u64,
}

#[derive(Deserialize)]
struct Disconnect {
    opts: Option<Opts>,
    #[serde(default)]
    close: bool,
}

impl Disconnect {
    fn message(self, kind: u64) -> Message<'static> {
        // Without `close` it is about a namespace, and without rooms about the sockets of all users.
        match self.opts {
            Some(opts) if self.close && !opts.is_for_everyone() => {
                Message::Disconnect { users: opts.users() }
            }
            _ => Message::Other(kind),
        }
    }
}

/// Rooms can be numbers too; those are not ours.
#[derive(Deserialize)]
struct Opts {
    rooms: Vec<Value>,
    #[serde(default)]
    except: Vec<Value>,
}

impl Opts {
    fn is_for_everyone(&self) -> bool {
        self.rooms.is_empty()
    }

    fn names(&self, user: &str) -> bool {
        of_users(&self.rooms).any(|one| one == user)
    }

    fn excepted(&self) -> Vec<String> {
        of_users(&self.except).map(str::to_owned).collect()
    }

    fn users(&self) -> Vec<String> {
        let mut users: Vec<&str> = of_users(&self.rooms).collect();
        users.sort_unstable();
        users.dedup();
        users.retain(|user| !of_users(&self.except).any(|one| one == *user));
        users.into_iter().map(str::to_owned).collect()
    }
}

fn of_users(rooms: &[Value]) -> impl Iterator<Item = &str> {
    rooms.iter().filter_map(Value::as_str).filter_map(channels::user_of_room)
}

#[cfg(test)]
pub(super) mod tests;
