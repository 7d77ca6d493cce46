use std::time::Duration;

use super::super::*;
use super::{STRONG, args, problems, read};

#[test]
fn all_problems_are_reported_at_once() {
    let found = problems(&[
        ("CAMPANILE_LISTEN", "here"),
        ("CAMPANILE_REDIS_URL", "tcp://cache"),
        ("CAMPANILE_CHANNEL", "notifications"),
        ("CAMPANILE_JWT_SECRET", ","),
        ("CAMPANILE_JWT_LEEWAY", "5"),
        ("CAMPANILE_ALLOWED_ORIGINS", "example.com"),
        ("CAMPANILE_SEND_QUEUE", "0"),
        ("CAMPANILE_PING_INTERVAL", "soon"),
        ("CAMPANILE_DRAIN_DELAY", "5"),
        ("CAMPANILE_DRAIN_WINDOW", "20"),
        ("CAMPANILE_LOG_FORMAT", "yaml"),
    ]);
    assert_eq!(found.len(), 11, "{found:#?}");
}

#[test]
fn problems_display_as_one_line_each_under_their_number() {
    let problems = read(&[("CAMPANILE_WORKERS", "0"), ("CAMPANILE_QUERY_TOKEN", "1")]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "2 problems in the configuration\n  \
         --workers (CAMPANILE_WORKERS): \"0\" is out of range; \
         allowed: a whole number from 1 to 1024; example: 4\n  \
         --query-token (CAMPANILE_QUERY_TOKEN): \"1\" is neither true nor false; \
         allowed: true or false; example: false"
    );
}

#[test]
fn options_that_contradict_each_other_are_problems() {
    let file = "Cargo.toml";
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[("CAMPANILE_LISTEN", "0.0.0.0:9090")], "CAMPANILE_OPS_LISTEN"),
        (&[("CAMPANILE_LISTEN", "127.0.0.1:9090")], "CAMPANILE_OPS_LISTEN"),
        (
            &[("CAMPANILE_CHANNEL", "{user_id}:notifications")],
            "\"broadcast:notifications\" is also the channel of the user \"broadcast\"",
        ),
        (&[("CAMPANILE_PING_INTERVAL", "60s")], "CAMPANILE_PONG_TIMEOUT"),
        (
            &[("CAMPANILE_TOKEN_COOKIE", "token"), ("CAMPANILE_ALLOWED_ORIGINS", "*")],
            "CAMPANILE_TOKEN_COOKIE",
        ),
        (&[("CAMPANILE_REDIS_CA_FILE", file)], "not a rediss… address"),
        (
            &[("CAMPANILE_REDIS_CA_FILE", file), ("CAMPANILE_REDIS_URL", "redis://cache")],
            "not a rediss… address",
        ),
        (
            &[("CAMPANILE_REDIS_CERT_FILE", file), ("CAMPANILE_REDIS_URL", "rediss://cache")],
            "--redis-key-file (CAMPANILE_REDIS_KEY_FILE): it is missing",
        ),
        (
            &[("CAMPANILE_REDIS_KEY_FILE", file), ("CAMPANILE_REDIS_URL", "rediss://cache")],
            "--redis-cert-file (CAMPANILE_REDIS_CERT_FILE): it is missing",
        ),
    ];
    for (variables, text) in table {
        let found = problems(variables);
        assert_eq!(found.len(), 1, "{variables:?}: {found:#?}");
        assert!(found[0].contains(text), "{variables:?}: {found:#?}");
    }
}

#[test]
fn sharded_pub_sub_wants_a_cluster_and_the_user_as_hash_tag() {
    let sharded = ("CAMPANILE_PUBSUB", "sharded");
    let cluster = ("CAMPANILE_REDIS_URL", "redis+cluster://cache");
    let tagged = ("CAMPANILE_CHANNEL", "user:{{user_id}}:notifications");
    assert_eq!(read(&[sharded, cluster, tagged]).unwrap().0.redis.pubsub, PubSub::Sharded);
    for address in ["redis://cache", "redis+sentinel://cache/m"] {
        let found = problems(&[sharded, ("CAMPANILE_REDIS_URL", address), tagged]);
        assert!(found[0].contains("(CAMPANILE_PUBSUB)") && found.len() == 1, "{found:?}");
    }
    for channel in ["user:{user_id}:n", "{a}:{{user_id}}", "user:{{user_id}", "{:{{user_id}}"] {
        let found = problems(&[sharded, cluster, ("CAMPANILE_CHANNEL", channel)]);
        assert!(found[0].contains("is not the user") && found.len() == 1, "{channel}: {found:?}");
    }
}

#[test]
fn mail_wants_a_sender_and_an_inbox() {
    let server = ("CAMPANILE_SMTP_URL", "smtp://u:p@relay?tls=required");
    let from = ("CAMPANILE_MAIL_FROM", "Bell <bell@app.example.com>");
    let found = problems(&[server]);
    assert!(found[0].contains("(CAMPANILE_MAIL_FROM): it is missing"), "{found:?}");
    let none = ("CAMPANILE_INBOX_SIZE", "0");
    for (variables, name) in [
        (vec![server, from, none], "(CAMPANILE_SMTP_URL)"),
        (vec![("CAMPANILE_MAIL_AFTER", "1m"), none], "(CAMPANILE_MAIL_AFTER)"),
    ] {
        let found = problems(&variables);
        assert!(found[0].contains(name) && found[0].contains("INBOX_SIZE"), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    }
    let unsubscribe = "https://app.example.com/u/{user_id}";
    let (config, warnings) = read(&[
        server,
        from,
        ("CAMPANILE_SMTP_TIMEOUT", "2s"),
        ("CAMPANILE_MAIL_AFTER", "1h"),
        ("CAMPANILE_MAIL_PER_SECOND", "3"),
        ("CAMPANILE_MAIL_GIVE_UP", "2d"),
        ("CAMPANILE_MAIL_UNSUBSCRIBE", unsubscribe),
    ])
    .unwrap();
    assert_eq!(warnings, []);
    let sender = config.mail.sender.unwrap();
    assert_eq!(sender.server.to_string(), "relay:587");
    assert_eq!(sender.from.to_string(), "Bell <bell@app.example.com>");
    assert_eq!((sender.timeout, sender.per_second), (Duration::from_secs(2), 3));
    assert_eq!(sender.give_up, Duration::from_hours(48));
    assert_eq!(sender.unsubscribe.as_deref(), Some(unsubscribe));
    assert_eq!(config.mail.after, Some(Duration::from_hours(1)));

    let plain = ("CAMPANILE_SMTP_URL", "smtp://u:p@relay");
    let warnings = read(&[plain, from]).unwrap().1;
    assert!(warnings[0].to_string().contains("travels unencrypted"), "{warnings:?}");
}

#[test]
fn the_socket_io_adapter_wants_a_redis_whose_one_link_hears_it_all() {
    let [classic, sharded] =
        ["classic", "sharded"].map(|kind| ("CAMPANILE_SOCKETIO_ADAPTER", kind));
    let at = |url| ("CAMPANILE_REDIS_URL", url);
    let cluster = at("redis+cluster://cache");
    for url in ["redis://cache", "redis+sentinel://cache/m"] {
        let kind = |variable| read(&[variable, at(url)]).unwrap().0.socketio_adapter;
        assert_eq!(kind(classic), SocketIoAdapter::Classic);
        assert_eq!(kind(sharded), SocketIoAdapter::Sharded);
    }
    assert!(read(&[classic, cluster]).is_ok());
    let (pubsub, tagged) =
        (("CAMPANILE_PUBSUB", "sharded"), ("CAMPANILE_CHANNEL", "user:{{user_id}}:n"));
    for (variables, text) in [
        (&[classic][..], "there is no Redis"),
        (&[sharded, cluster], "is the address of a cluster"),
        (&[classic, cluster, pubsub, tagged], "together with --pubsub (CAMPANILE_PUBSUB) sharded"),
        (&[sharded, cluster, pubsub, tagged], "together with --pubsub (CAMPANILE_PUBSUB) sharded"),
    ] {
        let found = problems(variables);
        assert!(found[0].contains(text) && found.len() == 1, "{variables:?}: {found:#?}");
        assert!(
            found[0].contains("--socketio-adapter (CAMPANILE_SOCKETIO_ADAPTER): "),
            "{found:?}"
        );
    }
}

#[test]
fn listeners_may_share_an_address_or_a_port_but_not_both() {
    for (public, ops) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.1:8080", "127.0.0.2:8080"),
        ("0.0.0.0:8080", "0.0.0.0:8081"),
    ] {
        let variables = [("CAMPANILE_LISTEN", public), ("CAMPANILE_OPS_LISTEN", ops)];
        assert!(read(&variables).is_ok(), "{public} {ops}");
    }
}

#[test]
fn a_client_certificate_is_accepted_with_tls() {
    let (config, _) = read(&[
        ("CAMPANILE_REDIS_URL", "rediss://cache"),
        ("CAMPANILE_REDIS_CA_FILE", "Cargo.toml"),
        ("CAMPANILE_REDIS_CERT_FILE", "Cargo.toml"),
        ("CAMPANILE_REDIS_KEY_FILE", "Cargo.toml"),
    ])
    .unwrap();
    assert!(config.redis.ca_file.is_some());
    assert!(config.redis.cert_file.is_some());
    assert!(config.redis.key_file.is_some());
}

#[test]
fn a_cookie_is_accepted_with_named_origins() {
    let origins = ("CAMPANILE_ALLOWED_ORIGINS", "https://app.example.com");
    assert!(read(&[("CAMPANILE_TOKEN_COOKIE", "token"), origins]).is_ok());
}

#[test]
fn without_any_key_serve_refuses_and_demo_does_not() {
    let error = Config::from_args(&args(&[]), JwtKey::Required).unwrap_err();
    let text = error.to_string();
    for name in ["CAMPANILE_JWT_SECRET", "CAMPANILE_JWT_PUBLIC_KEY_FILE", "CAMPANILE_JWKS_URL"] {
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(error.iter().count(), 1);
    assert!(Config::from_args(&args(&[]), JwtKey::Optional).is_ok());
    for key in [
        ("CAMPANILE_JWT_SECRET", STRONG),
        ("CAMPANILE_JWT_PUBLIC_KEY_FILE", "Cargo.toml"),
        ("CAMPANILE_JWKS_URL", "https://id.example.com/jwks.json"),
        ("ACCESS_SECRET_KEY", STRONG),
    ] {
        assert!(Config::from_args(&args(&[key]), JwtKey::Required).is_ok(), "{key:?}");
    }
}

#[test]
fn access_secret_key_stands_in_for_the_jwt_secret_and_is_named_in_its_problems() {
    let alias = ("ACCESS_SECRET_KEY", STRONG);
    let (config, warnings) = Config::from_args(&args(&[alias]), JwtKey::Required).unwrap();
    assert_eq!(config.auth.secrets, [Secret::new(STRONG)]);
    assert_eq!(warnings, []);

    let both = args(&[alias, ("CAMPANILE_JWT_SECRET", "another-secret-of-32-bytes-or-so")]);
    let (config, warnings) = Config::from_args(&both, JwtKey::Required).unwrap();
    assert_eq!(config.auth.secrets, [Secret::new("another-secret-of-32-bytes-or-so")]);
    assert!(warnings[0].to_string().contains("ACCESS_SECRET_KEY is set to another value"));

    let empty = args(&[("ACCESS_SECRET_KEY", "")]);
    let error = Config::from_args(&empty, JwtKey::Required).unwrap_err();
    assert!(error.to_string().contains("(ACCESS_SECRET_KEY): it is empty"), "{error}");
}
