//! Who has a token is let in, and who has none is told where to get one.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use serde_json::{Value, json};
use toolpost_server::{ProtectedResource, StaticTokens};
use toolpost_tool::Principal;

use crate::common::{Answer, Watch, Wire, builder, modern, serve};

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");
const DOCUMENT: &str = "/.well-known/oauth-protected-resource";

async fn get(wire: &mut Wire, verb: &str, path: &str) -> Answer {
    let head = format!("{verb} {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://any.example\r\n\r\n");
    wire.write(head.as_bytes()).await;
    if verb == "HEAD" { wire.head().await } else { wire.answer().await }
}

#[tokio::test]
async fn a_client_without_a_token_finds_where_to_get_one() {
    let resource = ProtectedResource::new("https://mcp.example.com/mcp")
        .authorization_server("https://login.example.com")
        .scope("tools:read");
    let server = builder(&Arc::new(Watch::default()))
        .authenticate(StaticTokens::new([("t0ken", Principal::new("ada"))]))
        .protected_resource(resource)
        .build();
    let served = serve(&server).await;
    let wire = &mut Wire::to(served.address).await;
    let list = modern(1, "tools/list", json!({})).to_string();

    let at = r#"resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;
    let answer = wire.post(&[MODERN], list.as_bytes()).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*format!("Bearer {at}"))));
    let answer = wire.post(&[MODERN, ("Authorization", "Bearer wrong")], list.as_bytes()).await;
    let challenge = format!(r#"Bearer {at}, error="invalid_token""#);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*challenge)));

    for path in [DOCUMENT.to_owned(), format!("{DOCUMENT}/mcp")] {
        let answer = get(wire, "GET", &path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "pages may read it");
        let expected = json!({
            "resource": "https://mcp.example.com/mcp",
            "authorization_servers": ["https://login.example.com"],
            "scopes_supported": ["tools:read"],
            "bearer_methods_supported": ["header"]
        });
        assert_eq!(answer.json(), expected);
        assert_eq!(get(wire, "HEAD", &path).await.status, 200);
        assert_eq!(get(wire, "OPTIONS", &path).await.status, 204);
    }
    assert_eq!(get(wire, "GET", &format!("{DOCUMENT}/other")).await.status, 404);

    let answer = wire.post(&[MODERN, ("Authorization", "Bearer t0ken")], list.as_bytes()).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_server_that_says_nothing_of_tokens_has_no_document() {
    let served = serve(&builder(&Arc::new(Watch::default())).build()).await;
    let wire = &mut Wire::to(served.address).await;
    let answer = get(wire, "GET", DOCUMENT).await;
    assert_eq!((answer.status, answer.json()["id"].clone()), (404, Value::Null));
}
