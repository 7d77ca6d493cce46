use super::*;
use crate::dialect::Dialect;
use crate::session::Rhythm;

const RHYTHM: Rhythm = Rhythm { ping_interval: 25_000, pong_timeout: 45_000 };
const RULES: Rules = Rules { rhythm: RHYTHM, socketio: RHYTHM, commands_per_second: Some(20) };

struct Scene {
    talk: Talk,
    session: Session,
}

impl Scene {
    fn new() -> Self {
        let start = Moment::from_millis(0);
        let session = Session::new(Dialect::SocketIo, &RULES, None, start, 0.5);
        Self { talk: Talk::new(start.after(10_000)), session }
    }

    fn joined(token: Token) -> Self {
        let mut scene = Self::new();
        assert!(matches!(scene.hear("40/ws,").then, Next::Join { namespace: Namespace::Ws, .. }));
        scene.talk.joined(Namespace::Ws, token);
        scene
    }

    fn hear(&mut self, text: &str) -> Turn {
        self.talk.on_packet(&mut self.session, &RULES, Moment::from_millis(1), text)
    }
}

#[test]
fn a_subscribe_is_acknowledged_and_then_commands_are_heard() {
    let mut scene = Scene::joined(Token::Good);
    assert_eq!(scene.talk.limbo(), None);
    let early = scene.hear(r#"42/ws,1["GET_UNREAD_COUNT"]"#);
    assert!(early.say.unwrap().contains("not_subscribed"));
    let turn = scene.hear(r#"42/ws,2["SUBSCRIBE_NOTIFICATIONS",{}]"#);
    assert_eq!(turn.say.as_deref(), Some(r#"43/ws,2[{"ok":true}]"#));
    assert_eq!(scene.talk.subscribed().collect::<Vec<_>>(), [Namespace::Ws]);
    let turn = scene.hear(r#"42/ws,3["MARK_READ",{"id":"a"}]"#);
    let command = Command::MarkRead { id: "a".into() };
    let ask = Next::Ask { command, namespace: Namespace::Ws, ack: Some("3".into()) };
    assert_eq!(turn, ask.into());
    assert_eq!(scene.hear("41/ws,"), Next::Left.into());
    assert!(!scene.talk.is_let_in() && scene.talk.subscribed().next().is_none());
}

#[test]
fn a_bad_token_is_told_and_the_client_sent_away() {
    for (token, text) in [(Token::Missing, "Missing token"), (Token::Invalid, "Invalid token")] {
        let mut scene = Scene::joined(token);
        assert!(scene.talk.limbo().is_some());
        let turn = scene.hear(r#"42/ws,["SUBSCRIBE_NOTIFICATIONS"]"#);
        assert_eq!(turn.say, Some(format!(r#"42/ws,["ERROR","{text}"]"#)));
        assert_eq!(turn.then, Next::Close(CloseReason::TokenRefused));
        assert_eq!(scene.talk.farewell(CloseReason::TokenRefused), ["41/ws,"]);
    }
}

#[test]
fn only_verdicts_keep_a_client_away() {
    let scene = Scene::joined(Token::Good);
    for reason in CloseReason::ALL {
        let farewell = scene.talk.farewell(reason);
        assert_eq!(farewell.iter().any(|packet| packet == "41/ws,"), reason.is_verdict());
    }
    for stays_away in [CloseReason::Revoked, CloseReason::TokenExpired, CloseReason::Forbidden] {
        assert!(stays_away.is_verdict());
    }
    for comes_back in [CloseReason::Restarting, CloseReason::TooSlow, CloseReason::PongTimeout] {
        assert!(!comes_back.is_verdict());
    }
}

#[test]
fn what_the_reference_server_closes_for_closes() {
    let bad = [
        "2",
        "2probe",
        "5",
        "6",
        "0{}",
        "",
        "47",
        "40/ws,[]",
        "40/ws,",
        "42/ws,{}",
        "42[\"x\"]",
        "43/other,1[]",
        "41/ws,{}",
        "41",
        "44/ws,{\"message\":\"x\"}",
        "42/ws,[\"disconnect\"]",
    ];
    for text in bad {
        let mut scene = Scene::joined(Token::Good);
        assert_eq!(scene.hear(text), CloseReason::BadPacket.into(), "{text}");
    }
    for binary in ["bAAAA", "451-/ws,[\"e\",{\"_placeholder\":true,\"num\":0}]", "461-/ws,1[]"] {
        let mut scene = Scene::joined(Token::Good);
        assert_eq!(scene.hear(binary), CloseReason::Binary.into(), "{binary}");
    }
    let mut scene = Scene::joined(Token::Good);
    assert_eq!(scene.hear("3"), Turn::default());
    assert_eq!(scene.hear("43/ws,1[]"), Turn::default());
    assert_eq!(scene.hear("1"), Next::Leave.into());
    let unknown = scene.hear("40/other,");
    assert_eq!(unknown.say.as_deref(), Some(r#"44/other,{"message":"Invalid namespace"}"#));
    assert_eq!(unknown.then, Next::Listen);
}

#[test]
fn too_many_events_are_refused_and_insisting_closes() {
    let mut scene = Scene::joined(Token::Good);
    scene.hear(r#"42/ws,["SUBSCRIBE_NOTIFICATIONS"]"#);
    for number in 3..=29 {
        let last = scene.hear(r#"42/ws,1["GET_UNREAD_COUNT"]"#);
        let refused = last.say.as_deref().is_some_and(|say| say.contains("rate_limited"));
        assert_eq!(refused, number > 20, "packet {number}");
        assert_eq!(last.then != Next::Listen, number <= 20, "packet {number}");
    }
    let last = scene.hear(r#"42/ws,["GET_UNREAD_COUNT"]"#);
    assert_eq!(last.then, Next::Close(CloseReason::RateLimit));
    assert!(last.say.unwrap().starts_with(r#"42/ws,["exception",{"#));
}
