//! A relay between a client and a server, which counts connections and cuts them.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    connections: watch::Sender<usize>,
    cut: watch::Sender<()>,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Self { address, connections: watch::Sender::new(0), cut: watch::Sender::new(()) };
        let own = relay.clone();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                own.connections.send_modify(|connections| *connections += 1);
                let mut cut = own.cut.subscribe();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        relay
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until so many were made.
    pub(crate) async fn reach(&self, connections: usize) {
        self.connections.subscribe().wait_for(|made| connections <= *made).await.unwrap();
    }

    /// Cuts those that are open.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(());
    }
}
