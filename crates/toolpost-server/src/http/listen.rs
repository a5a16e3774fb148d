//! Accepts connections, within bounds, and sees them end.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::{Http, connection};
use crate::{ServeError, clock};

/// Serves `listener` until the server stops, then lets what runs finish within `grace`.
///
/// # Cancel safety
///
/// Dropping the future drops every connection, and with each the calls it carries.
pub(crate) async fn listen(
    http: Arc<Http>,
    listener: TcpListener,
    grace: Duration,
) -> Result<(), ServeError> {
    let mut guests = Guests::default();
    loop {
        tokio::select! {
            biased;
            () = http.stop.cancelled() => break,
            Some(left) = guests.tasks.join_next() => guests.leave(left.ok()),
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => guests.enter(&http, stream, peer.ip()),
                Err(error) if is_of_one_connection(&error) => {}
                // No descriptors left, most likely: some will be freed.
                Err(_) => clock::sleep(Duration::from_millis(100)).await,
            }
        }
    }
    drop(listener);
    let deadline = clock::now() + grace;
    let finished = timeout_at(deadline.into(), async { while guests.tasks.join_next().await.is_some() {} });
    let _elapsed = finished.await;
    let drained = http.service.dispatcher.drain(deadline).await;
    match drained.remaining {
        0 => Ok(()),
        remaining => Err(ServeError::Unfinished { remaining }),
    }
}

/// The connections there are, by the address they come from.
#[derive(Default)]
struct Guests {
    tasks: JoinSet<IpAddr>,
    by_address: HashMap<IpAddr, usize>,
}

impl Guests {
    /// Serves a connection, or closes it at once if there are too many.
    fn enter(&mut self, http: &Arc<Http>, stream: TcpStream, address: IpAddr) {
        let limits = &http.limits;
        let from_there = self.by_address.get(&address).copied().unwrap_or(0);
        // Whoever comes from loopback may be a proxy for many.
        let crowd = limits.connections_per_address <= from_there && !address.is_loopback();
        if limits.connections <= self.tasks.len() || crowd || stream.set_nodelay(true).is_err() {
            return;
        }
        *self.by_address.entry(address).or_default() += 1;
        let http = Arc::clone(http);
        self.tasks.spawn(async move {
            connection::serve(http, stream).await;
            address
        });
    }

    fn leave(&mut self, left: Option<IpAddr>) {
        // A task that panicked has lost its address; count everyone anew when nobody is left.
        match left {
            Some(address) => {
                if let Some(count) = self.by_address.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        self.by_address.remove(&address);
                    }
                }
            }
            None if self.tasks.is_empty() => self.by_address.clear(),
            None => {}
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
