//! The guard: one pass over received text that proves it one well-formed JSON value within limits,
//! and writes the index as it goes.
//!
//! Iterative: nesting costs index entries, never stack. Strings are read eight bytes at a time.
//! A member's name is compared with earlier ones of the object only where a 32-bit set of hashes
//! says that it may be there; a wide object's names are sorted instead.

use crate::index::{Entry, INTEGER, Index, Kind, TRUE};
use crate::limits::Limits;
use crate::names;
use crate::scan::{self, Checked, fault};
use crate::violation::ViolationKind;

/// No container is open.
const TOP: u32 = u32::MAX;

/// Checks `text` and writes its entries to `index`.
pub(crate) fn check(text: &str, limits: &Limits, index: &mut Index) -> Checked<()> {
    let bytes = text.as_bytes();
    // Where `rest` starts.
    let at = |rest: &[u8]| bytes.len() - rest.len();
    let nodes = limits.nodes as usize;

    let mut rest = scan::blank(bytes);
    let mut slots = usable(index.slots_mut(), nodes);
    let mut used = 0;
    let mut depth = 0;
    // The innermost open container: its entry, its children so far, and the set of its names.
    let mut open = TOP;
    let mut in_object = false;
    let mut count = 0_u32;
    let mut seen = 0_u32;

    'value: loop {
        // In an object, the member's name comes first.
        if in_object {
            let start = at(rest);
            let [b'"', tail @ ..] = rest else {
                return fault_at(rest, bytes.len(), "a member name in double quotes");
            };
            let name = scan::string::<true>(bytes, tail)?;
            let end = at(name.rest);
            if slots.len() <= used {
                slots = grow(index.slots_mut(), limits, start)?;
            }
            slots[used] = Entry::new(Kind::String, name.flags, start, end, name.hash);
            used += 1;
            let bit = names::bit(name.hash);
            if seen & bit != 0 && count <= names::NARROW {
                names::fresh(text, &slots[..used], open as usize + 1)?;
            }
            seen |= bit;
            rest = match name.rest {
                [b':', tail @ ..] => scan::blank(tail),
                other => match scan::blank(other) {
                    [b':', tail @ ..] => scan::blank(tail),
                    other => return fault_at(other, bytes.len(), "':'"),
                },
            };
        }

        let start = at(rest);
        let Some(&first) = rest.first() else { return fault(ViolationKind::UnexpectedEnd, start) };
        if slots.len() <= used {
            slots = grow(index.slots_mut(), limits, start)?;
        }
        let entry = match first {
            b'"' => {
                let string = scan::string::<false>(bytes, &rest[1..])?;
                rest = string.rest;
                Entry::new(Kind::String, string.flags, start, at(rest), 0)
            }
            b'-' | b'0'..=b'9' => {
                let (tail, flags) = match scan::short_integer(rest, limits) {
                    Some(tail) => (tail, INTEGER),
                    None => scan::number(bytes, rest, limits)?,
                };
                rest = tail;
                Entry::new(Kind::Number, flags, start, at(rest), 0)
            }
            b't' => {
                rest = scan::literal(bytes, rest, b"true")?;
                Entry::new(Kind::Bool, TRUE, start, start + 4, 0)
            }
            b'f' => {
                rest = scan::literal(bytes, rest, b"false")?;
                Entry::new(Kind::Bool, 0, start, start + 5, 0)
            }
            b'n' => {
                rest = scan::literal(bytes, rest, b"null")?;
                Entry::new(Kind::Null, 0, start, start + 4, 0)
            }
            b'{' | b'[' => {
                if depth == limits.depth {
                    return fault(ViolationKind::TooDeep { limit: limits.depth }, start);
                }
                let kind = if first == b'{' { Kind::Object } else { Kind::Array };
                slots[used] = Entry::new(kind, 0, start, 0, 0);
                rest = scan::blank(&rest[1..]);
                // '{' + 2 is '}', '[' + 2 is ']'.
                if rest.first() != Some(&(first + 2)) {
                    if open != TOP {
                        slots[open as usize].suspend(count, seen);
                    }
                    slots[used].next = open;
                    open = used as u32;
                    used += 1;
                    depth += 1;
                    in_object = first == b'{';
                    count = 0;
                    seen = 0;
                    continue 'value;
                }
                rest = &rest[1..];
                Entry::new(kind, 0, start, at(rest), used as u32 + 1)
            }
            _ => return fault(ViolationKind::Expected("a value"), start),
        };
        slots[used] = entry;
        used += 1;

        // The value is complete, and may complete what it is in.
        loop {
            if open == TOP {
                rest = scan::blank(rest);
                if !rest.is_empty() {
                    return fault(ViolationKind::TrailingText, at(rest));
                }
                index.set_used(used as u32);
                return Ok(());
            }
            count += 1;
            if !matches!(rest, [b',' | b'}' | b']', ..]) {
                rest = scan::blank(rest);
            }
            match rest {
                [b',', tail @ ..] => {
                    rest = scan::blank(tail);
                    continue 'value;
                }
                [b'}', tail @ ..] if in_object => rest = tail,
                [b']', tail @ ..] if !in_object => rest = tail,
                _ => return fault_at(rest, bytes.len(), if in_object { "',' or '}'" } else { "',' or ']'" }),
            }
            if names::NARROW < count && in_object {
                names::distinct(text, &slots[..used], open as usize + 1)?;
            }
            let closed = &mut slots[open as usize];
            open = closed.next;
            closed.close(at(rest), used as u32, count);
            depth -= 1;
            if open != TOP {
                (in_object, count, seen) = slots[open as usize].resume();
            }
        }
    }
}

/// The entries that may be used now.
fn usable(slots: &mut [Entry], nodes: usize) -> &mut [Entry] {
    let len = slots.len().min(nodes);
    &mut slots[..len]
}

/// Makes room for more entries, unless there are as many as there may be.
#[cold]
fn grow<'i>(slots: &'i mut Vec<Entry>, limits: &Limits, at: usize) -> Checked<&'i mut [Entry]> {
    let nodes = limits.nodes as usize;
    if nodes <= slots.len() {
        return fault(ViolationKind::TooManyNodes { limit: limits.nodes }, at);
    }
    let len = (slots.len() * 2).clamp(64, nodes.max(64));
    slots.resize(len, Entry::default());
    Ok(usable(slots, nodes))
}

#[cold]
fn fault_at(rest: &[u8], len: usize, expected: &'static str) -> Checked<()> {
    let kind = if rest.is_empty() { ViolationKind::UnexpectedEnd } else { ViolationKind::Expected(expected) };
    fault(kind, len - rest.len())
}
