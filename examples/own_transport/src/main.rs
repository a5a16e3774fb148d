//! MCP over a transport of one's own, which is in `lib.rs`: `cargo run -p own_transport`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use own_transport::connect;
use serde_json::{Value, json};
use toolpost::Runtime;
use toolpost::tool::{Call, NoArgs, Principal, tool_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let face = tool_fn("face", |_: NoArgs, call: Call| async move {
        call.progress(1.0, Some(2.0), Some("roughing"));
        tokio::task::yield_now().await;
        call.progress(2.0, Some(2.0), Some("finishing"));
        Ok("flat")
    });
    let server = Runtime::builder().tool(face).build()?.server().build();
    let (mut line, serving) = connect(&server, Principal::anonymous());

    let client = async {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "face",
            "_meta": {
                "progressToken": "p",
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        } });
        line.up.send(message.to_string().into()).await?;
        while let Some(message) = line.down.recv().await {
            let message: Value = serde_json::from_slice(&message)?;
            println!("{message}");
            if message["id"] == 1 {
                break;
            }
        }
        drop(line);
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (said, ()) = tokio::join!(client, serving);
    said
}
