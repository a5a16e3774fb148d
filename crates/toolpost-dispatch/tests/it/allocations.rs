//! What a dispatched call allocates: its context and its future, at any depth of static layers.
#![expect(clippy::unwrap_used, reason = "a test unwraps")]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use toolpost_dispatch::{CallRequest, Catalog, Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_protocol::Message;
use toolpost_tool::{AnyTool, Call, CallParts, NoArgs, Output, Tool, ToolError, ToolSpec, tool_fn};

/// A static layer: it holds something across the inner call, as layers do.
struct Layer<T>(T);

impl<T: Tool> Tool for Layer<T> {
    fn spec(&self) -> &ToolSpec {
        self.0.spec()
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let kept = call.clone();
        let result = self.0.call(call).await;
        drop(kept);
        result
    }
}

fn leaf() -> impl Tool {
    tool_fn("ping", |_: NoArgs, _| async { Ok("pong") })
}

fn body() -> Bytes {
    Bytes::from_static(
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ping","arguments":{},"_meta":{"a":1}}}"#,
    )
}

/// Bytes to output, as a transport does it.
fn dispatch(dispatcher: &Dispatcher, body: Bytes) -> Output {
    let frame = Frame::parse(body, &Limits::new()).unwrap();
    let mut parts = CallParts::default();
    let Ok(Message::Request { id, params: Some(params), .. }) = Message::read(&frame) else { unreachable!() };
    parts.request_id = Some(id);
    parts.tool = frame.text().slice_ref(params.member("name").unwrap().raw().trim_matches('"'));
    parts.arguments = params.member("arguments").map(|node| node.id());
    parts.meta = params.member("_meta").map(|node| node.id());
    parts.frame = Some(frame);
    let mut call = pin!(dispatcher.call(CallRequest::from_parts(parts)));
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => unreachable!(),
    }
}

fn allocations(tool: AnyTool) -> u64 {
    let dispatcher = Dispatcher::builder(Registry::new(Catalog::new([tool]).unwrap())).build();
    for _ in 0..3 {
        dispatch(&dispatcher, body());
    }
    allocation_counter::measure(|| {
        let output = dispatch(&dispatcher, body());
        assert_eq!(output.as_text(), Some("pong"));
    })
    .count_total
}

#[test]
fn two_allocations_at_any_depth() {
    assert_eq!(allocations(AnyTool::new(leaf())), 2);
    assert_eq!(allocations(AnyTool::new(Layer(Layer(Layer(leaf()))))), 2);
}

#[test]
fn a_promised_result_is_checked_where_it_lies() {
    let output = Output::json(&serde_json::json!({ "text": "x".repeat(1 << 20) })).unwrap();
    let schema = serde_json::json!({ "type": "object", "required": ["text"] });
    let given = output.clone();
    let tool = tool_fn("ping", move |_: NoArgs, _| std::future::ready(Ok(given.clone())))
        .with_spec(|spec| spec.with_output_schema(schema));
    let dispatcher = Dispatcher::builder(Registry::new(Catalog::new([AnyTool::new(tool)]).unwrap())).build();
    dispatch(&dispatcher, body());
    let counted = allocation_counter::measure(|| assert_eq!(dispatch(&dispatcher, body()), output));
    assert!(counted.bytes_total < 1 << 16, "{counted:?} for {} bytes", output.weight());
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(Box::new(1)));
    assert_eq!(counted.count_total, 1);
}
