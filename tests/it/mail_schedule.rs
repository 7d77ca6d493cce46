//! The schedule of mail: what both brokers promise to who mails.

use std::time::Duration;

use campanile::broker::Broker;
use campanile::broker::log::{Item, Mark, Retention};
use campanile::broker::mail::{Due, Look, Taken, Ticket};
use campanile::notification::UserId;

use crate::broker::{RETENTION, Replica};
use crate::support::redis::Redis as Server;
use crate::support::wait::{PATIENCE, eventually, until};

const KEPT: Retention = Retention { mail_after: Some(Duration::from_millis(300)), ..RETENTION };
const HOLD: Duration = Duration::from_mins(1);
const SOON: Duration = Duration::from_millis(50);
const ADDRESS: &str = r#"{"user_email":"a@x.example"}"#;

fn due(user: &str, id: &str) -> Due {
    Due { user: UserId::new(user).unwrap(), id: id.into() }
}

async fn append(broker: &Broker, user: &str, id: &str, payload: &str) {
    let user = UserId::new(user).unwrap();
    broker.append(&[Item { user: &user, id, payload }]).await.unwrap();
}

async fn peek(broker: &Broker) -> Vec<Due> {
    let peek = broker.peek_mail().await.unwrap();
    assert_eq!(peek.count, peek.first.len() as u64);
    peek.first
}

async fn becomes_due(broker: &Broker, expected: &[Due]) {
    eventually(&format!("{expected:?} is due"), PATIENCE, async || peek(broker).await == expected)
        .await;
}

async fn take(broker: &Broker, due: &Due, hold: Duration) -> Option<Ticket> {
    match broker.take_mail(due, hold).await.unwrap() {
        Taken::Yours(ticket) => Some(ticket),
        Taken::Not(Look::Other) => None,
        Taken::Not(look) => panic!("{look:?}"),
    }
}

/// `a` and `b` share a log.
async fn the_contract(a: &Broker, b: &Broker) {
    // An id may have what separates it from its user.
    let one = due("ada", "one\n\"1\"");
    append(a, "ada", "silent", "{}").await;
    append(a, "ada", &one.id, ADDRESS).await;
    assert_eq!(a.take_mail(&one, HOLD).await.unwrap(), Taken::Not(Look::Other), "not yet");
    becomes_due(b, std::slice::from_ref(&one)).await;
    assert_eq!(b.look_at_mail(std::slice::from_ref(&one)).await.unwrap(), [Look::Unread]);

    // Of many who want it one gets it, and the others when it is kept no longer.
    let wanting = (0..16).map(|n| take(if n % 2 == 0 { a } else { b }, &one, HOLD));
    let taken: Vec<Ticket> =
        futures_util::future::join_all(wanting).await.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    let first = &taken[0];
    assert_eq!(first.payload, ADDRESS);
    assert_eq!((peek(a).await, take(b, &one, HOLD).await), (vec![], None));
    append(a, "ada", &one.id, ADDRESS).await;
    assert_eq!(peek(a).await, [], "once per id");
    let kept = a.hold_mail(&one, first.token, SOON).await.unwrap().unwrap();
    let second = until("it is due again", PATIENCE, async || take(b, &one, HOLD).await).await;
    assert_eq!(second.at, first.at);
    for old in [first.token, kept] {
        assert_eq!(a.hold_mail(&one, old, HOLD).await.unwrap(), None, "it is another's");
    }
    b.done_mail(&one).await.unwrap();
    assert_eq!(b.hold_mail(&one, second.token, HOLD).await.unwrap(), None);
    assert_eq!(a.take_mail(&one, HOLD).await.unwrap(), Taken::Not(Look::Other));

    let gone = [due("read", "1"), due("all", "1"), due("deleted", "1"), due("trimmed", "1")];
    for due in &gone {
        append(a, due.user.as_str(), &due.id, ADDRESS).await;
    }
    a.mark(&gone[0].user, "1", Mark::Read).await.unwrap();
    a.mark_all(&gone[1].user).await.unwrap();
    a.mark(&gone[2].user, "1", Mark::Deleted).await.unwrap();
    for id in 0..KEPT.size {
        append(a, "trimmed", &format!("later {id}"), "{}").await;
    }
    eventually("all are due", PATIENCE, async || peek(b).await.len() == gone.len()).await;
    let looks = a.look_at_mail(&gone).await.unwrap();
    assert_eq!(looks, [Look::Read, Look::Read, Look::Gone, Look::Gone]);
    assert_eq!(peek(b).await, []);
}

#[tokio::test]
async fn the_schedule_in_memory_keeps_the_contract() {
    let replica = Replica::memory_keeping(KEPT);
    the_contract(&replica.broker, &replica.broker).await;
}

#[tokio::test]
async fn the_schedule_in_redis_keeps_the_contract_between_replicas() {
    let server = Server::start().await;
    let a = Replica::redis_keeping(&server, "a", KEPT).await;
    let b = Replica::redis_keeping(&server, "b", KEPT).await;
    the_contract(&a.broker, &b.broker).await;
}

#[tokio::test]
async fn one_replica_leads_until_it_gives_the_lead_back_or_is_silent() {
    let server = Server::start().await;
    let (a, b) = (Replica::redis(&server, "a").await, Replica::redis(&server, "b").await);
    let leads = async |replica: &Replica, name: &str, lasts: Duration| {
        replica.broker.lead_mail(name, lasts).await.unwrap()
    };
    assert!(leads(&a, "a", HOLD).await && leads(&a, "a", HOLD).await);
    assert!(!leads(&b, "b", HOLD).await);
    leads(&b, "b", Duration::ZERO).await;
    assert!(!leads(&b, "b", HOLD).await, "nobody gives back what is another's");
    leads(&a, "a", Duration::ZERO).await;
    assert!(leads(&b, "b", SOON).await);
    eventually("the lead is free", PATIENCE, async || leads(&a, "a", HOLD).await).await;
}

#[tokio::test]
async fn what_can_not_be_scheduled_is_not_appended() {
    let server = Server::start().await;
    let a = Replica::redis_keeping(&server, "a", KEPT).await;
    server.cli(&["SET", "c:mail:due", "of another type"]).await;
    let ada = UserId::new("ada").unwrap();
    let item = Item { user: &ada, id: "1", payload: ADDRESS };
    assert!(a.broker.append(&[item]).await.is_err());
    assert_eq!(server.cli(&["KEYS", "c:inbox:*"]).await, "");
    server.cli(&["DEL", "c:mail:due"]).await;
    assert!(a.broker.append(&[item]).await.unwrap()[0].is_new);
    assert_eq!(server.cli(&["ZCARD", "c:mail:due"]).await, "1");
}

#[tokio::test]
async fn the_schedule_ends_with_the_logs_where_nobody_mails() {
    let server = Server::start().await;
    let short = Retention { ttl: Duration::from_millis(200), mail_after: Some(SOON), ..RETENTION };
    let a = Replica::redis_keeping(&server, "a", short).await;
    append(&a.broker, "ada", "first", ADDRESS).await;
    eventually("old ones go when new ones come", PATIENCE, async || {
        append(&a.broker, "ada", &fastrand::u64(..).to_string(), ADDRESS).await;
        server.cli(&["ZSCORE", "c:mail:due", "ada\nfirst"]).await.is_empty()
    })
    .await;
    eventually("and the rest by itself", PATIENCE, async || {
        server.cli(&["EXISTS", "c:mail:due"]).await == "0"
    })
    .await;
}
