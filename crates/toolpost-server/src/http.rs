//! Streamable HTTP: one path, one POST per message.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;

mod accept;
mod answers;
mod body;
mod collect;
mod connection;
mod connection_state;
mod cors;
mod detached;
mod event_id;
mod event_store;
mod events;
mod host_origin;
mod kept_stream;
mod limits;
mod listen;
mod memory_event_store;
mod pooled;
mod protected_resource;
mod relay;
mod respond;
mod resume;
mod sealed_session;
mod sessions;
mod stream_reader;
mod stream_writer;
mod streams;
mod timeout_io;

pub use body::Body;
pub(crate) use connection::serve as serve_connection;
pub(crate) use connection_state::ConnectionState;
pub(crate) use detached::DetachedCalls;
pub use event_store::{EventStore, StreamEvents};
pub(crate) use host_origin::HostOriginPolicy;
pub use limits::HttpLimits;
pub(crate) use listen::{bind, listen};
pub use memory_event_store::{EventLimits, MemoryEventStore};
pub(crate) use protected_resource::Document;
pub use protected_resource::ProtectedResource;
pub(crate) use resume::Resuming;
pub(crate) use sessions::Sessions;

use crate::authenticate::Identify;
use crate::service::Service;

/// Everything that the requests of one HTTP server share.
pub(crate) struct Http {
    pub(crate) service: Arc<Service>,
    pub(crate) host_origin: HostOriginPolicy,
    pub(crate) limits: HttpLimits,
    pub(crate) message_limit: usize,
    pub(crate) sessions: Sessions,
    pub(crate) authenticate: Option<Box<dyn Identify>>,
    /// Where clients get tokens.
    pub(crate) document: Option<Document>,
    /// The one path that [`listen`] serves.
    pub(crate) path: String,
    /// Streams that can be resumed; none if nobody may.
    pub(crate) resuming: Option<Resuming>,
    /// Calls that outlive the connection they came on.
    pub(crate) detached: DetachedCalls,
    pub(crate) spare: Arc<pooled::FuturePool>,
    /// Counts the uses of all connections, so that they can be told which was longest ago.
    pub(crate) uses: AtomicU64,
    /// Bytes kept for all clients together.
    pub(crate) bytes: AtomicUsize,
    pub(crate) stop: CancellationToken,
}

/// An MCP endpoint as a [`tower_service::Service`]: mount it in an axum or hyper application at the
/// path of your choice.
///
/// It checks `Host` and `Origin`, answers browsers that ask for a page, bounds the body, the time it may
/// take and the bytes of all bodies together, and answers; what belongs to connections (their number, slow
/// readers, where clients without a name come from) is the application's, or that of
/// [`Server::serve`](crate::Server::serve).
#[derive(Clone)]
pub struct HttpService(pub(crate) Arc<ConnectionState>);

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("limits", &self.0.http.limits).finish_non_exhaustive()
    }
}

impl<B> tower_service::Service<Request<B>> for HttpService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Answers one request. Dropping the future cancels the call it carries.
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = Arc::clone(&self.0);
        Box::pin(async move { Ok(Http::respond(state, request).await) })
    }
}
