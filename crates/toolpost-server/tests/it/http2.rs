//! HTTP/2, by prior knowledge on the same port.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use crate::common;

use std::sync::Arc;

use common::streams::{connect, request, within};
use common::{Watch, builder, call, serve};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

#[tokio::test]
async fn many_streams_of_one_connection_each_get_their_own_answer() {
    let served = serve(&builder(&Arc::new(Watch::default())).build()).await;
    let client = connect(TcpStream::connect(served.address).await.unwrap()).await;
    let mut answers = tokio::task::JoinSet::new();
    for id in 0..300 {
        let mut client = client.clone();
        answers.spawn(async move {
            let text = format!("text of {id}");
            let response = client
                .send_request(request("localhost", &call(id, "echo", json!({ "text": text }))))
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            let body: Value =
                serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
            assert_eq!((&body["id"], &body["result"]["content"][0]["text"]), (&json!(id), &json!(text)));
        });
    }
    while let Some(answered) = answers.join_next().await {
        answered.unwrap();
    }
    let mut client = client;
    let rebound = client
        .send_request(request("evil.example.com", &call(1, "echo", json!({"text": ""}))))
        .await
        .unwrap();
    assert_eq!(rebound.status(), 403, "the authority stands for Host");
    served.server.stop();
    served.served.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn h2_rapid_reset() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).build();
    let mut client = connect(within(&server)).await;
    for round in 0..200 {
        let Ok(()) = client.ready().await else {
            // The server may also hang up on such a client.
            client = connect(within(&server)).await;
            continue;
        };
        let answer = client.send_request(request("localhost", &call(round, "wait", json!({}))));
        let reset = tokio::time::timeout(std::time::Duration::from_millis(1), answer).await;
        assert!(!matches!(reset, Ok(Ok(_))), "nothing answers `wait`");
    }
    drop(client);
    // Every call that was begun is dropped, and the next client is served.
    while 0 < server.dispatcher().running() {
        tokio::task::yield_now().await;
    }
    let mut client = connect(within(&server)).await;
    let response =
        client.send_request(request("localhost", &call(1, "echo", json!({"text": "x"})))).await.unwrap();
    assert_eq!(response.status(), 200);
}
