//! Cursors: where a list goes on, signed, and kept by nobody but the client.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::keys::{Key, Keys};

/// Length of the signature: 128 bits.
const MAC: usize = 16;

/// Signs that `list` goes on after the item called `last`; `None` if there is no key to sign with.
pub(crate) fn sign(keys: &Keys, list: &str, last: &str) -> Option<String> {
    let mut bytes = mac(&keys.current()?, list, last).to_vec();
    bytes.extend_from_slice(last.as_bytes());
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// The name of the last item before the place that `cursor` stands for, if this server signed it
/// for `list`.
pub(crate) fn open(keys: &Keys, list: &str, cursor: &str) -> Option<String> {
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (signature, last) = bytes.split_at_checked(MAC)?;
    let last = std::str::from_utf8(last).ok()?;
    let genuine = keys.all().any(|key| {
        // `blake3::Hash` compares in constant time.
        let mut expected = [0; 32];
        let mut found = [0; 32];
        expected[..MAC].copy_from_slice(&mac(&key, list, last));
        found[..MAC].copy_from_slice(signature);
        blake3::Hash::from_bytes(expected) == blake3::Hash::from_bytes(found)
    });
    if !genuine {
        return None;
    }
    bytes.drain(..MAC);
    String::from_utf8(bytes).ok()
}

fn mac(key: &Key, list: &str, last: &str) -> [u8; MAC] {
    let mut hasher = blake3::Hasher::new_keyed(&key.cursor);
    hasher.update(list.as_bytes()).update(&[0]).update(last.as_bytes());
    let mut mac = [0; MAC];
    hasher.finalize_xof().fill(&mut mac);
    mac
}
