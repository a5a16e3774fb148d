//! TLS, by the certificates of toolpost-auth's tests.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use toolpost_client::{ClientError, HttpTarget, McpClient};

use super::served::{Done, server, sum};
use crate::common::options;

const AUTHORITY: &[u8] = include_bytes!("../../../../toolpost-auth/tests/it/authority.der");
const LOCALHOST: &[u8] = include_bytes!("../../../../toolpost-auth/tests/it/localhost.der");
const KEY: &[u8] = include_bytes!("../../../../toolpost-auth/tests/it/localhost.pk8");

/// The port of a server that speaks TLS as `localhost`.
async fn listen() -> u16 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(LOCALHOST)], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server(&Arc::new(Done::default()));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    server.serve_connection(stream).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_is_trusted_by_its_certificate_alone() {
    let port = listen().await;
    let target = |host: &str| HttpTarget::new(&format!("https://{host}:{port}/mcp")).unwrap();
    let trusting = target("localhost").trusting([AUTHORITY.to_vec()]);
    let client = McpClient::over_http(trusting, options()).unwrap();
    for a in 0..20 {
        assert_eq!(sum(&client, a, 1).await.unwrap(), (a + 1).to_string());
    }
    let untrusted = target("localhost").trusting([LOCALHOST.to_vec()]);
    let client = McpClient::over_http(untrusted, options()).unwrap();
    let error = client.ready().await.unwrap_err();
    assert!(matches!(error, ClientError::NotConnected(_)), "{error}");
    let invalid = target("localhost").trusting([b"no certificate".to_vec()]);
    assert!(matches!(McpClient::over_http(invalid, options()), Err(ClientError::InvalidTarget(_))));
}
