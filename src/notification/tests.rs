use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-02T03:04:05.678Z";

fn parse(payload: &str, target: Target<'_>) -> Result<Notification, Invalid> {
    let missing = MissingId::Derived { channel: "user:42:notifications" };
    Notification::parse(payload.as_bytes(), target, missing, NOW.parse().unwrap(), 1024)
}

fn filled(payload: &str) -> Value {
    serde_json::from_str(parse(payload, Target::User("42")).unwrap().body()).unwrap()
}

#[test]
fn a_complete_notification_passes_byte_for_byte() {
    let text =
        r#"{ "id":7, "type":"x","timestamp":"2024-01-15T10:30:00Z" ,"user_id":"42","n":1.0e2}"#;
    let parsed = parse(&format!("  {text}\n"), Target::User("42")).unwrap();
    assert_eq!(parsed.body(), text);
    assert_eq!((parsed.id_json(), parsed.kind_json()), ("7", "\"x\""));
}

#[test]
fn what_is_missing_is_filled_in_and_the_rest_keeps_its_text() {
    let parsed = parse(r#"{"big":123456789012345678901234567890}"#, Target::User("42")).unwrap();
    assert!(
        parsed.body().ends_with(r#","big":123456789012345678901234567890}"#),
        "{}",
        parsed.body()
    );
    let value = filled("{}");
    assert_eq!(value["type"], "info");
    assert_eq!(value["timestamp"], NOW);
    assert_eq!(value["user_id"], "42");
    assert_eq!(value["id"], filled("{}")["id"], "every replica derives the same id");
    assert_ne!(value["id"], filled(r#"{"a":1}"#)["id"]);
}

#[test]
fn aliases_fill_the_canonical_names_and_stay() {
    let value = filled(
        r#"{"userId":42,"notificationId":9,"eventType":"paid","sentAt":"2024-01-15T10:30:00+02:00"}"#,
    );
    let want = json!({"id":9,"type":"paid","timestamp":"2024-01-15T10:30:00+02:00","user_id":"42",
        "userId":42,"notificationId":9,"eventType":"paid","sentAt":"2024-01-15T10:30:00+02:00"});
    assert_eq!(value, want);
}

#[test]
fn a_null_or_unusable_field_counts_as_missing() {
    let value =
        filled(r#"{"id":null,"type":5,"timestamp":null,"user_id":null,"notification_id":"n1"}"#);
    assert_eq!(
        value,
        json!({"id":"n1","type":"info","timestamp":NOW,"user_id":"42","notification_id":"n1"})
    );
    let text = parse(r#"{"id":null,"a":1}"#, Target::User("42")).unwrap().body().to_owned();
    assert_eq!(text.matches("\"id\"").count(), 1, "{text}");
}

#[test]
fn an_address_is_mapped_from_its_alias_and_never_made_up() {
    assert_eq!(filled(r#"{"userEmail":"a@b.example"}"#)["user_email"], "a@b.example");
    let both = filled(r#"{"userEmail":"a@b.example","user_email":"c@d.example"}"#);
    assert_eq!(both["user_email"], "c@d.example");
    let value = filled(r#"{"user_email":null,"userEmail":"a@b.example"}"#);
    assert_eq!(value["user_email"], "a@b.example");
    for without in ["{}", r#"{"userEmail":7}"#, r#"{"userEmail":""}"#] {
        assert_eq!(filled(without).get("user_email"), None, "{without}");
    }
    assert_eq!(filled(r#"{"user_email":null}"#)["user_email"], Value::Null);
}

#[test]
fn invalid_payloads_are_refused_with_their_reason() {
    let user = Target::User("42");
    let cases = [
        ("", user, "not_an_object"),
        ("[]", user, "not_an_object"),
        ("{} {}", user, "not_an_object"),
        ("{\"a\":}", user, "not_an_object"),
        ("\"text\"", user, "not_an_object"),
        (r#"{"user_id":"43"}"#, user, "wrong_user"),
        (r#"{"userId":43}"#, user, "wrong_user"),
        (r#"{"user_id":"42","userId":"43"}"#, user, "wrong_user"),
        (r#"{"user_id":"42"}"#, Target::Broadcast, "wrong_user"),
        ("{}", Target::User(""), "user_id"),
        ("{}", Target::User("a\u{7}b"), "user_id"),
    ];
    for (payload, target, reason) in cases {
        assert_eq!(parse(payload, target).unwrap_err().label(), reason, "{payload}");
    }
    let long = "x".repeat(257);
    assert_eq!(parse("{}", Target::User(&long)).unwrap_err().label(), "user_id");
    let big = format!("{{\"a\":\"{}\"}}", "x".repeat(1024));
    assert_eq!(parse(&big, user).unwrap_err().label(), "too_large");
    let not_utf8 = Notification::parse(
        b"{\"a\":\"\xff\"}",
        user,
        MissingId::Fresh,
        NOW.parse().unwrap(),
        1024,
    );
    assert_eq!(not_utf8.unwrap_err(), Invalid::NotAnObject);
}

#[test]
fn deep_nesting_neither_overflows_nor_fails() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    parse(&deep, Target::User("42")).unwrap();
}

proptest! {
    #[test]
    fn random_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let now = NOW.parse().unwrap();
        Notification::parse(&payload, Target::User("42"), MissingId::Fresh, now, 256).ok();
    }

    #[test]
    fn any_object_keeps_its_fields_and_gains_the_known_ones(
        fields in proptest::collection::btree_map("[a-z_]{1,8}", "\\PC{0,12}", 0..6),
    ) {
        let payload = serde_json::to_string(&fields).unwrap();
        if let Ok(parsed) = parse(&payload, Target::User("42")) {
            let value: Value = serde_json::from_str(parsed.body()).unwrap();
            for (name, text) in &fields {
                if !["id", "type", "timestamp", "user_id", "user_email"].contains(&name.as_str()) {
                    prop_assert_eq!(&value[name], text);
                }
            }
            for name in ["id", "type", "timestamp", "user_id"] {
                prop_assert!(!value[name].is_null());
            }
        }
    }
}
