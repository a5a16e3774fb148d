//! The client that reaches an authorization server, against servers that do as they like.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test, whose clock is paused where it waits"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use toolpost_auth::{Fetch as _, HttpsClient, Jwks};

use crate::common::{Signer, key_set};

/// The certificate of an authority that is trusted by nobody but these tests, and of `localhost` by it.
const AUTHORITY: &[u8] = include_bytes!("authority.der");
const LOCALHOST: &[u8] = include_bytes!("localhost.der");

fn client() -> HttpsClient {
    HttpsClient::trusting([AUTHORITY.to_vec()]).unwrap()
}

/// Reads a request's head and answers with these bytes, again and again if asked to.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8], endless: bool) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let mut written = stream.write_all(bytes).await;
    while endless && written.is_ok() {
        written = stream.write_all(bytes).await;
    }
    if !endless {
        // Until the client has what it wants: some say how long they are, some do not.
        let _ended = stream.shutdown().await;
    }
    String::from_utf8(head).unwrap()
}

/// Serves one connection, and tells what it was sent.
async fn serve(bytes: &'static [u8], endless: bool) -> (String, oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks?a=b", listener.local_addr().unwrap());
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _ = tell.send(answer(stream, bytes, endless).await);
    });
    (url, told)
}

async fn get(url: &str, limit: usize) -> Result<Response<Bytes>, String> {
    let request = Request::get(url).body(Bytes::new()).unwrap();
    client().fetch(request, limit).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn an_answer_is_received_however_it_is_framed() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
    ] {
        let (url, told) = serve(bytes, false).await;
        assert_eq!(get(&url, 5).await.unwrap().body(), "hello");
        let head = told.await.unwrap();
        assert!(head.starts_with("GET /jwks?a=b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("host: 127.0.0.1:"), "{head}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (url, _told) = serve(
        b"HTTP/1.1 302 Found\r\nLocation: https://evil.example.com/\r\nContent-Length: 0\r\n\r\n",
        false,
    )
    .await;
    assert_eq!(get(&url, 5).await.unwrap().status(), 302);
    let (url, _told) = serve(
        b"HTTP/1.1 302 Found\r\nLocation: https://evil.example.com/\r\nContent-Length: 0\r\n\r\n",
        false,
    )
    .await;
    let error = Jwks::new(&url, client()).unwrap().refresh().await.unwrap_err();
    assert!(error.to_string().contains("302"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_endless_is_cut() {
    for (bytes, endless) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!"[..], false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", true),
        (b"HTTP/1.1 200 OK\r\nX: hello", true),
    ] {
        let (url, _told) = serve(bytes, endless).await;
        assert!(get(&url, 5).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let keys = Jwks::new(&url, client()).unwrap().timeout(Duration::from_secs(3));
    let error = keys.refresh().await.unwrap_err();
    assert!(error.to_string().contains("no answer within 3s"), "{error}");
}

#[tokio::test]
async fn over_tls_a_server_has_to_be_the_one_that_the_url_names() {
    let key = PrivateKeyDer::try_from(include_bytes!("localhost.pk8").to_vec()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(LOCALHOST)], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = key_set(&[&Signer::new("k", "EdDSA")]);
    let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer(stream, &bytes, false).await;
            }
        }
    });
    let refresh = async |host: &str, client: HttpsClient| {
        Jwks::new(&format!("https://{host}:{port}/jwks"), client).unwrap().refresh().await
    };
    refresh("127.0.0.1", client()).await.unwrap();
    let other = refresh("127.0.0.2", client()).await.unwrap_err();
    assert!(other.to_string().contains("certificate"), "{other}");
    let untrusted = HttpsClient::trusting([LOCALHOST.to_vec()]).unwrap();
    assert!(refresh("127.0.0.1", untrusted).await.is_err(), "it is no authority");
    assert!(HttpsClient::trusting([b"no certificate".to_vec()]).is_err());
}
