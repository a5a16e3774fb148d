//! A connection without a transport: what it takes, gives out and keeps.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test")]

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use futures_util::task::noop_waker;
use serde_json::{Value, json};
use toolpost_server::{Connection, Server};
use toolpost_tool::Principal;

use crate::common::{Watch, builder, call};

fn connect(server: &Server) -> Connection {
    server.connection(Principal::anonymous())
}

fn say(connection: &mut Connection, message: &Value) {
    connection.receive(message.to_string());
}

async fn hear(connection: &mut Connection) -> Value {
    serde_json::from_slice(&poll_fn(|cx| connection.poll_send(cx)).await.unwrap()).unwrap()
}

/// Runs what can run now, and hears all of it.
async fn hear_all(connection: &mut Connection) -> Vec<Value> {
    let mut heard = Vec::new();
    poll_fn(|cx| {
        while let Poll::Ready(Some(message)) = connection.poll_send(cx) {
            heard.push(serde_json::from_slice(&message).unwrap());
        }
        Poll::Ready(())
    })
    .await;
    heard
}

#[tokio::test]
async fn who_sends_where_there_is_no_room_is_refused_and_costs_no_more() {
    let watch = Arc::new(Watch::default());
    let limited = builder(&watch)
        .connection_limits(|limits| (limits.in_flight, limits.waiting, limits.bytes) = (1, 2, 4_000));
    let mut connection = connect(&limited.build());
    say(&mut connection, &call(0, "wait", json!({})));
    assert!(hear_all(&mut connection).await.is_empty());
    let room = |connection: &mut Connection| {
        connection.poll_ready(&mut std::task::Context::from_waker(&noop_waker())).is_ready()
    };
    for id in 1..5 {
        assert_eq!(room(&mut connection), id < 3);
        say(&mut connection, &call(id, "echo", json!({ "text": "x" })));
    }
    let refused = hear_all(&mut connection).await;
    let ids: Vec<_> = refused.iter().map(|message| message["id"].clone()).collect();
    assert_eq!(ids, [3, 4]);
    assert!(refused.iter().all(|message| message["error"]["code"] == -32603), "{refused:?}");

    // Nobody takes the refusals: they are bounded, too.
    for id in 5..5_000 {
        say(&mut connection, &call(id, "echo", json!({ "text": "x" })));
    }
    let refused = hear_all(&mut connection).await;
    assert!((10..100).contains(&refused.len()), "{}", refused.len());

    // A cancellation is taken however full it is, and makes room for those that wait.
    say(
        &mut connection,
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 0 } }),
    );
    assert_eq!(hear(&mut connection).await["id"], 1);
    assert_eq!(hear(&mut connection).await["id"], 2);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 1);
    assert!(room(&mut connection));
}

#[tokio::test]
async fn who_waits_for_room_is_woken_though_no_message_comes_of_it() {
    let watch = Arc::new(Watch::default());
    let limited = builder(&watch).connection_limits(|limits| (limits.in_flight, limits.waiting) = (1, 1));
    let mut connection = connect(&limited.build());
    say(&mut connection, &call(0, "wait", json!({})));
    assert!(hear_all(&mut connection).await.is_empty());
    say(&mut connection, &call(1, "wait", json!({})));
    tokio::join!(
        async {
            watch.reach(|watch| &watch.started, 1).await;
            watch.release.notify_one();
        },
        async {
            // Sends last, so that the wake-up is all that can tell of the room.
            poll_fn(|cx| {
                let ready = connection.poll_ready(cx);
                while let Poll::Ready(message) = connection.poll_send(cx) {
                    assert!(message.is_some());
                }
                ready
            })
            .await;
        }
    );
}

#[tokio::test]
async fn a_closed_connection_answers_what_runs_and_ends() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    for stops in [false, true] {
        let mut connection = connect(&server);
        say(&mut connection, &call(0, "wait", json!({})));
        assert!(hear_all(&mut connection).await.is_empty());
        match stops {
            true => server.stop(),
            false => connection.close(),
        }
        assert!(hear_all(&mut connection).await.is_empty());
        say(&mut connection, &call(1, "echo", json!({ "text": "x" })));
        watch.release.notify_one();
        assert_eq!(hear(&mut connection).await["id"], 0, "what came after the close is dropped");
        assert_eq!(poll_fn(|cx| connection.poll_send(cx)).await, None);
    }
    let mut connection = connect(&builder(&watch).build());
    say(&mut connection, &call(0, "wait", json!({})));
    assert!(hear_all(&mut connection).await.is_empty());
    drop(connection);
    assert_eq!(watch.dropped.load(Ordering::SeqCst), 1, "to drop the connection cancels");
}
