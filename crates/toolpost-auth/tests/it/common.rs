//! An issuer with keys of its own, an authorization server that answers as a test says, and a clock that it sets.
#![allow(clippy::unwrap_used, reason = "for tests")]

use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use toolpost_auth::{Fetch, Jwks, JwtBearer};
use toolpost_server::Unauthenticated;

pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
/// When the tests take place.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A key of an issuer.
pub(crate) struct Signer {
    pub(crate) id: Option<&'static str>,
    pub(crate) algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer {
    /// A new key; those for RSA are all the same one.
    pub(crate) fn new(id: impl Into<Option<&'static str>>, algorithm: &'static str) -> Self {
        let random = SystemRandom::new();
        let ec = |with| {
            let key = EcdsaKeyPair::generate_pkcs8(with, &random).unwrap();
            Pair::Ec(EcdsaKeyPair::from_pkcs8(with, key.as_ref(), &random).unwrap())
        };
        let pair = match algorithm {
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => {
                let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap())
            }
            _ => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(include_bytes!("rsa.pk8")).unwrap())),
        };
        Self { id: id.into(), algorithm, pair }
    }

    /// The public key as its issuer publishes it.
    pub(crate) fn jwk(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref())})
            }
            Pair::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": encoded(public.n), "e": encoded(public.e)})
            }
        };
        if let Some(id) = self.id {
            key["kid"] = json!(id);
        }
        key
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let mut header = json!({"alg": self.algorithm, "typ": "at+jwt"});
        if let Some(id) = self.id {
            header["kid"] = json!(id);
        }
        self.signed(&header.to_string(), &claims.to_string())
    }

    /// A token of this header and these claims, as they are written.
    pub(crate) fn signed(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        format!("{message}.{}", encoded(self.signature(message.as_bytes())))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &'static dyn ring::signature::RsaEncoding = match self.algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims that are accepted.
pub(crate) fn claims() -> Value {
    json!({"iss": ISSUER, "aud": RESOURCE, "sub": "ada", "iat": NOW - 10, "exp": NOW + 600, "scope": "a b"})
}

/// The same but for one.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

pub(crate) fn key_set(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Accepts tokens of `signers`, whose keys need not be fetched.
pub(crate) fn bearer(signers: &[&Signer]) -> JwtBearer {
    JwtBearer::new(ISSUER, RESOURCE, Jwks::from_json(&key_set(signers)).unwrap())
        .clock(TestClock::new().read())
}

/// What a token that is not valid is answered with.
pub(crate) fn invalid(why: &str) -> Unauthenticated {
    Unauthenticated::Challenge(format!(r#"Bearer error="invalid_token", error_description="{why}""#))
}

pub(crate) fn is_unavailable<T: std::fmt::Debug>(result: &Result<T, Unauthenticated>) -> bool {
    matches!(result, Err(Unauthenticated::Unavailable(wait)) if *wait >= Duration::from_secs(1))
}

/// A clock that stands where it is set.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(NOW.into()))
    }

    pub(crate) fn set(&self, unix: u64) {
        self.0.store(unix, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let clock = self.clone();
        move || UNIX_EPOCH + Duration::from_secs(clock.0.load(Ordering::Relaxed))
    }
}

/// An authorization server that answers as a test says.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
    ended: AtomicUsize,
    requests: Mutex<Vec<Request<Bytes>>>,
    release: Notify,
}

#[derive(Clone)]
pub(crate) enum Answer {
    Body(String),
    Status(u16),
    Down,
    /// Never.
    Nothing,
    /// The body, when the test says so.
    Late(String),
    Panic,
}

impl Server {
    pub(crate) fn new(answer: Answer) -> Self {
        Self(Arc::new(Inner {
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            requests: Mutex::default(),
            release: Notify::new(),
        }))
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.0.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// How many questions have ended, by an answer or without.
    pub(crate) fn ended(&self) -> usize {
        self.0.ended.load(Ordering::SeqCst)
    }

    /// The last request.
    pub(crate) fn request(&self) -> Request<Bytes> {
        self.0.requests.lock().unwrap().last().unwrap().clone()
    }

    /// Lets late answers go.
    pub(crate) fn release(&self) {
        self.0.release.notify_waiters();
    }
}

struct Ended<'a>(&'a AtomicUsize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Fetch for Server {
    async fn fetch(
        &self,
        request: Request<Bytes>,
        _limit: usize,
    ) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
        let _ended = Ended(&self.0.ended);
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        self.0.requests.lock().unwrap().push(request);
        let released = self.0.release.notified();
        let answer = self.0.answer.lock().unwrap().clone();
        match answer {
            Answer::Body(body) => Ok(Response::new(body.into())),
            Answer::Status(status) => Ok(Response::builder().status(status).body(Bytes::new())?),
            Answer::Down => Err("connection refused".into()),
            Answer::Nothing => pending().await,
            Answer::Late(body) => {
                released.await;
                Ok(Response::new(body.into()))
            }
            Answer::Panic => panic!("a client that panics"),
        }
    }
}
