//! Socket.IO 5 on Engine.IO 4 over WebSocket, as far as a subscriber of namespace `/ws` needs it.
//! <https://github.com/socketio/socket.io-protocol>

use serde_json::json;

use super::{Heard, Said, Who};

const NAMESPACE: &str = "/ws,";
/// Of the event that subscribes.
const ACK: &str = "0";

pub(super) fn hear<'a>(who: Who<'_>, message: &'a [u8]) -> Heard<'a> {
    let Some((kind, rest)) = message.split_first() else { return Heard::said(Said::Strange) };
    match kind {
        // open: join the namespace
        b'0' => Heard::answer(format!("40{NAMESPACE}{}", json!({ "token": who.token }))),
        b'2' => Heard::answer("3".to_owned()),
        b'4' => packet(rest),
        b'1' | b'3' | b'6' => Heard::said(Said::Nothing),
        _ => Heard::said(Said::Strange),
    }
}

fn packet(packet: &[u8]) -> Heard<'_> {
    let Some((kind, rest)) = packet.split_first() else { return Heard::said(Said::Strange) };
    let Some(body) = rest.strip_prefix(NAMESPACE.as_bytes()) else {
        return Heard::said(Said::Strange);
    };
    match kind {
        b'0' => Heard::answer(format!(r#"42{NAMESPACE}{ACK}["SUBSCRIBE_NOTIFICATIONS",{{}}]"#)),
        b'2' if body.starts_with(br#"["NEW_NOTIFICATION","#) => {
            Heard::said(Said::Notification { cursor: None })
        }
        b'2' if body.starts_with(br#"["ERROR""#) => Heard::refused(body),
        b'3' if body.starts_with(ACK.as_bytes()) => Heard::said(Said::Ready),
        b'1' => Heard::refused(b"disconnected from the namespace"),
        b'4' => Heard::refused(body),
        _ => Heard::said(Said::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_joins_subscribes_and_receives() {
        let who = Who { token: "t.o.k", channel: "" };
        for (message, answer, said) in [
            (r#"0{"sid":"a","upgrades":[]}"#, Some(r#"40/ws,{"token":"t.o.k"}"#), Said::Nothing),
            (
                r#"40/ws,{"sid":"b"}"#,
                Some(r#"42/ws,0["SUBSCRIBE_NOTIFICATIONS",{}]"#),
                Said::Nothing,
            ),
            (r#"43/ws,0[{"ok":true}]"#, None, Said::Ready),
            ("2", Some("3"), Said::Nothing),
            (r#"42/ws,["NEW_NOTIFICATION",{"id":"1"}]"#, None, Said::Notification { cursor: None }),
            (r#"42/ws,["UNREAD_COUNT",1]"#, None, Said::Nothing),
            ("9", None, Said::Strange),
        ] {
            let heard = hear(who, message.as_bytes());
            assert_eq!((heard.answer.as_deref(), heard.said), (answer, said), "{message}");
            assert_eq!(heard.refused, None);
        }
        for message in [r#"44/ws,{"message":"no"}"#, r#"42/ws,["ERROR","Invalid token"]"#, "41/ws,"]
        {
            assert!(hear(who, message.as_bytes()).refused.is_some(), "{message}");
        }
    }
}
