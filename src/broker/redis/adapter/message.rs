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
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            hex.chars().map(|digit| digit.to_digit(16).unwrap().try_into().unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// As the packages publish it (redis-emitter 5.1.0, redis-adapter 8.3.0).
    const TO_ONE: &str = "93a7656d697474657283a47479706502a46461746192b04e45575f4e4f54494649434154494f4e84a2\
        696407a76d657373616765a16da673656e744174d7ffa1a5d600695735a5a6726561644174c0a36e7370a32f777383a5726f\
        6f6d7391b5757365723a34323a6e6f74696669636174696f6e73a5666c61677380a665786365707490";
    const TO_TWO: &str = "93a651334e59635483a47479706502a46461746193a5505249434501a374776fa36e7370a32f777383a5\
        726f6f6d7392b5757365723a34323a6e6f74696669636174696f6e73b5757365723a34333a6e6f74696669636174696f6e73\
        a665786365707491b5757365723a34343a6e6f74696669636174696f6e73a5666c61677380";
    const BINARY: &str = "93a7656d697474657283a47479706502a46461746192a15881a162c4026869a36e7370a32f777383a572\
        6f6f6d7391b5757365723a34323a6e6f74696669636174696f6e73a5666c61677380a665786365707490";

    const ROOM: Heard<'_> = Heard::Room { namespace: "/ws", user: "42" };
    const NAMESPACE: Heard<'_> = Heard::Namespace("/ws");
    const REQUESTS: Heard<'_> = Heard::Requests("/ws");

    fn said(place: Heard<'_>, payload: &[u8]) -> Result<String, Invalid> {
        let text = text(payload)?;
        Ok(match read(place, &text)? {
            Message::Emitted { audience: Audience::Users(users), event, arguments, .. } => {
                format!("{event}({}) to {}", arguments.join(","), users.join(" "))
            }
            Message::Emitted {
                audience: Audience::EveryoneBut(users), event, arguments, ..
            } => {
                format!("{event}({}) to all but {users:?}", arguments.join(","))
            }
            Message::Disconnect { users } => format!("end {}", users.join(" ")),
            Message::Asked { asker, answer, .. } => format!("{asker} waits for {answer}"),
            Message::Other(kind) => format!("other {kind}"),
        })
    }

    #[test]
    fn what_the_packages_publish_is_understood() {
        let dto = r#"{"id":7,"message":"m","sentAt":"2026-01-02T03:04:05.678Z","readAt":null}"#;
        let to_one = format!("NEW_NOTIFICATION({dto}) to 42");
        assert_eq!(said(ROOM, &bytes(TO_ONE)), Ok(to_one.clone()));
        assert_eq!(said(NAMESPACE, &bytes(TO_TWO)), Ok(r#"PRICE(1,"two") to 42 43"#.to_owned()));
        assert_eq!(said(ROOM, &bytes(TO_TWO)), Ok(r#"PRICE(1,"two") to 42"#.to_owned()));
        assert_eq!(said(ROOM, &bytes(BINARY)), Err(Invalid::Binary));

        let sharded = |rooms: &str, except: &str, data: &str| {
            format!(
                r#"{{"type":3,"data":{{"packet":{{"type":2,"data":{data}}},"opts":{{"rooms":[{rooms}],"except":[{except}],"flags":{{}}}}}},"uid":"c908e4337ee213bd","nsp":"/ws"}}"#
            )
        };
        let emitted = format!(r#"["NEW_NOTIFICATION",{dto}]"#);
        let message = sharded(r#""user:42:notifications""#, "", &emitted);
        for place in [ROOM, NAMESPACE] {
            assert_eq!(said(place, message.as_bytes()), Ok(to_one.clone()));
        }
        for (rooms, except, expected) in [
            ("", "", "X() to all but []"),
            ("", r#""user:1:notifications","a room",5"#, r#"X() to all but ["1"]"#),
            (r#""user:1:notifications","trades",7,"user:1:notifications""#, "", "X() to 1"),
            (r#""user:1:notifications""#, r#""user:1:notifications""#, "X() to "),
            (r#""trades""#, "", "X() to "),
        ] {
            let message = sharded(rooms, except, r#"["X"]"#);
            assert_eq!(said(NAMESPACE, message.as_bytes()), Ok(expected.to_owned()), "{message}");
        }
        let other = sharded(r#""user:1:notifications""#, "", r#"["X"]"#);
        assert_eq!(said(ROOM, other.as_bytes()), Err(Invalid::WrongUser));
    }

    #[test]
    fn only_disconnecting_users_is_obeyed() {
        for (place, message, expected) in [
            (
                REQUESTS,
                r#"{"uid":"Q3NYcT","type":4,"opts":{"rooms":["user:42:notifications"],"except":[]},"close":true}"#,
                "end 42",
            ),
            (
                REQUESTS,
                r#"{"type":4,"opts":{"rooms":["user:42:notifications"],"except":[]}}"#,
                "other 4",
            ),
            (REQUESTS, r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":true}"#, "other 4"),
            (REQUESTS, r#"{"type":4,"sid":"abc","close":true}"#, "other 4"),
            (REQUESTS, r#"{"type":5,"requestId":"r","opts":{"rooms":[],"except":[]}}"#, "other 5"),
            (
                NAMESPACE,
                r#"{"type":6,"data":{"opts":{"rooms":["user:42:notifications"],"except":[],"flags":{}},"close":true},"uid":"c","nsp":"/ws"}"#,
                "end 42",
            ),
            (NAMESPACE, r#"{"type":9,"data":{"packet":["X"]},"uid":"c","nsp":"/ws"}"#, "other 9"),
            (NAMESPACE, r#"{"type":5,"data":{"opts":{}},"uid":"c","nsp":"/ws"}"#, "other 5"),
        ] {
            assert_eq!(said(place, message.as_bytes()).as_deref(), Ok(expected), "{message}");
        }
    }

    #[test]
    fn servers_that_wait_are_told_that_there_is_nothing() {
        for (kind, data, answer) in [
            (
                7,
                r#""opts":{"rooms":[],"except":[]}"#,
                json!({"type": 8, "data": {"requestId": "r1", "sockets": []}}),
            ),
            (
                9,
                r#""packet":["X",1]"#,
                json!({"type": 10, "data": {"requestId": "r1", "packet": null}}),
            ),
            (
                3,
                r#""packet":{"type":2,"data":["X"]},"opts":{"rooms":[],"except":[]}"#,
                json!({"type": 11, "data": {"requestId": "r1", "clientCount": 0}}),
            ),
        ] {
            let asks = |uid: &str| {
                let data = format!(r#"{{{data},"requestId":"r1"}}"#);
                let message =
                    format!(r#"{{"type":{kind},"data":{data},"uid":"{uid}","nsp":"/ws"}}"#);
                said(NAMESPACE, message.as_bytes()).unwrap()
            };
            let asked = asks("c908e4337ee213bd");
            let text = asked.strip_prefix("c908e4337ee213bd waits for ").unwrap();
            let found: Value = serde_json::from_str(text).unwrap();
            assert_eq!((&found["type"], &found["data"]), (&answer["type"], &answer["data"]));
            assert_eq!(found["nsp"], "/ws");
            for uid in ["", "user:42:notifications", &"x".repeat(65)] {
                assert!(!asks(uid).contains("waits"), "{uid}");
            }
        }
    }

    #[test]
    fn what_no_adapter_says_is_malformed() {
        for message in [
            "",
            "hello",
            "{",
            "{}",
            "[]",
            r#"["uid",{"type":2,"data":[],"nsp":"/ws"},{"rooms":[]}]"#,
            r#"["uid",{"type":2,"data":[7],"nsp":"/ws"},{"rooms":[]}]"#,
            r#"["uid",{"type":3,"data":["X"],"nsp":"/ws"},{"rooms":[]}]"#,
            r#"["uid",{"type":2,"data":["X"],"nsp":"/other"},{"rooms":[]}]"#,
            r#"["uid",{"type":2,"data":["X"],"nsp":"/ws"},{"rooms":"all"}]"#,
            r#"["uid",{"type":2,"data":["X"],"nsp":"/ws"}]"#,
        ] {
            assert_eq!(said(NAMESPACE, message.as_bytes()), Err(Invalid::Malformed), "{message}");
        }
        for message in ["[]", "{}", r#"{"type":"4"}"#, r#"{"type":4,"opts":7}"#] {
            assert_eq!(said(REQUESTS, message.as_bytes()), Err(Invalid::Malformed), "{message}");
        }
        let deep =
            format!(r#"["u",{{"type":2,"data":["X"]}},{{"rooms":[{}"#, "[".repeat(1_000_000));
        assert_eq!(said(NAMESPACE, deep.as_bytes()), Err(Invalid::Malformed));
        let deep = format!(
            r#"["u",{{"type":2,"data":["X",{}{}]}},{{"rooms":[]}}]"#,
            "[".repeat(1_000_000),
            "]".repeat(1_000_000)
        );
        said(NAMESPACE, deep.as_bytes()).ok();
    }

    proptest! {
        #[test]
        fn mutated_messages_never_panic(at in 0..150_usize, byte: u8, sharded: bool) {
            let mut message = if sharded {
                br#"{"type":3,"data":{"packet":{"type":2,"data":["X",1]},"opts":{"rooms":["user:42:notifications"],"except":[]}},"uid":"c","nsp":"/ws"}"#.to_vec()
            } else {
                bytes(TO_ONE)
            };
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
            for place in [ROOM, NAMESPACE, REQUESTS] {
                said(place, &message).ok();
            }
        }
    }
}
