//! What all servers of the benches do alike: each is a binary of its own, so that none is built with features that another
//! one asks for, and one process with one thread.
#![allow(clippy::disallowed_methods, reason = "a bench spawns its connections, and waits")]

mod cores;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

pub use cores::{Part, pin};

/// What ends a server.
pub type Done = Result<(), Box<dyn Error + Send + Sync>>;

/// What is asked of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// 2026-07-28 over HTTP, on a free port of loopback; without sessions where that is a choice.
    Http,
    /// The same, with sessions of 2025-11-25.
    Sessions,
    Stdio,
}

impl Transport {
    /// How it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sessions => "sessions",
            Self::Stdio => "stdio",
        }
    }
}

/// Serves what the command line asks for: `TRANSPORT TOOLS`. With no tools these are `echo`, `price`, `wait`, `print` and
/// `panic`; else so many that echo.
pub fn main<F: Future<Output = Done>>(serve: impl FnOnce(Transport, usize) -> F) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let known = [Transport::Http, Transport::Sessions, Transport::Stdio];
    let asked = arguments.first().and_then(|name| known.into_iter().find(|known| known.name() == name));
    let many = arguments.get(1).and_then(|many| many.parse().ok());
    let (Some(transport), Some(many)) = (asked, many) else {
        eprintln!("give http, sessions or stdio, and how many tools");
        return ExitCode::FAILURE;
    };
    // Three processes share the cores where one of them is in the middle.
    if std::env::var_os("TOOLPOST_BENCH_FREE").is_none() {
        pin(Part::Server);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(serve(transport, many)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Listens on a free port of loopback.
pub async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Says that clients may come.
pub fn ready(listener: &TcpListener) -> io::Result<()> {
    println!("{}", listener.local_addr()?.port());
    Ok(())
}

/// Says it once somebody listens on `port`: for servers that listen themselves.
pub async fn ready_at(port: u16) {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{port}");
}

/// The name of a tool of many; all are of one length.
pub fn name_of(number: usize) -> String {
    format!("tool-{number:05}")
}

/// Waits, and says on stderr when that begins and ends: whether anybody waits for it can be seen there.
pub async fn wait(ms: u64) -> &'static str {
    struct Waiting(bool);
    impl Drop for Waiting {
        fn drop(&mut self) {
            eprintln!("{}", if self.0 { "waited" } else { "stopped" });
        }
    }
    eprintln!("waiting");
    let mut waiting = Waiting(false);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    waiting.0 = true;
    "waited"
}

/// Prints a line, as a library deep below a tool may.
pub fn print() -> &'static str {
    println!("a line of a tool");
    "printed"
}

/// Serves every connection with `service`, each in a task.
pub async fn connections<S, B>(listener: TcpListener, service: S) -> io::Result<Infallible>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move { drop(connection.await) });
    }
}
