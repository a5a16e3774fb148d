//! Holds an event store to what its trait says.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use toolpost_server::EventStore;

/// Checks that `store`, which has to be empty, does what [`EventStore`] says: the contract tests for a store of your own.
///
/// ```
/// use toolpost_server::MemoryEventStore;
/// use toolpost_test::{check_event_store, run};
///
/// run(async { check_event_store(&MemoryEventStore::default()).await });
/// ```
///
/// # Panics
///
/// If it does not; the message says what is wrong.
///
/// # Cancel safety
///
/// After a drop the store has the streams of some checks.
pub async fn check_event_store(store: &dyn EventStore) {
    what_is_not_there(store).await;
    events_come_back(store).await;
    an_end_is_an_end(store).await;
    writers_at_once(store).await;
    a_reader_that_waits(store).await;
    what_is_dropped(store).await;
}

async fn append(store: &dyn EventStore, stream: &str, event: impl Into<Bytes>, last: bool) -> u64 {
    let added = store.append(stream, event.into(), last).await;
    added.unwrap_or_else(|error| panic!("an event of the open stream `{stream}` is not taken: {error}"))
}

/// The numbers and events after `after`, however many reads it takes, and whether the stream has ended.
async fn read(store: &dyn EventStore, stream: &str, mut after: u64) -> Option<(Vec<(u64, Bytes)>, bool)> {
    let mut all = Vec::new();
    loop {
        let read = store
            .read(stream, after)
            .await
            .unwrap_or_else(|error| panic!("`{stream}` cannot be read: {error}"));
        let read = read?;
        let Some((last, _)) = read.events.last() else { return Some((all, read.ended)) };
        for (number, event) in &read.events {
            assert!(after < *number, "event {number} of `{stream}` is read after {after}");
            after = *number;
            all.push((*number, event.clone()));
        }
        assert_eq!(after, *last);
        assert!(
            read.quiet < Duration::from_secs(20),
            "`{stream}` was just written, and is quiet for {:?}",
            read.quiet
        );
    }
}

async fn what_is_not_there(store: &dyn EventStore) {
    assert!(read(store, "never opened", 0).await.is_none(), "a stream that was never opened is there");
    let added = store.append("never opened", Bytes::from_static(b"x"), false).await;
    assert!(added.is_err(), "a stream that was never opened takes an event");
    assert!(store.touch("never opened").await.is_err(), "a stream that was never opened can be touched");
    assert!(store.remove("never opened").await.is_ok(), "removing a stream that is not there fails");
}

async fn events_come_back(store: &dyn EventStore) {
    for stream in ["one", "two"] {
        assert!(store.open(stream, "owner").await.is_ok(), "a stream cannot be opened");
        assert_eq!(read(store, stream, 0).await, Some((Vec::new(), false)), "a new stream is not empty");
    }
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let events = [
        Bytes::from(every_byte),
        Bytes::new(),
        vec![b'x'; 300_000].into(),
        Bytes::from_static(b"\r\n\n: id"),
    ];
    let (mut numbered, mut others) = (Vec::new(), Vec::new());
    for event in &events {
        numbered.push((append(store, "one", event.clone(), false).await, event.clone()));
        others.push((append(store, "two", "other", false).await, Bytes::from_static(b"other")));
    }
    assert!(1 <= numbered[0].0, "numbers begin with 1 at least");
    assert!(numbered.windows(2).all(|two| two[0].0 < two[1].0), "numbers do not increase: {numbered:?}");
    assert!(store.open("one", "owner").await.is_ok(), "a stream cannot be opened again");
    assert!(store.touch("one").await.is_ok(), "an open stream cannot be touched");
    for from in 0..=numbered.len() {
        let after = from.checked_sub(1).map_or(0, |before| numbered[before].0);
        let rest = read(store, "one", after).await.map(|(events, _)| events);
        assert_eq!(rest.as_deref(), Some(&numbered[from..]), "after event {after}");
    }
    assert_eq!(read(store, "two", 0).await, Some((others, false)), "the streams mix");
    assert_eq!(read(store, "one", u64::MAX >> 1).await, Some((Vec::new(), false)), "after all there are");
    for stream in ["one", "two"] {
        assert!(store.remove(stream).await.is_ok(), "a stream cannot be removed");
        assert!(read(store, stream, 0).await.is_none(), "a stream that was removed is there");
    }
}

async fn an_end_is_an_end(store: &dyn EventStore) {
    assert!(store.open("ends", "owner").await.is_ok(), "a stream cannot be opened");
    let first = append(store, "ends", "first", false).await;
    let last = append(store, "ends", "last", true).await;
    let all = vec![(first, Bytes::from_static(b"first")), (last, Bytes::from_static(b"last"))];
    assert_eq!(read(store, "ends", 0).await, Some((all, true)));
    assert_eq!(
        read(store, "ends", last).await,
        Some((Vec::new(), true)),
        "an end is seen after the last event, too"
    );
    assert!(
        store.append("ends", Bytes::new(), false).await.is_err(),
        "a stream that has ended takes an event"
    );
    assert!(store.remove("ends").await.is_ok(), "a stream cannot be removed");
}

async fn writers_at_once(store: &dyn EventStore) {
    assert!(store.open("shared", "owner").await.is_ok(), "a stream cannot be opened");
    let write = async |writer: u8| {
        for event in 0..20_u8 {
            append(store, "shared", vec![writer, event], false).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write(0), write(1), write(2));
    let (events, _) = read(store, "shared", 0).await.unwrap_or_default();
    let distinct: BTreeSet<_> = events.iter().map(|(number, _)| *number).collect();
    assert_eq!((events.len(), distinct.len()), (60, 60), "events of writers at once get lost");
    for writer in 0..3 {
        let own = events.iter().filter(|(_, event)| event[0] == writer).map(|(_, event)| event[1]);
        assert!(own.eq(0..20), "the events of one writer are not in their order");
    }
    assert!(store.remove("shared").await.is_ok(), "a stream cannot be removed");
}

async fn a_reader_that_waits(store: &dyn EventStore) {
    assert!(store.open("waits", "owner").await.is_ok(), "a stream cannot be opened");
    let mut after = 0;
    for _ in 0..10 {
        let waits = async {
            // A store need not tell, and whoever waits looks again in any case.
            let _told = tokio::time::timeout(Duration::from_millis(500), store.changed("waits", after)).await;
        };
        let (_, number) = tokio::join!(waits, append(store, "waits", "news", false));
        let (news, _) = read(store, "waits", after).await.unwrap_or_default();
        assert_eq!(news.len(), 1, "what was added while a reader waited is not there");
        after = number;
    }
    assert!(store.remove("waits").await.is_ok(), "a stream cannot be removed");
}

async fn what_is_dropped(store: &dyn EventStore) {
    assert!(store.open("dropped", "owner").await.is_ok(), "a stream cannot be opened");
    for _ in 0..10 {
        // Polled once at most.
        let given_up = async { std::future::ready(()).await };
        tokio::select! {
            biased;
            _ = store.append("dropped", Bytes::from_static(b"perhaps"), false) => {}
            () = given_up => {}
        }
        tokio::select! {
            biased;
            _ = store.read("dropped", 0) => {}
            () = std::future::ready(()) => {}
        }
    }
    let number = append(store, "dropped", "certain", false).await;
    let (events, _) = read(store, "dropped", 0).await.unwrap_or_default();
    assert_eq!(events.last(), Some(&(number, Bytes::from_static(b"certain"))), "after dropped calls");
    assert!(events.len() <= 11, "a dropped call added more than one event");
    assert!(store.remove("dropped").await.is_ok(), "a stream cannot be removed");
}
