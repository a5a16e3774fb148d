//! From any bytes to values whose equality nobody has to think about.

/// A value over leaves of the target's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<L> {
    Leaf(L),
    Array(Vec<Self>),
    /// Sorted by name, no name twice.
    Object(Vec<(String, Self)>),
}

/// Reads one kind of leaf.
pub(crate) type Leaf<L> = fn(&mut &[u8]) -> L;

/// The next value: a leaf, or, in one of `composed` cases more, an array or an object.
pub(crate) fn value<L>(rest: &mut &[u8], leaves: &[Leaf<L>], composed: u8) -> Value<L> {
    nested(rest, leaves, composed, 0)
}

fn nested<L>(rest: &mut &[u8], leaves: &[Leaf<L>], composed: u8, depth: u32) -> Value<L> {
    let kinds = leaves.len() as u8 + if depth < 8 { composed } else { 0 };
    let kind = usize::from(byte(rest) % kinds);
    let inner = |rest: &mut &[u8]| nested(rest, leaves, composed, depth + 1);
    match leaves.get(kind) {
        Some(leaf) => Value::Leaf(leaf(rest)),
        None if kind == leaves.len() => Value::Array((0..byte(rest) % 5).map(|_| inner(rest)).collect()),
        None => {
            // Enough members for either way of sorting.
            let mut members: Vec<_> = (0..byte(rest) % 40).map(|_| (text(rest), inner(rest))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            members.dedup_by(|(a, _), (b, _)| a == b);
            Value::Object(members)
        }
    }
}

/// A whole number, often a small one.
pub(crate) fn int(rest: &mut &[u8]) -> i64 {
    i64::from_le_bytes(word(rest)) >> (8 * (byte(rest) % 8))
}

pub(crate) fn text(rest: &mut &[u8]) -> String {
    String::from_utf8_lossy(bytes(rest)).into_owned()
}

pub(crate) fn bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::from(byte(rest) % 12).min(rest.len());
    let (bytes, after) = rest.split_at(length);
    *rest = after;
    bytes
}

pub(crate) fn byte(rest: &mut &[u8]) -> u8 {
    let (byte, after) = rest.split_first().map_or((0, *rest), |(byte, after)| (*byte, after));
    *rest = after;
    byte
}

pub(crate) fn word(rest: &mut &[u8]) -> [u8; 8] {
    std::array::from_fn(|_| byte(rest))
}
