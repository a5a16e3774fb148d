//! A client that speaks HTTP/2.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::Full;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use toolpost_server::Server;

pub async fn connect(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<Full<Bytes>> {
    connect_with(io, |_| ()).await
}

/// A client whose settings are `change`d first, and whose bodies may be streams.
pub async fn connect_with<B>(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    change: impl FnOnce(&mut Builder<TokioExecutor>),
) -> SendRequest<B>
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    change(&mut builder);
    let (client, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A body that has sent `bytes` bytes of white space and does not go on.
pub struct Unfinished(pub usize);

impl http_body::Body for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match std::mem::take(&mut self.0) {
            0 => Poll::Pending,
            bytes => Poll::Ready(Some(Ok(Frame::data(vec![b' '; bytes].into())))),
        }
    }
}

/// A connection in memory, which a paused clock cannot overtake.
pub fn within(server: &Server) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let server = server.clone();
    tokio::spawn(async move { server.serve_connection(theirs).await });
    ours
}

pub fn request(host: &str, message: &Value) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(message.to_string()));
    request_with(host, message, body)
}

/// The request of `message` with another body.
pub fn request_with<B>(host: &str, message: &Value, body: B) -> Request<B> {
    Request::post(format!("http://{host}/mcp"))
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", message["method"].as_str().unwrap())
        .header("mcp-name", message["params"]["name"].as_str().unwrap_or_default())
        .body(body)
        .unwrap()
}
