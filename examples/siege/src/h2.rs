//! HTTP/2 frames by hand: a client may send what a library would not.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::wire::{HERE, connect, fields};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a server lets be sent, of the connection (stream 0) and of each stream.
const WINDOW: i64 = 65_535;

/// One connection, and what the server lets be sent on it.
pub(crate) struct H2 {
    write: tokio::sync::Mutex<OwnedWriteHalf>,
    read: tokio::sync::Mutex<OwnedReadHalf>,
    credit: Mutex<Credit>,
    more: tokio::sync::Notify,
}

struct Credit {
    first: i64,
    streams: HashMap<u32, i64>,
}

impl H2 {
    /// Connects; answers may have `window` bytes until the client asks for more.
    pub(crate) async fn connect(to: SocketAddr, window: u32) -> io::Result<Self> {
        let (read, mut write) = connect(to, HERE).await?.into_split();
        write.write_all(PREFACE).await?;
        let mut settings = 4_u16.to_be_bytes().to_vec();
        settings.extend(window.to_be_bytes());
        write.write_all(&frame(SETTINGS, 0, 0, &settings)).await?;
        Ok(Self {
            write: tokio::sync::Mutex::new(write),
            read: tokio::sync::Mutex::new(read),
            credit: Mutex::new(Credit { first: WINDOW, streams: HashMap::from([(0, WINDOW)]) }),
            more: tokio::sync::Notify::new(),
        })
    }

    pub(crate) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.write.lock().await.write_all(bytes).await
    }

    /// Reads for ever: acknowledges settings and pings, notes windows, and never gives any.
    pub(crate) async fn tend(&self) -> io::Result<()> {
        let mut read = self.read.lock().await;
        loop {
            let mut head = [0; 9];
            read.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            read.read_exact(&mut payload).await?;
            match (kind, flags & ACK) {
                (SETTINGS, 0) => {
                    for setting in payload.chunks_exact(6) {
                        if setting[..2] == 4_u16.to_be_bytes() {
                            self.settle(number(&setting[2..]));
                        }
                    }
                    self.send(&frame(SETTINGS, ACK, 0, &[])).await?;
                }
                (PING, 0) => self.send(&frame(PING, ACK, 0, &payload)).await?,
                (WINDOW_UPDATE, _) => {
                    let mut credit = self.credit();
                    let first = credit.first;
                    *credit.streams.entry(u32::from_be_bytes(stream)).or_insert(first) += number(&payload);
                    drop(credit);
                    self.more.notify_waiters();
                }
                _ => {}
            }
        }
    }

    /// Sends a body without an end, as fast as the server lets it.
    pub(crate) async fn pour(&self, stream: u32, mut bytes: usize) -> io::Result<()> {
        let filler = [b' '; 16 << 10];
        while 0 < bytes {
            let more = self.more.notified();
            let may = self.take(stream, bytes.min(filler.len()));
            if may == 0 {
                more.await;
                continue;
            }
            self.send(&frame(DATA, 0, stream, &filler[..may])).await?;
            bytes -= may;
        }
        Ok(())
    }

    fn take(&self, stream: u32, wanted: usize) -> usize {
        let mut credit = self.credit();
        let first = credit.first;
        let own = *credit.streams.entry(stream).or_insert(first);
        let all = credit.streams[&0];
        let may = (wanted as i64).min(own).min(all).max(0);
        for id in [0, stream] {
            if let Some(left) = credit.streams.get_mut(&id) {
                *left -= may;
            }
        }
        may as usize
    }

    /// The window of every stream changes with the setting.
    fn settle(&self, first: i64) {
        let mut credit = self.credit();
        let by = first - credit.first;
        credit.first = first;
        for (id, left) in &mut credit.streams {
            if *id != 0 {
                *left += by;
            }
        }
        drop(credit);
        self.more.notify_waiters();
    }

    fn credit(&self) -> std::sync::MutexGuard<'_, Credit> {
        self.credit.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte))
}

/// A frame as it is sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of a POST of `message`; its body comes after, or never.
pub(crate) fn head(stream: u32, message: &Value) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(message))
}

/// A whole request.
pub(crate) fn post(stream: u32, message: &Value) -> Vec<u8> {
    let mut bytes = head(stream, message);
    bytes.extend(frame(DATA, END_STREAM, stream, message.to_string().as_bytes()));
    bytes
}

/// A request that is taken back at once.
pub(crate) fn reset(stream: u32, message: &Value) -> Vec<u8> {
    let mut bytes = head(stream, message);
    bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    bytes
}

/// Headers that go on and on.
pub(crate) fn endless_head(stream: u32, message: &Value) -> Vec<u8> {
    frame(HEADERS, 0, stream, &block(message))
}

/// More of them.
pub(crate) fn continuation(stream: u32) -> Vec<u8> {
    let mut block = Vec::new();
    field(&mut block, "x-more", &"m".repeat(8_000));
    frame(CONTINUATION, 0, stream, &block)
}

/// A ping, which asks for an answer.
pub(crate) fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"siege!!!")
}

fn block(message: &Value) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in
        [(":method", "POST"), (":scheme", "http"), (":path", "/mcp"), (":authority", "localhost")]
    {
        field(&mut block, name, value);
    }
    for (name, value) in fields(message, None) {
        field(&mut block, name, &value);
    }
    block
}

/// A field, spelled out.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        // The length, in the seven bits that the prefix leaves and then seven at a time.
        match text.len().checked_sub(127) {
            None => block.push(text.len() as u8),
            Some(mut rest) => {
                block.push(127);
                while 127 < rest {
                    block.push(rest as u8 & 127 | 128);
                    rest >>= 7;
                }
                block.push(rest as u8);
            }
        }
        block.extend(text.as_bytes());
    }
}
