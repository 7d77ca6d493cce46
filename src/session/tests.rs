use super::*;

const RULES: Rules = Rules {
    rhythm: Rhythm { ping_interval: 54_000, pong_timeout: 60_000 },
    socketio: Rhythm { ping_interval: 25_000, pong_timeout: 45_000 },
    commands_per_second: Some(20),
};

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn session(dialect: Dialect, expires: Option<u64>) -> Session {
    Session::new(dialect, &RULES, expires.map(at), at(0), 0.999)
}

fn say(reaction: &Reaction) -> &str {
    reaction.say.as_deref().unwrap_or_default()
}

#[test]
fn a_ping_is_answered_with_its_reference() {
    let mut session = session(Dialect::Envelope, None);
    let reaction = session.on_text(r#"{"type":"ping","ref":"a"}"#, &RULES, at(1));
    assert_eq!(say(&reaction), r#"{"type":"pong","ref":"a"}"#);
}

#[test]
fn inbox_commands_are_passed_on_with_their_reference() {
    let mut session = session(Dialect::Envelope, None);
    let text = r#"{"type":"mark_read","notification_id":1,"ref":"a"}"#;
    let Reaction { say: None, then: Then::Ask { command, reference } } =
        session.on_text(text, &RULES, at(1))
    else {
        panic!("not passed on")
    };
    assert_eq!(command, Command::MarkRead { id: "1".into() });
    assert_eq!(reference.map(|r| r.get().to_owned()).as_deref(), Some("\"a\""));
}

#[test]
fn bad_frames_get_an_error_each_and_the_tenth_closes() {
    let mut session = session(Dialect::Envelope, None);
    for n in 1..=10 {
        let reaction =
            if n % 2 == 0 { session.on_binary() } else { session.on_text("{", &RULES, at(1)) };
        assert!(say(&reaction).contains("\"error\""), "{reaction:?}");
        let closed = matches!(reaction.then, Then::Close(CloseReason::ProtocolErrors));
        assert_eq!(closed, n == 10, "frame {n}");
    }
}

#[test]
fn commands_beyond_the_rate_are_refused_and_insisting_closes() {
    let mut session = session(Dialect::Envelope, None);
    let mut last = Reaction::default();
    for n in 1..=30 {
        last = session.on_text(r#"{"type":"ping"}"#, &RULES, at(1));
        assert_eq!(say(&last).contains("rate_limited"), n > 20, "command {n}");
    }
    assert!(matches!(last.then, Then::Close(CloseReason::RateLimit)));
}

#[test]
fn bare_clients_may_say_anything_and_hear_nothing() {
    let mut session = session(Dialect::Bare, None);
    for _ in 0..100 {
        let (text, binary) = (session.on_text("{", &RULES, at(1)), session.on_binary());
        assert!(text.say.is_none() && matches!(text.then, Then::Listen));
        assert!(binary.say.is_none() && matches!(binary.then, Then::Listen));
    }
}

#[test]
fn an_expiring_token_is_announced_once_and_then_closes() {
    let mut session = session(Dialect::Campanile, Some(40_000));
    assert_eq!(session.deadline(&RULES), at(10_000));
    let due = session.on_deadline(&RULES, at(10_000));
    assert_eq!(due.say.as_deref(), Some(r#"{"type":"token_expiring","data":{"in_s":30}}"#));
    assert_eq!((due.close, due.next), (None, at(40_000)));
    assert_eq!(session.on_deadline(&RULES, at(40_000)).close, Some(CloseReason::TokenExpired));
}

#[test]
fn a_refresh_moves_the_expiry() {
    let mut session = session(Dialect::Campanile, Some(40_000));
    session.on_deadline(&RULES, at(10_000));
    let reaction = session.on_text(r#"{"type":"refresh","token":"t","ref":1}"#, &RULES, at(11_000));
    let Then::Refresh { token, reference } = reaction.then else { panic!("{reaction:?}") };
    assert_eq!(token, "t");
    let frame = session.refreshed(Some(at(100_000)), at(11_000), reference.as_deref());
    assert_eq!(
        frame.as_deref(),
        Some(r#"{"type":"refreshed","data":{"expires_in_s":89},"ref":1}"#)
    );
    session.heard(at(41_000));
    let due = session.on_deadline(&RULES, at(41_000));
    assert_eq!((due.close, due.say), (None, None));
    assert_eq!(session.deadline(&RULES), at(53_946));
}

#[test]
fn a_stream_gets_a_comment_every_15_seconds_and_owes_no_answer() {
    let mut session = session(Dialect::Sse, None);
    let mut pings = Vec::new();
    for _ in 0..100 {
        let now = session.deadline(&RULES);
        let due = session.on_deadline(&RULES, now);
        assert_eq!((due.ping, due.close), (true, None));
        pings.push(now.millis());
    }
    assert!(pings[0] < 15_000);
    assert!(pings.windows(2).all(|pair| pair[1] - pair[0] == 15_000), "{pings:?}");
}
