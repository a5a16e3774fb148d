//! The handle to a server.

use std::fmt;
use std::sync::Arc;

use bytestring::ByteString;
use toolpost_json::Node;

use crate::list::list;
use crate::params::Params;
use crate::rounds::request;
use crate::shared::{Shared, State};
use crate::{ClientError, ClientOptions, Events, RawResult, RequestOptions, ServerProfile};

/// The most resources that are subscribed to.
const WATCHED: usize = 1_024;

/// A client of one server: a handle, cheap to clone, of one connection.
///
/// The connection ends when it is [closed](Self::close), when the last handle is dropped, or when the server ends it; a new one
/// is a new client. Its messages are moved by one task of its own, which ends with it.
///
/// Every request takes [`RequestOptions`], has a time limit, and is cancelled at the server when its future is dropped; other
/// requests and the connection do not notice.
#[derive(Clone)]
pub struct McpClient {
    handle: Arc<Handle>,
}

/// Ends the connection with the last clone.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(&ClientError::NotConnected("the client was dropped".into()));
    }
}

impl McpClient {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle(shared)) }
    }

    /// Speaks to a server over Streamable HTTP, of any revision.
    ///
    /// Each message is a request of its own over connections that are kept. A session that the server has forgotten (404) is
    /// made again, unnoticed but for events that say that every list may have changed; a stream that breaks off is resumed
    /// where the server keeps it, and a request that only reads is repeated once. Dropping a request closes its stream, which
    /// cancels it; a server of the older revisions is told so as well.
    ///
    /// # Errors
    ///
    /// [`ClientError::InvalidTarget`] if there are no certificates to trust, or the proxy cannot be used.
    ///
    /// # Panics
    ///
    /// If it is called outside of a tokio runtime with its timer and I/O.
    #[cfg(feature = "http")]
    pub fn over_http(target: crate::HttpTarget, options: ClientOptions) -> Result<Self, ClientError> {
        crate::http::connect(target, options).map(Self::new)
    }

    /// Speaks to a server over lines: what it writes is read from `reader` (a child's stdout, half of a socket), and what it
    /// reads is written to `writer` (its stdin).
    ///
    /// Both belong to the connection, and are dropped at its end. A line that is no message is skipped, within
    /// [`ClientOptions::noise`].
    ///
    /// # Panics
    ///
    /// If it is called outside of a tokio runtime, which moves the messages; the runtime needs its timer.
    #[cfg(feature = "stdio")]
    #[must_use]
    pub fn over_stdio<R, W>(reader: R, writer: W, options: ClientOptions) -> Self
    where
        R: tokio::io::AsyncRead + Send + Unpin + 'static,
        W: tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (shared, asks) = Shared::new(options);
        crate::stdio::spawn(&shared, asks, reader, writer);
        Self::new(shared)
    }

    /// Waits until the server has said who it is.
    ///
    /// # Errors
    ///
    /// Why there is no connection: the server is gone, was silent for
    /// [`ClientOptions::handshake_time`], or has no revision in common with this client. A server that ends when it is sent
    /// `server/discover` loses the connection here; try again with [`ClientOptions::versions`] of the legacy era alone.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the handshake goes on in the background.
    pub async fn ready(&self) -> Result<Arc<ServerProfile>, ClientError> {
        Ok(Arc::clone(&self.shared().ready().await?.profile))
    }

    /// Makes any request: `params` is an object, whose `_meta` is completed. The result is that of the method's; what it
    /// asks on the way is answered by [`Respond`](crate::Respond).
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] for the server's own; otherwise why there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn request(
        &self,
        method: &str,
        params: Node<'_>,
        options: RequestOptions,
    ) -> Result<RawResult, ClientError> {
        let params = Params::of(params, &options.meta);
        request(self.shared(), method, &params, &options).await
    }

    /// Calls a tool; `arguments` is an object. A tool that fails has a result all the same, whose `isError` is true. A call
    /// that becomes a task is waited for, and the task cancelled with the call.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn call_tool(
        &self,
        name: &str,
        arguments: Node<'_>,
        options: RequestOptions,
    ) -> Result<RawResult, ClientError> {
        let params = Params::new(&options.meta).with_str("name", name).named(name);
        let params = params.with("arguments", arguments.raw());
        request(self.shared(), "tools/call", &params, &options).await
    }

    /// Reads a resource.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn read_resource(&self, uri: &str, options: RequestOptions) -> Result<RawResult, ClientError> {
        let params = Params::new(&options.meta).with_str("uri", uri).named(uri);
        request(self.shared(), "resources/read", &params, &options).await
    }

    /// Makes a prompt; `arguments` is an object of strings.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn get_prompt(
        &self,
        name: &str,
        arguments: Node<'_>,
        options: RequestOptions,
    ) -> Result<RawResult, ClientError> {
        let params = Params::new(&options.meta).with_str("name", name).named(name);
        let params = params.with("arguments", arguments.raw());
        request(self.shared(), "prompts/get", &params, &options).await
    }

    /// Completes an argument; `params` has `ref` and `argument`, as `completion/complete` wants them.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn complete(
        &self,
        params: Node<'_>,
        options: RequestOptions,
    ) -> Result<RawResult, ClientError> {
        self.request("completion/complete", params, options).await
    }

    /// Every tool, through all pages, each as the JSON object that the server wrote. None of a server without tools.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request); [`ClientError::TooMany`] beyond [`ClientOptions::list_bounds`] and 1,000 pages;
    /// [`ClientError::Malformed`] if a cursor comes twice. The time limit is that of all pages together.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request for the page that is awaited.
    pub async fn list_tools(&self, options: RequestOptions) -> Result<Vec<ByteString>, ClientError> {
        list(self.shared(), "tools/list", "tools", &options).await
    }

    /// Every resource, through all pages, as [`list_tools`](Self::list_tools) lists tools.
    ///
    /// # Errors
    ///
    /// As [`list_tools`](Self::list_tools).
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resources(&self, options: RequestOptions) -> Result<Vec<ByteString>, ClientError> {
        list(self.shared(), "resources/list", "resources", &options).await
    }

    /// Every template of resources, through all pages, as [`list_tools`](Self::list_tools) lists tools.
    ///
    /// # Errors
    ///
    /// As [`list_tools`](Self::list_tools).
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resource_templates(
        &self,
        options: RequestOptions,
    ) -> Result<Vec<ByteString>, ClientError> {
        list(self.shared(), "resources/templates/list", "resourceTemplates", &options).await
    }

    /// Every prompt, through all pages, as [`list_tools`](Self::list_tools) lists tools.
    ///
    /// # Errors
    ///
    /// As [`list_tools`](Self::list_tools).
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_prompts(&self, options: RequestOptions) -> Result<Vec<ByteString>, ClientError> {
        list(self.shared(), "prompts/list", "prompts", &options).await
    }

    /// Asks to be told when a resource changes ([`ClientEvent::ResourceUpdated`](crate::ClientEvent::ResourceUpdated)). A server
    /// of 2026-07-28 is told in the background.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request); [`ClientError::TooMany`] for more than 1,024 resources.
    ///
    /// # Cancel safety
    ///
    /// A server of the older revisions may have taken the request when the future is dropped.
    pub async fn subscribe(&self, uri: &str, options: RequestOptions) -> Result<(), ClientError> {
        let shared = self.shared();
        if shared.ready().await?.profile.version.is_modern() {
            let fits = shared
                .watched
                .send_if_modified(|watched| watched.len() < WATCHED && watched.insert(uri.to_owned()));
            return match fits || shared.watched.borrow().contains(uri) {
                true => Ok(()),
                false => Err(ClientError::TooMany { what: "resources subscribed to", limit: WATCHED }),
            };
        }
        let params = Params::new(&options.meta).with_str("uri", uri).named(uri);
        request(shared, "resources/subscribe", &params, &options).await.map(drop)
    }

    /// Asks to be told no longer.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Cancel safety
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(&self, uri: &str, options: RequestOptions) -> Result<(), ClientError> {
        let shared = self.shared();
        if shared.ready().await?.profile.version.is_modern() {
            shared.watched.send_if_modified(|watched| watched.remove(uri));
            return Ok(());
        }
        let params = Params::new(&options.meta).with_str("uri", uri).named(uri);
        request(shared, "resources/unsubscribe", &params, &options).await.map(drop)
    }

    /// What the server tells without being asked, from now on. Each caller gets every event; who calls before
    /// [`ready`](Self::ready) misses none.
    #[must_use]
    pub fn events(&self) -> Events {
        Events { received: self.shared().subscribe() }
    }

    /// How many requests are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared().calls()
    }

    /// How many messages of the server belonged to nothing: late and doubled answers, reports of progress that nobody asked
    /// for, lines that are no messages, what is beyond a bound.
    #[must_use]
    pub fn ignored(&self) -> u64 {
        self.shared().ignored()
    }

    /// Ends the connection: requests in flight end with [`ClientError::ConnectionLost`]. Returns once nothing of it is left,
    /// reader and writer dropped: over stdio when the server has closed its output too, and after 1 s at the latest.
    ///
    /// # Cancel safety
    ///
    /// The connection ends all the same.
    pub async fn close(&self) {
        self.shared().close(&ClientError::NotConnected("the client was closed".into()));
        self.closed().await;
    }

    /// Waits for the end of the connection, and says why it ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn closed(&self) -> ClientError {
        let mut states = self.shared().states();
        loop {
            if let State::Closed(why) = &*states.borrow_and_update() {
                return why.clone();
            }
            // The handle keeps the sender.
            let _ = states.changed().await;
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }
}

impl fmt::Debug for McpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpClient")
            .field("ready", &self.shared().is_agreed())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
