//! Bodies that do not come, and answers that are not fetched.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{Target, many};
use crate::h2::{self, H2};
use crate::wire::{HERE, call, connect, head, modern, pause, post, swallow};

/// The most that one message may hold, nearly.
const LARGE: usize = 3_900_000;

fn discover() -> Value {
    modern(1, "server/discover", json!({}))
}

/// A head that promises a body, and then nothing; from as many connections as a server takes.
pub(super) async fn never_begun(target: Target) {
    many(1_100, move |_| async move {
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                let _sent = stream.write_all(&head(&discover(), None, 2)).await;
                swallow(&mut stream).await;
            }
            pause(100).await;
        }
    })
    .await;
}

/// Bodies of which the last byte is missing.
pub(super) async fn unfinished(target: Target) {
    let body: Arc<[u8]> = vec![b' '; LARGE - 1].into();
    many(150, move |_| {
        let body = Arc::clone(&body);
        async move {
            while target.goes_on() {
                if let Ok(mut stream) = connect(target.address, HERE).await {
                    let _sent = stream.write_all(&head(&discover(), None, LARGE)).await;
                    let _sent = stream.write_all(&body).await;
                    swallow(&mut stream).await;
                }
                pause(100).await;
            }
        }
    })
    .await;
}

/// The same, a hundred on each connection.
pub(super) async fn unfinished_h2(target: Target) {
    many(4, move |_| async move {
        while target.goes_on() {
            if let Ok(connection) = H2::connect(target.address, 65_535).await {
                let connection = Arc::new(connection);
                let mut pours = tokio::task::JoinSet::new();
                for stream in (0..100).map(|n| n * 2 + 1) {
                    // In the order of their numbers, or the server hangs up.
                    if connection.send(&h2::head(stream, &discover())).await.is_err() {
                        break;
                    }
                    let connection = Arc::clone(&connection);
                    pours.spawn(async move { connection.pour(stream, LARGE).await });
                }
                let _closed = connection.tend().await;
            }
            pause(100).await;
        }
    })
    .await;
}

fn large() -> Value {
    call(1, "read_file", &json!({ "path": "large.txt" }))
}

/// Large answers, one after another on each connection, that nobody reads.
pub(super) async fn unread(target: Target) {
    let requests: Arc<[u8]> = post(&large(), None).repeat(64).into();
    many(200, move |_| {
        let requests = Arc::clone(&requests);
        async move {
            while target.goes_on() {
                if let Ok(mut stream) = connect(target.address, HERE).await {
                    let _sent = stream.write_all(&requests).await;
                    // Notices the end, and reads nothing.
                    let _ended = stream.ready(tokio::io::Interest::ERROR).await;
                }
                pause(100).await;
            }
        }
    })
    .await;
}

/// Large answers, a hundred on each connection, whose window stays shut.
pub(super) async fn window_of_zero(target: Target) {
    many(20, move |_| async move {
        while target.goes_on() {
            if let Ok(connection) = H2::connect(target.address, 0).await {
                let asked = async {
                    for n in 0..100 {
                        if connection.send(&h2::post(n * 2 + 1, &large())).await.is_err() {
                            break;
                        }
                    }
                };
                let (_closed, ()) = tokio::join!(connection.tend(), asked);
            }
            pause(100).await;
        }
    })
    .await;
}
