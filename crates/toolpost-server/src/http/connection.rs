//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::answers::{empty, refusal};
use super::connection_state::ConnectionState;
use super::streams::Streams;
use super::timeout_io::{Preface, TimeoutIo};
use super::{Body, Http};

/// What an HTTP/2 client may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// What an HTTP/2 stream keeps of an answer that the client's window stops.
const SEND_BUFFER: usize = 64 << 10;

/// Serves the requests of one connection until it ends, or until it is told to leave and the last call is
/// answered.
///
/// A client that closes its half has gone: a closed connection looks the same, and has to cancel its calls.
/// What can be answered at once still is.
pub(crate) async fn serve<I>(state: Arc<ConnectionState>, mut io: I)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limits = state.http.limits;
    let begun = tokio::select! {
        begun = timeout(limits.header_timeout, begin(&mut io)) => begun,
        () = state.leave.cancelled() => return,
    };
    let Ok(Ok(ahead)) = begun else { return };
    let modern = ahead.is_preface();
    let io = TokioIo::new(TimeoutIo::new(io, ahead, Arc::clone(&state), !modern));
    let answer = {
        let state = Arc::clone(&state);
        service_fn(move |request| {
            let state = Arc::clone(&state);
            async move { Ok::<_, Infallible>(route(state, request).await) }
        })
    };
    // A connection that fails is its client's concern: there is nobody left to tell.
    if modern {
        let streams =
            Streams { tasks: TaskTracker::new(), patience: limits.write_timeout, leave: state.leave.clone() };
        let mut builder = http2::Builder::new(streams.clone());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(limits.header_timeout)
            .keep_alive_timeout(limits.header_timeout);
        {
            let connection = pin!(builder.serve_connection(io, answer));
            drive(connection, &state, |connection| connection.graceful_shutdown()).await;
        }
        streams.tasks.close();
        streams.tasks.wait().await;
    } else {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // Of the time between two requests; a head that has begun is timed by the guard.
            .header_read_timeout(limits.idle_timeout.max(limits.header_timeout))
            .max_buf_size(limits.header_bytes.max(8 << 10));
        let connection = pin!(builder.serve_connection(io, answer));
        drive(connection, &state, |connection| connection.graceful_shutdown()).await;
    }
}

/// Runs a connection to its end. Once it is told to leave, a request that is not read whole is waited for
/// no longer than a moment, and one that is, until it is answered.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    state: &ConnectionState,
    end: impl FnOnce(Pin<&mut C>),
) {
    tokio::select! {
        _ = connection.as_mut() => return,
        () = state.leave.cancelled() => end(connection.as_mut()),
    }
    tokio::select! {
        _ = connection => {}
        () = state.quiet() => {}
    }
}

/// Reads until it is clear which version of HTTP the client speaks.
async fn begin<I: AsyncRead + Unpin>(io: &mut I) -> std::io::Result<Preface> {
    let mut ahead = Preface::default();
    while ahead.may_become_preface() {
        let read = io.read(ahead.room()).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        ahead.fill(read);
    }
    Ok(ahead)
}

/// The paths there are: the endpoint's, and two for whoever watches the process.
async fn route(state: Arc<ConnectionState>, request: Request<Incoming>) -> Response<Body> {
    let (http, path) = (&state.http, request.uri().path());
    if path == http.path {
        return Http::respond(state, request).await;
    }
    if let Some(document) = http.document.as_ref().filter(|document| document.is_at(request.uri())) {
        match *request.method() {
            Method::GET => return document.response(false),
            Method::HEAD => return document.response(true),
            Method::OPTIONS => return document.preflight(),
            _ => {}
        }
    }
    match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/livez") => empty(StatusCode::NO_CONTENT),
        (&Method::GET | &Method::HEAD, "/readyz") if http.is_ready() => empty(StatusCode::NO_CONTENT),
        (&Method::GET | &Method::HEAD, "/readyz") => empty(StatusCode::SERVICE_UNAVAILABLE),
        _ => {
            let why = format!("nothing is served at this path; MCP is served at `{}`", http.path);
            refusal(StatusCode::NOT_FOUND, why)
        }
    }
}

impl Http {
    pub(crate) fn is_ready(&self) -> bool {
        !self.stop.is_cancelled() && !self.service.dispatcher.is_draining()
    }
}
