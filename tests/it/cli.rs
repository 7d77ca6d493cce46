//! The commands, run as a person or a container runs them.

use std::process::Command;

use serde_json::json;

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway};
use crate::support::handshake::Connect;
use crate::support::keys::{Endpoint, Pair};
use crate::support::ports;
use crate::support::process::{Output, Process};
use crate::support::redis::Redis;
use crate::support::token;
use crate::support::wait::{PATIENCE, eventually, until};

const KEY: &str = "a-publish-key-of-the-commands";

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// All these texts are in `text`, and none of those is.
fn assert_says(text: &str, said: &[&str], unsaid: &[&str]) {
    for part in said {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    for part in unsaid {
        assert!(!text.contains(part), "{part:?} shows in:\n{text}");
    }
}

/// Five problems, with secrets around them.
fn full_of_problems() -> Builder {
    Gateway::builder()
        .env("CAMPANILE_LISTEN", "nonsense")
        .env("CAMPANILE_REDIS_URL", "http://ada:hush-password@redis")
        .env("CAMPANILE_JWT_SECRET", "hush-secret-one,,hush-secret-two")
        .env("CAMPANILE_PUBLISH_KEYS", "hush key")
        .env("CAMPANILE_PONG_TIMEOUT", "1s")
        .env("CAMPANILE_WORKRES", "3")
}

const PROBLEMS: [&str; 5] = [
    "--listen (CAMPANILE_LISTEN)",
    "--redis-url (CAMPANILE_REDIS_URL)",
    "--jwt-secret (CAMPANILE_JWT_SECRET)",
    "--publish-keys (CAMPANILE_PUBLISH_KEYS)",
    "--pong-timeout (CAMPANILE_PONG_TIMEOUT)",
];
const NEAREST: &str = "CAMPANILE_WORKRES; the nearest known is CAMPANILE_WORKERS";

#[tokio::test]
async fn serve_does_not_start_with_problems_and_names_every_one_without_secrets() {
    let output = full_of_problems().run().await;
    assert_eq!(code(&output), Some(2), "{output:?}");
    assert_says(&output.stderr, &PROBLEMS, &["hush", "ada"]);
    assert_says(&output.stderr, &["5 problems", NEAREST], &[]);

    let output = Gateway::builder().without("CAMPANILE_JWT_SECRET").run().await;
    assert_eq!(code(&output), Some(2));
    assert_says(&output.stderr, &["CAMPANILE_JWT_SECRET", "CAMPANILE_JWKS_URL"], &[]);
    for flag in ["--no-such-flag", "--listen"] {
        let output = Gateway::builder().args(&["serve", flag]).run().await;
        assert_eq!(code(&output), Some(2), "{flag}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, other) in
        [("CAMPANILE_LISTEN", "CAMPANILE_OPS_LISTEN"), ("CAMPANILE_OPS_LISTEN", "CAMPANILE_LISTEN")]
    {
        let free = ports::free().to_string();
        let output = Gateway::builder().env(variable, &address).env(other, &free).run().await;
        assert_eq!(code(&output), Some(1));
        assert_says(&output.stderr, &[&address, variable], &[other]);
    }
}

#[tokio::test]
async fn an_unknown_variable_is_warned_about_and_stops_nothing() {
    let gateway = Gateway::builder()
        .env("CAMPANILE_WORKRES", "hush-value")
        .env("CAMPANILE_PORT", "tcp://10.0.0.1:8080")
        .start()
        .await;
    let log = until("the warnings are logged", PATIENCE, async || {
        Some(gateway.stderr_so_far()).filter(|log| log.contains("serving"))
    })
    .await;
    assert_says(&log, &[NEAREST, "CAMPANILE_PORT;", "WARN"], &["hush-value", token::SECRET]);
}

#[tokio::test]
async fn check_prints_what_is_fine_and_every_problem() {
    let check = |builder: Builder| builder.args(&["check"]).run();
    let redis = Redis::builder().password("hush-password").start().await;
    let output = check(Gateway::builder().redis(&redis)).await;
    assert_eq!(code(&output), Some(0), "{output:?}");
    let address = redis.address().to_string();
    assert_says(
        &output.stdout,
        &["configuration is valid", &address, "may publish", "may subscribe", "may run scripts"],
        &["problem", "hush", token::SECRET],
    );

    let output = check(full_of_problems()).await;
    assert_eq!(code(&output), Some(1));
    assert_says(&output.stdout, &PROBLEMS, &["hush", "ada"]);
    assert_says(&output.stdout, &["5 problem", NEAREST], &[]);

    // Two dependencies away at once, neither of which hides the other.
    let (gone, nobody) = (ports::free(), ports::free());
    let away = Gateway::builder()
        .env("CAMPANILE_REDIS_URL", &format!("redis://ada:hush@{gone}"))
        .env("CAMPANILE_JWKS_URL", &format!("http://{nobody}/?key=hush"));
    let output = check(away).await;
    assert_eq!(code(&output), Some(1), "{output:?}");
    assert_says(&output.stdout, &[&gone.to_string(), "JWKS", "2 problem"], &["hush", "ada"]);

    let endpoint = Endpoint::start(&[Pair::p256().jwk("a")]).await;
    let output = check(Gateway::builder().env("CAMPANILE_JWKS_URL", &endpoint.url)).await;
    assert_eq!(code(&output), Some(0), "{output:?}");
    assert_says(&output.stdout, &["JWKS: 1 key", "embedded broker"], &["problem"]);

    let limited = Redis::builder()
        .user("app", "hush-password", "~campanile:* &campanile:* +@all -eval -evalsha")
        .start()
        .await;
    let output = check(Gateway::builder().redis(&limited)).await;
    assert_eq!(code(&output), Some(1), "{output:?}");
    assert_says(
        &output.stdout,
        &["may not publish", "may not subscribe", "may not run scripts"],
        &["hush"],
    );
    let output = check(
        Gateway::builder()
            .redis(&redis)
            .env("CAMPANILE_REDIS_URL", &format!("redis://default:hush-wrong@{}", redis.address())),
    )
    .await;
    assert_eq!(code(&output), Some(1), "{output:?}");
    assert_says(&output.stdout, &["authentication failed"], &["hush"]);
}

#[tokio::test]
async fn healthcheck_tells_whether_this_replica_is_ready() {
    let redis = Redis::start().await;
    let gateway = Gateway::builder()
        .redis(&redis)
        .env("CAMPANILE_REDIS_GRACE", "10ms")
        .env("CAMPANILE_DRAIN_DELAY", "0")
        .start()
        .await;
    let ops = gateway.ops().to_string();
    let health = |ops: &str| {
        // As in a container: the same environment as the replica, without its secrets.
        Gateway::builder()
            .without("CAMPANILE_JWT_SECRET")
            .env("CAMPANILE_OPS_LISTEN", ops)
            .args(&["healthcheck"])
            .run()
    };
    assert_eq!(code(&health(&ops).await), Some(0));
    let any = format!("0.0.0.0:{}", gateway.ops().port());
    assert_eq!(code(&health(&any).await), Some(0));
    redis.stop().await;
    let why = until("Redis is missed", PATIENCE, async || {
        let output = health(&ops).await;
        (code(&output) == Some(1)).then_some(output.stderr)
    })
    .await;
    assert_says(&why, &["not ready", "Redis"], &[]);
    gateway.kill();
    let output = health(&ops).await;
    assert_eq!(code(&output), Some(1));
    assert_says(&output.stderr, &["no answer", &ops], &[]);
}

#[tokio::test]
async fn a_minted_token_opens_a_socket_of_a_gateway_with_the_same_configuration() {
    let configured = || {
        Gateway::builder()
            .env("CAMPANILE_JWT_SECRET", "the-newer-secret-of-tests,the-older-secret-of-tests")
            .env("CAMPANILE_JWT_ISSUER", "login")
            .env("CAMPANILE_JWT_AUDIENCE", "app")
            .env("CAMPANILE_JWT_USER_CLAIM", "uid")
            .env("CAMPANILE_JWT_LEEWAY", "0s")
    };
    let gateway = configured().start().await;
    let mint = async |ttl: &str| {
        let output = configured().args(&["token", "--user", "ada/é", "--ttl", ttl]).run().await;
        assert_eq!((code(&output), output.stderr.as_str()), (Some(0), ""), "{output:?}");
        output.stdout.trim_end().to_owned()
    };
    let open = |token: String| {
        Connect::to(&gateway, "/ws").token(token).protocol("campanile.v1").into_future()
    };
    let mut client = open(mint("5m").await).await.unwrap_or_else(|it| panic!("{}", it.text()));
    assert_eq!(client.next_of("connected").await["data"]["user_id"], "ada/é");
    assert_eq!(open(mint("0s").await).await.err().map(|it| it.status), Some(401));

    let none = Gateway::builder().without("CAMPANILE_JWT_SECRET").args(&["token", "--user", "a"]);
    let output = none.run().await;
    assert_eq!((code(&output), output.stdout.as_str()), (Some(1), ""));
    assert_says(&output.stderr, &["no JWT secret"], &[]);
    for arguments in
        [&["token"][..], &["token", "--user", ""], &["token", "--user", "a", "--ttl", "x"]]
    {
        assert_eq!(code(&configured().args(arguments).run().await), Some(2), "{arguments:?}");
    }
}

#[tokio::test]
async fn publish_reaches_sockets_through_redis_and_through_a_gateway() {
    let redis = Redis::builder().password("hush-password").start().await;
    let served = Gateway::builder().redis(&redis).env("CAMPANILE_PUBLISH_KEYS", KEY);
    let gateway = served.start().await;
    let mut client = Client::bare(&gateway, "ada").await;
    let through_redis = || Gateway::builder().without("CAMPANILE_JWT_SECRET").redis(&redis);
    let through_gateway = || {
        let plain = Gateway::builder().without("CAMPANILE_JWT_SECRET");
        plain.env("CAMPANILE_PUBLISH_KEY", KEY)
    };
    let function = async || !redis.cli(&["FUNCTION", "LIST"]).await.trim().is_empty();
    eventually("the function is registered", PATIENCE, function).await;
    let url = gateway.url("/");
    let said = ["--type", "order", "--title", "-5%", "--message", "é", "--data", r#"{"n":[1.0]}"#];
    for (lane, builder) in [(&[][..], through_redis()), (&["--gateway", &url], through_gateway())] {
        for target in [&["--user", "ada"][..], &["--broadcast"]] {
            // The same id again would be the same notification.
            let id = if lane.is_empty() { "n-1" } else { "n-2" };
            let arguments = [&["publish", "--id", id], target, &said, lane].concat();
            let output = builder.clone().args(&arguments).run().await;
            assert_eq!(code(&output), Some(0), "{output:?}");
            assert_says(&output.stdout, &["published", &format!("{id:?}")], &["hush", KEY]);
            let got = client.next_json().await;
            let user = if target.len() == 2 { json!("ada") } else { json!(null) };
            assert_eq!(
                (&got["id"], &got["type"], &got["user_id"]),
                (&json!(id), &json!("order"), &user)
            );
            assert_eq!((&got["title"], &got["message"]), (&json!("-5%"), &json!("é")));
            assert_eq!(got["data"], json!({ "n": [1.0] }));
        }
    }
    let output = through_redis().args(&["publish", "--user", "nobody"]).run().await;
    assert_eq!(code(&output), Some(0));
    assert_says(&output.stdout, &["kept at 1-"], &[]);
}

#[tokio::test]
async fn publish_says_what_went_wrong_and_shows_no_key() {
    let gateway = Gateway::builder().env("CAMPANILE_PUBLISH_KEYS", KEY).start().await;
    let url = gateway.url("");
    let gone = format!("http://{}", ports::free());
    let redis_gone = format!("redis://ada:hush@{}", ports::free());
    let wrong: &[_] = &["--key", "hush-key"];
    let cases: [(&[&str], &[&str], i32, &str); 7] = [
        (&["--user", "a"], &[], 1, "--redis-url"),
        (&["--user", "a", "--redis-url", &redis_gone], &[], 1, "cannot publish through Redis"),
        (&["--user", "a", "--gateway", &url], &[], 1, "--key"),
        (&["--user", "a", "--gateway", &url], wrong, 1, "401"),
        (&["--user", "a", "--gateway", &gone], wrong, 1, "cannot reach"),
        (&["--title", "for whom?"], &[], 2, "--user"),
        (&["--user", "a", "--data", "{"], &[], 2, "--data"),
    ];
    for (arguments, key, expected, said) in cases {
        let arguments = [&["publish"], arguments, key].concat();
        let output = Gateway::builder().args(&arguments).run().await;
        assert_eq!(code(&output), Some(expected), "{arguments:?}: {output:?}");
        assert_says(&output.stderr, &[said], &["hush"]);
    }
}

/// The command in which `name` appears first, with the lines it goes on over.
fn printed(text: &str, name: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.contains(name));
    let mut command = String::new();
    for line in lines {
        command.push_str(line);
        command.push('\n');
        if !line.ends_with('\\') {
            break;
        }
    }
    command
}

#[tokio::test]
async fn the_demo_serves_its_page_and_the_commands_it_prints_work() {
    let redis = Redis::start().await;
    let plain = || Gateway::builder().without("CAMPANILE_JWT_SECRET").args(&["demo"]);
    for (demo, commands) in [
        (plain(), &["campanile publish", "curl"][..]),
        (plain().redis(&redis), &["campanile publish", "curl", "redis-cli"]),
    ] {
        let gateway = demo.start().await;
        let text = until("the demo prints its hints", PATIENCE, async || {
            Some(gateway.stdout_so_far()).filter(|text| text.contains("Stop: Ctrl-C"))
        })
        .await;
        assert_says(&text, &[&gateway.url(""), &format!("{}/metrics", gateway.ops())], &[]);

        let page = gateway.http("GET", "/", &[], b"").await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        let policy = page.header("content-security-policy").unwrap();
        assert_says(policy, &["default-src 'none'", "frame-ancestors 'none'"], &["unsafe"]);
        for file in ["/demo/app.js", "/demo/style.css"] {
            let answer = gateway.http("GET", file, &[], b"").await;
            assert_eq!(
                (answer.status, answer.header("x-content-type-options")),
                (200, Some("nosniff"))
            );
        }
        let session = gateway.http("GET", "/demo/session.json", &[], b"").await.json();
        assert_eq!(session["users"].as_array().map(Vec::len), Some(2), "{session}");
        let user = &session["users"][0];
        let handshake = Connect::to(&gateway, "/ws/notifications");
        let mut bell = handshake
            .token(user["token"].as_str().unwrap())
            .header("Origin", &gateway.url(""))
            .await
            .unwrap_or_else(|it| panic!("{}", it.text()));
        for name in commands {
            let command = printed(&text, name);
            let output = Process::run(Command::new("sh").args(["-c", &command]), PATIENCE).await;
            assert_eq!(code(&output), Some(0), "{command}: {output:?}");
            let frame = bell.next_of("notification").await;
            assert_eq!(frame["data"]["user_id"], user["id"], "{command}");
            assert!(frame["data"]["title"].as_str().unwrap().starts_with("Hello"), "{frame}");
        }
    }
}

#[tokio::test]
async fn the_demo_listens_only_here_unless_told() {
    let port = ports::free().port();
    let ops = ports::free();
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command.arg("demo").env("CAMPANILE_LISTEN", format!("0.0.0.0:{port}"));
    let demo = Process::spawn(command.env("CAMPANILE_OPS_LISTEN", ops.to_string()));
    let text = until("the demo prints its address", PATIENCE, async || {
        Some(demo.stdout()).filter(|text| text.contains("Stop: Ctrl-C"))
    })
    .await;
    assert_says(&text, &[&format!("http://127.0.0.1:{port}")], &["0.0.0.0"]);
    demo.signal("INT");
    demo.signal("INT");
    assert!(demo.wait_exit(PATIENCE).await.success(), "{}", demo.stderr());
}

#[tokio::test]
async fn help_shows_every_variable_and_no_value_of_a_secret() {
    let redis = "redis://ada:hush-password@redis";
    for command in ["serve", "worker", "publish", "token", "check", "demo", "healthcheck"] {
        let output = Gateway::builder()
            .env("CAMPANILE_PUBLISH_KEYS", "hush-publish-key")
            .env("CAMPANILE_PUBLISH_KEY", "hush-publish-key")
            .env("CAMPANILE_REDIS_URL", redis)
            .env("CAMPANILE_AMQP_URL", "amqp://ada:hush-password@rabbitmq")
            .args(&[command, "--help"])
            .run()
            .await;
        assert_eq!(code(&output), Some(0), "{command}");
        assert_says(&output.stdout, &["CAMPANILE_"], &["hush", token::SECRET]);
    }
}
