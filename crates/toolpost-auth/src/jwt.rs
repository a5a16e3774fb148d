//! Access tokens that are JWTs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use toolpost_json::{Frame, Kind, Limits, Node};
use toolpost_server::{Authenticate, Unauthenticated, bearer_token};
use toolpost_tool::Principal;

use crate::claims::{Expected, LONGEST};
use crate::clock::Clock;
use crate::refused::{Refused, Why};
use crate::{Algorithm, Jwks};

/// So many keys are tried on a token: of those with its key id, or, if it names none, of those of its algorithm.
const TRIES: usize = 4;

/// Lets in whoever carries a JWT that its issuer signed for this server (RFC 7519, RFC 9068).
///
/// A token is accepted if a key of the issuer verifies it by an accepted [`Algorithm`], and it says that it is of this issuer
/// (`iss`), for this resource (`aud`: the URL under which clients reach the server, RFC 8707), has not expired (`exp`) and is
/// valid already (`nbf`, `iat`). The principal is its subject (`sub`), with its scopes (`scope`, or `scp`). Whatever a token
/// says of keys by itself (`jku`, `jwk`, `x5u`) is not read.
///
/// Refused are tokens with critical extensions, ID and other tokens of a type of their own, tokens bound to a key (`cnf`), for
/// their bearer is not asked to prove that it has the key, and tokens of more than 16 KiB. When the issuer's keys cannot be
/// had, nobody is let in, and the answer is 503.
///
/// ```
/// use toolpost_auth::{Algorithm, Jwks, JwtBearer};
/// # use toolpost_dispatch::{Dispatcher, Registry};
/// # use toolpost_server::{ProtectedResource, Server};
/// # let dispatcher = Dispatcher::builder(Registry::builder().build()?).build();
/// # let text = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
///
/// let (issuer, resource) = ("https://login.example.com", "https://mcp.example.com/mcp");
/// let keys = Jwks::from_json(text)?; // or Jwks::https("https://login.example.com/jwks.json")?
/// let server = Server::builder(dispatcher)
///     .authenticate(JwtBearer::new(issuer, resource, keys).algorithms([Algorithm::EdDsa]))
///     .protected_resource(ProtectedResource::new(resource).authorization_server(issuer))
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JwtBearer {
    expected: Expected,
    algorithms: Vec<Algorithm>,
    access_tokens_alone: bool,
    keys: Arc<Jwks>,
}

impl JwtBearer {
    /// Lets in tokens of `issuer` for `audience` that one of `keys` signed, by any [`Algorithm`].
    ///
    /// Both are compared letter by letter with what a token says.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, keys: impl Into<Arc<Jwks>>) -> Self {
        Self {
            expected: Expected::new(Some(issuer.into()), audience.into(), true),
            algorithms: Algorithm::ALL.to_vec(),
            access_tokens_alone: false,
            keys: keys.into(),
        }
    }

    /// Accepts these algorithms alone.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts tokens for this audience too: another URL of the same server.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.expected.audiences.push(audience.into());
        self
    }

    /// Lets the clock of the issuer differ by this much, in whole seconds: 60 s by default, and at most 300 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.expected.set_leeway(leeway);
        self
    }

    /// Names the principal by this claim instead of `sub`; a claim that others than its issuer can choose lets them be anybody.
    #[must_use]
    pub fn principal_claim(mut self, claim: impl Into<String>) -> Self {
        self.expected.principal_claim = claim.into();
        self
    }

    /// Accepts tokens of the type `at+jwt` alone (RFC 9068), of which an issuer makes nothing but access tokens; otherwise those
    /// of type `JWT` and of none as well.
    #[must_use]
    pub fn access_tokens_alone(mut self) -> Self {
        self.access_tokens_alone = true;
        self
    }

    /// Holds tokens against this clock instead of the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.expected.clock = Clock::of(clock);
        self
    }

    /// Returns whom `token` lets in, for a transport other than HTTP.
    ///
    /// # Errors
    ///
    /// If it lets nobody in, or nobody can say now.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, if the keys have to be fetched.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: keys that are being fetched go on being fetched.
    pub async fn verify(&self, token: &str) -> Result<Principal, Unauthenticated> {
        self.principal(token).await.map_err(Into::into)
    }

    async fn principal(&self, token: &str) -> Result<Principal, Refused> {
        let token = Token::read(token)?;
        let algorithm = self.algorithm(&token)?;
        self.check_type(&token)?;
        let header = token.header.root();
        let id = match header.member("kid") {
            Some(id) => Some(id.as_str().ok_or(Why::Malformed)?),
            None => None,
        };
        let keys = self.keys.with(id.as_deref(), algorithm).await?;
        let mut tried = keys.matching(id.as_deref(), algorithm).take(TRIES);
        if !tried.any(|key| key.verifies(algorithm, token.signed, &token.signature)) {
            return Err(Why::Signature.into());
        }
        // Nothing of what it claims is read before.
        let claims = object(token.claims)?;
        Ok(self.expected.check(claims.root())?.principal)
    }

    fn algorithm(&self, token: &Token<'_>) -> Result<Algorithm, Why> {
        let header = token.header.root();
        // Extensions that have to be understood; `b64` changes what is signed and need not be listed by who forgets to.
        if header.member("crit").is_some() || header.member("b64").is_some() {
            return Err(Why::Critical);
        }
        let named = header.member("alg").and_then(Node::as_str).and_then(|name| Algorithm::named(&name));
        named.filter(|algorithm| self.algorithms.contains(algorithm)).ok_or(Why::Algorithm)
    }

    fn check_type(&self, token: &Token<'_>) -> Result<(), Why> {
        let Some(said) = token.header.root().member("typ") else {
            return if self.access_tokens_alone { Err(Why::Type) } else { Ok(()) };
        };
        let said = said.as_str().ok_or(Why::Malformed)?.to_ascii_lowercase();
        match said.strip_prefix("application/").unwrap_or(&said) {
            "at+jwt" => Ok(()),
            "jwt" if !self.access_tokens_alone => Ok(()),
            _ => Err(Why::Type),
        }
    }
}

impl Authenticate for JwtBearer {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, Unauthenticated> {
        self.verify(bearer_token(request)?).await
    }
}

/// A token in the compact form (RFC 7515, 7.1), its claims still as it has them.
struct Token<'a> {
    header: Frame,
    claims: &'a str,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn read(token: &'a str) -> Result<Self, Why> {
        if LONGEST < token.len() {
            return Err(Why::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Why::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Why::Malformed)?;
        // One of five parts is encrypted, and any other number is none.
        if claims.contains('.') {
            return Err(Why::Malformed);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Why::Malformed)?;
        Ok(Self { header: object(header)?, claims, signed: signed.as_bytes(), signature })
    }
}

/// An object in JSON in base64; no two of its members have one name.
fn object(encoded: &str) -> Result<Frame, Why> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Why::Malformed)?;
    let limits = Limits::new().bytes(LONGEST).depth(32).nodes(4_096);
    let frame = Frame::parse(bytes.into(), &limits).map_err(|_| Why::Malformed)?;
    if frame.root().kind() == Kind::Object { Ok(frame) } else { Err(Why::Malformed) }
}
