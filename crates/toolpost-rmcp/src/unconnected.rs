//! A peer that leads nowhere, for rmcp's tools when no rmcp client called them.

use std::io;
use std::sync::OnceLock;

use rmcp::model::NumberOrString;
use rmcp::service::{Peer, RequestContext, RxJsonRpcMessage, TxJsonRpcMessage, serve_directly};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServerHandler};

/// Makes contexts whose peer answers everything with an error: the transport is closed.
#[derive(Debug, Default)]
pub(crate) struct Unconnected(OnceLock<Peer<RoleServer>>);

impl Unconnected {
    /// A context of no request. Called inside a tokio runtime, as every tool is.
    pub(crate) fn context(&self) -> RequestContext<RoleServer> {
        // Serving over a transport that has ended ends at once, and leaves the peer.
        let peer = self.0.get_or_init(|| serve_directly(Nobody, Nowhere, None).peer().clone());
        RequestContext::new(NumberOrString::Number(0), peer.clone())
    }
}

struct Nobody;

impl ServerHandler for Nobody {}

struct Nowhere;

impl Transport<RoleServer> for Nowhere {
    type Error = io::Error;

    fn send(
        &mut self,
        _: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::NotConnected.into()))
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}
