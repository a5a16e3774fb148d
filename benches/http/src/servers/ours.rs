//! toolpost, as a user would set it up: a runtime, and a server of its dispatcher.

use bench_spine::messages::{Echo, Echoed, Order, price};
use bytes::Bytes;
use toolpost::Runtime;
use toolpost::json::{Frame, Limits};
use toolpost::server::Server;
use toolpost::tool::{Json, Principal, Tool, tool_fn};

use crate::requests::{bare, name_of};

/// `echo` and `price`; or, instead, `many` tools that echo.
pub fn server(many: usize) -> Server {
    let price = tool_fn("price", |order: Order, _| async move { Ok(Json(price(&order))) });
    let builder = match many {
        0 => Runtime::builder().tool(echo("echo")).tool(price),
        _ => (0..many).fold(Runtime::builder(), |builder, number| builder.tool(echo(&name_of(number)))),
    };
    let runtime = builder.build().expect("no name twice");
    Server::builder(runtime.dispatcher().clone()).name("bench").version("1.0.0").build()
}

fn echo(name: &str) -> impl Tool {
    tool_fn(name, |echo: Echo, _| async move { Ok(Json(Echoed { message: echo.message })) })
}

/// The answer to a `tools/list` whose id is 1.
pub async fn list(many: usize) -> Bytes {
    let frame = Frame::parse(bare("tools/list", 1).into(), &Limits::new()).expect("a frame");
    let reply = server(many).handle(frame, Principal::anonymous()).await;
    reply.expect("a request is answered").into()
}
