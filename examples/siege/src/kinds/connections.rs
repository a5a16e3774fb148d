//! Connections, as many as are to be had, and what should not be sent on them.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::{Target, many};
use crate::h2::{self, H2};
use crate::wire::{HERE, ask, connect, head, modern, pause, post, swallow};

fn discover() -> Value {
    modern(1, "server/discover", json!({}))
}

/// More connections than a server takes, each with a request now and then.
pub(super) async fn hold(target: Target) {
    many(1_100, move |_| async move {
        let request = post(&discover(), None);
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                while target.goes_on() && ask(&mut stream, &request, "\"result\"").await.is_ok() {
                    pause(2_000).await;
                }
            }
            pause(100).await;
        }
        std::future::pending().await
    })
    .await;
}

/// More connections than a server takes, and not a word.
pub(super) async fn silent(target: Target) {
    many(1_100, move |_| async move {
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                swallow(&mut stream).await;
            }
            pause(100).await;
        }
    })
    .await;
}

/// A byte of a head now and then.
pub(super) async fn slow_heads(target: Target) {
    many(1_100, move |_| async move {
        let request = post(&discover(), None);
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                for byte in request.chunks(1) {
                    if stream.write_all(byte).await.is_err() {
                        break;
                    }
                    pause(1_000).await;
                }
            }
            pause(100).await;
        }
    })
    .await;
}

/// Half a head, half a body, a stream without its body, a connection that says nothing: whatever keeps a server.
pub(super) async fn half_requests(target: Target) {
    many(100, move |n| async move {
        let request = post(&discover(), None);
        let most = request.len() - 5;
        while target.goes_on() {
            match n % 4 {
                0 | 1 => {
                    if let Ok(mut stream) = connect(target.address, HERE).await {
                        let half = if n % 4 == 0 { &request[..40] } else { &request[..most] };
                        let _sent = stream.write_all(half).await;
                        swallow(&mut stream).await;
                    }
                }
                kind => {
                    if let Ok(connection) = H2::connect(target.address, 65_535).await {
                        if kind == 2 {
                            let _sent = connection.send(&h2::head(1, &discover())).await;
                        }
                        let _closed = connection.tend().await;
                    }
                }
            }
            pause(100).await;
        }
    })
    .await;
}

/// What is no request at all.
pub(super) async fn garbage(target: Target) {
    many(50, move |n| async move {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut seed = n as u64 + 1;
        while target.goes_on() {
            let noise: Vec<u8> = (0..4_096)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 33) as u8
                })
                .collect();
            let mut posted = head(&discover(), None, noise.len());
            posted.extend(&noise);
            let mut nested = head(&discover(), None, deep.len());
            nested.extend(deep.as_bytes());
            let greeting = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
            let said = [noise, posted, nested, greeting, b"GET / HTTP/9.9\r\n\r\n".to_vec()];
            for bytes in said {
                if let Ok(mut stream) = connect(target.address, HERE).await {
                    let _sent = stream.write_all(&bytes).await;
                    let _shut = stream.shutdown().await;
                    let second = std::time::Duration::from_secs(1);
                    let _longer = tokio::time::timeout(second, swallow(&mut stream)).await;
                }
            }
            pause(50).await;
        }
    })
    .await;
}

/// Requests without a pause between them, whose answers are read late or never.
pub(super) async fn pipelined(target: Target) {
    many(20, move |n| async move {
        let requests = post(&discover(), None).repeat(500);
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                let second = std::time::Duration::from_secs(1);
                let _longer = tokio::time::timeout(second, stream.write_all(&requests)).await;
                if n % 2 == 0 {
                    let _longer = tokio::time::timeout(second, swallow(&mut stream)).await;
                }
            }
            pause(50).await;
        }
    })
    .await;
}

/// Heads longer than any.
pub(super) async fn huge_heads(target: Target) {
    many(100, move |n| async move {
        let long = match n % 2 {
            0 => format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-long: {}", "l".repeat(1 << 20)),
            _ => format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{}", "x-more: m\r\n".repeat(100_000)),
        };
        while target.goes_on() {
            if let Ok(mut stream) = connect(target.address, HERE).await {
                let _sent = stream.write_all(long.as_bytes()).await;
                let second = std::time::Duration::from_secs(1);
                let _longer = tokio::time::timeout(second, swallow(&mut stream)).await;
            }
            pause(50).await;
        }
    })
    .await;
}
