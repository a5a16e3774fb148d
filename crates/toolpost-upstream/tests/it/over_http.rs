//! Servers that are reached over HTTP, of both eras.

use serde_json::json;
use toolpost_client::HttpTarget;
use toolpost_dispatch::Dispatcher;
use toolpost_protocol::Version;
use toolpost_server::Server;
use toolpost_test::{Recording, client};
use toolpost_tool::{AnyTool, Call, LogLevel, NoArgs, tool_fn};
use toolpost_upstream::{Endpoint, Upstream, UpstreamOptions};

use crate::common::{dispatcher, is_down, start, tool, until};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Size {
    mm: u32,
}

fn tools() -> [AnyTool; 2] {
    let cut = tool_fn("cut", |_: NoArgs, call: Call| async move {
        Ok(call.elicit::<Size>("size", "How long?")?.accepted().map_or(0, |size| size.mm).to_string())
    });
    let tells = tool_fn("tells", |_: NoArgs, call: Call| async move {
        call.step(1, 2, "half");
        call.log(LogLevel::Warning, "hot");
        Ok("told")
    });
    [AnyTool::new(cut), AnyTool::new(tells)]
}

/// A server on a port of its own.
async fn serving(dispatcher: &Dispatcher) -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let server = Server::builder(dispatcher.clone()).build();
    tokio::spawn(async move { drop(server.serve(listener).await) });
    Endpoint::http(HttpTarget::new(&url).unwrap())
}

async fn through(version: Version) -> Upstream {
    let options = UpstreamOptions::new().versions([version]);
    start("saw", serving(&dispatcher(tools())).await, options).await
}

const VERSIONS: [Version; 2] = [Version::V2026_07_28, Version::V2025_11_25];

#[tokio::test]
async fn forms_cross_every_pair_of_eras_over_http_and_two_at_once_get_their_own_answers() {
    for (ours, theirs) in VERSIONS.into_iter().flat_map(|ours| VERSIONS.map(|theirs| (ours, theirs))) {
        let upstream = through(theirs).await;
        let one = |mm: u32| {
            let dispatcher = dispatcher(upstream.tools());
            async move {
                let client = client(&dispatcher).version(ours).person(move |_| Some(json!({ "mm": mm })));
                let result = client.connect().await.call("cut", &json!({})).await.unwrap();
                assert_eq!(result["content"][0]["text"], mm.to_string(), "{ours} over {theirs}: {result}");
            }
        };
        // Over HTTP an older server says by its stream which call it asks about.
        futures_util::future::join_all((1..20).map(one)).await;
        assert_eq!(upstream.status().suspended, 0);
        assert_eq!(upstream.status().handshakes, 1);
    }
}

#[tokio::test]
async fn progress_and_log_lines_come_over_http() {
    for version in VERSIONS {
        let upstream = through(version).await;
        let recording = Recording::new();
        let call = toolpost_test::call(NoArgs {}).recording(&recording).build();
        tool(&upstream, "tells").call_boxed(call).await.unwrap();
        let done: Vec<f64> = recording.progress().iter().map(|progress| progress.done).collect();
        assert_eq!(done, [1.0], "{version}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_down_as_soon_as_somebody_calls_and_there_again_when_it_is() {
    let dispatcher = dispatcher(tools());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder(dispatcher.clone()).build();
    let stops = server.clone();
    let served = tokio::spawn(async move { drop(server.serve(listener).await) });
    let endpoint = Endpoint::http(HttpTarget::new(&format!("http://{address}/mcp")).unwrap());
    let upstream = start("saw", endpoint, UpstreamOptions::new().versions([Version::LATEST])).await;
    let tells = tool(&upstream, "tells");
    let call = || tells.call_boxed(Call::new(&NoArgs {}).unwrap());
    call().await.unwrap();
    assert!(upstream.status().is_healthy());
    stops.stop();
    served.await.unwrap();
    call().await.unwrap_err();
    until(&upstream, is_down).await;

    let server = Server::builder(dispatcher).build();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { drop(server.serve(listener).await) });
    drop(call().await);
    until(&upstream, |status| status.is_healthy()).await;
    call().await.unwrap();
}
