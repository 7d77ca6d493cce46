//! Centrifugo's bidirectional protocol in JSON: commands and replies, several to a frame, one a line.
//! <https://centrifugal.dev/docs/transports/client_protocol>

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Heard, Said, Who};

const CONNECT: u32 = 1;
const SUBSCRIBE: u32 = 2;

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    id: u32,
    #[serde(borrow, default)]
    push: Option<Push<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow, default)]
    r#pub: Option<&'a RawValue>,
}

/// The first command.
pub(super) fn connect(token: &str) -> String {
    json!({ "id": CONNECT, "connect": { "token": token } }).to_string()
}

pub(super) fn hear<'a>(who: Who<'_>, message: &'a [u8]) -> Heard<'a> {
    let mut heard = Heard::said(Said::Nothing);
    for line in message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(reply) = serde_json::from_slice::<Reply<'_>>(line) else {
            return Heard::said(Said::Strange);
        };
        match reply {
            Reply { error: Some(error), .. } => return Heard::refused(error.get().as_bytes()),
            Reply { push: Some(push), .. } if push.r#pub.is_some() => {
                heard.said = Said::Notification { cursor: None };
            }
            Reply { push: Some(_), .. } => {}
            // An empty reply is a ping, and an empty command its pong.
            Reply { id: 0, .. } => heard.answer = Some("{}".to_owned()),
            Reply { id: CONNECT, .. } => {
                let subscribe = json!({ "id": SUBSCRIBE, "subscribe": { "channel": who.channel } });
                heard.answer = Some(subscribe.to_string());
            }
            Reply { id: SUBSCRIBE, .. } => heard.said = Said::Ready,
            Reply { .. } => {}
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_connects_subscribes_and_receives() {
        let who = Who { token: "t.o.k", channel: "user:7:notifications" };
        assert_eq!(connect("t.o.k"), r#"{"connect":{"token":"t.o.k"},"id":1}"#);
        let subscribe = r#"{"id":2,"subscribe":{"channel":"user:7:notifications"}}"#;
        let publication = r#"{"push":{"channel":"c","pub":{"data":{"id":"x"}}}}"#;
        for (message, answer, said) in [
            (
                r#"{"id":1,"connect":{"client":"c","ping":25,"pong":true}}"#,
                Some(subscribe),
                Said::Nothing,
            ),
            (r#"{"id":2,"subscribe":{}}"#, None, Said::Ready),
            ("{}", Some("{}"), Said::Nothing),
            (publication, None, Said::Notification { cursor: None }),
            (&format!("{{}}\n{publication}\n"), Some("{}"), Said::Notification { cursor: None }),
            (r#"{"push":{"channel":"c","join":{}}}"#, None, Said::Nothing),
            ("?", None, Said::Strange),
        ] {
            let heard = hear(who, message.as_bytes());
            assert_eq!((heard.answer.as_deref(), heard.said), (answer, said), "{message}");
        }
        let refused = hear(who, br#"{"id":1,"error":{"code":109,"message":"token expired"}}"#);
        assert!(refused.refused.unwrap().contains("token expired"));
    }
}
