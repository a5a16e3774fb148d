//! The load: a closed loop on each of some connections kept alive, every answer checked.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::requests::{Ask, Random, Request};

/// A process that serves, killed when dropped.
pub struct Served {
    child: Child,
    port: u16,
}

impl Served {
    /// Starts this binary again with `arguments`; its first line is its port.
    pub fn start(arguments: &[&str]) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut served = Self { child, port: 0 };
        let mut line = String::new();
        if let Some(stdout) = served.child.stdout.take() {
            io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line)?;
        }
        served.port = line.trim().parse().map_err(io::Error::other)?;
        Ok(served)
    }

    /// What the operating system says of it.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Fails only if it ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// When a connection has sent enough.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Over(Duration),
    /// Requests of all connections together.
    Count(usize),
}

/// What a server did under load.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub requests: usize,
    /// Processor time of the server per request, microseconds.
    pub cpu: f64,
    /// Latency, microseconds.
    pub p50: f64,
    pub p99: f64,
    /// Requests per second.
    pub rate: f64,
}

/// Connections to one server.
pub struct Load {
    connections: Vec<Connection>,
    process: Process,
}

struct Connection {
    stream: TcpStream,
    request: Request,
    random: Random,
    answer: Vec<u8>,
    checked: bool,
    nanoseconds: Vec<u32>,
}

impl Load {
    /// Connects `connections` times.
    pub async fn connect(served: &Served, ask: Ask, connections: usize) -> io::Result<Self> {
        let mut all = Vec::with_capacity(connections);
        for id in 1..=connections {
            let stream = TcpStream::connect(("127.0.0.1", served.port)).await?;
            stream.set_nodelay(true)?;
            all.push(Connection {
                stream,
                request: Request::new(ask, id),
                random: Random(id as u64),
                answer: vec![0; 64 << 10],
                checked: false,
                nanoseconds: Vec::new(),
            });
        }
        Ok(Self { connections: all, process: served.process() })
    }

    /// Sends until then, and says what it cost.
    ///
    /// # Errors
    ///
    /// If any answer is not the right one.
    pub async fn run(&mut self, until: Until) -> io::Result<Measured> {
        let share = match until {
            Until::Over(_) => usize::MAX,
            Until::Count(count) => count.div_ceil(self.connections.len()),
        };
        let before = self.cpu()?;
        let start = Instant::now();
        let end = match until {
            Until::Over(time) => start + time,
            // Nothing here takes that long; if it does, the run ends and the count says so.
            Until::Count(_) => start + Duration::from_secs(120),
        };
        let running: Vec<_> =
            self.connections.drain(..).map(|connection| tokio::spawn(connection.send(share, end))).collect();
        for connection in running {
            self.connections.push(connection.await.map_err(io::Error::other)??);
        }
        let took = start.elapsed();
        let cpu = self.cpu()? - before;
        let mut all: Vec<u32> =
            self.connections.iter_mut().flat_map(|connection| connection.nanoseconds.drain(..)).collect();
        all.sort_unstable();
        let requests = all.len();
        let at = |share: f64| {
            all.get((requests as f64 * share) as usize).map_or(f64::NAN, |ns| f64::from(*ns) / 1e3)
        };
        Ok(Measured {
            requests,
            cpu: cpu.as_secs_f64() * 1e6 / requests as f64,
            p50: at(0.5),
            p99: at(0.99),
            rate: requests as f64 / took.as_secs_f64(),
        })
    }

    fn cpu(&self) -> io::Result<Duration> {
        self.process.cpu().ok_or_else(|| io::Error::other("no /proc/<pid>/stat: this bench needs Linux"))
    }
}

impl Connection {
    async fn send(mut self, count: usize, end: Instant) -> io::Result<Self> {
        for _ in 0..count {
            let sent = Instant::now();
            if sent >= end {
                break;
            }
            self.request.next(&mut self.random);
            self.stream.write_all(&self.request.bytes).await?;
            self.receive().await?;
            self.nanoseconds.push(u32::try_from(sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
        Ok(self)
    }

    async fn receive(&mut self) -> io::Result<()> {
        let mut filled = 0;
        let (head, length) = loop {
            filled += self.read(filled).await?;
            if let Some(head) = head(&self.answer[..filled])? {
                break head;
            }
        };
        if self.answer.len() < head + length {
            self.answer.resize(head + length, 0);
        }
        while filled < head + length {
            filled += self.read(filled).await?;
        }
        if filled > head + length {
            return Err(io::Error::other("more than one answer to one request"));
        }
        if !self.checked {
            let body = std::str::from_utf8(&self.answer[head..filled]).map_err(io::Error::other)?;
            if let Some(missing) = self.request.expect.iter().find(|text| !body.contains(*text)) {
                return Err(io::Error::other(format!("no {missing:?} in {body}")));
            }
            self.checked = true;
        }
        Ok(())
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.answer[at..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// Where the head of an answer ends, and how long the body is.
fn head(answer: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(io::Error::other(format!("{head}\n{}", String::from_utf8_lossy(&answer[end..]))));
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    length.map(|length| Some((end + 4, length))).ok_or_else(|| io::Error::other("no Content-Length"))
}
