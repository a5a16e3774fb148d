//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::guarded::{Ahead, Guarded};
use super::respond::{empty, refusal};
use super::{Body, Http};

/// Serves the requests of one connection until it ends, or until the server stops and the last of
/// them is answered.
pub(crate) async fn serve<I>(http: Arc<Http>, mut io: I)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = http.limits;
    let begun = tokio::select! {
        begun = timeout(limits.header_timeout, begin(&mut io)) => begun,
        () = http.stop.cancelled() => return,
    };
    let Ok(Ok(ahead)) = begun else { return };
    let modern = ahead.is_preface();
    let io = Guarded::new(io, ahead, limits.write_timeout);
    let answer = {
        let http = Arc::clone(&http);
        service_fn(move |request| {
            let http = Arc::clone(&http);
            async move { Ok::<_, Infallible>(http.route(request).await) }
        })
    };
    // A connection that fails is its client's concern: there is nobody left to tell.
    if modern {
        let streams = Streams(TaskTracker::new());
        let mut builder = http2::Builder::new(streams.clone());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout);
        let mut connection = pin!(builder.serve_connection(io, answer));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = http.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ended = connection.await;
            }
        }
        streams.0.close();
        streams.0.wait().await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes.max(8 << 10));
        let mut connection = pin!(builder.serve_connection(io, answer));
        tokio::select! {
            _ = connection.as_mut() => {}
            () = http.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ended = connection.await;
            }
        }
    }
}

/// Reads until it is clear which version of HTTP the client speaks.
async fn begin<I: AsyncRead + Unpin>(io: &mut I) -> std::io::Result<Ahead> {
    let mut ahead = Ahead::default();
    while ahead.may_become_preface() {
        let read = io.read(ahead.room()).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        ahead.fill(read);
    }
    Ok(ahead)
}

impl Http {
    /// The paths there are: the endpoint's, and two for whoever watches the process.
    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == self.path {
            return self.respond(request).await;
        }
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/livez") => empty(StatusCode::NO_CONTENT),
            (&Method::GET | &Method::HEAD, "/readyz") if self.is_ready() => empty(StatusCode::NO_CONTENT),
            (&Method::GET | &Method::HEAD, "/readyz") => empty(StatusCode::SERVICE_UNAVAILABLE),
            _ => refusal(StatusCode::NOT_FOUND, "nothing is served at this path"),
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.stop.is_cancelled() && !self.service.dispatcher.is_draining()
    }
}

/// Runs the streams of one HTTP/2 connection, and counts them.
#[derive(Clone)]
struct Streams(TaskTracker);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}
