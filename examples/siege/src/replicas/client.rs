//! A client: one call after the other, none of them twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Random;
use super::balancer::Balancer;
use super::life::Life;
use super::tally::Tally;
use crate::wire::{Answer, HERE, ask, call, connect, initialize, pause, post};

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a call takes, in milliseconds.
const LEAST: u64 = 100;
const MOST: u64 = 1_500;

pub(super) struct Client {
    number: usize,
    /// Whether it is one with a session.
    legacy: bool,
    session: Option<String>,
    calls: u64,
    random: Random,
    connection: Option<Connection>,
    balancer: Balancer,
    tally: Arc<Tally>,
}

/// A connection, and the process that it leads to.
struct Connection {
    stream: TcpStream,
    life: Arc<Life>,
    /// So many more calls: then the client connects anew, and comes back to a replica that was away.
    left: u64,
}

/// Why a call has no answer.
pub(super) enum Failed {
    /// It was in flight on a process that was killed.
    Killed,
    Otherwise(String),
}

impl Client {
    pub(super) fn new(number: usize, legacy: bool, balancer: Balancer, tally: Arc<Tally>) -> Self {
        let random = Random(number as u64);
        Self { number, legacy, session: None, calls: 0, random, connection: None, balancer, tally }
    }

    /// Opens its session, if it is one that has one.
    pub(super) async fn open(mut self) -> Self {
        if self.legacy {
            match self.exchange(&post(&initialize(), None)).await {
                Ok(Answer { status: 200, session: Some(session), .. }) => {
                    self.session = Some(session);
                    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
                    let told = self.exchange(&post(&initialized, self.session.as_deref())).await;
                    if !matches!(told, Ok(Answer { status: 202, .. })) {
                        self.tally.fault("notifications/initialized was not accepted".to_owned());
                    }
                }
                _ => self.tally.lost(self.number, "no session was opened"),
            }
        }
        self
    }

    /// Makes a call that takes a while.
    pub(super) async fn call(&mut self) {
        if self.legacy && self.session.is_none() {
            return pause(LEAST).await;
        }
        let ms = self.random.between(LEAST, MOST);
        let (id, arguments) = (format!("{}-{}", self.number, self.calls), json!({ "ms": ms }));
        let message = match &self.session {
            None => call(&*id, "sleep", &arguments),
            Some(_) => json!({
                "jsonrpc": "2.0",
                "id": id,
                "method": "tools/call",
                "params": { "name": "sleep", "arguments": arguments },
            }),
        };
        let start = Instant::now();
        match self.exchange(&post(&message, self.session.as_deref())).await {
            Ok(answer) => match check(&answer, &id, ms) {
                Ok(()) => self.tally.answered(start.elapsed().saturating_sub(Duration::from_millis(ms))),
                Err(why) => {
                    self.tally.failed(Failed::Otherwise(why));
                    if self.legacy && matches!(answer.status, 400 | 404) {
                        self.tally.lost(self.number, "a call found no session");
                    }
                }
            },
            Err(failed) => self.tally.failed(failed),
        }
    }

    /// Asks for its session at each replica.
    pub(super) async fn ask_for_session(self, replicas: [SocketAddr; 2]) -> Self {
        let Some(session) = &self.session else { return self };
        let ping = post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), Some(session));
        for replica in replicas {
            let asked = async {
                let mut stream = connect(replica, HERE).await?;
                stream.set_zero_linger()?;
                ask(&mut stream, &ping, "\"result\"").await
            };
            let answer = timeout(PATIENCE, asked).await;
            let there = matches!(&answer, Ok(Ok(answer)) if answer.status == 200 && answer.text.contains("\"result\""));
            if !there {
                self.tally.lost(self.number, &format!("asked for at the end: {answer:?}"));
            }
        }
        self
    }

    /// Sends a request once, and reads the answer.
    async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Failed> {
        self.calls += 1;
        let call = (self.number as u64) << 32 | self.calls;
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) if !connection.life.is_over() => connection,
                _ => self.connect().await.map_err(Failed::Otherwise)?,
            };
            if !connection.life.begin(call) {
                continue;
            }
            // An answer by events is whole at its last chunk, which is an empty one.
            let answer = timeout(PATIENCE, ask(&mut connection.stream, request, "\r\n0\r\n\r\n")).await;
            let killed = connection.life.end(call);
            return match answer {
                Ok(Ok(answer)) => {
                    connection.left -= 1;
                    self.connection = (0 < connection.left).then_some(connection);
                    Ok(answer)
                }
                Ok(Err(_)) if killed => Err(Failed::Killed),
                Ok(Err(error)) => Err(Failed::Otherwise(format!("cut off by a process that lived: {error}"))),
                Err(_) => Err(Failed::Otherwise("no answer".to_owned())),
            };
        }
    }

    async fn connect(&mut self) -> Result<Connection, String> {
        let connected = async {
            let stream = connect(self.balancer.address(), HERE).await?;
            // A client that goes takes its port with it.
            stream.set_zero_linger()?;
            Ok::<_, std::io::Error>((stream.local_addr()?.port(), stream))
        };
        let (port, stream) = connected.await.map_err(|error| format!("the balancer: {error}"))?;
        let taken = timeout(PATIENCE, self.balancer.route(port)).await;
        let life = taken.map_err(|_| "nobody took a connection in time".to_owned())??;
        Ok(Connection { stream, life, left: self.random.between(2, 8) })
    }
}

/// Whether this is the answer to the call with that id, as one object or as the last event of a stream.
fn check(answer: &Answer, id: &str, ms: u64) -> Result<(), String> {
    let event = answer.text.lines().rev().find_map(|line| line.strip_prefix("data: "));
    let said: Value = serde_json::from_str(event.unwrap_or(&answer.text)).unwrap_or_default();
    let text = said["result"]["content"][0]["text"].as_str();
    match answer.status == 200 && said["id"] == id && text == Some(&format!("slept {ms} ms")) {
        true => Ok(()),
        false => Err(format!("{}: {}", answer.status, answer.text.chars().take(200).collect::<String>())),
    }
}
