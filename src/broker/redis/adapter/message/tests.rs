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
        Message::Emitted { audience: Audience::EveryoneBut(users), event, arguments, .. } => {
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
            let message = format!(r#"{{"type":{kind},"data":{data},"uid":"{uid}","nsp":"/ws"}}"#);
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
    let deep = format!(r#"["u",{{"type":2,"data":["X"]}},{{"rooms":[{}"#, "[".repeat(1_000_000));
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
