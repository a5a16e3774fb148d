//! Bearer tokens that are looked up in a store: `cargo run -p own_authentication`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::collections::HashMap;
use std::sync::Arc;

use http::request::{Parts, Request};
use tokio::sync::RwLock;
use toolpost::Runtime;
use toolpost::server::{Authenticate, Unauthenticated};
use toolpost::tool::{Call, NoArgs, Principal, tool_fn};
use tower_service::Service as _;

/// Owners by token. Here it is in memory; a table in a database is asked in the same way.
#[derive(Clone, Default)]
struct Tokens(Arc<RwLock<HashMap<String, String>>>);

impl Authenticate for Tokens {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        let challenge = || Unauthenticated::Challenge(r#"Bearer realm="lathes""#.into());
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(challenge)?;
        let tokens = self.0.read().await;
        tokens.get(token).map(|owner| Principal::new(owner.as_str())).ok_or_else(challenge)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let whoami =
        tool_fn("whoami", |_: NoArgs, call: Call| async move { Ok(call.principal().as_str().to_owned()) });
    let tokens = Tokens::default();
    let server = Runtime::builder().tool(whoami).build()?.server().authenticate(tokens.clone()).build();
    // A token that comes while the server runs is good from then on.
    tokens.0.write().await.insert("s3cret".into(), "ada".into());

    let mut endpoint = server.into_service();
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","_meta":{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    for token in ["guessed", "s3cret"] {
        let request = Request::post("http://localhost/mcp")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "whoami");
        let answer = endpoint.call(request.body(message.to_owned())?).await?;
        println!("{token}: {}", answer.status());
    }
    Ok(())
}
