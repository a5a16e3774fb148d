//! pmcp with its concurrent router (the plain one answers one request at a time), answering in JSON; without sessions, or
//! with its own ones, whose event store is its default.

use std::process::ExitCode;
use std::sync::Arc;

use axum::serve::ListenerExt;
use calls::messages::{Echo, Echoed, Nothing, Order, Wait, price};
use pmcp::Server;
use pmcp::axum::{RouterConfig, concurrent_router_with_config};
use pmcp::server::streamable_http_server::StreamableHttpServerConfig;
use pmcp::types::ProtocolVersion;
use serde_json::{Value, to_value};
use served::{Transport, listen, main as serve, name_of, print, ready, wait};

fn main() -> ExitCode {
    serve(|transport, many| async move {
        let server = server(many)?;
        if transport == Transport::Stdio {
            return Ok(server.run_stdio().await?);
        }
        let server_config = match transport {
            Transport::Sessions => {
                StreamableHttpServerConfig { enable_json_response: true, ..Default::default() }
            }
            _ => StreamableHttpServerConfig::stateless(),
        };
        let config = RouterConfig { server_config, ..Default::default() };
        // It serves at the root alone.
        let app = concurrent_router_with_config(Arc::new(server), config);
        let app = axum::Router::new().nest("/mcp", app);
        let listener = listen().await?;
        ready(&listener)?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        Ok(axum::serve(listener, app).await?)
    })
}

fn server(many: usize) -> pmcp::Result<Server> {
    let versions = ["2026-07-28", "2025-11-25"].map(|version| ProtocolVersion(version.to_owned()));
    let builder = Server::builder().name("bench").version("1.0.0").with_supported_protocol_versions(versions);
    let echo = |echo: Echo, _| async move { Ok(value(&Echoed { message: echo.message })) };
    let builder = match many {
        0 => builder
            .tool_typed("echo", echo)
            .tool_typed("price", |order: Order, _| async move { Ok(value(&price(&order))) })
            .tool_typed("wait", |Wait { ms }: Wait, _| async move { Ok(Value::from(wait(ms).await)) })
            .tool_typed("print", |_: Nothing, _| async move { Ok(Value::from(print())) })
            .tool_typed("panic", |_: Nothing, _| async move {
                if true {
                    panic!("as asked");
                }
                Ok(Value::Null)
            }),
        _ => (0..many).fold(builder, |builder, number| builder.tool_typed(name_of(number), echo)),
    };
    builder.build()
}

fn value(value: &impl serde::Serialize) -> Value {
    to_value(value).expect("encodes")
}
