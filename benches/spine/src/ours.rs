//! Ours: guard, envelope, look-up, authorization, schema validation, run, encode.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use toolpost_dispatch::{Answer, CallRequest, Dispatcher, Registry};
use toolpost_json::{Frame, Limits};
use toolpost_protocol::{Message, reply};
use toolpost_tool::{CallParts, Json, Version, tool_fn};

use crate::messages::{Echo, Echoed, Order, price};

/// A server of the two tools.
pub struct Server {
    dispatcher: Dispatcher,
    limits: Limits,
}

pub fn server() -> Server {
    Server { dispatcher: dispatcher(), limits: Limits::new() }
}

/// The two tools.
pub fn dispatcher() -> Dispatcher {
    let echo = tool_fn("echo", |echo: Echo, _| async move { Ok(Json(Echoed { message: echo.message })) });
    let price = tool_fn("price", |order: Order, _| async move { Ok(Json(price(&order))) });
    let registry = Registry::builder().tool(echo).tool(price).build().expect("two tools");
    Dispatcher::builder(registry).build()
}

impl Server {
    /// From bytes to bytes.
    pub fn answer(&self, body: &[u8]) -> Vec<u8> {
        let frame = Frame::parse(Bytes::copy_from_slice(body), &self.limits).expect("a frame");
        let Ok(Message::Request { id, params: Some(params), .. }) = Message::read(&frame) else {
            unreachable!()
        };
        let mut parts = CallParts::default();
        let name = params.member("name").expect("a name");
        parts.tool = frame.text().slice_ref(&name.raw()[1..name.raw().len() - 1]);
        parts.arguments = params.member("arguments").map(|node| node.id());
        parts.meta = params.member("_meta").map(|node| node.id());
        parts.request_id = Some(id.clone());
        parts.frame = Some(frame);
        let mut call = pin!(self.dispatcher.call(CallRequest::from_parts(parts)));
        let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!()
        };
        let Answer::Result(output) = Answer::of(result) else { unreachable!() };
        let mut out = Vec::with_capacity(output.weight() * 2 + 256);
        reply::result(&mut out, &id, |out| {
            out.extend_from_slice(br#"{"resultType":"complete","#);
            output.write(out, Version::LATEST);
            out.push(b'}');
        });
        out
    }
}
