//! Connections to the origin of a server: TCP, a proxy, TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use hyper_util::client::proxy::matcher::Matcher;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The answer of a proxy to `CONNECT` has at most so many bytes.
const PROXY_ANSWER: usize = 8 << 10;

/// Where requests go, and how connections to it are made.
pub(super) struct Origin {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    proxy: Option<Proxy>,
}

/// A proxy between here and the origin.
struct Proxy {
    host: String,
    port: u16,
    /// What `Proxy-Authorization` says; a secret.
    credentials: Option<HeaderValue>,
}

/// Whom TLS trusts.
#[derive(Clone, Debug, Default)]
pub(super) enum Trust {
    /// Whom the system trusts.
    #[default]
    System,
    /// These authorities alone, each certificate in DER.
    Only(Vec<Vec<u8>>),
}

impl Origin {
    /// The origin of `uri`; `proxies` says that the proxies of the environment are used.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, the certificates or the proxy.
    pub(super) fn new(uri: &Uri, trust: &Trust, proxies: bool) -> Result<Self, String> {
        let authority = uri.authority().ok_or("the URL names no host")?;
        let host = bare(authority.host()).to_owned();
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL has to begin with https:// or http://".into()),
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let tls = match secure {
            true => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|_| format!("`{host}` cannot be the name of a certificate"))?;
                Some((TlsConnector::from(Arc::new(config(trust)?)), name))
            }
            false => None,
        };
        let proxy = if proxies { Proxy::of(&Matcher::from_env(), uri)? } else { None };
        Ok(Self { host, port, tls, proxy })
    }

    /// Whether requests name the whole URL, and what `Proxy-Authorization` they carry: those that a proxy reads.
    pub(super) fn reads_requests(&self) -> Option<Option<&HeaderValue>> {
        let proxy = self.proxy.as_ref().filter(|_| self.tls.is_none())?;
        Some(proxy.credentials.as_ref())
    }

    /// Connects, within `time`.
    ///
    /// # Errors
    ///
    /// If nobody answers in time, the proxy refuses, or the certificate is not to be trusted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn connect(&self, time: Duration) -> io::Result<Stream> {
        let connected = tokio::time::timeout(time, async {
            let stream = match &self.proxy {
                Some(proxy) => self.through(proxy).await?,
                None => tcp(&self.host, self.port).await?,
            };
            Ok(match &self.tls {
                Some((connector, name)) => {
                    Stream::Tls(Box::new(connector.connect(name.clone(), stream).await?))
                }
                None => Stream::Plain(stream),
            })
        });
        connected.await.unwrap_or_else(|_elapsed| {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {time:?}")))
        })
    }

    async fn through(&self, proxy: &Proxy) -> io::Result<TcpStream> {
        let mut stream = tcp(&proxy.host, proxy.port).await?;
        if self.tls.is_none() {
            // It is told with each request where that goes.
            return Ok(stream);
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut ask = format!("CONNECT {host}:{0} HTTP/1.1\r\nHost: {host}:{0}\r\n", self.port).into_bytes();
        if let Some(credentials) = &proxy.credentials {
            ask.extend([b"Proxy-Authorization: ", credentials.as_bytes(), b"\r\n"].concat());
        }
        ask.extend(b"\r\n");
        stream.write_all(&ask).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if PROXY_ANSWER <= answer.len() {
                return Err(io::Error::other("the proxy answers with too long a head"));
            }
            // Byte by byte: what follows the head belongs to TLS.
            answer.push(stream.read_u8().await?);
        }
        match answer.starts_with(b"HTTP/1.1 2") || answer.starts_with(b"HTTP/1.0 2") {
            true => Ok(stream),
            false => {
                let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
                let line: String =
                    String::from_utf8_lossy(line).chars().filter(|c| !c.is_control()).collect();
                Err(io::Error::other(format!("the proxy refuses the connection: {line}")))
            }
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls, proxy } = self;
        let proxy = proxy.as_ref().map(|proxy| &proxy.host);
        f.debug_struct("Origin")
            .field("host", host)
            .field("port", port)
            .field("tls", &tls.is_some())
            .field("proxy", &proxy)
            .finish()
    }
}

impl Proxy {
    fn of(proxies: &Matcher, uri: &Uri) -> Result<Option<Self>, String> {
        let Some(found) = proxies.intercept(uri) else { return Ok(None) };
        let uri = found.uri();
        if uri.scheme_str() != Some("http") {
            let scheme = uri.scheme_str().unwrap_or_default();
            return Err(format!("the proxy of the environment is one of {scheme}, not of http"));
        }
        let host = bare(uri.host().unwrap_or_default()).to_owned();
        Ok(Some(Self { host, port: uri.port_u16().unwrap_or(80), credentials: found.basic_auth().cloned() }))
    }
}

/// The host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
                return Err(format!("the system has no certificates of authorities{why}"));
            }
            // Systems have some that nobody can read any more.
            roots.add_parsable_certificates(found.certs);
        }
        Trust::Only(certificates) => {
            for certificate in certificates {
                let added = roots.add(CertificateDer::from(certificate.clone()));
                added.map_err(|error| format!("a certificate cannot be read: {error}"))?;
            }
        }
    }
    // Named here, whatever the process has for a default: one that has two, or none, would panic.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A connection's bytes.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
