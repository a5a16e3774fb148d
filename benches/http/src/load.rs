//! The load: a closed loop on each of some connections kept alive, every answer checked.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::requests::{Ask, Era, INITIALIZE, INITIALIZED, Random, Request, Route};
use crate::servers::Peer;

/// What has a server run on whichever core the system likes.
pub const FREE: &str = "TOOLPOST_BENCH_FREE";

/// A process that serves, killed when dropped.
pub struct Served {
    child: Child,
    port: u16,
}

impl Served {
    /// Starts a server that is [built](crate::servers::build), with `arguments`; its first line is its port.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or says no port.
    pub fn start(peer: Peer, arguments: &[&str]) -> io::Result<Self> {
        Self::spawn(Command::new(peer.binary()?).args(arguments))
    }

    /// As [`start`](Self::start), on whichever core the system likes.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_free(peer: Peer, arguments: &[&str]) -> io::Result<Self> {
        Self::spawn(Command::new(peer.binary()?).args(arguments).env(FREE, ""))
    }

    /// Starts a program whose first line is its port.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or says no port.
    pub fn spawn(program: &mut Command) -> io::Result<Self> {
        let child = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut served = Self { child, port: 0 };
        let mut line = String::new();
        if let Some(stdout) = served.child.stdout.take() {
            io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut line)?;
        }
        served.port = line.trim().parse().map_err(io::Error::other)?;
        Ok(served)
    }

    /// Starts a program that says nothing, and waits until somebody listens on `port`.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or nobody listens within half a minute.
    pub fn listening(program: &mut Command, port: u16) -> io::Result<Self> {
        let child = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let served = Self { child, port };
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if end < Instant::now() {
                return Err(io::Error::other(format!("nobody listens on {port}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(served)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
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
    /// Connects `connections` times, and opens a session on each where that is asked for.
    ///
    /// # Errors
    ///
    /// If nobody answers, or no session is opened.
    pub async fn connect(served: &Served, era: Era, ask: Ask, connections: usize) -> io::Result<Self> {
        Self::connect_by(Route::DIRECT, served, era, ask, connections).await
    }

    /// Connects as [`connect`](Self::connect) does, to a server whose tools are elsewhere.
    ///
    /// # Errors
    ///
    /// If nobody answers, or no session is opened.
    pub async fn connect_by(
        route: Route,
        served: &Served,
        era: Era,
        ask: Ask,
        connections: usize,
    ) -> io::Result<Self> {
        let mut all = Vec::with_capacity(connections);
        for id in 1..=connections {
            let stream = TcpStream::connect(("127.0.0.1", served.port)).await?;
            stream.set_nodelay(true)?;
            let mut connection = Connection {
                stream,
                request: Request::by(route, ask, id, None),
                random: Random(id as u64),
                answer: vec![0; 64 << 10],
                checked: false,
                nanoseconds: Vec::new(),
            };
            if era == Era::Sessions {
                let session = connection.open(route).await?;
                connection.request = Request::by(route, ask, id, Some(&session));
            }
            all.push(connection);
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

    /// Opens a session; gives back its id.
    async fn open(&mut self, route: Route) -> io::Result<String> {
        self.stream.write_all(&route.post(INITIALIZE.as_bytes(), None)).await?;
        let (body, _) = self.answer().await?;
        let head = String::from_utf8_lossy(&self.answer[..body]).into_owned();
        let session = field(&head, "mcp-session-id");
        let session = session.ok_or_else(|| io::Error::other(format!("no session: {head}")))?.to_owned();
        self.stream.write_all(&route.post(INITIALIZED.as_bytes(), Some(&session))).await?;
        self.answer().await?;
        Ok(session)
    }

    async fn receive(&mut self) -> io::Result<()> {
        let (body, end) = self.answer().await?;
        if !self.checked {
            let body = std::str::from_utf8(&self.answer[body..end]).map_err(io::Error::other)?;
            if let Some(missing) = self.request.expect.iter().find(|text| !body.contains(*text)) {
                return Err(io::Error::other(format!("no {missing:?} in {body}")));
            }
            self.checked = true;
        }
        Ok(())
    }

    /// Reads one answer; says where its body begins and ends.
    async fn answer(&mut self) -> io::Result<(usize, usize)> {
        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(head) = head(&self.answer[..filled])? {
                break head;
            }
        };
        let Some(length) = head.length else {
            // A stream of events, whose last chunk is an empty one.
            while !self.answer[..filled].ends_with(b"0\r\n\r\n") {
                if self.answer.len() == filled {
                    self.answer.resize(2 * filled, 0);
                }
                filled += self.read(filled).await?;
            }
            return Ok((head.end, filled));
        };
        let end = head.end + length;
        if self.answer.len() < end {
            self.answer.resize(end, 0);
        }
        while filled < end {
            filled += self.read(filled).await?;
        }
        match filled == end {
            true => Ok((head.end, end)),
            false => Err(io::Error::other("more than one answer to one request")),
        }
    }

    async fn read(&mut self, at: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.answer[at..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// Sends one request, the bytes of an HTTP message, over a connection of its own; the body of the answer.
///
/// # Errors
///
/// If there is none.
pub async fn once(served: &Served, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut load = Load::connect(served, Era::Modern, Ask::List, 1).await?;
    let mut connection = load.connections.pop().ok_or_else(|| io::Error::other("no connection"))?;
    connection.stream.write_all(request).await?;
    let (body, end) = connection.answer().await?;
    Ok(connection.answer[body..end].to_vec())
}

/// The body of the answer to one `tools/list`.
///
/// # Errors
///
/// If there is none.
pub async fn list(served: &Served) -> io::Result<Vec<u8>> {
    once(served, &Request::new(Ask::List, 1, None).bytes).await
}

struct Head {
    /// Where it ends.
    end: usize,
    /// The length of the body, if it comes in one piece.
    length: Option<usize>,
}

fn head(answer: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    if !head.starts_with("HTTP/1.1 20") {
        return Err(io::Error::other(format!("{head}\n{}", String::from_utf8_lossy(&answer[end..]))));
    }
    let length = match field(head, "content-length").map(str::parse) {
        Some(Ok(length)) => Some(length),
        _ if field(head, "transfer-encoding").is_some() => None,
        // Accepted, and nothing to say.
        _ => Some(0),
    };
    Ok(Some(Head { end: end + 4, length }))
}

fn field<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}
