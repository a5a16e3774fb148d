//! The public front: one set of tools, any number of transports.

use std::fmt;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "http", feature = "stdio"))]
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "http")]
use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};
use tokio_util::sync::CancellationToken;
use toolpost_dispatch::Dispatcher;
use toolpost_json::Frame;
use toolpost_tool::Principal;

#[cfg(any(feature = "http", feature = "stdio"))]
use crate::ServeError;
#[cfg(feature = "http")]
use crate::http::{ConnectionState, Http, HttpService, bind, listen, serve_connection};
use crate::service::Service;
#[cfg(feature = "stdio")]
use crate::shutdown::orphaned;
#[cfg(any(feature = "http", feature = "stdio"))]
use crate::shutdown::terminated;
#[cfg(feature = "stdio")]
use crate::stdio::{LineStream, stdin, stdout};
use crate::{Connection, ConnectionLimits, Peer, ServerBuilder, clock};

/// Serves the tools of a dispatcher. Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Server(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) service: Arc<Service>,
    #[cfg(feature = "http")]
    pub(crate) http: Arc<Http>,
    #[cfg(feature = "http")]
    pub(crate) public: bool,
    pub(crate) connection: ConnectionLimits,
    #[cfg(feature = "stdio")]
    pub(crate) message_limit: usize,
    #[cfg(any(feature = "http", feature = "stdio"))]
    pub(crate) grace: Duration,
    pub(crate) stop: CancellationToken,
}

impl Server {
    /// Sets up a server of the tools that `dispatcher` finds.
    #[must_use]
    pub fn builder(dispatcher: Dispatcher) -> ServerBuilder {
        ServerBuilder::new(dispatcher)
    }

    /// Returns the dispatcher whose tools are served.
    #[must_use]
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.service.dispatcher
    }

    /// Serves stdin and stdout until the client closes stdin, or the process is asked to end
    /// ([`terminated`](crate::terminated)). Asked a second time, it ends at once.
    ///
    /// When stdin is closed, or the process is asked to end, what runs may go on for [`ConnectionLimits::grace`]; when the
    /// one comes after the other, what is ready is written, and what runs is dropped.
    ///
    /// Where stdin or stdout is no pipe and no socket (a terminal, a file; on Windows always), a thread of its own
    /// reads or writes it, and ends with the process: nothing can end a read of a terminal.
    ///
    /// Nothing but messages is written to stdout. Where it is a pipe or a socket, what the rest of the process prints
    /// meanwhile goes to stderr; elsewhere nothing else may be printed.
    ///
    /// When the process that started this one is gone, the server ends within 2 s, though another child of it may
    /// still hold stdin open (on unix).
    ///
    /// # Errors
    ///
    /// If stdin or stdout fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls that run.
    #[cfg(feature = "stdio")]
    pub async fn stdio(&self) -> Result<(), ServeError> {
        let (stdout, _prints) = stdout();
        let grace = self.0.connection.grace;
        let serving = async {
            let ended = self.lines(stdin(), stdout, grace).await;
            // The process is its client's: without one, nobody comes back for a task.
            self.drain_tasks(grace).await;
            ended
        };
        tokio::select! {
            ended = self.until_terminated(serving) => ended,
            () = orphaned() => {
                self.stop();
                self.0.service.dispatcher.drain(clock::now()).await;
                self.drain_tasks(Duration::ZERO).await;
                Ok(())
            }
        }
    }

    /// Serves one stream of lines until it ends or the server stops. When it ends, what runs may finish within
    /// [`ConnectionLimits::grace`]; when the server stops, within the server's. A client that reads nothing is then waited
    /// for while a call runs, and for a second more.
    ///
    /// # Errors
    ///
    /// If the stream fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls that run.
    #[cfg(feature = "stdio")]
    pub async fn serve_io<R, W>(&self, reader: R, writer: W) -> Result<(), ServeError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.lines(reader, writer, self.0.grace).await
    }

    #[cfg(feature = "stdio")]
    async fn lines<R, W>(&self, reader: R, writer: W, grace: Duration) -> Result<(), ServeError>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let Inner { message_limit, stop, .. } = &*self.0;
        let connection = self.connection(Principal::anonymous());
        let stopped = stop.clone().cancelled_owned();
        let stream = LineStream::new(connection, (*message_limit, grace), (reader, writer), stopped);
        let served = stream.serve().await;
        if stop.is_cancelled() {
            self.drain_tasks(grace).await;
        }
        Ok(served?)
    }

    /// Serves Streamable HTTP on `address`, at [`ServerBuilder::path`], until the process is asked to end
    /// ([`terminated`](crate::terminated)). Asked a second time, it ends at once.
    ///
    /// ```no_run
    /// use toolpost_dispatch::{Dispatcher, Registry};
    /// use toolpost_server::Server;
    /// use toolpost_tool::{NoArgs, tool_fn};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") });
    /// let dispatcher = Dispatcher::builder(Registry::builder().tool(ping).build()?).build();
    /// Server::builder(dispatcher).name("shop").build().http("127.0.0.1:8080").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServeError::Bind`] if nothing can listen there, [`ServeError::Unfinished`] if calls still ran when
    /// it was asked to end a second time, and as [`serve`](Self::serve).
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    #[cfg(feature = "http")]
    pub async fn http(&self, address: impl ToSocketAddrs) -> Result<(), ServeError> {
        let addresses: Vec<SocketAddr> = lookup_host(address).await?.collect();
        let bound = bind(&addresses);
        let listener = bound.map_err(|source| ServeError::Bind { addresses, source })?;
        self.until_terminated(self.serve(listener)).await
    }

    /// Serves Streamable HTTP on `listener` until the server stops; calls that run then may finish within
    /// the grace. Requests that have not been received whole by then are waited for a second, and no longer.
    ///
    /// A connection whose client has closed its half is over, as one that the client has closed: the two
    /// look the same. A request that came before that and can be answered at once is answered; a call that
    /// takes longer is cancelled, or in a legacy session, detached.
    ///
    /// [`HttpLimits`](crate::HttpLimits) says what its clients may cost. How many of them may connect in the same moment
    /// is the listener's: 128 with tokio's `TcpListener::bind`, after which each new one waits for a second; as many as
    /// `TcpSocket::listen` is told otherwise. [`http`](Self::http) takes 1,024.
    ///
    /// A host that has a signal of its own stops the server when it comes:
    ///
    /// ```no_run
    /// use toolpost_server::{Server, terminated};
    ///
    /// # async fn run(server: Server) -> Result<(), Box<dyn std::error::Error>> {
    /// let stopping = server.clone();
    /// tokio::spawn(async move {
    ///     terminated().await;
    ///     stopping.stop();
    /// });
    /// server.serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the address is not loopback and nobody asks clients who they are; if calls still ran when
    /// the grace was over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops every connection, and the calls they carry.
    #[cfg(feature = "http")]
    pub async fn serve(&self, listener: TcpListener) -> Result<(), ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() && self.0.http.authenticate.is_none() && !self.0.public {
            return Err(ServeError::Public(address));
        }
        listen(Arc::clone(&self.0.http), listener, self.0.grace).await
    }

    /// Serves Streamable HTTP on one connection that you have accepted (over TLS, say, or a Unix
    /// socket), until it ends or the server stops and its last request is answered.
    ///
    /// How many connections there are, who may connect, and the grace are yours to decide about.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection, and the calls it carries.
    #[cfg(feature = "http")]
    pub async fn serve_connection<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        serve_connection(ConnectionState::new(Arc::clone(&self.0.http), None), io).await;
    }

    /// Makes the server an HTTP endpoint that an application mounts.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn into_service(self) -> HttpService {
        HttpService(ConnectionState::mounted(Arc::clone(&self.0.http)))
    }

    /// Opens a connection whose client is `principal`, for a transport of your own.
    #[must_use]
    pub fn connection(&self, principal: Principal) -> Connection {
        Connection::new(Arc::clone(&self.0.service), principal, self.0.connection)
    }

    /// Answers one message on its own, without a connection: no session, no progress, no cancellation. `None` to what
    /// is not answered (a notification).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's future.
    pub async fn handle(&self, message: Frame, principal: Principal) -> Option<Vec<u8>> {
        let peer = Peer { principal, ..Peer::default() };
        self.0.service.handle(message, peer).await.bytes
    }

    /// Replaces the secret of [`ServerBuilder::state_key`]. What the one before it protected is still
    /// taken, until the next rotation; rotate no more often than every 10 min, for that is how long a client may take to
    /// answer a question. A session over HTTP lasts until the second rotation after it was opened, whatever its
    /// [lifetime](crate::HttpLimits::session_lifetime). The secret that is current already changes nothing.
    pub fn rotate_state_key(&self, secret: [u8; 32]) {
        self.0.service.sealer.rotate(&secret);
    }

    /// Stops every transport and connection: nothing new is taken, and what runs may finish within the grace.
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Waits for the [tasks](crate#calls-that-outlive-their-requests) that run here, for at most `grace`: those that still run then end, and are stored
    /// as failed because the server stopped. Says how many that were.
    ///
    /// [`stdio`](Self::stdio), [`http`](Self::http), [`serve`](Self::serve) and [`serve_io`](Self::serve_io) do it by
    /// themselves when the server stops; with an [`HttpService`](crate::HttpService) or a
    /// [`Connection`] of its own it is for the host to do.
    ///
    /// # Panics
    ///
    /// The future, in a tokio runtime without its time enabled.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the waiting.
    pub async fn drain_tasks(&self, grace: Duration) -> usize {
        let Some(tasks) = &self.0.service.tasks else { return 0 };
        tasks.drain(clock::now().checked_add(grace).unwrap_or_else(clock::now)).await
    }

    /// Says whether the server takes requests: it is not stopped, and its dispatcher does not drain.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.0.stop.is_cancelled() && !self.0.service.dispatcher.is_draining()
    }

    /// Serves until it is over; stops the server when the process is asked to end, and at once when it is
    /// asked again.
    #[cfg(any(feature = "http", feature = "stdio"))]
    async fn until_terminated(
        &self,
        serving: impl Future<Output = Result<(), ServeError>>,
    ) -> Result<(), ServeError> {
        let mut serving = Box::pin(serving);
        tokio::select! {
            ended = &mut serving => return ended,
            () = terminated() => self.stop(),
        }
        tokio::select! {
            ended = &mut serving => return ended,
            () = terminated() => {}
        }
        let dispatcher = &self.0.service.dispatcher;
        let remaining = dispatcher.running();
        drop(serving);
        dispatcher.drain(clock::now()).await;
        self.drain_tasks(Duration::ZERO).await;
        if remaining == 0 { Ok(()) } else { Err(ServeError::Unfinished { remaining }) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("service", &self.0.service).finish_non_exhaustive()
    }
}
