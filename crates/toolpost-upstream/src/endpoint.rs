//! Where a server is, and how it is reached.

use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "http")]
use toolpost_client::HttpTarget;
use toolpost_client::{ClientOptions, McpClient};
#[cfg(unix)]
use toolpost_process::{Process, Program, Redactor, Supervisor};
use toolpost_tool::BoxFuture;

use crate::clean::line;

/// How much of what a program said last is told, in bytes.
const SAID_MAX: usize = 400;

/// A server, and how it is reached: a program that is started, a URL, or streams of the host's own.
#[derive(Clone)]
pub struct Endpoint(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(unix)]
    Program {
        supervisor: Supervisor,
        program: Box<Program>,
        redactor: Redactor,
    },
    #[cfg(feature = "http")]
    Http(Box<HttpTarget>),
    Streams(Arc<Connect>),
    Several(Arc<[Endpoint]>),
}

type Streams = (Pin<Box<dyn AsyncRead + Send>>, Pin<Box<dyn AsyncWrite + Send>>);
type Connect = dyn Fn() -> BoxFuture<'static, io::Result<Streams>> + Send + Sync;

impl Endpoint {
    /// A program that speaks MCP on its stdin and stdout. The supervisor owns its process, which ends with the connection; what it
    /// says on stderr is told where it is down, without its [secrets](Program::secret), and without the values of the
    /// variables that are [set](Program::env) for it.
    #[cfg(unix)]
    #[must_use]
    pub fn program(supervisor: &Supervisor, program: Program) -> Self {
        let redactor = program.redactor();
        Self(Kind::Program { supervisor: supervisor.clone(), program: Box::new(program), redactor })
    }

    /// A server that is reached over Streamable HTTP. Its credentials are the target's own, whoever calls.
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    #[must_use]
    pub fn http(target: HttpTarget) -> Self {
        Self(Kind::Http(Box::new(target)))
    }

    /// A server that speaks MCP in lines over streams that `connect` opens anew for each connection: of a socket, say.
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use toolpost_upstream::Endpoint;
    ///
    /// let endpoint = Endpoint::streams(|| async {
    ///     Ok(TcpStream::connect("[::1]:7000").await?.into_split())
    /// });
    /// ```
    #[must_use]
    pub fn streams<R, W, F>(connect: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        R: AsyncRead + Send + 'static,
        W: AsyncWrite + Send + 'static,
        F: Future<Output = io::Result<(R, W)>> + Send + 'static,
    {
        let connect = move || -> BoxFuture<'static, io::Result<Streams>> {
            let opening = connect();
            Box::pin(async move {
                let (reader, writer) = opening.await?;
                Ok((Box::pin(reader) as _, Box::pin(writer) as _))
            })
        };
        Self(Kind::Streams(Arc::new(connect)))
    }

    /// Several endpoints of one server that are alike. Each is kept connected; a call goes to the one that is expected to answer
    /// soonest, by the latencies of its recent answers and the calls that it has (peak EWMA; of many, the better of two drawn). One that
    /// keeps failing is left alone for a while, but never more than half of those that are connected, and probed again: by a call that
    /// may be repeated, or after ten seconds without one by any. Where a
    /// call was not sent, or is of a tool that may be run twice, and its connection ends, it goes to another, once.
    ///
    /// # Panics
    ///
    /// If there is none.
    ///
    /// ```
    /// use tokio::net::TcpStream;
    /// use toolpost_upstream::Endpoint;
    ///
    /// let at = |port: u16| Endpoint::streams(move || async move {
    ///     Ok(TcpStream::connect(("::1", port)).await?.into_split())
    /// });
    /// let endpoint = Endpoint::several([at(7000), at(7001), at(7002)]);
    /// ```
    #[must_use]
    pub fn several(endpoints: impl IntoIterator<Item = Self>) -> Self {
        let endpoints: Arc<[Self]> = endpoints.into_iter().flat_map(Self::each).collect();
        assert!(!endpoints.is_empty(), "at least one endpoint of a server");
        Self(Kind::Several(endpoints))
    }

    /// Each of those that it is.
    pub(crate) fn each(self) -> Vec<Self> {
        match self.0 {
            Kind::Several(endpoints) => endpoints.to_vec(),
            kind => vec![Self(kind)],
        }
    }

    /// Opens a connection; what the server is comes later. An error is why there is none.
    pub(crate) async fn open(&self, options: ClientOptions) -> Result<Opened, String> {
        match &self.0 {
            #[cfg(unix)]
            Kind::Program { supervisor, program, redactor } => {
                let mut process = supervisor.spawn(program, |_| {}).map_err(|error| error.to_string())?;
                let (Some(stdin), Some(stdout)) = (process.take_stdin(), process.take_stdout()) else {
                    return Err("the program has no pipes".into());
                };
                let client = McpClient::over_stdio(stdout, stdin, options);
                Ok(Opened { client, process: Some(process), redactor: redactor.clone() })
            }
            #[cfg(feature = "http")]
            Kind::Http(target) => {
                let client = McpClient::over_http((**target).clone(), options);
                client.map(Opened::of).map_err(|error| error.to_string())
            }
            Kind::Streams(connect) => {
                // The host's: it may panic.
                let opening = AssertUnwindSafe(async { connect().await }).catch_unwind().await;
                let opening = opening.map_err(|_panic| "whoever opens its streams panicked".to_owned())?;
                let (reader, writer) = opening.map_err(|error| error.to_string())?;
                Ok(Opened::of(McpClient::over_stdio(reader, writer, options)))
            }
            // Of a caller's own: balanced are those that are kept connected.
            Kind::Several(endpoints) => Box::pin(endpoints[0].open(options)).await,
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(unix)]
            Kind::Program { program, .. } => f.debug_tuple("Endpoint").field(program).finish(),
            #[cfg(feature = "http")]
            Kind::Http(target) => f.debug_tuple("Endpoint").field(target).finish(),
            Kind::Streams(_) => f.write_str("Endpoint(streams)"),
            Kind::Several(endpoints) => f.debug_tuple("Endpoint").field(endpoints).finish(),
        }
    }
}

/// A connection, and the process at its other end, which ends with this.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) client: McpClient,
    #[cfg(unix)]
    process: Option<Process>,
    #[cfg(unix)]
    redactor: Redactor,
}

impl Opened {
    fn of(client: McpClient) -> Self {
        Self {
            client,
            #[cfg(unix)]
            process: None,
            #[cfg(unix)]
            redactor: Redactor::new(),
        }
    }

    /// Waits until the connection is over, or its process has ended; why, if that is known. Cancel safe.
    pub(crate) async fn over(&mut self) -> String {
        #[cfg(unix)]
        if let Some(process) = &mut self.process {
            return tokio::select! {
                biased;
                ended = process.wait() => match ended {
                    Ok(status) => format!("its program ended ({status})"),
                    Err(error) => error.to_string(),
                },
                why = self.client.closed() => why.to_string(),
            };
        }
        self.client.closed().await.to_string()
    }

    /// Ends the connection and what is at its other end, and waits for that; `why`, with what the program said last.
    pub(crate) async fn end(self, why: String) -> String {
        self.client.close().await;
        #[cfg(unix)]
        if let Some(mut process) = self.process {
            drop(process.stop().await);
            let said = process.stderr();
            let last = said[said.len().saturating_sub(3)..].join(" | ");
            if !last.is_empty() {
                return format!(
                    "{why}; its stderr ends in: {}",
                    line(&self.redactor.redact(&last), SAID_MAX)
                );
            }
        }
        why
    }
}
