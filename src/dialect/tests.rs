use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::notification::{MissingId, Target, UserId};

fn notification(payload: &str) -> Notification {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    Notification::parse(payload.as_bytes(), Target::User("42"), MissingId::Fresh, now, 4096)
        .unwrap()
}

fn written(form: Form, payload: &str) -> Value {
    let mut out = String::new();
    form.write(&notification(payload), None, None, &mut out);
    serde_json::from_str(&out).unwrap()
}

const SENT: &str =
    r#"{"id":"a","type":"t","timestamp":"2026-01-02T03:04:05Z","user_id":"42","room_id":7}"#;

#[test]
fn bare_is_the_object_itself() {
    let mut out = String::new();
    Form::Bare.write(&notification(SENT), None, None, &mut out);
    assert_eq!(out, SENT);
}

#[test]
fn the_envelope_adds_the_messaging_apps_names() {
    assert_eq!(
        written(Form::Envelope, SENT),
        json!({"type":"notification","data":{"notification_id":"a","notification_type":"t","id":"a",
            "type":"t","timestamp":"2026-01-02T03:04:05Z","user_id":"42","room_id":7}})
    );
}

#[test]
fn the_envelopes_names_agree_with_the_canonical_ones() {
    let value = written(
        Form::Envelope,
        r#"{"id":1,"notification_id":2,"type":"a","notification_type":"b","user_id":42,"x":[]}"#,
    );
    let data = &value["data"];
    assert_eq!((&data["notification_id"], &data["notification_type"]), (&json!("1"), &json!("a")));
    assert_eq!(data["x"], json!([]));
}

#[test]
fn commands_are_read_with_their_reference() {
    let cases = [
        (r#"{"type":"ping"}"#, Command::Ping, None),
        (r#"{"type":"ping","ref":[1]}"#, Command::Ping, Some("[1]")),
        (
            r#"{"type":"mark_read","notification_id":"n"}"#,
            Command::MarkRead { id: "n".into() },
            None,
        ),
        (r#"{"type":"mark_read","notification_id":5}"#, Command::MarkRead { id: "5".into() }, None),
        (r#"{"type":"refresh","token":"t"}"#, Command::Refresh { token: "t".into() }, None),
    ];
    for (text, command, reference) in cases {
        let request = Dialect::Envelope.read(text).unwrap().unwrap();
        assert_eq!(request.command, command, "{text}");
        assert_eq!(request.reference.as_ref().map(|r| r.get()), reference, "{text}");
    }
    assert!(Dialect::Bare.read("anything").unwrap().is_none());
}

#[test]
fn bad_commands_say_what_is_wrong() {
    let cases = [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_fields"),
        ("{}", "bad_fields"),
        (r#"{"type":7}"#, "bad_fields"),
        (r#"{"type":"dance"}"#, "unknown_type"),
        (r#"{"type":"mark_read"}"#, "bad_fields"),
        (r#"{"type":"mark_read","notification_id":{}}"#, "bad_fields"),
        (r#"{"type":"list","limit":-1}"#, "bad_fields"),
    ];
    for (text, code) in cases {
        assert_eq!(Request::read(text).unwrap_err().code, code, "{text}");
    }
}

#[test]
fn messages_look_as_documented() {
    let reference = serde_json::value::RawValue::from_string("7".into()).unwrap();
    let user = UserId::new("42").unwrap();
    let cases = [
        (Message::Pong { reference: None }, json!({"type":"pong"})),
        (Message::Pong { reference: Some(&reference) }, json!({"type":"pong","ref":7})),
        (
            Message::Error { code: "c", text: "say \"why\"", reference: Some(&reference) },
            json!({"type":"error","data":{"code":"c","message":"say \"why\""},"ref":7}),
        ),
        (
            Message::Connected {
                connection_id: "1-2",
                user: &user,
                ping_interval: Duration::from_secs(54),
                inbox: None,
                recovered: None,
                replayed: 0,
            },
            json!({"type":"connected","data":{"connection_id":"1-2","user_id":"42","ping_interval":54.0,
                "recovered":null,"replayed":0}}),
        ),
        (
            Message::Connected {
                connection_id: "1-2",
                user: &user,
                ping_interval: Duration::from_secs(54),
                inbox: Some((Cursor { position: 7, at: 99 }, Count { unread: 3, version: 5 })),
                recovered: Some(true),
                replayed: 2,
            },
            json!({"type":"connected","data":{"connection_id":"1-2","user_id":"42","ping_interval":54.0,
                "cursor":"7-99","unread_count":3,"version":5,"recovered":true,"replayed":2}}),
        ),
        (
            Message::TokenExpiring { left: Duration::from_secs(30) },
            json!({"type":"token_expiring","data":{"in_s":30}}),
        ),
        (
            Message::Reconnect { after: Duration::from_millis(1500), reason: "restarting" },
            json!({"type":"reconnect","data":{"after_ms":1500,"reason":"restarting"}}),
        ),
    ];
    for (message, want) in cases {
        let frame = Dialect::Campanile.write(&message).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&frame).unwrap(), want);
        assert_eq!(Dialect::Bare.write(&message), None);
        assert_eq!(Dialect::Envelope.write(&message).is_none(), message.needs_subprotocol());
    }
}

fn stream(form: Form, payload: &str, cursor: Option<Cursor>) -> String {
    let mut out = String::new();
    form.write(&notification(payload), cursor, None, &mut out);
    out
}

#[test]
fn an_events_id_is_its_cursor_and_its_data_that_of_the_envelope() {
    let cursor = Cursor { position: 7, at: 99 };
    let text = stream(Form::Sse, SENT, Some(cursor));
    let data = text.strip_prefix("id: 7-99\nevent: notification\ndata: ").unwrap();
    let mut envelope = String::new();
    Form::Envelope.write(&notification(SENT), Some(cursor), None, &mut envelope);
    let envelope: Value = serde_json::from_str(&envelope).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap(), envelope["data"]);
    assert!(data.ends_with("}\n\n"));
    assert!(stream(Form::Sse, SENT, None).starts_with("event: notification\ndata: {"));
}

#[test]
fn no_payload_can_break_out_of_its_event() {
    let sent = "{\"id\":\"a\",\r\n\"title\":\"x\\n\\ndata: y\",\r \"z\":[1,\n\n2]}";
    let text = stream(Form::Sse, sent, None);
    assert_eq!(text.matches('\n').count(), 3, "{text}");
    assert!(!text.contains('\r'));
    let data: Value = serde_json::from_str(text.lines().nth(1).unwrap().get(6..).unwrap()).unwrap();
    assert_eq!((&data["title"], &data["z"]), (&json!("x\n\ndata: y"), &json!([1, 2])));
}

#[test]
fn a_stream_is_told_what_it_needs_to_come_back() {
    let user = UserId::new("42").unwrap();
    let connected = |replayed| Message::Connected {
        connection_id: "1-2",
        user: &user,
        ping_interval: Duration::from_secs(15),
        inbox: Some((Cursor { position: 7, at: 99 }, Count { unread: 3, version: 5 })),
        recovered: None,
        replayed,
    };
    let said = |message| Dialect::Sse.write(&message).unwrap();
    assert!(said(connected(0)).starts_with("retry: 1000\nid: 7-99\nevent: connected\ndata: {"));
    assert!(said(connected(2)).starts_with("retry: 1000\nevent: connected\ndata: {"));
    let after = Duration::from_millis(1500);
    assert_eq!(said(Message::Reconnect { after, reason: "restarting" }), "retry: 1500\n\n");
    assert_eq!(
        Dialect::Sse.farewell(1012, "restarting", true).unwrap(),
        "event: close\ndata: {\"code\":1012,\"reason\":\"restarting\",\"reconnect\":true}\n\n"
    );
    let count = Count { unread: 3, version: 5 };
    assert_eq!(
        Form::Sse.write_count(count, Some(Cursor { position: 7, at: 99 })).unwrap(),
        "id: 7-99\nevent: unread_count\ndata: {\"count\":3,\"cursor\":\"7-99\",\"version\":5}\n\n"
    );
}

#[test]
fn a_socketio_notification_has_what_ulens_pages_read() {
    let mut out = String::new();
    let sent =
        r#"{"id":7,"title":"Paid","sentAt":"2026-01-02T03:04:05Z","userId":"42","readAt":null}"#;
    Form::SocketIo.write(&notification(sent), None, None, &mut out);
    let text = out;
    let event: Value =
        serde_json::from_str(text.strip_prefix("42/ws,").expect("an event in /ws")).unwrap();
    assert_eq!(event[0], "NEW_NOTIFICATION");
    assert_eq!(
        event[1],
        json!({"id":7,"type":"info","title":"Paid","message":"Paid","readAt":null,"userId":"42","user_id":"42",
            "sentAt":"2026-01-02T03:04:05Z","timestamp":"2026-01-02T03:04:05Z"})
    );
    assert_eq!(text.matches("readAt").count(), 1, "{text}");
}

#[test]
fn a_socketio_notification_fills_in_message_sent_at_and_read_at() {
    let data = |sent: &str, read: Option<bool>| {
        let mut out = String::new();
        Form::SocketIoRoot.write(&notification(sent), None, read, &mut out);
        let text = out;
        let event: Value = serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap();
        event[1].clone()
    };
    let plain = data(r#"{"id":"a","message":"m"}"#, None);
    assert_eq!((&plain["message"], &plain["readAt"]), (&json!("m"), &Value::Null));
    assert_eq!(plain["sentAt"], plain["timestamp"]);
    let read = data(r#"{"id":"a"}"#, Some(true));
    assert_eq!((&read["message"], &read["readAt"]), (&json!(""), &read["timestamp"]));
    let twice = data(r#"{"id":"a","message":"m","message":"n","x":[1]}"#, None);
    assert_eq!((&twice["message"], &twice["x"]), (&json!("n"), &json!([1])));
}

#[test]
fn a_socketio_client_is_told_of_its_inbox_by_events() {
    let count = Count { unread: 3, version: 5 };
    assert_eq!(
        Form::SocketIo.write_count(count, None).unwrap(),
        r#"42/ws,["UNREAD_COUNT",{"count":3,"version":5}]"#
    );
    let change = Message::Update { id: Some("7"), status: "read" };
    assert_eq!(
        Form::SocketIoRoot.write_change(&change).unwrap(),
        r#"42["NOTIFICATION_UPDATE",{"id":"7","status":"read"}]"#
    );
}
