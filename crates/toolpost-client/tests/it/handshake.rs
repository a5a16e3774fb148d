//! Who the server is: every answer to the first question, and none.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::join;
use tokio::time::Instant;
use toolpost_client::{ClientError, Frame, RequestOptions, Version};

use crate::common::{Scripted, frame, options};

#[tokio::test(start_paused = true)]
async fn a_server_that_is_discovered_is_asked_nothing_else() {
    let (mut server, client) = Scripted::new(options());
    let (profile, ()) = join!(client.ready(), server.discovered(json!({ "tools": {} })));
    let profile = profile.unwrap();
    assert_eq!(profile.version, Version::V2026_07_28);
    assert_eq!(profile.implementation.as_ref().unwrap().name, "scripted");
    assert!(profile.capabilities.tools.is_some() && profile.capabilities.prompts.is_none());
    let calling = client.clone();
    let call =
        tokio::spawn(
            async move { calling.call_tool("t", Frame::empty().root(), RequestOptions::new()).await },
        );
    let request = server.expect("tools/call").await;
    let meta = &request["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"], json!({ "name": "test", "version": "1" }));
    assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    assert!(meta.get("progressToken").is_none());
    server.answer(&request, json!({ "resultType": "complete", "content": [] })).await;
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_of_sessions_is_initialized_whatever_it_says_first() {
    let refusals = [
        json!({ "error": { "code": -32601, "message": "no such method" } }),
        json!({ "error": { "code": -32602, "message": "not initialized" } }),
        json!({ "error": { "code": -32022, "message": "", "data": { "supported": ["2025-06-18"] } } }),
        json!({ "error": { "code": -32022, "message": "", "data": { "supported": ["2026-07-28"] } } }),
        json!({ "error": { "code": 1 } }),
        json!({ "result": {} }),
        json!({ "result": { "supportedVersions": 1 } }),
        json!({ "result": { "supportedVersions": ["2025-11-25"], "capabilities": {} } }),
        json!({ "result": [] }),
    ];
    for mut refusal in refusals {
        let (mut server, client) = Scripted::new(options());
        let script = async {
            let request = server.expect("server/discover").await;
            refusal["jsonrpc"] = json!("2.0");
            refusal["id"] = request["id"].clone();
            server.say(&refusal).await;
            let request = server.expect("initialize").await;
            assert_eq!(request["params"]["protocolVersion"], "2025-11-25");
            assert!(request["params"].get("_meta").is_none(), "{request}");
            server.answer(&request, json!({ "protocolVersion": "2025-06-18", "capabilities": {} })).await;
            server.expect("notifications/initialized").await;
        };
        let (profile, ()) = join!(client.ready(), script);
        assert_eq!(profile.unwrap().version, Version::V2025_06_18, "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_costs_a_bounded_time() {
    let (mut server, client) = Scripted::new(options().discover_time(Duration::from_secs(2)));
    let began = Instant::now();
    let script = async {
        let silent = server.expect("server/discover").await;
        let request = server.expect("initialize").await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));
        server.answer(&request, json!({ "protocolVersion": "2024-11-05", "capabilities": {} })).await;
        server.expect("notifications/initialized").await;
        assert_eq!(server.expect("notifications/cancelled").await["params"]["requestId"], silent["id"]);
    };
    let (profile, ()) = join!(client.ready(), script);
    assert_eq!(profile.unwrap().version, Version::V2024_11_05);

    let (mut server, client) = Scripted::new(options().handshake_time(Duration::from_secs(20)));
    let began = Instant::now();
    let error = client.ready().await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(20));
    assert!(matches!(error, ClientError::NotConnected(_)), "{error}");
    server.expect("server/discover").await;
    server.expect("initialize").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_starts_slowly_is_known_by_its_first_answer() {
    // It reads both questions at once, and knows one.
    let (mut server, client) = Scripted::new(options());
    let script = async {
        let discover = server.expect("server/discover").await;
        let initialize = server.expect("initialize").await;
        server.answer(&discover, json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} })).await;
        server.refuse(&initialize, -32601, Value::Null).await;
    };
    let (profile, ()) = join!(client.ready(), script);
    assert_eq!(profile.unwrap().version, Version::V2026_07_28);

    let (mut server, client) = Scripted::new(options());
    let script = async {
        let discover = server.expect("server/discover").await;
        let initialize = server.expect("initialize").await;
        server.refuse(&initialize, -32601, Value::Null).await;
        server.answer(&discover, json!({ "supportedVersions": ["2026-07-28"], "capabilities": {} })).await;
    };
    let (profile, ()) = join!(client.ready(), script);
    assert_eq!(profile.unwrap().version, Version::V2026_07_28, "whatever came first");
}

#[tokio::test(start_paused = true)]
async fn nothing_in_common_is_said() {
    let (mut server, client) = Scripted::new(options());
    let script = async {
        let request = server.expect("server/discover").await;
        server.refuse(&request, -32022, json!({ "supported": ["2099-01-01"] })).await;
    };
    let (profile, ()) = join!(client.ready(), script);
    let error = profile.unwrap_err();
    assert!(
        matches!(&error, ClientError::NoCommonVersion { offered } if **offered == ["2099-01-01"]),
        "{error}"
    );

    for version in ["2099-01-01", "2026-07-28"] {
        let (mut server, client) = Scripted::new(options().versions([Version::V2025_11_25]));
        let script = async {
            let request = server.expect("initialize").await;
            server.answer(&request, json!({ "protocolVersion": version, "capabilities": {} })).await;
        };
        let (profile, ()) = join!(client.ready(), script);
        let error = profile.unwrap_err();
        assert!(matches!(error, ClientError::NoCommonVersion { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_at_the_first_message_is_lost_and_said_to_be() {
    let (mut server, client) = Scripted::new(options());
    let script = async move {
        server.expect("server/discover").await;
        drop(server);
    };
    let arguments = frame(&json!({}));
    let (called, ready, ()) =
        join!(client.call_tool("t", arguments.root(), RequestOptions::new()), client.ready(), script);
    assert!(matches!(ready.unwrap_err(), ClientError::NotConnected(_)));
    let error = called.unwrap_err();
    assert!(matches!(error, ClientError::NotConnected(_)) && !error.is_outcome_unknown(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn who_calls_before_the_server_is_known_waits_within_the_limit_of_the_call() {
    let (_server, client) = Scripted::new(options());
    let began = Instant::now();
    let limit = RequestOptions::new().time_limit(Duration::from_secs(1));
    let error = client.call_tool("t", frame(&json!({})).root(), limit).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    assert!(matches!(error, ClientError::NotConnected(_)), "nothing was sent: {error}");
}
