//! toolpost, as a user would set it up: a runtime, and a server of its dispatcher. `TOOLPOST_STATE_KEY`, 32 bytes, is shared
//! by replicas.

use std::process::ExitCode;

use calls::messages::{Echo, Echoed, Nothing, Order, Wait, price};
use served::{Transport, listen, main as serve, name_of, print, ready, wait};
use toolpost::Runtime;
use toolpost::server::Server;
use toolpost::tool::{Json, Tool, tool_fn};

fn main() -> ExitCode {
    serve(|transport, many| async move {
        let server = server(many);
        if transport == Transport::Stdio {
            return Ok(server.stdio().await?);
        }
        let listener = listen().await?;
        ready(&listener)?;
        Ok(server.serve(listener).await?)
    })
}

fn server(many: usize) -> Server {
    let builder = match many {
        0 => Runtime::builder()
            .tool(echo("echo"))
            .tool(tool_fn("price", |order: Order, _| async move { Ok(Json(price(&order))) }))
            .tool(tool_fn("wait", |Wait { ms }: Wait, _| async move { Ok(wait(ms).await) }))
            .tool(tool_fn("print", |_: Nothing, _| async move { Ok(print()) }))
            .tool(tool_fn("panic", |_: Nothing, _| async move {
                if true {
                    panic!("as asked");
                }
                Ok("")
            })),
        _ => (0..many).fold(Runtime::builder(), |builder, number| builder.tool(echo(&name_of(number)))),
    };
    let runtime = builder.build().expect("no name twice");
    let builder = Server::builder(runtime.dispatcher().clone()).name("bench").version("1.0.0");
    match std::env::var("TOOLPOST_STATE_KEY").ok().and_then(|key| key.into_bytes().try_into().ok()) {
        Some(key) => builder.state_key(key).build(),
        None => builder.build(),
    }
}

fn echo(name: &str) -> impl Tool {
    tool_fn(name, |echo: Echo, _| async move { Ok(Json(Echoed { message: echo.message })) })
}
