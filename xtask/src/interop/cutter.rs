//! A TCP proxy whose connections can be cut, as a network does.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

/// A loopback port that leads to a server; ends with this value, and its connections with it.
#[derive(Debug)]
pub(crate) struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Cutter {
    /// Leads to `server`, an address with a port.
    pub(crate) fn start<'scope>(scope: &'scope Scope<'scope, '_>, server: &str) -> Result<Self, String> {
        let faulty = |error: io::Error| format!("the proxy in front of {server}: {error}");
        let server: SocketAddr = server.parse().map_err(|_| format!("`{server}` is no address"))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(faulty)?;
        let address = listener.local_addr().map_err(faulty)?;
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        scope.spawn(move || {
            for client in listener.incoming() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                // A server that is gone refuses: so does this.
                let Ok((client, server)) =
                    client.and_then(|client| Ok((client, TcpStream::connect(server)?)))
                else {
                    continue;
                };
                let _both_ways = accepting.lead(scope, client, server);
            }
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection that is open.
    pub(crate) fn cut(&self) {
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(self.address);
        self.cut();
    }
}

impl Shared {
    fn lead<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        client: TcpStream,
        server: TcpStream,
    ) -> io::Result<()> {
        let ways = [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)];
        for (mut from, mut to) in ways {
            let _at_once = to.set_nodelay(true);
            scope.spawn(move || {
                let mut bytes = [0; 16 << 10];
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    if to.write_all(&bytes[..count]).is_err() {
                        break;
                    }
                }
                let _no_more = to.shutdown(Shutdown::Write);
            });
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.extend([client, server]);
        Ok(())
    }
}
