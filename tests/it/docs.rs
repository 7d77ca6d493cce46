//! Every example of the README, run as it stands but for addresses and keys.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::script::node_modules;
use crate::support::token;

const KEY: &str = "the-key-of-the-readme-test";

/// The code block that follows `<!-- example: name -->`.
fn example(name: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let marker = format!("<!-- example: {name} -->\n```");
    let (_, rest) = readme.split_once(&marker).unwrap_or_else(|| panic!("no example {name}"));
    let (block, _) = rest.split_once("\n```").unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

/// A script beside the packages that it imports.
fn script(name: &str, code: &str) -> PathBuf {
    let folder = node_modules().join(".examples");
    fs::create_dir_all(&folder).unwrap();
    let script = folder.join(format!("{name}.mjs"));
    fs::write(&script, code).unwrap();
    script
}

async fn published_by(command: &mut Command, gateway: &Gateway) {
    let mut client = Client::user(gateway, "42").await;
    let output = Process::run(command, Duration::from_secs(30)).await;
    assert!(output.status.success(), "{}\n{}", output.stdout, output.stderr);
    let frame = client.next_of("notification").await;
    assert_eq!(frame["data"]["title"], "Paid");
    assert_eq!(frame["data"]["message"], "Order 7 is paid.");
    client.close().await;
}

#[tokio::test]
async fn the_readmes_publishers_are_heard_in_every_language() {
    let redis = Redis::start().await;
    let key = KEY;
    let builder = Gateway::builder().redis(&redis).env("CAMPANILE_PUBLISH_KEYS", key);
    let gateway = builder.start().await;
    let port = redis.address().port().to_string();
    let code = |name: &str| example(name).replace("localhost", "127.0.0.1").replace("6379", &port);
    let shell = code("shell").replace("redis-cli", &format!("redis-cli -p {port}"));
    published_by(Command::new("sh").arg("-c").arg(shell), &gateway).await;
    published_by(Command::new("/usr/bin/python3").arg("-c").arg(code("python")), &gateway).await;
    published_by(Command::new("ruby").arg("-e").arg(code("ruby")), &gateway).await;
    published_by(Command::new("php").arg("-r").arg(code("php")), &gateway).await;

    let script = script("publish", &(code("node") + "\nprocess.exit(0);\n"));
    published_by(Command::new("node").arg(script), &gateway).await;

    let http = example("http").replace("localhost:8080", &gateway.addr().to_string());
    let mut curl = Command::new("sh");
    curl.arg("-c").arg(http).env("PUBLISH_KEY", key);
    published_by(&mut curl, &gateway).await;
}

/// Runs an example as a page would, with `import` for what Node does not have, until it has logged
/// what is published; what it logged.
async fn page(gateway: &Gateway, redis: &Redis, name: &str, import: &str, dialect: &str) -> String {
    let code = example(name).replace("localhost:8080", &gateway.addr().to_string());
    let token = token::for_user("42");
    let head = format!("{import}\nconst token = \"{token}\";\n");
    // Node has no page; the first notification ends the script.
    let tail = "\nconst log = console.log; console.log = (...said) => { log(...said); process.exit(0); };\n";
    let script = script(name, &(head + &code + tail));
    let page = Process::spawn(Command::new("node").arg(script));
    gateway.metric_becomes("campanile_connections", &[("dialect", dialect)], |n| n > 0.0).await;
    redis.publish("user:42:notifications", r#"{"title":"Paid","message":"Now."}"#).await;
    assert!(page.wait_exit(Duration::from_secs(10)).await.success());
    page.stdout().trim().to_owned()
}

#[tokio::test]
async fn the_readmes_pages_hear_what_is_published() {
    let redis = Redis::start().await;
    let gateway = Gateway::start(&redis).await;
    let import = "import WebSocket from \"ws\";";
    let said = page(&gateway, &redis, "browser", import, "campanile.v1").await;
    assert_eq!(said, "Paid Now.");
    let import = "import { EventSource } from \"eventsource\";";
    assert_eq!(page(&gateway, &redis, "eventsource", import, "sse").await, "Paid");
}
