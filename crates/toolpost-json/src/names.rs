//! Member names of one object: no two alike, none that the decoder takes for its own.

use std::borrow::Cow;
use std::cell::Cell;

use crate::index::{ESCAPED, Entry};
use crate::text;
use crate::violation::{Violation, ViolationKind};

/// Objects with more members than this are sorted when they close, instead of compared name by
/// name as they are read.
pub(crate) const NARROW: u32 = 32;

/// Names that `serde_json::Value` and `RawValue` give a meaning of their own when they meet them.
const RESERVED: [&str; 2] = ["$serde_json::private::Number", "$serde_json::private::RawValue"];

/// How every name starts that [`is_reserved`] might hold for.
pub(crate) const RESERVED_START: u64 = u64::from_le_bytes(*b"$serde_j");

/// Whether the decoder gives an unescaped name a meaning of its own.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The bit that stands for a name in its object's set; alike names have the same.
#[inline]
pub(crate) const fn bit(hash: u32) -> u64 {
    1 << (hash & 63)
}

/// Refuses the last of `entries` if it is the name of an earlier member; members start at `first`.
#[inline(never)]
pub(crate) fn fresh(text: &str, entries: &[Cell<Entry>], first: usize) -> Result<(), Violation> {
    let Some((name, entries)) = entries.split_last() else { return Ok(()) };
    let name = name.get();
    let mut at = first;
    while let Some(earlier) = entries.get(at).map(Cell::get) {
        if earlier.next == name.next && unescaped(text, earlier) == unescaped(text, name) {
            return Err(Violation::new(ViolationKind::DuplicateName, name.start as usize));
        }
        at = after(entries, at + 1);
    }
    Ok(())
}

#[inline]
fn after(entries: &[Cell<Entry>], at: usize) -> usize {
    match entries.get(at).map(Cell::get) {
        Some(value) if value.is_container() => value.next as usize,
        _ => at + 1,
    }
}

/// Refuses an object with two members of one name; members start at `first` and end with `entries`.
///
/// Sorts by hash, and names of one hash by text, so that chosen collisions cost n log n at most.
#[cold]
pub(crate) fn distinct(text: &str, entries: &[Cell<Entry>], first: usize) -> Result<(), Violation> {
    let mut order = Vec::new();
    let mut at = first;
    while at < entries.len() {
        order.push((entries[at].get().next, at as u32));
        at = after(entries, at + 1);
    }
    order.sort_unstable();
    let name = |at: u32| unescaped(text, entries[at as usize].get());
    for alike in order.chunk_by_mut(|a, b| a.0 == b.0) {
        if alike.len() == 1 {
            continue;
        }
        alike.sort_by(|a, b| name(a.1).cmp(&name(b.1)));
        if let Some(pair) = alike.windows(2).find(|pair| name(pair[0].1) == name(pair[1].1)) {
            return Err(Violation::new(
                ViolationKind::DuplicateName,
                entries[pair[1].1 as usize].get().start as usize,
            ));
        }
    }
    Ok(())
}

fn unescaped(text: &str, name: Entry) -> Cow<'_, str> {
    text::value(name.inner(text), name.has(ESCAPED))
}

#[cfg(test)]
mod tests {
    use crate::text::{hash, mix};
    use crate::{Frame, Limits, ViolationKind};

    /// Names of sixteen characters that all have one hash: the second half undoes the first.
    fn colliding(count: usize) -> Vec<String> {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
        let names: Vec<String> = (0_u32..)
            .map(|n| format!("{n:08}"))
            .filter_map(|first| {
                let sum = mix(0, u64::from_le_bytes(first.as_bytes().try_into().ok()?));
                let second = (sum.rotate_left(5) ^ 0x1234_5678_9abc_def0).to_le_bytes();
                second.iter().all(plain).then(|| first + str::from_utf8(&second).unwrap_or_default())
            })
            .take(count)
            .collect();
        assert!(names.iter().all(|name| hash(name.as_bytes()) == hash(names[0].as_bytes())));
        names
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let names = colliding(80);
        for width in [2, 20, 32, 33, 80] {
            let members = |names: &[String]| {
                let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":[0]")).collect();
                format!("{{{}}}", members.join(","))
            };
            let distinct = members(&names[..width]);
            assert_eq!(Frame::from_text(distinct, &Limits::new()).map(|frame| frame.root().len()), Ok(width));
            let mut twice = names[..width].to_vec();
            twice.push(names[width / 2].clone());
            let refused = Frame::from_text(members(&twice), &Limits::new()).map(drop);
            assert_eq!(refused.map_err(|violation| violation.kind()), Err(ViolationKind::DuplicateName));
        }
    }
}
