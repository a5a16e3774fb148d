//! An issuer of tokens on this machine, in place of an authorization server: it publishes its key and signs what it is told.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) keys_url: String,
    key: Ed25519KeyPair,
    /// Ends with it.
    _served: JoinSet<()>,
}

impl Issuer {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let new = || {
            Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok()?.as_ref())
                .ok()
        };
        let key = new().ok_or("no key can be made")?;
        let public = URL_SAFE_NO_PAD.encode(key.public_key());
        let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": public}]}).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().route("/jwks.json", get(move || async move { keys }));
        let mut served = JoinSet::new();
        served.spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { keys_url: format!("{url}/jwks.json"), url, key, _served: served })
    }

    /// A token of ten minutes.
    pub(crate) fn token(&self, subject: &str, audience: &str, scope: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "tokens say when they end")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "1"});
        let claims = json!({"iss": self.url, "sub": subject, "aud": audience, "scope": scope, "iat": now, "exp": now + 600});
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}
