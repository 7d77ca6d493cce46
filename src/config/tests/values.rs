use std::collections::BTreeSet;
use std::time::Duration;

use super::super::*;
use super::{args, command, problems, read, warnings};

#[test]
fn every_default_is_the_documented_one() {
    let (config, warnings) = Config::from_args(&args(&[]), JwtKey::Optional).unwrap();
    assert_eq!(warnings, []);

    assert_eq!(config.listen.public.to_string(), "0.0.0.0:8080");
    assert_eq!(config.listen.ops.to_string(), "0.0.0.0:9090");
    assert_eq!(config.listen.workers, std::thread::available_parallelism().unwrap().get());

    assert_eq!(config.redis.url, None);
    assert_eq!(config.redis.ca_file, None);
    assert_eq!(config.redis.cert_file, None);
    assert_eq!(config.redis.key_file, None);
    assert_eq!(config.redis.prefix, "campanile:");
    assert_eq!(config.redis.grace, Duration::from_secs(10));

    assert_eq!(config.channels.user, "user:{user_id}:notifications");
    assert_eq!(config.channels.broadcast, "broadcast:notifications");

    assert_eq!(config.socketio_adapter, SocketIoAdapter::Off);

    assert_eq!(config.auth.secrets, []);
    assert_eq!(config.auth.public_key_file, None);
    assert_eq!(config.auth.jwks_url, None);
    assert_eq!(config.auth.issuer, None);
    assert_eq!(config.auth.audience, None);
    assert_eq!(config.auth.leeway, Duration::from_secs(5));
    assert_eq!(config.auth.user_claim, None);
    assert!(config.auth.query_token);
    assert_eq!(config.auth.token_cookie, None);

    assert_eq!(config.publish.keys, []);
    assert_eq!(config.publish.max_payload_bytes, 65_536);
    assert_eq!(config.origins, Origins::SameHost);

    assert_eq!(config.keepalive.ping_interval, Duration::from_secs(54));
    assert_eq!(config.keepalive.pong_timeout, Duration::from_mins(1));
    assert_eq!(config.keepalive.write_timeout, Duration::from_secs(10));

    assert_eq!(config.limits.max_frame_bytes, None);
    assert_eq!(config.limits.send_queue, 256);
    assert_eq!(config.limits.send_queue_bytes, 262_144);
    assert_eq!(config.limits.max_connections, None);
    assert_eq!(config.limits.max_connections_per_user, Some(32));
    assert_eq!(config.limits.connections_per_ip_per_second, None);
    assert_eq!(config.limits.commands_per_second, Some(20));
    assert_eq!(config.limits.trusted_proxies, []);

    assert_eq!(config.inbox.size, 200);
    assert_eq!(config.inbox.ttl, Duration::from_hours(30 * 24));
    assert!(config.inbox.capture);

    assert_eq!(config.mail.after, None);
    assert!(config.mail.sender.is_none());
    let mail = read(&[SMTP, FROM]).unwrap().0.mail;
    let sender = mail.sender.unwrap();
    assert_eq!(mail.after, Some(Duration::from_mins(5)));
    assert_eq!((sender.timeout, sender.per_second), (Duration::from_secs(30), 10));
    assert_eq!((sender.give_up, sender.unsubscribe), (Duration::from_hours(24), None));
    assert!(config.amqp.is_none());
    let (with_queue, _) = read(&[AMQP]).unwrap();
    let amqp = with_queue.amqp.unwrap();
    assert_eq!((amqp.queue.as_str(), amqp.prefetch, amqp.ca_file), ("notifications", 256, None));
    assert_eq!(config.socketio.ping_interval, Duration::from_secs(25));
    assert_eq!(config.socketio.ping_timeout, Duration::from_secs(20));
    assert_eq!(config.socketio.auth_timeout, Duration::from_secs(10));
    assert_eq!(config.socketio.max_unauthenticated, 4096);
    assert_eq!(config.socketio.test_interval, Duration::ZERO);

    assert_eq!(config.drain.delay, Duration::from_secs(5));
    assert_eq!(config.drain.window, Duration::from_secs(20));
    assert_eq!(config.log.filter, "info");
    assert_eq!(config.log.format, LogFormat::Text);
}

const SMTP: (&str, &str) = ("CAMPANILE_SMTP_URL", "smtp://relay");
const FROM: (&str, &str) = ("CAMPANILE_MAIL_FROM", "a@b.example");
/// The queue's options show only with it.
const AMQP: (&str, &str) = ("CAMPANILE_AMQP_URL", "amqp://rabbitmq");

fn amqp(config: &Config) -> &Amqp {
    config.amqp.as_ref().unwrap()
}

type Good = (&'static str, &'static str, fn(&Config) -> String, &'static str);

#[rustfmt::skip]
const GOOD: &[Good] = &[
    ("CAMPANILE_LISTEN", "127.0.0.1:80", |c| c.listen.public.to_string(), "127.0.0.1:80"),
    ("CAMPANILE_LISTEN", " [::1]:0\n", |c| c.listen.public.to_string(), "[::1]:0"),
    ("CAMPANILE_OPS_LISTEN", "10.1.2.3:9000", |c| c.listen.ops.to_string(), "10.1.2.3:9000"),
    ("CAMPANILE_WORKERS", "3", |c| c.listen.workers.to_string(), "3"),
    ("CAMPANILE_REDIS_URL", "redis://cache", |c| exposed(c.redis.url.as_slice()), "redis://cache"),
    ("CAMPANILE_REDIS_URL", "rediss://u:p%2Fq@[::1]:6380/2\n", |c| exposed(c.redis.url.as_slice()), "rediss://u:p%2Fq@[::1]:6380/2"),
    ("CAMPANILE_REDIS_URL", "redis://:a,b@cache:6379/?protocol=resp3", |c| exposed(c.redis.url.as_slice()), "redis://:a,b@cache:6379/?protocol=resp3"),
    ("CAMPANILE_REDIS_URL", "redis+sentinel://u:p@a,b:1/m/2", |c| exposed(c.redis.url.as_slice()), "redis+sentinel://u:p@a,b:1/m/2"),
    ("CAMPANILE_REDIS_URL", "rediss+cluster://[::1]:7000,b/0", |c| exposed(c.redis.url.as_slice()), "rediss+cluster://[::1]:7000,b/0"),
    ("CAMPANILE_REDIS_PREFIX", "staging:", |c| c.redis.prefix.clone(), "staging:"),
    ("CAMPANILE_REDIS_GRACE", "0", |c| format!("{:?}", c.redis.grace), "0ns"),
    ("CAMPANILE_REDIS_GRACE", "1m 30s", |c| format!("{:?}", c.redis.grace), "90s"),
    ("CAMPANILE_PUBSUB", "classic", |c| format!("{:?}", c.redis.pubsub), "Classic"),
    ("CAMPANILE_SOCKETIO_ADAPTER", "off", |c| format!("{:?}", c.socketio_adapter), "Off"),
    ("CAMPANILE_CHANNEL", "user:{{user_id}}:notifications", |c| c.channels.user.clone(), "user:{{user_id}}:notifications"),
    ("CAMPANILE_BROADCAST_CHANNEL", "user::notifications", |c| c.channels.broadcast.clone(), "user::notifications"),
    ("CAMPANILE_JWT_SECRET", "first-secret-of-a-rotation,-second-secret-of-it", |c| exposed(&c.auth.secrets), "first-secret-of-a-rotation|-second-secret-of-it"),
    ("CAMPANILE_JWT_PUBLIC_KEY_FILE", "Cargo.toml", |c| format!("{:?}", c.auth.public_key_file), "Some(\"Cargo.toml\")"),
    ("CAMPANILE_JWKS_URL", "https://id.example.com/jwks.json?v=1", |c| format!("{:?}", c.auth.jwks_url), "Some(\"https://id.example.com/jwks.json?v=1\")"),
    ("CAMPANILE_JWT_ISSUER", "https://id.example.com/", |c| format!("{:?}", c.auth.issuer), "Some(\"https://id.example.com/\")"),
    ("CAMPANILE_JWT_AUDIENCE", "campanile", |c| format!("{:?}", c.auth.audience), "Some(\"campanile\")"),
    ("CAMPANILE_JWT_LEEWAY", "1m", |c| format!("{:?}", c.auth.leeway), "60s"),
    ("CAMPANILE_JWT_USER_CLAIM", "uid", |c| format!("{:?}", c.auth.user_claim), "Some(\"uid\")"),
    ("CAMPANILE_QUERY_TOKEN", "false", |c| c.auth.query_token.to_string(), "false"),
    ("CAMPANILE_TOKEN_COOKIE", "__Host-token", |c| format!("{:?}", c.auth.token_cookie), "Some(\"__Host-token\")"),
    ("CAMPANILE_PUBLISH_KEYS", "0123456789abcdef0,0123456789abcdef1", |c| exposed(&c.publish.keys), "0123456789abcdef0|0123456789abcdef1"),
    ("CAMPANILE_MAX_PAYLOAD_BYTES", "128KiB", |c| c.publish.max_payload_bytes.to_string(), "131072"),
    ("CAMPANILE_ALLOWED_ORIGINS", "*", |c| format!("{:?}", c.origins), "Any"),
    ("CAMPANILE_ALLOWED_ORIGINS", "HTTPS://App.Example.com:443/, http://localhost:3000", |c| format!("{:?}", c.origins), r#"List(["https://app.example.com", "http://localhost:3000"])"#),
    ("CAMPANILE_ALLOWED_ORIGINS", "capacitor://localhost,http://[::1]:80", |c| format!("{:?}", c.origins), r#"List(["capacitor://localhost", "http://[::1]"])"#),
    ("CAMPANILE_PING_INTERVAL", "100ms", |c| format!("{:?}", c.keepalive.ping_interval), "100ms"),
    ("CAMPANILE_PONG_TIMEOUT", "2m", |c| format!("{:?}", c.keepalive.pong_timeout), "120s"),
    ("CAMPANILE_WRITE_TIMEOUT", "1s", |c| format!("{:?}", c.keepalive.write_timeout), "1s"),
    ("CAMPANILE_MAX_FRAME_BYTES", "1MiB", |c| format!("{:?}", c.limits.max_frame_bytes), "Some(1048576)"),
    ("CAMPANILE_SEND_QUEUE", "1", |c| c.limits.send_queue.to_string(), "1"),
    ("CAMPANILE_SEND_QUEUE_BYTES", "1024MiB", |c| c.limits.send_queue_bytes.to_string(), "1073741824"),
    ("CAMPANILE_MAX_CONNECTIONS", "50000", |c| format!("{:?}", c.limits.max_connections), "Some(50000)"),
    ("CAMPANILE_MAX_CONNECTIONS", "0", |c| format!("{:?}", c.limits.max_connections), "None"),
    ("CAMPANILE_MAX_CONNECTIONS_PER_USER", "0", |c| format!("{:?}", c.limits.max_connections_per_user), "None"),
    ("CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND", "5", |c| format!("{:?}", c.limits.connections_per_ip_per_second), "Some(5)"),
    ("CAMPANILE_COMMANDS_PER_SECOND", "0", |c| format!("{:?}", c.limits.commands_per_second), "None"),
    ("CAMPANILE_TRUSTED_PROXIES", "10.0.0.0/8, ::1", |c| format!("{:?}", c.limits.trusted_proxies), "[10.0.0.0/8, ::1/128]"),
    ("CAMPANILE_INBOX_SIZE", "0", |c| c.inbox.size.to_string(), "0"),
    ("CAMPANILE_INBOX_TTL", "7d", |c| format!("{:?}", c.inbox.ttl), "604800s"),
    ("CAMPANILE_CAPTURE", "false", |c| c.inbox.capture.to_string(), "false"),
    ("CAMPANILE_MAIL_AFTER", "90s", |c| format!("{:?}", c.mail.after), "Some(90s)"),
    ("CAMPANILE_MAIL_FROM", "a@b.example", |c| c.mail.sender.is_some().to_string(), "false"),
    ("CAMPANILE_SOCKETIO_PING_INTERVAL", "100ms", |c| format!("{:?}", c.socketio.ping_interval), "100ms"),
    ("CAMPANILE_SOCKETIO_PING_TIMEOUT", "5s", |c| format!("{:?}", c.socketio.ping_timeout), "5s"),
    ("CAMPANILE_SOCKETIO_AUTH_TIMEOUT", "1m", |c| format!("{:?}", c.socketio.auth_timeout), "60s"),
    ("CAMPANILE_SOCKETIO_MAX_UNAUTHENTICATED", "1", |c| c.socketio.max_unauthenticated.to_string(), "1"),
    ("CAMPANILE_TEST_NOTIFICATION_INTERVAL", "60s", |c| format!("{:?}", c.socketio.test_interval), "60s"),
    ("CAMPANILE_DRAIN_DELAY", "0", |c| format!("{:?}", c.drain.delay), "0ns"),
    ("CAMPANILE_DRAIN_DELAY", "0s", |c| format!("{:?}", c.drain.delay), "0ns"),
    ("CAMPANILE_DRAIN_WINDOW", "365d", |c| format!("{:?}", c.drain.window), "31536000s"),
    ("CAMPANILE_AMQP_URL", "amqp://a:p%2Fq@[::1]:5672/%2Fshop\n", |c| amqp(c).url.expose().to_owned(), "amqp://a:p%2Fq@[::1]:5672/%2Fshop"),
    ("CAMPANILE_AMQP_URL", "amqps://rabbitmq/", |c| amqp(c).url.expose().to_owned(), "amqps://rabbitmq/"),
    ("CAMPANILE_LOG", "warn,campanile::hub=debug", |c| c.log.filter.clone(), "warn,campanile::hub=debug"),
    ("CAMPANILE_LOG_FORMAT", "json", |c| format!("{:?}", c.log.format), "Json"),
];

#[rustfmt::skip]
const BAD: &[(&str, &str, &str)] = &[
    ("CAMPANILE_SOCKETIO_ADAPTER", "on", "is none of off, classic and sharded"),
    ("CAMPANILE_INBOX_SIZE", "10001", "is out of range"),
    ("CAMPANILE_INBOX_TTL", "0", "has no unit"),
    ("CAMPANILE_CAPTURE", "yes", "is neither true nor false"),
    ("CAMPANILE_LISTEN", "localhost:8080", "no IP address with a port"),
    ("CAMPANILE_LISTEN", ":8080", "no IP address with a port"),
    ("CAMPANILE_OPS_LISTEN", "0.0.0.0:99999", "no IP address with a port"),
    ("CAMPANILE_WORKERS", "0", "out of range"),
    ("CAMPANILE_WORKERS", "many", "no whole number"),
    ("CAMPANILE_REDIS_URL", "", "is empty"),
    ("CAMPANILE_REDIS_URL", "cache:6379", "does not begin with redis://"),
    ("CAMPANILE_REDIS_URL", "http://cache", "does not begin with redis://"),
    ("CAMPANILE_REDIS_URL", "redis+sentinel://a:26379", "does not name the master"),
    ("CAMPANILE_REDIS_URL", "redis+sentinel://a/mymaster/x", "no database number"),
    ("CAMPANILE_REDIS_URL", "redis+sentinel://a,,b/mymaster", "no valid host and port"),
    ("CAMPANILE_REDIS_URL", "redis+sentinel://a/mymaster?password=x", "a parameter other than"),
    ("CAMPANILE_REDIS_URL", "redis+cluster://a,b/1", "a database other than 0"),
    ("CAMPANILE_REDIS_URL", "redis+cluster://a?x=y", "a parameter"),
    ("CAMPANILE_REDIS_URL", "redis://a:6379,b:6379", "several nodes"),
    ("CAMPANILE_REDIS_URL", "redis://", "no valid host and port"),
    ("CAMPANILE_REDIS_URL", "redis://cache:63790000", "no valid host and port"),
    ("CAMPANILE_REDIS_URL", "redis://:pa/ss@cache", "percent-encoded"),
    ("CAMPANILE_REDIS_URL", "redis://cache/orders", "no database number"),
    ("CAMPANILE_REDIS_URL", "rediss://cache#insecure", "has a #"),
    ("CAMPANILE_REDIS_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
    ("CAMPANILE_REDIS_CERT_FILE", "/nowhere/cert.pem", "cannot be read"),
    ("CAMPANILE_REDIS_KEY_FILE", "src", "cannot be read (is a directory)"),
    ("CAMPANILE_REDIS_PREFIX", "", "is empty"),
    ("CAMPANILE_REDIS_PREFIX", "my prefix:", "white space"),
    ("CAMPANILE_REDIS_PREFIX", "{x}:", "brace"),
    ("CAMPANILE_REDIS_GRACE", "10", "has no unit"),
    ("CAMPANILE_PUBSUB", "shared", "neither classic nor sharded"),
    ("CAMPANILE_PUBSUB", "sharded", "not the address of a cluster"),
    ("CAMPANILE_CHANNEL", "notifications", "does not contain {user_id}"),
    ("CAMPANILE_CHANNEL", "{user_id}:{user_id}", "more than once"),
    ("CAMPANILE_CHANNEL", "user {user_id}", "white space"),
    ("CAMPANILE_BROADCAST_CHANNEL", "a b", "white space"),
    ("CAMPANILE_JWT_SECRET", "", "is empty"),
    ("CAMPANILE_JWT_SECRET", "first-secret-of-a-rotation,", "empty member"),
    ("CAMPANILE_JWT_SECRET", " , ", "empty member"),
    ("CAMPANILE_JWT_PUBLIC_KEY_FILE", "/nowhere/key.pem", "cannot be read"),
    ("CAMPANILE_JWKS_URL", "id.example.com/jwks.json", "does not begin with https://"),
    ("CAMPANILE_JWKS_URL", "https:///jwks.json", "no valid host"),
    ("CAMPANILE_JWKS_URL", "https://user:pass@id.example.com/", "user or password"),
    ("CAMPANILE_JWT_ISSUER", "", "is empty"),
    ("CAMPANILE_JWT_AUDIENCE", "a\tb", "control characters"),
    ("CAMPANILE_JWT_LEEWAY", "5 parsecs", "no duration"),
    ("CAMPANILE_JWT_USER_CLAIM", " ", "is empty"),
    ("CAMPANILE_QUERY_TOKEN", "maybe", "neither true nor false"),
    ("CAMPANILE_TOKEN_COOKIE", "access token", "no cookie name"),
    ("CAMPANILE_PUBLISH_KEYS", "0123456789abcdef0,,", "empty member"),
    ("CAMPANILE_PUBLISH_KEYS", "0123456789abcdef0, 0123456789abcdef1", "white space"),
    ("CAMPANILE_MAX_PAYLOAD_BYTES", "1", "out of range"),
    ("CAMPANILE_MAX_PAYLOAD_BYTES", "64k", "no whole number"),
    ("CAMPANILE_ALLOWED_ORIGINS", "app.example.com", "no scheme"),
    ("CAMPANILE_ALLOWED_ORIGINS", "https://app.example.com/app", "more than scheme, host and port"),
    ("CAMPANILE_ALLOWED_ORIGINS", "https://*.example.com", "wildcard"),
    ("CAMPANILE_ALLOWED_ORIGINS", "*,https://app.example.com", "\"*\", which has no scheme"),
    ("CAMPANILE_ALLOWED_ORIGINS", "https://app.example.com,", "empty member"),
    ("CAMPANILE_ALLOWED_ORIGINS", "https://bücher.example", "xn--"),
    ("CAMPANILE_ALLOWED_ORIGINS", "null", "no scheme"),
    ("CAMPANILE_PING_INTERVAL", "0", "has no unit"),
    ("CAMPANILE_PING_INTERVAL", "0s", "out of range"),
    ("CAMPANILE_PONG_TIMEOUT", "54s", "longer than --ping-interval"),
    ("CAMPANILE_PONG_TIMEOUT", "forever", "no duration"),
    ("CAMPANILE_WRITE_TIMEOUT", "2years", "out of range"),
    ("CAMPANILE_MAX_FRAME_BYTES", "124", "out of range"),
    ("CAMPANILE_SEND_QUEUE", "0", "out of range"),
    ("CAMPANILE_SEND_QUEUE_BYTES", "99999999999999999999MiB", "out of range"),
    ("CAMPANILE_MAX_CONNECTIONS", "-1", "no whole number"),
    ("CAMPANILE_MAX_CONNECTIONS_PER_USER", "4294967296", "out of range"),
    ("CAMPANILE_CONNECTIONS_PER_IP_PER_SECOND", "1.5", "no whole number"),
    ("CAMPANILE_COMMANDS_PER_SECOND", "off", "no whole number"),
    ("CAMPANILE_TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/33", "\"10.0.0.0/33\", which is neither"),
    ("CAMPANILE_SMTP_URL", "relay:25", "does not begin with smtp://"),
    ("CAMPANILE_SMTP_URL", "smtp://", "no valid host and port"),
    ("CAMPANILE_SMTP_URL", "smtp://u:p/w@relay", "no valid host and port"),
    ("CAMPANILE_SMTP_URL", "smtp://u@relay", "user without a password"),
    ("CAMPANILE_SMTP_URL", "smtp://u:%zz@relay", "not percent-encoded UTF-8"),
    ("CAMPANILE_SMTP_URL", "smtp://relay?tls=yes", "parameter other than tls"),
    ("CAMPANILE_SMTP_URL", "smtps://relay?tls=required", "smtps takes none"),
    ("CAMPANILE_SMTP_URL", "smtp://relay/a b", "no name to say in EHLO"),
    ("CAMPANILE_SMTP_TIMEOUT", "30", "has no unit"),
    ("CAMPANILE_MAIL_FROM", "nobody", "is no mail address"),
    ("CAMPANILE_MAIL_FROM", "a@b.example\nBcc: c@d.example", "control characters"),
    ("CAMPANILE_MAIL_AFTER", "0", "has no unit"),
    ("CAMPANILE_MAIL_AFTER", "30d", "not shorter than --inbox-ttl"),
    ("CAMPANILE_MAIL_PER_SECOND", "0", "out of range"),
    ("CAMPANILE_MAIL_GIVE_UP", "never", "no duration"),
    ("CAMPANILE_MAIL_UNSUBSCRIBE", "http://app.example.com", "does not begin with https://"),
    ("CAMPANILE_MAIL_UNSUBSCRIBE", "mailto:a@b.example?subject=no more", "an address cannot have"),
    ("CAMPANILE_SOCKETIO_PING_INTERVAL", "25", "has no unit"),
    ("CAMPANILE_SOCKETIO_PING_TIMEOUT", "0s", "out of range"),
    ("CAMPANILE_SOCKETIO_AUTH_TIMEOUT", "soon", "no duration"),
    ("CAMPANILE_SOCKETIO_MAX_UNAUTHENTICATED", "0", "out of range"),
    ("CAMPANILE_TEST_NOTIFICATION_INTERVAL", "60", "has no unit"),
    ("CAMPANILE_DRAIN_DELAY", "-5s", "no duration"),
    ("CAMPANILE_DRAIN_WINDOW", "20", "has no unit"),
    ("CAMPANILE_AMQP_URL", "", "is empty"),
    ("CAMPANILE_AMQP_URL", "rabbitmq:5672", "does not begin with amqp://"),
    ("CAMPANILE_AMQP_URL", "amqp://a,b", "several servers"),
    ("CAMPANILE_AMQP_URL", "amqp://:pa/ss@rabbitmq", "percent-encoded"),
    ("CAMPANILE_AMQP_URL", "amqp://rabbitmq/a/b", "several parts"),
    ("CAMPANILE_AMQP_URL", "amqp://rabbitmq?heartbeat=5", "has a ?"),
    ("CAMPANILE_AMQP_CA_FILE", "/nowhere/ca.pem", "cannot be read"),
    ("CAMPANILE_AMQP_CA_FILE", "Cargo.toml", "not an amqps:// address"),
    ("CAMPANILE_AMQP_QUEUE", "", "is empty"),
    ("CAMPANILE_AMQP_QUEUE", "amq.gen", "belongs to RabbitMQ"),
    ("CAMPANILE_AMQP_PREFETCH", "0", "out of range"),
    ("CAMPANILE_LOG", "info,=", "no filter"),
    ("CAMPANILE_LOG_FORMAT", "yaml", "no log format"),
];

fn exposed(secrets: &[Secret]) -> String {
    secrets.iter().map(Secret::expose).collect::<Vec<_>>().join("|")
}

#[test]
fn good_values_are_read() {
    for (variable, value, field, expected) in GOOD {
        let (config, _) = read(&[(variable, value)]).unwrap();
        assert_eq!(&field(&config), expected, "{variable}={value}");
    }
}

#[test]
fn options_of_the_queue_are_read_with_its_address() {
    let (config, _) = read(&[
        ("CAMPANILE_AMQP_URL", "amqps://rabbitmq"),
        ("CAMPANILE_AMQP_CA_FILE", "Cargo.toml"),
        ("CAMPANILE_AMQP_QUEUE", "gateway queue"),
        ("CAMPANILE_AMQP_PREFETCH", "10000"),
    ])
    .unwrap();
    let Amqp { ca_file, queue, prefetch, .. } = config.amqp.unwrap();
    assert_eq!((ca_file.unwrap().to_str(), queue.as_str()), (Some("Cargo.toml"), "gateway queue"));
    assert_eq!(prefetch, 10_000);
}

#[test]
fn bad_values_are_named_with_flag_variable_reason_and_example() {
    for (variable, value, reason) in BAD {
        let found = problems(&[(variable, value)]);
        let flag = variable.trim_start_matches("CAMPANILE_").to_ascii_lowercase().replace('_', "-");
        let begin = format!("--{flag} ({variable}): ");
        let matching = found.iter().find(|text| text.starts_with(&begin) && text.contains(reason));
        let text = matching.unwrap_or_else(|| panic!("{variable}={value}: {found:#?}"));
        assert!(text.contains("; allowed: ") && text.contains("; example: "), "{text}");
    }
}

#[test]
fn the_tables_cover_every_option() {
    let bad: BTreeSet<_> = BAD.iter().map(|(variable, ..)| flag(variable)).collect();
    let good: BTreeSet<_> = GOOD.iter().map(|(variable, ..)| flag(variable)).collect();
    // Good only together with others; see `contradictions`.
    let elsewhere = [
        "redis-ca-file",
        "redis-cert-file",
        "redis-key-file",
        "smtp-url",
        "smtp-timeout",
        "mail-per-second",
        "mail-give-up",
        "mail-unsubscribe",
        "amqp-ca-file",
        "amqp-queue",
        "amqp-prefetch",
    ]
    .map(str::to_owned);
    let good: BTreeSet<_> = good.into_iter().chain(elsewhere).collect();
    let declared: BTreeSet<_> = command()
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .map(|arg| arg.get_long().unwrap().to_owned())
        .collect();
    assert_eq!(declared, bad);
    assert_eq!(declared, good);
}

fn flag(variable: &str) -> String {
    variable.trim_start_matches("CAMPANILE_").to_ascii_lowercase().replace('_', "-")
}

#[test]
fn flags_are_the_variables_without_prefix_and_have_help_and_heading() {
    for arg in <ServeArgs as clap::Args>::augment_args(clap::Command::new("serve")).get_arguments()
    {
        let variable = arg.get_env().unwrap().to_str().unwrap();
        assert_eq!(arg.get_long().unwrap(), flag(variable));
        assert!(arg.get_help().is_some(), "{variable}");
        assert!(arg.get_help_heading().is_some(), "{variable}");
    }
}

#[test]
fn a_refused_value_is_shown_in_one_short_line() {
    let long = format!("{}\n{}", "x".repeat(70), "y".repeat(500));
    let found = problems(&[("CAMPANILE_LOG_FORMAT", &long)]);
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 250 && !found[0].contains('\n'), "{}", found[0]);
}

#[test]
fn questionable_values_are_warned_about() {
    let table = [
        ("CAMPANILE_JWT_SECRET", "15-bytes-secret", "shorter than 16 bytes"),
        ("CAMPANILE_JWT_SECRET", "a-secret-that-is-long-enough\n", "white space"),
        ("CAMPANILE_PUBLISH_KEYS", "15-bytes-secret", "shorter than 16 bytes"),
        ("CAMPANILE_JWKS_URL", "http://id.example.com/jwks.json", "plain http"),
        ("CAMPANILE_TRUSTED_PROXIES", "0.0.0.0/0", "every client is believed"),
        ("CAMPANILE_SEND_QUEUE_BYTES", "4096", "less than --max-payload-bytes"),
        ("CAMPANILE_LOG", "verbose", "names modules but no level"),
    ];
    for (variable, value, text) in table {
        let found = warnings(&[(variable, value)]);
        assert_eq!(found.len(), 1, "{variable}={value}: {found:?}");
        assert!(found[0].contains(variable) && found[0].contains(text), "{found:?}");
    }
    assert_eq!(warnings(&[("CAMPANILE_JWT_SECRET", "16-bytes-secret!")]), [""; 0]);
    assert_eq!(warnings(&[("CAMPANILE_LOG", "WARN")]), [""; 0]);
}
