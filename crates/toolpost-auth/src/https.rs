//! One request over HTTPS, on a connection of its own.

use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::{AuthError, Fetch};

/// The bytes of the head of an answer, at most.
const HEAD: usize = 64 << 10;

type Failed = Box<dyn Error + Send + Sync>;

/// Sends requests over HTTPS (HTTP/1.1, TLS 1.2 and 1.3), each on a connection of its own.
///
/// It follows no redirect, and knows no proxy; for one, implement [`Fetch`]. To this machine `http` will do.
#[derive(Clone)]
pub struct HttpsClient(Arc<ClientConfig>);

impl HttpsClient {
    /// Trusts whom the system trusts.
    ///
    /// # Errors
    ///
    /// If the system's certificates cannot be read, or there are none.
    pub fn new() -> Result<Self, AuthError> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            return Err(AuthError::new(format!("the system has no certificates of authorities{why}")));
        }
        let mut roots = RootCertStore::empty();
        // Systems have some that nobody can read any more.
        roots.add_parsable_certificates(found.certs);
        Self::with(roots)
    }

    /// Trusts these certificates of authorities alone, each in DER: a company's own.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read.
    pub fn trusting(certificates: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, AuthError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let added = roots.add(CertificateDer::from(certificate));
            added.map_err(|error| AuthError::new(format!("a certificate cannot be read: {error}")))?;
        }
        Self::with(roots)
    }

    fn with(roots: RootCertStore) -> Result<Self, AuthError> {
        // Named here, whatever the process has for a default: one that has two, or none, would panic.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| AuthError::new(error.to_string()))?;
        Ok(Self(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
    }

    async fn send(&self, mut request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, Failed> {
        let uri = std::mem::take(request.uri_mut());
        let authority = uri.authority().ok_or("the URL names no host")?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let secure = uri.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        *request.uri_mut() =
            uri.path_and_query().map_or(Ok(Uri::from_static("/")), |path| path.as_str().parse())?;
        let stream = TcpStream::connect((host, port)).await?;
        if !secure {
            return exchange(stream, request, limit).await;
        }
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await?;
        exchange(stream, request, limit).await
    }
}

impl Fetch for HttpsClient {
    async fn fetch(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, Failed> {
        self.send(request, limit).await
    }
}

impl fmt::Debug for HttpsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsClient")
    }
}

/// One request and its answer. What drives the connection is polled here, so that nothing has to be spawned.
async fn exchange<S>(stream: S, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, Failed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        if limit < usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) {
            return Err(format!("the answer has more than {limit} bytes").into());
        }
        let body = Limited::new(body, limit).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What it has received is still to be read.
        _ended = &mut connection => answer.await,
    }
}
