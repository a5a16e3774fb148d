//! Accepts connections, within bounds, and sees them end.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{timeout, timeout_at};

use super::connection_state::{ConnectionState, address_of};
use super::{Http, HttpLimits, connection};
use crate::{ServeError, clock, log};

/// Connections that may come while none is accepted; the system may allow fewer.
const BACKLOG: u32 = 1_024;

/// An address with fewer connections than this may have one of the places that are kept.
const FEW: usize = 4;

/// Of so many places, one is kept.
const KEPT: usize = 16;

/// Connections that are told that there is no room, at once; what is beyond is closed without a word.
const REFUSALS: usize = 64;

/// The longest that nothing is accepted after descriptors have run out; until a connection ends, usually.
const RUN_OUT_PAUSE: Duration = Duration::from_millis(100);

/// For how long no more connections are let in than there were descriptors for.
const RUN_OUT_MEMORY: Duration = Duration::from_secs(60);

/// How long the ends of streams may take to be kept, once no call runs.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// How long such a one may take to read that.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// Listens on the first of these addresses that can be had.
pub(crate) fn bind(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for &address in addresses {
        match bind_one(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it would let two servers have the same port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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
    let mut connections = OpenConnections::default();
    let address = listener.local_addr()?;
    log::serves(address, &http.path);
    loop {
        tokio::select! {
            biased;
            () = http.stop.cancelled() => break,
            Some(left) = connections.tasks.join_next_with_id() => connections.leave(left),
            Some(_) = connections.refused.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connections.enter(&http, stream, peer.ip()),
                Err(error) if is_of_one_connection(&error) => {}
                // No descriptors left, most likely: some are freed, or else nobody could be let in, nor refused.
                Err(_) => {
                    connections.run_out(&http.limits);
                    if let Ok(Some(left)) = timeout(RUN_OUT_PAUSE, connections.tasks.join_next_with_id()).await {
                        connections.leave(left);
                    }
                }
            }
        }
    }
    drop(listener);
    log::stops(address, http.service.dispatcher.running());
    let deadline = clock::now() + grace;
    let finished =
        timeout_at(deadline.into(), async { while connections.tasks.join_next().await.is_some() {} });
    let _elapsed = finished.await;
    let remaining = http.service.dispatcher.drain(deadline).await;
    if let Some(tasks) = &http.service.tasks {
        tasks.drain(deadline).await;
    }
    if let Some(resuming) = &http.resuming {
        // What the last calls came to is kept for who comes back for it, and that it came to nothing.
        resuming.cut_off.cancel();
        resuming.writers.close();
        let _elapsed = timeout(LAST_WRITES, resuming.writers.wait()).await;
    }
    match remaining {
        0 => Ok(()),
        remaining => Err(ServeError::Unfinished { remaining }),
    }
}

/// The connections there are.
#[derive(Default)]
struct OpenConnections {
    tasks: JoinSet<()>,
    /// Those that were not told to leave.
    states: HashMap<Id, Arc<ConnectionState>>,
    /// How many of them each address has; those from loopback are counted together.
    counts: HashMap<Option<IpAddr>, usize>,
    /// Those that are told that there is no room.
    refused: JoinSet<()>,
    /// Of how many there may be for now, and until when, since descriptors have run out.
    most: Option<(usize, Instant)>,
}

impl OpenConnections {
    /// Serves a connection, or says that there is no room.
    fn enter(&mut self, http: &Arc<Http>, stream: TcpStream, ip: IpAddr) {
        let address = address_of(ip);
        if !self.has_room(&http.limits, address) {
            log::turned_away("too many connections");
            self.refuse(stream);
            return;
        }
        if stream.set_nodelay(true).is_err() {
            return;
        }
        self.state(http, address, |state| connection::serve(state, stream));
    }

    fn state<F>(
        &mut self,
        http: &Arc<Http>,
        address: Option<IpAddr>,
        serve: impl FnOnce(Arc<ConnectionState>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.counts.entry(address).or_default() += 1;
        let state = ConnectionState::new(Arc::clone(http), address);
        let task = self.tasks.spawn(serve(Arc::clone(&state)));
        self.states.insert(task.id(), state);
    }

    /// Whether one more from `address` may enter; another may have to leave for it.
    fn has_room(&mut self, limits: &HttpLimits, address: Option<IpAddr>) -> bool {
        let here = self.counts.get(&address).copied().unwrap_or(0);
        // Whoever comes from loopback may be a proxy for many.
        // Those who were told to leave take a moment to do so.
        let few_leave = self.tasks.len() - self.states.len() <= limits.connections / KEPT;
        if address.is_some() && limits.connections_per_address <= here {
            return few_leave && self.evict(|state| state.address == address);
        }
        let most = match self.most {
            Some((most, until)) if clock::now() < until => most,
            _ => limits.connections,
        };
        let kept = if FEW <= here { most / KEPT } else { 0 };
        if self.states.len() < most - kept {
            return true;
        }
        few_leave && self.evict(|_| true)
    }

    /// There is no descriptor left, for calls neither: idle connections leave, and so many are not let in for a while.
    fn run_out(&mut self, limits: &HttpLimits) {
        let open = self.tasks.len();
        let spare = (open / KEPT).max(1);
        // Never so few that nobody is served because something else takes the descriptors.
        let most = (open - spare.min(open)).max(limits.connections / KEPT).min(limits.connections);
        self.most = Some((most, clock::now() + RUN_OUT_MEMORY));
        for _ in 0..spare {
            self.evict(|_| true);
        }
    }

    /// Tells one of the connections `among` which no request runs to leave: of the address that has the
    /// most, the one that has been idle for longest. False if there is none.
    fn evict(&mut self, among: impl Fn(&ConnectionState) -> bool) -> bool {
        let idle = self.states.iter().filter(|(_, state)| among(state) && !state.is_busy());
        let rank =
            |state: &ConnectionState| (std::cmp::Reverse(self.counts.get(&state.address)), state.used());
        let Some((&id, _)) = idle.min_by_key(|(_, state)| rank(state)) else { return false };
        self.forget(id).inspect(|state| state.leave.cancel()).is_some()
    }

    /// A task that has ended, by a panic too, gives its place back.
    fn leave(&mut self, left: Result<(Id, ()), JoinError>) {
        self.forget(left.map_or_else(|error| error.id(), |(id, ())| id));
    }

    fn forget(&mut self, id: Id) -> Option<Arc<ConnectionState>> {
        let state = self.states.remove(&id)?;
        if let Some(count) = self.counts.get_mut(&state.address) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&state.address);
            }
        }
        Some(state)
    }

    fn refuse(&mut self, mut stream: TcpStream) {
        if REFUSALS <= self.refused.len() {
            return;
        }
        self.refused.spawn(async move {
            let told = async {
                stream.write_all(REFUSAL).await?;
                stream.shutdown().await?;
                // What it has sent is read: else it would see a reset in place of the answer.
                let mut scrap = [0; 1 << 10];
                for _ in 0..64 {
                    if stream.read(&mut scrap).await? == 0 {
                        break;
                    }
                }
                io::Result::Ok(())
            };
            let _told_or_not = timeout(REFUSAL_TIME, told).await;
        });
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use toolpost_dispatch::{Dispatcher, Registry};

    use super::super::connection_state::OpenRequest;
    use super::*;
    use crate::Server;

    fn http(change: impl FnOnce(&mut HttpLimits)) -> Arc<Http> {
        let registry = Registry::builder().build().expect("no tools");
        let server = Server::builder(Dispatcher::builder(registry).build()).http_limits(change).build();
        Arc::clone(&server.0.http)
    }

    /// Whether a connection from `ip` is let in; with a request that runs on it, or without.
    fn enters(connections: &mut OpenConnections, http: &Arc<Http>, ip: &str, busy: bool) -> bool {
        let address = address_of(ip.parse().expect("an address"));
        let room = connections.has_room(&http.limits, address);
        if room {
            connections.state(http, address, |state| async move {
                let _turn = busy.then(|| OpenRequest::of(Arc::clone(&state)));
                state.leave.cancelled().await;
            });
        }
        room
    }

    #[tokio::test]
    async fn one_address_takes_neither_the_places_of_others_nor_the_last_ones() {
        let http = http(|limits| (limits.connections, limits.connections_per_address) = (32, 20));
        let mut connections = OpenConnections::default();
        // Its own idle ones give way to its new ones, in any notation, and in IPv6 within a /64.
        for (ip, open, why) in [
            ("192.0.2.1", 20, "its share"),
            ("::ffff:192.0.2.1", 20, "the same"),
            ("2001:db8::1", 30, "of 32 places, two are kept"),
            ("2001:db8::ffff:0:1", 30, "the same"),
            ("192.0.2.2", 32, "those with few get them, and then whoever has most gives way"),
        ] {
            for _ in 0..50 {
                assert!(enters(&mut connections, &http, ip, false), "{ip}: {why}");
                tokio::task::yield_now().await;
                while let Some(left) = connections.tasks.try_join_next_with_id() {
                    connections.leave(left);
                }
            }
            assert_eq!(connections.states.len(), open, "{ip}: {why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_are_no_descriptors_for_is_not_let_in_for_a_while() {
        let http = http(|limits| limits.connections = 64);
        let mut connections = OpenConnections::default();
        let leave = async |connections: &mut OpenConnections| {
            tokio::task::yield_now().await;
            while let Some(left) = connections.tasks.try_join_next_with_id() {
                connections.leave(left);
            }
        };
        for _ in 0..32 {
            assert!(enters(&mut connections, &http, "127.0.0.1", false));
        }
        connections.run_out(&http.limits);
        leave(&mut connections).await;
        assert_eq!(connections.tasks.len(), 30, "some have left at once");
        for ip in ["127.0.0.1", "192.0.2.1"] {
            for _ in 0..3 {
                assert!(enters(&mut connections, &http, ip, false), "an idle one gives way to a new one");
                leave(&mut connections).await;
            }
        }
        assert_eq!(connections.tasks.len(), 30);
        tokio::time::advance(RUN_OUT_MEMORY).await;
        for _ in 0..50 {
            assert!(enters(&mut connections, &http, "127.0.0.1", false));
            leave(&mut connections).await;
        }
        assert_eq!(connections.tasks.len(), 60, "as many as before");
    }

    #[tokio::test]
    async fn busy_connections_stay_and_few_places_are_kept() {
        let http = http(|limits| (limits.connections, limits.connections_per_address) = (32, 31));
        let mut connections = OpenConnections::default();
        let mut let_in = 0;
        for _ in 0..50 {
            let_in += usize::from(enters(&mut connections, &http, "192.0.2.1", true));
            tokio::task::yield_now().await;
        }
        assert_eq!(let_in, 30);
        assert!(enters(&mut connections, &http, "192.0.2.2", true));
        tokio::task::yield_now().await;
        assert!(enters(&mut connections, &http, "127.0.0.1", false));
        // Now it is full, and one is idle.
        assert!(enters(&mut connections, &http, "127.0.0.1", true));
        tokio::task::yield_now().await;
        assert!(!enters(&mut connections, &http, "127.0.0.1", true), "nobody busy gives way");
        assert_eq!(connections.states.len(), 32);
    }

    #[tokio::test]
    async fn those_who_leave_are_few_at_once() {
        let http = http(|limits| (limits.connections, limits.connections_per_address) = (32, 20));
        let mut connections = OpenConnections::default();
        // None of them gets to leave in between.
        let mut let_in = 0;
        for _ in 0..50 {
            let_in += usize::from(enters(&mut connections, &http, "192.0.2.1", false));
        }
        assert_eq!((let_in, connections.states.len(), connections.tasks.len()), (23, 20, 23));
    }

    #[tokio::test]
    async fn a_task_that_panics_gives_its_place_back() {
        let http = http(|_| ());
        let mut connections = OpenConnections::default();
        let address = address_of("192.0.2.1".parse().expect("an address"));
        connections.state(&http, address, |_| async { panic!("an authenticator, say") });
        let left = connections.tasks.join_next_with_id().await.expect("it ends");
        connections.leave(left);
        assert_eq!((connections.states.len(), connections.counts.len()), (0, 0));
    }
}
