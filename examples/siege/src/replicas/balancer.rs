//! A plain TCP balancer: a connection goes to the next replica in turn, or to the one after it if that refuses it. It looks
//! at no byte, and asks nobody whether they are well.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::copy;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::life::Life;
use super::replica::Replica;
use crate::Failure;
use crate::wire::{HERE, connect, pause};

/// Connections that may come while none is accepted: of all clients at once, when a replica was killed.
const BACKLOG: u32 = 4_096;

/// How often each replica is tried, as HAProxy does: while one refuses a connection, the other may be restarted.
const ROUNDS: usize = 4;

#[derive(Clone)]
pub(super) struct Balancer(Arc<Shared>);

struct Shared {
    address: SocketAddr,
    replicas: Vec<Arc<Replica>>,
    next: AtomicUsize,
    routes: Mutex<HashMap<u16, Route>>,
    connections: Mutex<Connections>,
}

/// How many there were.
#[derive(Clone, Copy, Default)]
pub(super) struct Connections {
    pub(super) all: usize,
    pub(super) now: usize,
    pub(super) most: usize,
}

/// Where a connection went: which process serves it, or why nobody took it.
pub(super) type Taken = Result<Arc<Life>, String>;

/// Where the connection from a port went.
enum Route {
    Known(Taken),
    Awaited(oneshot::Sender<Taken>),
}

impl Balancer {
    /// Balances until the runtime ends.
    pub(super) fn start(replicas: Vec<Arc<Replica>>) -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(BACKLOG)?;
        let shared = Arc::new(Shared {
            address: listener.local_addr()?,
            replicas,
            next: AtomicUsize::new(0),
            routes: Mutex::default(),
            connections: Mutex::default(),
        });
        let balancer = Self(Arc::clone(&shared));
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, from)) => drop(tokio::spawn(Arc::clone(&shared).carry(client, from.port()))),
                    // Without a descriptor; one comes back.
                    Err(_) => pause(10).await,
                }
            }
        });
        Ok(balancer)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(super) fn connections(&self) -> Connections {
        *lock(&self.0.connections)
    }

    /// Which process serves the connection from `port`, once that is settled.
    pub(super) async fn route(&self, port: u16) -> Taken {
        let awaited = {
            let mut routes = lock(&self.0.routes);
            match routes.remove(&port) {
                Some(Route::Known(taken)) => return taken,
                Some(Route::Awaited(_)) | None => {
                    let (told, awaited) = oneshot::channel();
                    routes.insert(port, Route::Awaited(told));
                    awaited
                }
            }
        };
        awaited.await.unwrap_or_else(|_| Err("the connection is nobody's".to_owned()))
    }
}

impl Shared {
    /// Carries bytes between a client and a replica until one of them is gone.
    async fn carry(self: Arc<Self>, mut client: TcpStream, port: u16) {
        let _set = client.set_nodelay(true);
        let mut replica = match self.take().await {
            Ok((replica, life)) => {
                self.tell(port, Ok(life));
                replica
            }
            Err(why) => return self.tell(port, Err(why)),
        };
        self.count(|connections| {
            connections.all += 1;
            connections.now += 1;
            connections.most = connections.most.max(connections.now);
        });
        let ((mut from_client, mut to_client), (mut from_replica, mut to_replica)) =
            (client.split(), replica.split());
        tokio::select! {
            _ = copy(&mut from_client, &mut to_replica) => {}
            _ = copy(&mut from_replica, &mut to_client) => {}
        }
        self.count(|connections| connections.now -= 1);
    }

    /// A connection to the next replica that takes one.
    async fn take(&self) -> Result<(TcpStream, Arc<Life>), String> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let (mut turn, mut refused) = (0, Vec::new());
        while turn < ROUNDS * self.replicas.len() {
            let replica = &self.replicas[(first + turn) % self.replicas.len()];
            let before = replica.life();
            let stream = match connect(replica.address(), HERE).await {
                Ok(stream) => stream,
                Err(error) => {
                    refused.push(error.to_string());
                    turn += 1;
                    continue;
                }
            };
            // Else each connection would take a port for a minute after its end.
            let _set = stream.set_zero_linger();
            // If it was restarted meanwhile, nobody knows to which of the two this connection is.
            if Arc::ptr_eq(&before, &replica.life()) {
                return Ok((stream, before));
            }
        }
        Err(format!("no replica took a connection: {}", refused.join(", ")))
    }

    fn tell(&self, port: u16, taken: Taken) {
        let mut routes = lock(&self.routes);
        match routes.remove(&port) {
            // Nobody listens any more if the client gave up.
            Some(Route::Awaited(told)) => drop(told.send(taken)),
            Some(Route::Known(_)) | None => drop(routes.insert(port, Route::Known(taken))),
        }
    }

    fn count(&self, count: impl FnOnce(&mut Connections)) {
        count(&mut lock(&self.connections));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
