//! A server of what the workbench does not offer: a schema that recurs, a tool that asks its user, and one that blocks
//! its thread and hears nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use toolpost::Runtime;
use toolpost::server::{Server, terminated};
use toolpost::tool::{Call, InputRequest, NoArgs, ToolError, blocking_fn, tool_fn};

use crate::Failure;

/// The longest that a server which has answered its calls waits for what goes on behind them.
const GRACE: Duration = Duration::from_secs(1);

/// Threads that `grind` may block, each of which takes an eighth of the address space that there is.
const GRINDERS: u32 = 3;

/// Says it again.
#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

/// Evaluates an expression.
#[derive(Deserialize, JsonSchema)]
struct Evaluate {
    expression: Expression,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
enum Expression {
    Not { arg: Box<Self> },
    Neg { arg: Box<Self> },
    Abs { arg: Box<Self> },
    Value { value: f64 },
}

impl Expression {
    fn value(&self) -> f64 {
        match self {
            Self::Not { arg } => f64::from(arg.value() == 0.0),
            Self::Neg { arg } => -arg.value(),
            Self::Abs { arg } => arg.value().abs(),
            Self::Value { value } => *value,
        }
    }
}

/// Serves on a free port of loopback until the process is asked to end.
pub(crate) fn serve() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(run());
    // A thread that a tool blocks cannot be stopped, only left behind.
    runtime.shutdown_timeout(Duration::from_millis(100));
    done
}

async fn run() -> Result<(), Failure> {
    // Two branches that lead back to the same schema: whoever looks into both looks 2^depth times.
    let twice: Value = json!({
        "type": "object",
        "properties": { "node": { "$ref": "#/$defs/node" } },
        "$defs": { "node": { "anyOf": [
            { "type": "object", "properties": { "next": { "$ref": "#/$defs/node" } }, "required": ["next"] },
            { "type": "object", "properties": { "next": { "$ref": "#/$defs/node" } }, "required": ["next"], "maxProperties": 9 },
            { "type": "null" },
        ] } },
    });
    let intricate = tool_fn("intricate", |_: NoArgs, _: Call| async { Ok("fits") });
    let ask = tool_fn("ask", |_: NoArgs, call: Call| async move {
        let question = InputRequest::elicit("Go on?", &json!({ "type": "object", "properties": {} }));
        call.input("user", question)?;
        Ok("went on")
    });
    let grind = blocking_fn("grind", |_: NoArgs, _: Call| -> Result<String, ToolError> {
        std::thread::sleep(Duration::from_secs(600));
        Ok("ground".into())
    });
    let runtime = Runtime::builder()
        .tool(tool_fn("echo", |echo: Echo, _: Call| async move { Ok(echo.text) }))
        .tool(tool_fn("evaluate", |args: Evaluate, _: Call| async move {
            Ok(format!("{}", args.expression.value()))
        }))
        .tool(intricate.with_spec(|spec| spec.with_input_schema(twice)))
        .tool(ask)
        .tool(grind.with_spec(|spec| spec.with_time_limit(Duration::from_secs(1)).with_concurrency(GRINDERS)))
        .build()?;
    let server = Server::builder(runtime.dispatcher().clone()).name("siege").build();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(1_024)?;
    eprintln!("siege: serving http://{}/mcp", listener.local_addr()?);
    let serving = server.serve(listener);
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = terminated() => server.stop(),
    }
    serving.await?;
    // What remains are the threads of `grind`.
    let _remains = runtime.drain(GRACE).await;
    Ok(())
}
