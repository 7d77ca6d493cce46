//! What stays unread is mailed, once, and what the mail looks like.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::gateway::{Builder, Gateway};
use crate::support::notify::notify;
use crate::support::redis::Redis;
use crate::support::smtp::{Mail, Sink};
use crate::support::wait::{PATIENCE, eventually};

/// Two lives of a lead, and of a mail that somebody died with; on two busy cores.
pub(crate) const LONG: Duration = Duration::from_mins(1);
pub(crate) const KEY: &str = "a-publish-key-for-the-mails";

pub(crate) fn replica(redis: &Redis, sink: &Sink) -> Builder {
    sink.behind(Gateway::builder().redis(redis)).env("CAMPANILE_PUBLISH_KEYS", KEY)
}

pub(crate) async fn post(gateway: &Gateway, body: &Value) {
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let answer = gateway.http("POST", "/api/publish", &headers, body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// One notification of `user`, to be mailed to `<user>@x.example`.
pub(crate) fn addressed(user: &str) -> Value {
    let email = format!("{user}@x.example");
    json!({ "user_id": user, "id": "n1", "user_email": email, "title": format!("For {user}") })
}

/// Mailed to this one, in order.
pub(crate) fn to(mails: &[Mail], address: &str) -> Vec<Mail> {
    mails.iter().filter(|mail| mail.to() == address).cloned().collect()
}

/// What was mailed by the time that one more, published now, was. As mails leave in the order in which they
/// are due, nothing published before is still to come.
pub(crate) async fn in_the_end(gateway: &Gateway, sink: &Sink) -> Vec<Mail> {
    let user = format!("last-{}", fastrand::u32(..));
    post(gateway, &addressed(&user)).await;
    let address = format!("{user}@x.example");
    eventually("the last mail", LONG, async || !to(&sink.mails(), &address).is_empty()).await;
    gateway_settles(gateway).await;
    sink.mails().into_iter().filter(|mail| mail.to() != address).collect()
}

/// Nothing is left that could be mailed later.
pub(crate) async fn all_is_done(redis: &Redis) {
    eventually("nothing is scheduled", LONG, async || {
        redis.cli(&["ZCARD", "campanile:mail:due"]).await == "0"
    })
    .await;
}

async fn gateway_settles(gateway: &Gateway) {
    let settled = async || gateway.metrics().await.value("campanile_mails_due", &[]) < 0.5;
    eventually("nothing is due", PATIENCE, settled).await;
}

#[tokio::test]
async fn what_stays_unread_is_mailed_once_whoever_published_it_and_however_many_replicas_there_are()
{
    let (redis, sink) = (Redis::start().await, Sink::start().await);
    let builder = replica(&redis, &sink);
    let replicas =
        [builder.clone().start().await, builder.clone().start().await, builder.start().await];
    post(&replicas[0], &addressed("http")).await;
    let many = json!({"user_ids": ["one", "two"], "userEmail": "both@x.example", "title": "T"});
    post(&replicas[1], &many).await;
    notify(&redis, "function", &addressed("function")).await;
    let plain = json!({"id": "n1", "userEmail": "plain@x.example", "message": "said once"});
    redis.publish("user:plain:notifications", &plain.to_string()).await;
    notify(&redis, "silent", &json!({"title": "no address"})).await;
    notify(&redis, "null", &json!({"user_email": null})).await;
    notify(&redis, "nested", &json!({"data": {"user_email": "nested@x.example"}})).await;

    sink.recipients_become(4, LONG).await;
    // The same again is not appended again, so it is not mailed again.
    notify(&redis, "function", &addressed("function")).await;
    post(&replicas[2], &addressed("http")).await;
    redis.publish("user:plain:notifications", &plain.to_string()).await;

    let mails = in_the_end(&replicas[0], &sink).await;
    all_is_done(&redis).await;
    let mut all: Vec<String> = mails.iter().map(Mail::to).collect();
    all.sort_unstable();
    let expected = [
        "both@x.example",
        "both@x.example",
        "function@x.example",
        "http@x.example",
        "plain@x.example",
    ];
    assert_eq!(all, expected);
    let ids: BTreeSet<String> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), mails.len(), "{ids:?}");
    let leading = "mailing what stays unread";
    let leaders = replicas.iter().filter(|replica| replica.stderr_so_far().contains(leading));
    assert_eq!(leaders.count(), 1, "one mails, and the others would if it did not");
    let mut sent = 0.0;
    for replica in &replicas {
        sent += replica.metrics().await.value("campanile_mails_total", &[("result", "sent")]);
        assert!(!replica.stderr_so_far().contains("@x.example"), "no address in the log");
    }
    assert!((sent - 6.0).abs() < 0.5, "{sent}");
}

#[tokio::test]
async fn what_is_read_or_deleted_in_time_is_not_mailed() {
    let (redis, mut sink) = (Redis::start().await, Sink::start().await);
    // Nothing can be mailed until everything is done.
    sink.listen(false).await;
    let gateway = replica(&redis, &sink).start().await;
    for user in ["reads", "reads-all", "deletes", "waits"] {
        post(&gateway, &addressed(user)).await;
    }
    gateway.http_as("reads", "POST", "/api/notifications/n1/read").await;
    gateway.http_as("reads-all", "POST", "/api/notifications/read_all").await;
    gateway.http_as("deletes", "DELETE", "/api/notifications/n1").await;
    sink.listen(true).await;
    sink.recipients_become(1, LONG).await;
    let mails = in_the_end(&gateway, &sink).await;
    assert_eq!(mails.iter().map(Mail::to).collect::<Vec<_>>(), ["waits@x.example"]);
    for (result, count) in [("read", 2.0), ("gone", 1.0), ("sent", 2.0)] {
        let labels = [("result", result)];
        let counted = |value: f64| (value - count).abs() < 0.5;
        gateway.metric_becomes("campanile_mails_total", &labels, counted).await;
    }
    all_is_done(&redis).await;
}

#[tokio::test]
async fn a_mail_is_readable_in_text_and_html_and_has_what_machines_look_for() {
    let (redis, sink) = (Redis::start().await, Sink::start().await);
    let gateway = replica(&redis, &sink)
        .env("CAMPANILE_MAIL_UNSUBSCRIBE", "https://app.example/stop?who={user_id}")
        .start()
        .await;
    let notification = json!({
        "user_id": "a b", "id": "n1", "user_email": "Ada Lovelace <ada@x.example>",
        "title": "Grüße, <b>Ada</b> & du\r\nBcc: eve@x.example",
        "message": ".\nErste Zeile\nZweite <script>alert(1)</script>",
        "timestamp": "2026-01-02T03:04:05+02:00",
        "data": {"url": "https://app.example/orders/7?a=1&b=2"},
    });
    post(&gateway, &notification).await;
    post(&gateway, &json!({"user_id": "c", "type": "order.paid", "user_email": "c@x.example"}))
        .await;
    let mails = sink.recipients_become(2, LONG).await;

    let mail = &to(&mails, "ada@x.example")[0];
    assert_eq!(mail.header("Subject"), "Grüße, <b>Ada</b> & du Bcc: eve@x.example");
    assert_eq!(mail.header("From"), "Bell <bell@app.example>");
    assert_eq!(mail.text("from"), "bell@app.example");
    assert_eq!(mail.header("To"), "ada@x.example");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("MIME-Version"), "1.0");
    assert!(mail.header("Date").ends_with("+0000"), "{}", mail.header("Date"));
    assert_eq!(mail.header("List-Unsubscribe"), "<https://app.example/stop?who=a%20b>");
    assert_eq!(mail.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(mail.headers("Bcc"), [""; 0]);
    assert_eq!(mail.list("types"), ["multipart/alternative", "text/plain", "text/html"]);
    assert_eq!(mail.list("defects"), [""; 0]);
    let plain = mail.text("plain").replace("\r\n", "\n");
    assert!(plain.contains(".\nErste Zeile\nZweite <script>alert(1)</script>\n"), "{plain}");
    assert!(plain.contains("https://app.example/orders/7?a=1&b=2\n"), "{plain}");
    assert!(plain.contains("2026-01-02 01:04 UTC"), "{plain}");
    let html = mail.text("html");
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
    assert!(html.contains("href=\"https://app.example/orders/7?a=1&amp;b=2\""), "{html}");

    let mail = &to(&mails, "c@x.example")[0];
    assert_eq!(mail.header("Subject"), "order.paid", "the type stands in for a title");
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_remembered_and_not_tried_again() {
    let (redis, sink) = (Redis::start().await, Sink::start().await);
    let gateway = replica(&redis, &sink).start().await;
    for (user, email) in [
        ("moved", "reply-550@x.example"),
        ("typo", "nobody"),
        ("inject", "a@x.example\r\nRCPT TO:<eve@x.example>"),
        ("fine", "fine@x.example"),
    ] {
        post(&gateway, &json!({"user_id": user, "id": "n1", "user_email": email})).await;
    }
    let failed = [("result", "failed")];
    gateway.metric_becomes("campanile_mails_total", &failed, |value| value > 2.5).await;
    let mails = in_the_end(&gateway, &sink).await;
    assert_eq!(mails.iter().map(Mail::to).collect::<Vec<_>>(), ["fine@x.example"]);
    let metrics = gateway.metrics().await;
    let of = |result| metrics.value("campanile_mails_total", &[("result", result)]);
    assert_eq!((of("failed"), of("retried"), of("sent")), (3.0, 0.0, 2.0));

    let list = redis.cli(&["LRANGE", "campanile:mail:failed", "0", "-1"]).await;
    let records: Vec<Value> =
        list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reason = |user: &str| {
        let record = records.iter().find(|record| record["user_id"] == user).unwrap();
        assert_eq!((&record["id"], &record["result"]), (&json!("n1"), &json!("failed")));
        record["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("moved").contains("no such mailbox"), "{list}");
    assert!(reason("typo").contains("no mail address"), "{list}");
    assert!(reason("inject").contains("control characters"), "{list}");
    let log = gateway.stderr_so_far();
    assert_eq!(log.matches("a mail is given up").count(), 3, "{log}");
    assert!(log.contains("moved") && log.contains("550") && !log.contains("@x.example"), "{log}");
}

#[tokio::test]
async fn without_a_redis_the_embedded_broker_has_it_mailed() {
    let sink = Sink::start().await;
    let builder = sink.behind(Gateway::builder()).env("CAMPANILE_PUBLISH_KEYS", KEY);
    let gateway = builder.start().await;
    post(&gateway, &addressed("ada")).await;
    post(&gateway, &json!({"user_id": "bob", "title": "no address"})).await;
    let mails = sink.recipients_become(1, LONG).await;
    assert_eq!(mails[0].header("Subject"), "For ada");
    assert_eq!(in_the_end(&gateway, &sink).await.len(), 1);
}

#[tokio::test]
async fn check_tries_the_mail_server() {
    let (redis, mut sink) = (Redis::start().await, Sink::start().await);
    let check = replica(&redis, &sink).args(&["check"]);
    let checked = check.clone().run().await;
    assert!(checked.status.success(), "{checked:?}");
    assert!(checked.stdout.contains("SMTP: 127.0.0.1:"), "{checked:?}");
    sink.listen(false).await;
    let checked = check.clone().run().await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(checked.stdout.contains("problem SMTP: 127.0.0.1:"), "{checked:?}");

    sink.listen(true).await;
    // It offers neither STARTTLS nor a login.
    let url = sink.url();
    for (url, why) in [
        (format!("{url}?tls=required"), "STARTTLS is not supported"),
        (url.replace("://", "://ada:hush-hush@"), "authentication mechanism"),
    ] {
        let checked = check.clone().env("CAMPANILE_SMTP_URL", &url).run().await;
        assert_eq!(checked.status.code(), Some(1), "{checked:?}");
        assert!(checked.stdout.contains(why) && !checked.stdout.contains("hush"), "{checked:?}");
    }
}
