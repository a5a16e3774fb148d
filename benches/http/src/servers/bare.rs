//! Bare hyper: reads the body, parses it into typed structs, answers; no check of anything.

use std::convert::Infallible;
use std::error::Error;
use std::io;

use bench_spine::limit;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// Answers calls, and every `tools/list` with `list`.
pub async fn serve(listener: TcpListener, list: Bytes) -> io::Result<Infallible> {
    let service = service_fn(move |request: Request<Incoming>| {
        let list = list.clone();
        async move {
            let listing = request.headers().get("mcp-method").is_some_and(|method| method == "tools/list");
            let body = request.into_body().collect().await?.to_bytes();
            let answer = if listing { list } else { limit::answer(&body).into() };
            let mut response = Response::new(Full::new(answer));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok::<_, hyper::Error>(response)
        }
    });
    connections(listener, service).await
}

/// Serves every connection with `service`, each in a task.
pub async fn connections<S, B>(listener: TcpListener, service: S) -> io::Result<Infallible>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move { drop(connection.await) });
    }
}
