//! Places in a document, written as JSON Pointers when somebody asks.

use std::fmt;

/// A place in a document: borrowed links back to its root, so that a place that nobody asks for costs nothing.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    /// A pointer that is written already.
    Written(&'a str),
    Member(&'a Self, &'a str),
    Item(&'a Self, usize),
}

impl<'a> Path<'a> {
    pub(crate) const fn member(&'a self, name: &'a str) -> Self {
        Self::Member(self, name)
    }

    pub(crate) const fn item(&'a self, at: usize) -> Self {
        Self::Item(self, at)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Written(pointer) => f.write_str(pointer),
            Self::Item(parent, at) => write!(f, "{parent}/{at}"),
            Self::Member(parent, name) => {
                write!(f, "{parent}/")?;
                // A name may be as long as the document.
                for c in name.chars().take(200) {
                    match c {
                        '~' => f.write_str("~0")?,
                        '/' => f.write_str("~1")?,
                        c => fmt::Write::write_char(f, c)?,
                    }
                }
                Ok(())
            }
        }
    }
}

/// What may be said of a text that a stranger wrote: its first characters.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
