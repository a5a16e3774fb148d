//! What travels through clients and is wanted back (`requestState`, the id of a session), sealed so that the client can
//! neither read nor change it, nor hand it back with another request.
//!
//! XChaCha20-Poly1305 under a random nonce; what it is bound to is authenticated beside it.
//! Source: [draft-irtf-cfrg-xchacha](https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use toolpost_json::{Kind, Node};
use toolpost_tool::Principal;

use super::keys::Keys;

/// How long a client may take to answer what it is asked.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

const NONCE: usize = 24;

/// What sealed state belongs to: handed back with anything else, it does not open.
#[derive(Clone, Copy)]
pub(crate) struct Binding([u8; 32]);

impl Binding {
    /// The request of `principal` for `method` of what is called `name`, with `arguments`.
    pub(crate) fn new(principal: &Principal, method: &str, name: &str, arguments: Option<Node<'_>>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(principal.is_anonymous())]);
        for part in [principal.as_str(), method, name] {
            text(&mut hasher, part);
        }
        if let Some(arguments) = arguments.filter(|node| !node.is_empty()) {
            digest(&mut hasher, arguments);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// Seals `content`, to be handed back within `lifetime` from `now` (seconds of Unix time). `None` if there is no key or no
/// randomness.
pub(crate) fn seal(
    keys: &Keys,
    binding: Binding,
    now: u64,
    lifetime: Duration,
    content: &str,
) -> Option<String> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).ok()?;
    let mut plain = now.saturating_add(lifetime.as_secs()).to_be_bytes().to_vec();
    plain.extend_from_slice(content.as_bytes());
    let cipher = XChaCha20Poly1305::new(&Key::from(keys.current()?.state));
    let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &binding.0 }).ok()?;
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&sealed);
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens what [`seal`] sealed; `None` if it was changed, belongs to something else, or is too old.
pub(crate) fn open(keys: &Keys, binding: Binding, now: u64, sealed: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
    let nonce = XNonce::from(*nonce);
    let plain = keys.all().find_map(|key| {
        let cipher = XChaCha20Poly1305::new(&Key::from(key.state));
        cipher.decrypt(&nonce, Payload { msg: sealed, aad: &binding.0 }).ok()
    })?;
    let (expires, content) = plain.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*expires) <= now {
        return None;
    }
    std::str::from_utf8(content).ok().map(str::to_owned)
}

/// Digests a value whatever the order of its members and the spelling of its strings.
fn digest(hasher: &mut blake3::Hasher, node: Node<'_>) {
    match node.kind() {
        Kind::Object => {
            let mut members: Vec<_> = node.members().map(|(key, value)| (key.name(), value)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            hasher.update(b"{").update(&(members.len() as u64).to_be_bytes());
            for (key, value) in members {
                text(hasher, &key);
                digest(hasher, value);
            }
        }
        Kind::Array => {
            hasher.update(b"[").update(&(node.len() as u64).to_be_bytes());
            node.items().for_each(|item| digest(hasher, item));
        }
        Kind::String => {
            hasher.update(b"\"");
            text(hasher, &node.as_str().unwrap_or_default());
        }
        _ => {
            hasher.update(b"=");
            text(hasher, node.raw());
        }
    }
}

fn text(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
}
