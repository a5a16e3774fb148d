//! Room for the index: enough before the text is read, for none can be made while it is.

use crate::index::{Entry, LARGEST_SPARE};
use crate::limits::Limits;

/// A text has an entry for so many bytes or more, but for few texts.
pub(crate) const TYPICAL: usize = 8;
/// And so many entries besides.
pub(crate) const SLACK: usize = 64;

/// Makes room for the entries of most texts as long as this one.
#[cold]
pub(crate) fn make(text: &str, limits: &Limits, slots: &mut Vec<Entry>) {
    let typical = text.len() / TYPICAL + SLACK;
    if LARGEST_SPARE < typical {
        // One that is not kept has to be made for each text anew: then neither too small nor too large.
        make_all(text, limits, slots);
    } else {
        slots.resize(typical, Entry::default());
    }
}

/// Makes room for all entries of this text, so that only the limit can be in the way of one; says whether there is
/// more room now.
#[cold]
pub(crate) fn make_all(text: &str, limits: &Limits, slots: &mut Vec<Entry>) -> bool {
    let all = most(text.as_bytes()).min(limits.nodes as usize);
    let more = slots.len() < all;
    if more {
        slots.resize(all, Entry::default());
    }
    more
}

/// The most entries a text can have: each but the first comes after a comma, a colon or an opening bracket.
fn most(bytes: &[u8]) -> usize {
    let opens =
        |byte: &u8| u8::from(*byte == b',') + u8::from(*byte == b':') + u8::from(*byte | 0x20 == b'{');
    // Written so that compilers vectorize it: a byte holds the count of a block.
    let count = |block: &[u8]| usize::from(block.iter().fold(0, |sum, byte| sum + opens(byte)));
    let (blocks, tail) = bytes.as_chunks::<128>();
    1 + blocks.iter().map(|block| count(block)).sum::<usize>() + count(tail)
}

#[cfg(test)]
mod tests {
    use crate::guard;
    use crate::index::Index;
    use crate::limits::Limits;

    #[test]
    fn a_long_string_holds_no_room_for_what_it_looks_like() {
        let mut index = Index::take();
        let text = format!("\"{}\"", ",".repeat(1 << 18));
        guard::check(&text, &Limits::new(), &mut index).expect("a string");
        assert!(index.slots_mut().capacity() < 64, "{}", index.slots_mut().capacity());
    }
}
