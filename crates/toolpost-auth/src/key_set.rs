//! The keys of an issuer, as it publishes them (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use toolpost_json::{Frame, Kind, Limits, Node};

use crate::algorithm::PublicKey;
use crate::{Algorithm, AuthError};

/// The longest RSA modulus, in bytes: 8,192 bits.
const LONGEST_MODULUS: usize = 1024;
/// So many values and names a set of keys may have.
const NODES: u32 = 8_192;

/// The keys of an issuer that can be used here.
#[derive(Debug, Default)]
pub(crate) struct KeySet(Vec<Key>);

/// A key.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<Box<str>>,
    /// The one algorithm that its issuer uses it with, if it says so.
    algorithm: Option<Algorithm>,
    public: PublicKey,
}

impl KeySet {
    /// Reads a set of at most `most` keys. What cannot be used here (for encryption, of an unknown kind, symmetric) is left
    /// out, so that it spoils no other.
    pub(crate) fn read(text: Bytes, most: usize) -> Result<Self, AuthError> {
        let limits = Limits::new().bytes(text.len()).depth(8).nodes(NODES);
        let frame = Frame::parse(text, &limits)
            .map_err(|violation| AuthError::new(format!("the set of keys cannot be read: {violation}")))?;
        let keys = frame.root().member("keys").filter(|keys| keys.kind() == Kind::Array);
        let keys = keys.ok_or_else(|| AuthError::new("the set of keys has no list `keys`"))?;
        if most < keys.len() {
            return Err(AuthError::new(format!("the set has {} keys, and may have {most}", keys.len())));
        }
        let keys: Vec<Key> = keys.items().filter_map(Key::read).collect();
        match keys.is_empty() {
            true => Err(AuthError::new("the set has no key that signs tokens by a known algorithm")),
            false => Ok(Self(keys)),
        }
    }

    /// The keys that a token of this key id and algorithm may be signed by; any id if it names none.
    pub(crate) fn matching(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            (id.is_none() || key.id.as_deref() == id)
                && key.algorithm.is_none_or(|own| own == algorithm)
                && key.public.is_for(algorithm)
        })
    }
}

impl Key {
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(algorithm, message, signature)
    }

    fn read(key: Node<'_>) -> Option<Self> {
        let text = |name: &str| key.member(name).and_then(Node::as_str);
        let verifies =
            |operations: Node<'_>| operations.items().any(|it| it.as_str().as_deref() == Some("verify"));
        if text("use").is_some_and(|used| used != "sig")
            || key.member("key_ops").is_some_and(|it| !verifies(it))
        {
            return None;
        }
        let algorithm = match text("alg") {
            Some(name) => Some(Algorithm::named(&name)?),
            None => None,
        };
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(&*text(name)?).ok();
        let point = |length: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == length && y.len() == length).then(|| [&[4], &*x, &*y].concat())
        };
        let public = match (&*text("kty")?, text("crv").as_deref()) {
            ("RSA", _) => {
                let (n, e) = (shortened(bytes("n")?), shortened(bytes("e")?));
                ((256..=LONGEST_MODULUS).contains(&n.len()) && e.len() <= 8)
                    .then_some(PublicKey::Rsa { n, e })?
            }
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(|id| (&*id).into()), algorithm, public })
    }
}

/// A number without the zeros in front that some issuers write.
fn shortened(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}
