//! A runtime's tools under one path of an axum application, asked by rmcp's client:
//! `cargo run -p inside_axum`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and serves in a task"
)]

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};
use tokio::net::TcpListener;
use toolpost::Runtime;
use toolpost::server::Server;
use toolpost::tool::{Call, Json, tool_fn};

/// Cutting speed from diameter and revolutions.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Turning {
    /// Diameter of the work, in millimeters.
    diameter: f64,
    /// Revolutions per minute.
    revolutions: f64,
}

/// The whole application: a page of its own, and the tools next to it.
fn application(runtime: &Runtime) -> Router {
    let tools = Server::builder(runtime.dispatcher().clone()).name("inside_axum").build();
    Router::new()
        .route("/", get(|| async { "A page of the application; the tools are at /mcp.\n" }))
        .route_service("/mcp", tools.into_service())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let speed = tool_fn("cutting_speed", |turning: Turning, _: Call| async move {
        Ok(Json(std::f64::consts::PI * turning.diameter * turning.revolutions / 1000.0))
    });
    let runtime = Runtime::builder().tool(speed).build()?;

    // Small answers must not wait for the acknowledgement of earlier ones.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = axum::serve(listener, application(&runtime)).with_graceful_shutdown(async {
        let _asked = stopped.await;
    });
    let serving = tokio::spawn(async move { serving.await });

    let transport = StreamableHttpClientTransport::from_uri(format!("http://{address}/mcp"));
    let preferred_versions = vec![rmcp::model::ProtocolVersion::V_2026_07_28];
    let client =
        ().serve_with_lifecycle(transport, ClientLifecycleMode::Discover { preferred_versions }).await?;
    for tool in client.list_all_tools().await? {
        println!("{}: {}", tool.name, tool.description.unwrap_or_default());
    }
    let mut request = CallToolRequestParams::new("cutting_speed");
    request.arguments = serde_json::json!({ "diameter": 40, "revolutions": 1200 }).as_object().cloned();
    let speed = client.call_tool(request).await?.structured_content.unwrap_or_default();
    println!("{speed} m/min");

    client.cancel().await?;
    let _gone = stop.send(());
    serving.await??;
    Ok(())
}
