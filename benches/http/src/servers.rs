//! The servers: bare hyper, toolpost, rmcp. Each is one process with one thread.

pub mod bare;
pub mod ours;
pub mod rmcp;

/// Who serves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Peer {
    Hyper,
    Toolpost,
    Rmcp,
}

impl Peer {
    /// The name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::Toolpost => "toolpost",
            Self::Rmcp => "rmcp",
        }
    }

    /// The peer called `name`.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Hyper, Self::Toolpost, Self::Rmcp].into_iter().find(|peer| peer.name() == name)
    }
}

/// Serves HTTP on a free port of loopback, printed as the first line, until killed: `echo` and `price`,
/// or `many` tools that echo.
pub async fn serve(peer: Peer, many: usize) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let ready = || println!("{port}");
    match peer {
        Peer::Hyper => {
            // Building it takes memory that is not hyper's: only where it is asked for.
            let list = if many == 0 { bytes::Bytes::new() } else { ours::list(many).await };
            ready();
            match bare::serve(listener, list).await? {}
        }
        Peer::Toolpost => {
            let server = ours::server(many);
            ready();
            server.serve(listener).await.map_err(std::io::Error::other)
        }
        Peer::Rmcp => {
            let service = rmcp::http(many);
            ready();
            match bare::connections(listener, hyper_util::service::TowerToHyperService::new(service)).await? {}
        }
    }
}
