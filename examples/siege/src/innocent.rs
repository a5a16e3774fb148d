//! The innocent client: modest calls, each kind of them, and a record of how they went.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::Failure;
use crate::wire::{Answer, ask, call, connect, initialize, modern, post};

/// The longest that the innocent client waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two calls.
const PACE: Duration = Duration::from_millis(25);

/// How calls went.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) calls: usize,
    pub(crate) failed: usize,
    pub(crate) first_failure: Option<String>,
    times: Vec<Duration>,
}

impl Figures {
    /// The 99th of a hundred, of those that succeeded.
    pub(crate) fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().unwrap_or_default()
    }

    /// Notes one call that took `took`.
    pub(crate) fn note(&mut self, what: &str, took: Duration, done: Result<(), String>) {
        self.calls += 1;
        match done {
            Ok(()) => self.times.push(took),
            Err(why) => {
                self.failed += 1;
                let after = took.as_secs_f64();
                self.first_failure.get_or_insert_with(|| format!("{what} after {after:.2} s: {why}"));
            }
        }
    }
}

/// Calls from 127.0.0.`from` until then.
pub(crate) fn calls(to: SocketAddr, from: u8, fixture: bool, until: Instant) -> Result<Figures, Failure> {
    // A thread of its own: hostile clients must not be what delays it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let client = Client { to, from, fixture };
        let mut figures = Figures::default();
        let mut kept = None;
        while Instant::now() < until {
            let start = Instant::now();
            let (what, done) = match figures.calls % 4 {
                0 => ("a call", tokio::time::timeout(PATIENCE, client.call()).await),
                1 => ("a call of a session", tokio::time::timeout(PATIENCE, client.session()).await),
                2 => (
                    "a call on a kept connection",
                    tokio::time::timeout(PATIENCE, client.again(&mut kept)).await,
                ),
                _ => ("a listen", tokio::time::timeout(PATIENCE, client.listen()).await),
            };
            let done = done.unwrap_or_else(|_| Err("no answer".to_owned()));
            if done.is_err() {
                kept = None;
            }
            figures.note(what, start.elapsed(), done);
            tokio::time::sleep(PACE).await;
        }
        figures
    }))
}

struct Client {
    to: SocketAddr,
    from: u8,
    fixture: bool,
}

impl Client {
    /// A tool of either server, its arguments, and what its answer holds.
    fn tool(&self) -> (&'static str, Value, &'static str) {
        match self.fixture {
            true => ("echo", json!({ "text": "an innocent line" }), "an innocent line"),
            false => ("read_file", json!({ "path": "a.txt" }), "an innocent line"),
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        connect(self.to, self.from).await.map_err(|error| format!("connect: {error}"))
    }

    async fn call(&self) -> Result<(), String> {
        self.call_on(&mut self.connect().await?).await.map_err(|error| error.to_string())
    }

    async fn call_on(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let (tool, arguments, expected) = self.tool();
        let answer = ask(stream, &post(&call(1, tool, &arguments), None), expected).await?;
        holds(&answer, expected).map_err(std::io::Error::other)
    }

    /// On the connection of the call before; on a new one if the server has closed it meanwhile, as any client does.
    async fn again(&self, kept: &mut Option<TcpStream>) -> Result<(), String> {
        if let Some(stream) = kept.as_mut()
            && self.call_on(stream).await.is_ok()
        {
            return Ok(());
        }
        let mut stream = self.connect().await?;
        self.call_on(&mut stream).await.map_err(|error| error.to_string())?;
        *kept = Some(stream);
        Ok(())
    }

    /// A session is opened, used and closed.
    async fn session(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = self.connect().await?;
        let opened = ask(&mut stream, &post(&initialize(), None), "protocolVersion").await.map_err(failed)?;
        holds(&opened, "protocolVersion")?;
        let session = opened.session.ok_or("no session")?;
        let (tool, arguments, expected) = self.tool();
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
        let answer = ask(&mut self.connect().await?, &post(&message, Some(&session)), expected).await;
        holds(&answer.map_err(failed)?, expected)?;
        let delete = format!(
            "DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: {session}\r\nconnection: close\r\n\r\n"
        );
        let closed = ask(&mut self.connect().await?, delete.as_bytes(), "").await.map_err(failed)?;
        match closed.status {
            200..300 => Ok(()),
            status => Err(format!("DELETE: {status}")),
        }
    }

    /// A stream of changes is opened, acknowledged and left.
    async fn listen(&self) -> Result<(), String> {
        let wanted = json!({ "notifications": { "toolsListChanged": true } });
        let request = post(&modern(1, "subscriptions/listen", wanted), None);
        let answer = ask(&mut self.connect().await?, &request, "acknowledged").await;
        holds(&answer.map_err(|error| error.to_string())?, "acknowledged")
    }
}

fn holds(answer: &Answer, expected: &str) -> Result<(), String> {
    match answer.status == 200 && answer.text.contains(expected) {
        true => Ok(()),
        false => Err(format!("{}: {}", answer.status, answer.text.chars().take(200).collect::<String>())),
    }
}
