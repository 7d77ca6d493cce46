use super::*;
use crate::broker::Interest as _;
use crate::notification::{MissingId, Notification, Target};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn address(slot: u32) -> Address {
    Address { lane: 0, slot, generation: 1, counts: true }
}

fn parcel() -> Arc<Parcel> {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let target = Target::User("42");
    let notification = Notification::parse(b"{}", target, MissingId::Fresh, now, 100).unwrap();
    Arc::new(Parcel::plain(notification, std::time::Instant::now()))
}

/// Addresses that a delivery to `name` goes to.
async fn recipients(hub: &Hub, mailbox: &Mailbox, name: &str) -> Vec<Address> {
    let mut batch = Batch::new(hub.lanes());
    let count = hub.deliver(name, &parcel(), &mut batch);
    batch.send();
    let mut letters = Vec::new();
    if count > 0 {
        mailbox.take(&mut letters).await;
        mailbox.done(letters.len());
    }
    let addresses = letters.iter().map(|letter| match letter {
        Letter::Deliver(address, _) => *address,
        other => panic!("{other:?}"),
    });
    addresses.collect()
}

#[tokio::test]
async fn a_delivery_goes_to_every_socket_of_its_user_and_to_no_other() {
    let hub = Hub::new();
    let (_, mailbox) = hub.add_lane();
    let first = hub.join(&user("a"), address(1));
    let second = hub.join(&user("a"), address(2));
    let _other = hub.join(&user("b"), address(3));
    assert_eq!(recipients(&hub, &mailbox, "a").await, [address(1), address(2)]);
    drop(first);
    assert_eq!(recipients(&hub, &mailbox, "a").await, [address(2)]);
    drop(second);
    assert_eq!(recipients(&hub, &mailbox, "a").await, []);
    assert_eq!((hub.users(), hub.connections(), hub.connections_of("b")), (1, 1, 1));
    assert_eq!(mailbox.unread(), 0);
}

#[tokio::test]
async fn a_subscription_outlives_its_last_socket_by_the_linger() {
    let hub = Hub::new();
    hub.link_up();
    let gone = hub.join(&user("a"), address(1));
    assert_eq!(hub.changes().wanted, [user("a")]);
    hub.confirmed("a");
    drop(gone);
    assert_eq!(hub.changes().unwanted, []);

    let mut back = hub.join(&user("a"), address(2));
    back.subscribed().await;
    assert_eq!(hub.changes().wanted, [], "it is still subscribed");
    assert_eq!(hub.changes_at(Instant::now() + 2 * LINGER).unwanted, [], "somebody is there");
    drop(back);
    assert_eq!(hub.changes().unwanted, [], "the linger starts anew");
    assert_eq!(hub.changes_at(Instant::now() + LINGER).unwanted, [user("a")]);

    let _again = hub.join(&user("a"), address(3));
    assert_eq!(hub.changes().wanted, [user("a")]);
}

#[tokio::test]
async fn a_confirmation_counts_only_for_its_own_link() {
    let hub = Hub::new();
    hub.link_up();
    let mut first = hub.join(&user("a"), address(1));
    hub.confirmed("a");
    first.subscribed().await;

    hub.link_down();
    let mut second = hub.join(&user("a"), address(2));
    let wait = std::pin::pin!(second.subscribed());
    assert!(futures_util::poll!(wait).is_pending(), "there is no link");

    hub.link_up();
    assert_eq!(hub.everyone(), [user("a")]);
    let mut third = hub.join(&user("a"), address(3));
    hub.confirmed("a");
    third.subscribed().await;
}

#[tokio::test]
async fn a_full_mailbox_asks_the_bus_to_wait_until_it_is_read() {
    let hub = Hub::new();
    let (_, mailbox) = hub.add_lane();
    let _member = hub.join(&user("a"), address(1));
    let mut batch = Batch::new(hub.lanes());
    let parcel = parcel();
    while batch.pressed().is_none() {
        hub.deliver("a", &parcel, &mut batch);
        batch.send();
    }
    let mut letters = Vec::new();
    mailbox.take(&mut letters).await;
    let (relief, ()) = tokio::join!(tokio::time::timeout(LINGER, mailbox.relief()), async {
        mailbox.done(letters.len());
    });
    relief.unwrap();
    assert!(batch.pressed().is_none());
}

#[tokio::test]
async fn counts_are_told_as_they_are_not_as_they_changed() {
    let hub = Hub::new();
    let first = hub.join(&user("a"), address(1));
    let _second = hub.join(&user("a"), address(2));
    drop(first);
    assert_eq!(hub.recounted(), [(user("a"), 1)]);
    assert_eq!(hub.recounted(), []);
    hub.recount_all();
    assert_eq!(hub.recounted(), [(user("a"), 1)]);
}

#[tokio::test]
async fn everyone_who_waits_for_a_worker_goes_on_when_it_has_caught_up() {
    const LETTERS: usize = 70_000;
    let hub = Hub::new();
    let (_, mailbox) = hub.add_lane();
    let mut batch = Batch::new(hub.lanes());
    for _ in 0..LETTERS {
        batch.push_to_all(&|| Letter::Drain(Duration::ZERO));
    }
    batch.send();
    let catches_up = async { mailbox.done(LETTERS) };
    let all = async { tokio::join!(mailbox.relief(), mailbox.relief(), catches_up) };
    tokio::time::timeout(Duration::from_secs(5), all).await.unwrap();
}
