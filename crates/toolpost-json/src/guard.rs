//! The guard: one pass over received text that proves it one well-formed JSON value within limits, and writes the index as
//! it goes. (A text denser than most is read again, once room for its entries has been made.)
//!
//! It goes down into what is nested by recursion, which [`Limits::depth`] keeps within any thread's stack. What programs
//! write is taken in [straight pieces](crate::quick), and all else, faults included, is for the [tokens](crate::scan).
//! A member's name is compared with earlier ones of the object only where a 64-bit set of hashes
//! says that it may be there; a wide object's names are sorted instead.

use std::cell::Cell;
use std::slice::Iter;

use crate::index::{Entry, Index, Kind, LARGEST_SPARE, TRUE};
use crate::limits::Limits;
use crate::names;
use crate::quick;
use crate::room::{self, SLACK, TYPICAL};
use crate::scan::{self, Checked, fault};
use crate::violation::{Violation, ViolationKind};

/// Checks `text` and writes its entries to `index`.
pub(crate) fn check(text: &str, limits: &Limits, index: &mut Index) -> Checked<()> {
    let slots = index.slots_mut();
    if slots.len() < text.len() / TYPICAL + SLACK {
        room::make(text, limits, slots);
    }
    let mut checked = Guard::new(text, limits, slots).text();
    let full = |violation: &Violation| matches!(violation.kind(), ViolationKind::TooManyNodes { .. });
    if checked.as_ref().is_err_and(full) && room::make_all(text, limits, slots) {
        checked = Guard::new(text, limits, slots).text();
    }
    index.set_used(checked?);
    // Too large to be used again, it holds no more than it has to: what looked like entries may have been one string.
    if LARGEST_SPARE < index.slots_mut().len() {
        index.shrink();
    }
    Ok(())
}

/// What is left of the text and of the entries.
type Left<'t, 'i> = (&'t [u8], Free<'i>);
type Free<'i> = Iter<'i, Cell<Entry>>;

struct Guard<'t, 'i> {
    text: &'t str,
    /// Those in use, and then those that are free. Cells, for a container's own is written when it closes.
    cells: &'i [Cell<Entry>],
    limits: &'t Limits,
    number_len: usize,
}

impl<'t, 'i> Guard<'t, 'i> {
    fn new(text: &'t str, limits: &'t Limits, slots: &'i mut [Entry]) -> Self {
        let len = slots.len().min(limits.nodes as usize);
        Self {
            text,
            cells: Cell::from_mut(&mut slots[..len]).as_slice_of_cells(),
            limits,
            number_len: limits.number_len.into(),
        }
    }

    /// Checks the whole text; says how many entries it has.
    fn text(&self) -> Checked<u32> {
        let (rest, free) = self.value(self.text.as_bytes(), self.cells.iter(), 0)?;
        let rest = scan::blank(rest);
        if !rest.is_empty() {
            return fault(ViolationKind::TrailingText, self.at(rest));
        }
        Ok(self.used(&free) as u32)
    }

    /// Where `rest` starts.
    #[inline(always)]
    const fn at(&self, rest: &[u8]) -> usize {
        self.text.len() - rest.len()
    }

    /// How many entries are written.
    #[inline(always)]
    fn used(&self, free: &Free<'i>) -> usize {
        self.cells.len() - free.len()
    }

    /// Checks a value, whatever it looks like.
    #[inline(never)]
    fn value(&self, rest: &'t [u8], mut free: Free<'i>, depth: u16) -> Checked<Left<'t, 'i>> {
        let rest = scan::blank(rest);
        let start = self.at(rest);
        let first = match rest {
            [b'{' | b'[', ..] => return self.container(rest, free, depth),
            [first, ..] => *first,
            [] => return fault(ViolationKind::UnexpectedEnd, start),
        };
        let Some(cell) = free.next() else { return self.no_more(start) };
        let (rest, kind, flags) = self.token(rest, first)?;
        cell.set(Entry::new(kind, flags, start, self.at(rest), 0));
        Ok((rest, free))
    }

    /// Checks the object or the array that `rest` starts with.
    #[inline(never)]
    fn container(&self, rest: &'t [u8], mut free: Free<'i>, depth: u16) -> Checked<Left<'t, 'i>> {
        let start = self.at(rest);
        let Some(cell) = free.next() else { return self.no_more(start) };
        if depth == self.limits.depth {
            return fault(ViolationKind::TooDeep { limit: depth }, start);
        }
        let within = (scan::blank(&rest[1..]), free);
        if rest[0] == b'{' {
            self.object(start, within, cell, depth + 1)
        } else {
            self.array(start, within, cell, depth + 1)
        }
    }

    /// Checks the members of the object that starts at `start`; its entry is `cell`.
    #[inline(always)]
    fn object(
        &self,
        start: usize,
        left: Left<'t, 'i>,
        cell: &Cell<Entry>,
        depth: u16,
    ) -> Checked<Left<'t, 'i>> {
        let (mut rest, mut free) = left;
        let mut own = Entry::new(Kind::Object, 0, start, 0, 0);
        let first = self.used(&free);
        let mut seen = 0;
        if rest.first() != Some(&b'}') {
            loop {
                if let Some((end, value, hash)) = quick::after_blanks(&mut rest, quick::name)
                    && let Some(cell) = free.next()
                {
                    let at = self.at(rest);
                    cell.set(Entry::new(Kind::String, 0, at, at + end - 1, hash));
                    rest = value;
                    let bit = names::bit(hash);
                    if seen & bit != 0 {
                        seen = self.doubt(&free, first, own.len(), seen)?;
                    }
                    seen |= bit;
                } else {
                    (rest, free, seen) = self.name(rest, free, first, own.len(), seen)?;
                }
                // Here and for an array in line: as a function of its own it takes a tenth more instructions.
                let scalar = |rest| quick::scalar(rest, self.number_len);
                if let Some((end, meta)) = quick::after_blanks(&mut rest, scalar)
                    && let Some(cell) = free.next()
                {
                    let at = self.at(rest);
                    cell.set(Entry::scalar(at, at + end, meta));
                    rest = &rest[end..];
                } else if let [b'{' | b'[', ..] = rest {
                    (rest, free) = self.container(rest, free, depth)?;
                } else {
                    (rest, free) = self.value(rest, free, depth)?;
                }
                own.add_child();
                if let [b',', tail @ ..] = rest {
                    rest = tail;
                    continue;
                }
                rest = scan::blank(rest);
                match rest {
                    [b',', tail @ ..] => rest = tail,
                    [b'}', ..] => break,
                    _ => return scan::fault_at(rest, self.text.len(), "',' or '}'"),
                }
            }
            if names::NARROW < own.len() {
                names::distinct(self.text, &self.cells[..self.used(&free)], first)?;
            }
        }
        Ok(self.close(own, rest, free, cell))
    }

    /// Checks the items of the array that starts at `start`; its entry is `cell`.
    #[inline(always)]
    fn array(
        &self,
        start: usize,
        left: Left<'t, 'i>,
        cell: &Cell<Entry>,
        depth: u16,
    ) -> Checked<Left<'t, 'i>> {
        let (mut rest, mut free) = left;
        let mut own = Entry::new(Kind::Array, 0, start, 0, 0);
        if rest.first() != Some(&b']') {
            loop {
                let scalar = |rest| quick::scalar(rest, self.number_len);
                if let Some((end, meta)) = quick::after_blanks(&mut rest, scalar)
                    && let Some(cell) = free.next()
                {
                    let at = self.at(rest);
                    cell.set(Entry::scalar(at, at + end, meta));
                    rest = &rest[end..];
                } else if let [b'{' | b'[', ..] = rest {
                    (rest, free) = self.container(rest, free, depth)?;
                } else {
                    (rest, free) = self.value(rest, free, depth)?;
                }
                own.add_child();
                if let [b',', tail @ ..] = rest {
                    rest = tail;
                    continue;
                }
                rest = scan::blank(rest);
                match rest {
                    [b',', tail @ ..] => rest = tail,
                    [b']', ..] => break,
                    _ => return scan::fault_at(rest, self.text.len(), "',' or ']'"),
                }
            }
        }
        Ok(self.close(own, rest, free, cell))
    }

    /// Completes a container whose closing bracket `rest` starts with.
    #[inline(always)]
    fn close(&self, mut own: Entry, rest: &'t [u8], free: Free<'i>, cell: &Cell<Entry>) -> Left<'t, 'i> {
        let rest = &rest[1..];
        own.close(self.at(rest), self.used(&free));
        cell.set(own);
        (rest, free)
    }

    /// Checks a member's name, whatever it looks like, and the colon after it; adds it to those `seen`.
    #[inline(never)]
    fn name(
        &self,
        rest: &'t [u8],
        mut free: Free<'i>,
        first: usize,
        count: u32,
        mut seen: u64,
    ) -> Checked<(&'t [u8], Free<'i>, u64)> {
        let rest = scan::blank(rest);
        let [b'"', tail @ ..] = rest else {
            return scan::fault_at(rest, self.text.len(), "a member name in double quotes");
        };
        let name = scan::string::<true>(self.text.as_bytes(), tail)?;
        let at = self.at(rest);
        let Some(cell) = free.next() else { return self.no_more(at) };
        cell.set(Entry::new(Kind::String, name.flags, at, self.at(name.rest), name.hash));
        let bit = names::bit(name.hash);
        if seen & bit != 0 {
            seen = self.doubt(&free, first, count, seen)?;
        }
        match scan::blank(name.rest) {
            [b':', tail @ ..] => Ok((tail, free, seen | bit)),
            other => scan::fault_at(other, self.text.len(), "':'"),
        }
    }

    /// Refuses the last name if it is the one of an earlier member; says which names count as seen.
    #[inline(never)]
    fn doubt(&self, free: &Free<'i>, first: usize, count: u32, seen: u64) -> Checked<u64> {
        if names::NARROW < count {
            // They are compared at the end, all at once.
            return Ok(0);
        }
        names::fresh(self.text, &self.cells[..self.used(free)], first)?;
        Ok(seen)
    }

    /// Checks the value that `rest` starts with, and that holds no other.
    #[inline(always)]
    fn token(&self, rest: &'t [u8], first: u8) -> Checked<(&'t [u8], Kind, u32)> {
        let bytes = self.text.as_bytes();
        Ok(match first {
            b'"' => {
                let string = scan::string::<false>(bytes, &rest[1..])?;
                (string.rest, Kind::String, string.flags)
            }
            b'-' | b'0'..=b'9' => {
                let (rest, flags) = scan::number(bytes, rest, self.limits)?;
                (rest, Kind::Number, flags)
            }
            b't' => (scan::literal(bytes, rest, b"true")?, Kind::Bool, TRUE),
            b'f' => (scan::literal(bytes, rest, b"false")?, Kind::Bool, 0),
            b'n' => (scan::literal(bytes, rest, b"null")?, Kind::Null, 0),
            _ => return fault(ViolationKind::Expected("a value"), self.at(rest)),
        })
    }

    #[cold]
    fn no_more<T>(&self, at: usize) -> Checked<T> {
        fault(ViolationKind::TooManyNodes { limit: self.limits.nodes }, at)
    }
}
