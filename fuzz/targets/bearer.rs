//! Any bytes as a token, and as the set of keys that verifies it: nobody is let in who was not given the token.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use toolpost_auth::{Jwks, JwtBearer};

/// The example of RFC 7515, A.3, whose signature is good, and the key of its issuer.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

static CHECKS: LazyLock<(JwtBearer, Runtime)> = LazyLock::new(|| {
    let keys = Jwks::from_json(KEYS).expect("a set of keys");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    (JwtBearer::new("joe", "https://mcp.example.com", keys), runtime)
});

pub(crate) fn run(bytes: &[u8]) {
    let (bearer, runtime) = &*CHECKS;
    let text = String::from_utf8_lossy(bytes);
    assert!(runtime.block_on(bearer.verify(&text)).is_err(), "let in: {text}");
    if let Ok(keys) = Jwks::from_json(&text) {
        let bearer = JwtBearer::new("joe", "https://mcp.example.com", keys);
        assert!(runtime.block_on(bearer.verify(&text)).is_err(), "let in: {text}");
    }
}
