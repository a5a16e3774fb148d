//! OAuth access tokens, JWTs of an issuer on this machine, and scopes by tool: `cargo run -p bearer_tokens`.
#![expect(clippy::print_stdout, reason = "an example prints")]

mod issuer;
#[cfg(test)]
mod tests;

use std::error::Error;

use http::header::WWW_AUTHENTICATE;
use http::request::Request;
use toolpost::Runtime;
use toolpost::auth::{Algorithm, HttpsClient, Jwks, JwtBearer, RequireScopes};
use toolpost::server::{ProtectedResource, Server};
use toolpost::tool::{Call, NoArgs, tool_fn};
use tower_service::Service as _;

use crate::issuer::Issuer;

/// The URL under which clients reach the server: what a token has to be for.
const RESOURCE: &str = "http://localhost/mcp";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for line in run().await? {
        println!("{line}");
    }
    Ok(())
}

fn server(issuer: &Issuer) -> Result<Server, Box<dyn Error>> {
    let count =
        tool_fn(
            "count",
            |_: NoArgs, call: Call| async move { Ok(format!("7, {}", call.principal().as_str())) },
        );
    let scrap = tool_fn("scrap", |_: NoArgs, _| async { Ok("scrapped") });
    let scopes = RequireScopes::new().everywhere(["stock:read"]).tool("scrap", ["stock:write"]);
    let metadata = ProtectedResource::new(RESOURCE).authorization_server(&issuer.url).scopes(scopes.scopes());
    // Of an issuer elsewhere: `Jwks::https(url)`, which trusts whom the system trusts. Here nobody else is.
    let keys = Jwks::new(&issuer.keys_url, HttpsClient::trusting([])?)?;
    let tokens = JwtBearer::new(&issuer.url, RESOURCE, keys).algorithms([Algorithm::EdDsa]);
    let runtime = Runtime::builder().tool(count).tool(scrap).authorize(scopes).build()?;
    Ok(runtime.server().authenticate(tokens).protected_resource(metadata).build())
}

/// What comes of calls with several tokens, a line each.
async fn run() -> Result<Vec<String>, Box<dyn Error>> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer)?;
    let reads = issuer.token("ada", RESOURCE, "stock:read");
    let writes = issuer.token("ada", RESOURCE, "stock:read stock:write");
    let elsewhere = issuer.token("ada", "http://localhost/other", "stock:read");
    let mut lines = Vec::new();
    for (of, token, tool) in [
        ("no token", "", "count"),
        ("a token for another server", &*elsewhere, "count"),
        ("a token that reads", &*reads, "count"),
        ("a token that reads", &*reads, "scrap"),
        ("a token that writes", &*writes, "scrap"),
    ] {
        lines.push(format!("{of}, {tool}: {}", call(&server, token, tool).await?));
    }
    Ok(lines)
}

/// The status of a call, and the challenge, if there is one.
async fn call(server: &Server, token: &str, tool: &str) -> Result<String, Box<dyn Error>> {
    let message = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","_meta":{{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let mut request = Request::post(RESOURCE)
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = server.clone().into_service().call(request.body(message)?).await?;
    let challenge = answer.headers().get(WWW_AUTHENTICATE).map(|challenge| challenge.to_str());
    Ok(format!("{} {}", answer.status().as_u16(), challenge.transpose()?.unwrap_or_default())
        .trim_end()
        .to_owned())
}
