//! A transport of one's own: MCP over two channels, each item of which is one message. A WebSocket, whose frames are
//! messages too, is served in the same way.
//!
//! What MCP needs of it (sessions, progress, cancellation, questions, changes) is in the server's [`Connection`].

use std::future::poll_fn;
use std::task::{Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use toolpost::server::{Connection, Server};
use toolpost::tool::Principal;

/// Messages of one direction that wait for who takes them.
const WAITING: usize = 16;

/// The client's ends of the channels. To drop it is to hang up.
#[derive(Debug)]
pub struct Line {
    /// The client's messages.
    pub up: mpsc::Sender<Bytes>,
    /// The server's messages.
    pub down: mpsc::Receiver<Bytes>,
}

/// Connects a client of `principal` to `server`; it is served while the future is polled.
pub fn connect(server: &Server, principal: Principal) -> (Line, impl Future<Output = ()> + Send + use<>) {
    let (up, incoming) = mpsc::channel(WAITING);
    let (outgoing, down) = mpsc::channel(WAITING);
    (Line { up, down }, serve(server.connection(principal), incoming, outgoing))
}

/// Serves `connection` until its client hangs up, or the server has stopped and everything is answered.
///
/// # Cancel safety
///
/// Dropping the future drops the calls of the connection.
async fn serve(
    mut connection: Connection,
    mut incoming: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Bytes>,
) {
    let mut outgoing = PollSender::new(outgoing);
    poll_fn(|cx| {
        loop {
            while connection.poll_ready(cx).is_ready() {
                match incoming.poll_recv(cx) {
                    Poll::Ready(Some(message)) => connection.receive(message),
                    // The client has hung up: what it asked for is dropped with the connection.
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            if ready!(outgoing.poll_reserve(cx)).is_err() {
                return Poll::Ready(());
            }
            let Some(message) = ready!(connection.poll_send(cx)) else { return Poll::Ready(()) };
            if outgoing.send_item(message).is_err() {
                return Poll::Ready(());
            }
        }
    })
    .await;
}
