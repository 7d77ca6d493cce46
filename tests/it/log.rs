//! The log of a user: what both brokers promise, compared step by step, and what Redis promises besides.

use std::time::Duration;

use campanile::broker::Broker;
use campanile::broker::log::{Ask, Item, Mark, PART, Retention, Since, Start};
use campanile::notification::{Cursor, UserId};

use crate::broker::{RETENTION, Replica};
use crate::support::redis::Redis as Server;
use crate::support::seed;
use crate::support::wait::{PATIENCE, eventually};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

async fn append(broker: &Broker, user: &UserId, id: &str) -> (bool, u64, u64) {
    let payload = format!(r#"{{"id":"{id}"}}"#);
    let item = Item { user, id, payload: &payload };
    let appended = broker.append(&[item]).await.unwrap();
    (appended[0].is_new, appended[0].cursor.position, appended[0].count.unread)
}

async fn capture(broker: &Broker, user: &UserId, id: &str) -> (bool, u64, u64) {
    let payload = format!(r#"{{"id":"{id}"}}"#);
    let item = Item { user, id, payload: &payload };
    let appended = broker.capture(&[item]).await.unwrap();
    (appended[0].is_new, appended[0].cursor.position, appended[0].count.unread)
}

async fn ids(broker: &Broker, user: &UserId, before: u64, limit: usize, unread: bool) -> String {
    let entries = broker.list(user, before, limit, unread).await.unwrap();
    let row = |entry: &campanile::broker::log::Entry| {
        format!("{}{}", entry.id, if entry.unread { "" } else { "*" })
    };
    entries.iter().map(row).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn the_contract(replica: Replica) {
    let (broker, ada) = (&replica.broker, user("ada"));
    let _member = replica.join("ada", 1).await;
    assert_eq!(broker.summary(&ada).await.unwrap().count.unread, 0);
    assert_eq!(append(broker, &ada, "a").await, (true, 1, 1));
    assert_eq!(append(broker, &ada, "b").await, (true, 2, 2));
    assert_eq!(append(broker, &ada, "a").await, (false, 1, 2), "once per id");
    assert_eq!(append(broker, &user("grace"), "a").await, (true, 1, 1), "a log each");

    assert_eq!(capture(broker, &user("grace"), "a").await, (false, 1, 1), "whichever way it came");
    assert_eq!(capture(broker, &user("grace"), "b").await, (true, 2, 2));
    assert_eq!(append(broker, &user("grace"), "b").await, (false, 2, 2));

    let version = broker.summary(&ada).await.unwrap().count.version;
    let marked = broker.mark(&ada, "a", Mark::Read).await.unwrap();
    assert_eq!((marked.found, marked.count.unread), (true, 1));
    assert!(marked.count.version > version);
    let again = broker.mark(&ada, "a", Mark::Read).await.unwrap();
    assert_eq!((again.found, again.count), (true, marked.count), "nothing changed");
    assert!(!broker.mark(&ada, "x", Mark::Read).await.unwrap().found);
    assert_eq!(ids(broker, &ada, 0, 9, false).await, "b a*");
    assert_eq!(ids(broker, &ada, 0, 9, true).await, "b");

    assert_eq!(broker.mark(&ada, "b", Mark::Deleted).await.unwrap().count.unread, 0);
    assert!(!broker.mark(&ada, "b", Mark::Deleted).await.unwrap().found);
    assert_eq!(append(broker, &ada, "b").await, (false, 2, 0), "what was deleted does not return");
    assert_eq!(ids(broker, &ada, 0, 9, false).await, "a*");
    append(broker, &ada, "c").await;
    assert_eq!(broker.mark_all(&ada).await.unwrap().unread, 0);
    assert_eq!(ids(broker, &ada, 0, 9, true).await, "");
    replica
        .heard
        .has_of(
            "ada",
            &[
                r#"ada: a at 1 after 0, 1 unread: {"id":"a"}"#,
                r#"ada: b at 2 after 1, 2 unread: {"id":"b"}"#,
                r#"ada: Marked { id: "a", mark: Read }, 1 unread"#,
                r#"ada: Marked { id: "b", mark: Deleted }, 0 unread"#,
                r#"ada: c at 3 after 2, 1 unread: {"id":"c"}"#,
                "ada: AllRead, 0 unread",
            ],
        )
        .await;
    let _alan = replica.join("alan", 2).await;
    assert_eq!(capture(broker, &user("alan"), "a").await, (true, 1, 1));
    replica.heard.has_of("alan", &["alan: a captured at 1 after 0, 1 unread"]).await;

    let after = |cursor| since(broker, &ada, Start::After(cursor));
    let start = after(Cursor::default()).await;
    assert!(start.whole);
    let names = |since: &campanile::broker::log::Since| {
        since.entries.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!((names(&start), start.total), (vec!["a".to_owned(), "c".to_owned()], 2));
    assert_eq!(start.summary, broker.summary(&ada).await.unwrap());
    let newest = since(broker, &ada, Start::Newest).await;
    assert_eq!((names(&newest).len(), newest.total, newest.summary), (0, 0, start.summary));
    assert_eq!(since(broker, &ada, Start::Unread(0)).await.total, 0);
    let from_a = start.entries[0].cursor;
    assert_eq!(names(&after(from_a).await), ["c"]);
    let foreign = Cursor { at: from_a.at + 1, ..from_a };
    assert!(!after(foreign).await.whole, "another log's cursor");
    let future = Cursor { position: 99, at: from_a.at };
    let lost = after(future).await;
    assert!(!lost.whole, "the log has lost entries");
    let later: Vec<_> = start.entries.iter().filter(|entry| !future.covers(entry.cursor)).collect();
    assert_eq!(lost.entries.len(), later.len(), "what is later than the cursor is given");

    for n in 0..RETENTION.size {
        append(broker, &ada, &format!("n{n}")).await;
    }
    let trimmed = after(from_a).await;
    assert!(!trimmed.whole, "what followed is trimmed");
    assert_eq!(trimmed.entries.len(), RETENTION.size, "but what is kept is given");
    let summary = broker.summary(&ada).await.unwrap();
    assert_eq!(summary.count.unread, RETENTION.size as u64, "trimming keeps the count exact");
    assert!(after(summary.cursor).await.whole);
    assert_eq!(since(broker, &ada, Start::Unread(0)).await.entries, trimmed.entries);
}

/// A log of large entries is read in parts, whose bounds are bytes and number.
async fn parts_are_bounded(replica: Replica) {
    let (broker, ada) = (&replica.broker, user("ada"));
    for n in 0..150 {
        let payload = if n < 5 { "x".repeat(50_000) } else { String::new() };
        let (id, payload) = (n.to_string(), format!(r#"{{"id":"{n}","a":"{payload}"}}"#));
        let item = Item { user: &ada, id: &id, payload: &payload };
        broker.append(&[item]).await.unwrap();
    }
    let (mut parts, mut all) = (Vec::new(), Vec::new());
    let mut start = Start::After(Cursor::default());
    loop {
        let part = since(broker, &ada, start).await;
        assert_eq!(part.total, 150 - all.len());
        parts.push(part.entries.len());
        all.extend(part.entries.iter().map(|entry| entry.id.clone()));
        start = Start::After(part.end());
        if !part.has_more() {
            break;
        }
    }
    assert_eq!(parts, [2, 2, PART, PART, 18]);
    assert_eq!(all, (0..150).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_long_log_is_read_in_parts() {
    let kept = Retention { size: 200, ..RETENTION };
    parts_are_bounded(Replica::memory_keeping(kept)).await;
    let server = Server::start().await;
    parts_are_bounded(Replica::redis_keeping(&server, "r1", kept).await).await;
}

async fn since(broker: &Broker, user: &UserId, start: Start) -> Since {
    let ask = Ask { user: user.clone(), start };
    broker.catch_up(&[ask]).await.unwrap().remove(0)
}

#[tokio::test]
async fn the_log_in_memory_keeps_the_contract() {
    the_contract(Replica::memory()).await;
}

#[tokio::test]
async fn the_log_in_redis_keeps_the_contract() {
    let server = Server::start().await;
    the_contract(Replica::redis(&server, "r1").await).await;
}

/// One random step on both; what they answer, without times.
async fn step(broker: &Broker, user: &UserId, kind: u8, id: &str, number: u64) -> String {
    match kind {
        0..3 => format!("append {:?}", append(broker, user, id).await),
        3 => format!("capture {:?}", capture(broker, user, id).await),
        4 | 5 => {
            let mark = if kind == 4 { Mark::Read } else { Mark::Deleted };
            let marked = broker.mark(user, id, mark).await.unwrap();
            format!("{mark:?} {id}: {} {}", marked.found, marked.count.unread)
        }
        6 if number == 0 => format!("all {}", broker.mark_all(user).await.unwrap().unread),
        6 => format!("after {}", {
            let all = broker.list(user, 0, 100, false).await.unwrap();
            let from = all.get(usize::try_from(number).unwrap()).map(|entry| entry.cursor);
            let start = match number % 3 {
                0 => Start::Unread(number),
                _ => Start::After(from.unwrap_or_default()),
            };
            let since = since(broker, user, start).await;
            let ids: Vec<_> = since.entries.iter().map(|entry| entry.id.as_str()).collect();
            format!("{} {ids:?} {}", since.whole, since.total)
        }),
        _ => ids(broker, user, number, 7, kind == 8).await,
    }
}

#[tokio::test]
async fn both_logs_agree_after_every_one_of_a_thousand_random_steps() {
    let server = Server::start().await;
    let (memory, redis) = (Replica::memory(), Replica::redis(&server, "r1").await);
    let (mut random, ada) = (seed::rng(), user("ada"));
    for n in 0..1000 {
        let (kind, id, number) = (random.u8(0..9), random.u8(0..40).to_string(), random.u64(0..9));
        let ours = step(&memory.broker, &ada, kind, &id, number).await;
        let theirs = step(&redis.broker, &ada, kind, &id, number).await;
        assert_eq!(ours, theirs, "step {n}, kind {kind}, id {id}, number {number}");
    }
}

#[tokio::test]
async fn any_client_can_append_through_the_registered_function() {
    let server = Server::start().await;
    let replica = Replica::redis(&server, "r1").await;
    let _member = replica.join("42", 1).await;
    let function = async || !server.cli(&["FUNCTION", "LIST"]).await.is_empty();
    eventually("the function is registered", PATIENCE, function).await;
    let call = async |user: &str, payload: &str| {
        server.cli(&["FCALL", "c_notify", "1", user, payload]).await.trim().to_owned()
    };
    let cursor = call("42", r#"{"title":"x","id":12345678901234567890}"#).await;
    assert_eq!(cursor.parse::<Cursor>().unwrap().position, 1, "{cursor}");
    assert_eq!(call("42", r#"{"id":12345678901234567890}"#).await, cursor, "once per id");
    replica
        .heard
        .has(&[concat!(
            "42: 12345678901234567890 at 1 after 0, 1 unread: ",
            r#"{"title":"x","id":12345678901234567890}"#
        )])
        .await;
    let fresh = call("42", "{}").await;
    assert_eq!(fresh.parse::<Cursor>().unwrap().position, 2);
    let generated = &replica.broker.list(&user("42"), 0, 1, false).await.unwrap()[0].id;
    assert_eq!(generated.len(), 36, "{generated}");
    for (user, payload, why) in [
        ("42", "[]", "not_an_object"),
        ("42", "{", "not_an_object"),
        ("42", r#"{"user_id":"43"}"#, "wrong_user"),
        ("", "{}", "user_id"),
        ("a\u{1}", "{}", "user_id"),
        ("42", &format!("{{\"a\":\"{}\"}}", "x".repeat(1000)), "too_large"),
    ] {
        assert!(call(user, payload).await.contains(why), "{payload}");
    }
    assert_eq!(replica.broker.summary(&user("42")).await.unwrap().count.unread, 2);
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_loaded_again() {
    let server = Server::start().await;
    let replica = Replica::redis(&server, "r1").await;
    let ada = user("ada");
    append(&replica.broker, &ada, "a").await;
    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(append(&replica.broker, &ada, "b").await, (true, 2, 2));
    server.cli(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(ids(&replica.broker, &ada, 0, 9, false).await, "b a");
}

#[tokio::test]
async fn a_log_lasts_as_long_as_its_newest_entry() {
    const HOUR: i64 = 3_600_000;
    let server = Server::start().await;
    let replica = Replica::redis(&server, "r1").await;
    let keys = ["entries", "ids", "state"].map(|part| format!("c:inbox:{{ada}}:{part}"));
    let left = async || {
        let mut left = Vec::new();
        for key in &keys {
            left.push(server.cli(&["PTTL", key]).await.parse::<i64>().unwrap());
        }
        left
    };
    let is_full = |left: &[i64]| left.iter().all(|ms| (HOUR..=HOUR + HOUR / 32).contains(ms));
    for n in 0..3 {
        append(&replica.broker, &user("ada"), &n.to_string()).await;
        assert!(is_full(&left().await), "{:?}", left().await);
    }
    // As if as much had passed.
    for key in &keys {
        server.cli(&["PEXPIRE", key, "1000000"]).await;
    }
    let time = server.cli(&["TIME"]).await;
    let seconds: u64 = time.lines().next().unwrap().parse().unwrap();
    let then = format!("{}", (seconds + 1000) * 1000);
    server.cli(&["HSET", &keys[2], "expires", &then]).await;
    append(&replica.broker, &user("ada"), "late").await;
    assert!(is_full(&left().await), "{:?}", left().await);
}

#[tokio::test]
async fn entries_go_when_they_are_old_and_then_the_log() {
    let server = Server::start().await;
    let short = Retention { ttl: Duration::from_millis(300), ..RETENTION };
    let replica = Replica::redis_keeping(&server, "r1", short).await;
    let (broker, ada) = (&replica.broker, user("ada"));
    append(broker, &ada, "first").await;
    eventually("the oldest goes by its age", PATIENCE, async || {
        let unread = append(broker, &ada, &fastrand::u64(..).to_string()).await.2;
        let kept = broker.list(&ada, 0, 99, false).await.unwrap();
        assert!(kept.len() as u64 <= unread, "counted and not there");
        kept.iter().all(|entry| entry.id != "first")
    })
    .await;
    eventually("and the log", PATIENCE, async || {
        server.cli(&["KEYS", "c:inbox:*"]).await.is_empty()
    })
    .await;
    assert_eq!(append(broker, &ada, "first").await, (true, 1, 1));
}

#[tokio::test]
async fn an_entry_costs_its_payload_and_at_most_250_bytes() {
    const EACH: usize = 200;
    const ENTRIES: usize = 10_000;
    let server = Server::start().await;
    let kept = Retention { size: EACH, ..RETENTION };
    let replica = Replica::redis_keeping(&server, "r1", kept).await;
    let used = async || {
        let info = server.cli(&["INFO", "memory"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse::<usize>().unwrap()
    };
    let users: Vec<UserId> = (0..ENTRIES / EACH).map(|n| user(&format!("u{n}"))).collect();
    append(&replica.broker, &user("warm"), "a").await;
    let before = used().await;
    let text = "x".repeat(240);
    let mut bytes = 0;
    for owner in &users {
        for n in 0..EACH {
            let id = format!("01890000-0000-7000-8000-{n:012}");
            let payload = format!(r#"{{"id":"{id}","message":"{text}"}}"#);
            bytes += payload.len();
            replica
                .broker
                .append(&[Item { user: owner, id: &id, payload: &payload }])
                .await
                .unwrap();
        }
    }
    let each = (used().await - before - bytes) / ENTRIES;
    println!("{each} bytes of Redis per entry besides its payload, in logs of {EACH}");
    assert!(each <= 250, "{each}");
}
