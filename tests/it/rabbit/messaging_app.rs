//! The messaging app with its own client: queue, worker, two replicas behind a load balancer, and mail.

use serde_json::json;

use super::{consuming, inbox, working};
use crate::support::gateway::Gateway;
use crate::support::haproxy::{Balance, HaProxy};
use crate::support::rabbit::{Rabbit, queue};
use crate::support::redis::Redis;
use crate::support::script::Script;
use crate::support::smtp::{Mail, Sink};
use crate::support::token;
use crate::support::wait::{PATIENCE, until};

const TITLE: &str = "New message from John";

#[tokio::test]
async fn the_messaging_apps_client_is_served_from_the_queue_to_every_socket() {
    let (redis, rabbit, sink) = tokio::join!(Redis::start(), Rabbit::shared(), Sink::start());
    let queue = queue();
    let replica = || {
        let builder = Gateway::builder().redis(&redis).env("CAMPANILE_DRAIN_DELAY", "0");
        builder.env("CAMPANILE_DRAIN_WINDOW", "0")
    };
    let (one, two, worker) = tokio::join!(
        replica().start(),
        replica().start(),
        sink.behind(working(&redis, &rabbit, &queue)).start()
    );
    let balancer = HaProxy::start(Balance::RoundRobin, &[&one, &two]).await;
    consuming(&worker).await;
    let publisher = rabbit.publisher().await;
    let message = |n: usize| {
        json!({
            "user_id": "42", "user_email": "42@app.example", "title": TITLE, "message": format!("John: {n}"),
            "notification_type": "new_message", "notification_id": format!("id-{n}"),
            "timestamp": "2024-01-15T10:30:00Z", "room_id": "room", "sender_id": "john",
        })
        .to_string()
    };
    // While nobody is connected.
    publisher.publish(&queue, &message(1)).await;
    until("the worker has published it", PATIENCE, async || {
        (inbox(&one, "42").await.len() == 1).then_some(())
    })
    .await;

    // The worker mails what nobody has read.
    let mails = sink.recipients_become(1, 2 * PATIENCE).await;
    assert_eq!(
        (subjects(&mails), mails[0].to()),
        (vec![TITLE.to_owned()], "42@app.example".into())
    );

    let url = balancer.url("");
    let arguments = [url.as_str(), &token::for_user("42"), "200", "100"];
    let mut phone = Script::node("messaging_app.mjs", &arguments);
    phone.next_of("open").await;
    let mut laptop = Script::node("messaging_app.mjs", &arguments);
    laptop.next_of("open").await;
    let dialect = [("dialect", "envelope")];
    for replica in [&one, &two] {
        // The balancer takes turns, so each replica has one of the two.
        replica.metric_becomes("campanile_connections", &dialect, |count| count > 0.5).await;
    }
    for client in [&mut phone, &mut laptop] {
        assert_eq!(client.next_of("unread_count").await["count"], 1);
        client.next_of("pong").await;
    }
    publisher.publish(&queue, &message(2)).await;
    for client in [&mut phone, &mut laptop] {
        let notification = client.next_of("notification").await["notification"].clone();
        assert_eq!(notification["notification_id"], "id-2");
        assert_eq!(notification["notification_type"], "new_message");
        assert_eq!(notification["title"], TITLE);
        assert_eq!(notification["room_id"], "room");
    }
    phone.tell(&json!({"do": "mark_read", "id": "id-2"}));
    for client in [&mut phone, &mut laptop] {
        let update = client.next_of("notification_update").await;
        assert_eq!(
            (&update["notification_id"], &update["status"]),
            (&json!("id-2"), &json!("read"))
        );
    }
    let unread = inbox(&two, "42").await;
    assert_eq!(unread.len(), 2);

    // A replica stops: its client comes back by itself, to the other one, and is told the count there.
    one.term();
    let mut moved = 0;
    for client in [&mut phone, &mut laptop] {
        if one_of(client, &["close", "pong"]).await == "close" {
            moved += 1;
            client.next_of("attempt").await;
            client.next_of("open").await;
            assert_eq!(client.next_of("unread_count").await["count"], 1);
        }
    }
    assert!(one.wait_exit(2 * PATIENCE).await.success());
    assert!(moved <= 1, "only those of that replica");
    two.metric_becomes("campanile_connections", &dialect, |count| count > 1.5).await;
    publisher.publish(&queue, &message(3)).await;
    for client in [&mut phone, &mut laptop] {
        let notification = client.next_of("notification").await["notification"].clone();
        assert_eq!(notification["notification_id"], "id-3");
    }
    phone.tell(&json!({"do": "disconnect"}));
    assert_eq!(phone.next_of("close").await["code"], 1000);
    two.metric_becomes("campanile_connections", &dialect, |count| count < 1.5).await;
}

fn subjects(mails: &[Mail]) -> Vec<String> {
    mails.iter().map(|mail| mail.header("subject")).collect()
}

/// The next of these events.
async fn one_of(client: &mut Script, events: &[&str]) -> String {
    loop {
        let line = client.next().await;
        if let Some(event) = line["event"].as_str().filter(|event| events.contains(event)) {
            return event.to_owned();
        }
    }
}
