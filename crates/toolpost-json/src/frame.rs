//! A received message: checked text and its index.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use crate::guard;
use crate::index::{Entry, Index};
use crate::limits::Limits;
use crate::node::{Node, NodeId};
use crate::text;
use crate::violation::{Violation, ViolationKind};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Text proven to be one well-formed JSON value within [`Limits`], and the index that the proof
/// left behind.
///
/// Holding a frame is the permission to read: what walks, validates or decodes its
/// [nodes](Self::root) checks nothing again.
///
/// # Examples
///
/// ```
/// use toolpost_json::{Frame, Limits};
///
/// let frame = Frame::parse(r#"{"name": "lathe", "jaws": [3, 4]}"#.into(), &Limits::new())?;
/// let jaws = frame.root().member("jaws").unwrap();
/// assert_eq!(jaws.raw(), "[3, 4]");
/// assert_eq!(jaws.decode::<Vec<u8>>()?, [3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone shares the text and copies the index; the [`NodeId`]s of one name the nodes of the other.
#[derive(Clone)]
pub struct Frame {
    text: ByteString,
    /// Never empty: entry 0 is the root.
    index: Index,
}

impl Frame {
    /// Checks `bytes` in one pass and indexes them. The frame keeps `bytes`; nothing is copied.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] found: bytes that are not one JSON value in UTF-8 without a byte
    /// order mark, or that break a limit or have two members of one name in an object.
    pub fn parse(bytes: Bytes, limits: &Limits) -> Result<Self, Violation> {
        within(bytes.len(), limits)?;
        let text = ByteString::try_from(bytes)
            .map_err(|error| Violation::new(ViolationKind::Utf8, error.valid_up_to()))?;
        Self::from_text(text, limits)
    }

    /// Checks `text` and indexes it, as [`parse`](Self::parse) does.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] found.
    pub fn from_text(text: impl Into<ByteString>, limits: &Limits) -> Result<Self, Violation> {
        let text = text.into();
        within(text.len(), limits)?;
        if text.starts_with('\u{feff}') {
            return Err(Violation::new(ViolationKind::ByteOrderMark, 0));
        }
        let mut index = Index::take();
        guard::check(&text, limits, &mut index)?;
        Ok(Self { text, index })
    }

    /// Checks `bytes` as [`parse`](Self::parse) does, and is lenient where that harms nobody: a byte order mark before
    /// the text is skipped (RFC 8259, 8.1), and half a surrogate pair in a string reads as U+FFFD (8.2 leaves open
    /// what it means; models cut emoji in half). The frame's text is what it was taken for.
    ///
    /// # Errors
    ///
    /// The first [`Violation`] found.
    pub fn parse_lenient(bytes: &Bytes, limits: &Limits) -> Result<Self, Violation> {
        let text = match bytes.starts_with(BYTE_ORDER_MARK) {
            true => bytes.slice(BYTE_ORDER_MARK.len()..),
            false => bytes.clone(),
        };
        match Self::parse(text, limits) {
            Err(violation) => Self::parse_mended(bytes, violation, limits),
            Ok(frame) => Ok(frame),
        }
    }

    #[cold]
    fn parse_mended(bytes: &Bytes, violation: Violation, limits: &Limits) -> Result<Self, Violation> {
        match violation.kind() {
            ViolationKind::LoneSurrogate => {
                let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
                Self::parse(text::whole_surrogates(text).into(), limits)
            }
            _ => Err(violation),
        }
    }

    /// Encodes `value` and indexes the result, within the default limits.
    ///
    /// # Errors
    ///
    /// When `value` refuses to be encoded, or its encoding breaks a limit.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_string(value)?;
        Self::from_text(text, &Limits::new()).map_err(serde::ser::Error::custom)
    }

    /// The frame of `{}`: what absent parameters and arguments stand for.
    #[must_use]
    pub fn empty() -> &'static Self {
        static EMPTY: OnceLock<Frame> = OnceLock::new();
        EMPTY.get_or_init(|| {
            let mut index = Index::take();
            let checked = guard::check("{}", &Limits::new(), &mut index);
            debug_assert_eq!(checked, Ok(()));
            Self { text: ByteString::from_static("{}"), index }
        })
    }

    /// The whole value.
    #[must_use]
    pub const fn root(&self) -> Node<'_> {
        Node::new(self, 0)
    }

    /// The value that a node of this frame named by [`Node::id`].
    ///
    /// # Panics
    ///
    /// May panic, or name another value, if `id` comes from another frame.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Node<'_> {
        assert!(id.0 < self.index.used(), "a node of another frame");
        Node::new(self, id.0)
    }

    /// The text, exactly as received.
    #[must_use]
    pub const fn text(&self) -> &ByteString {
        &self.text
    }

    /// The entries, and maybe some that are left over.
    #[inline]
    pub(crate) fn slots(&self) -> &[Entry] {
        self.index.slots()
    }

    #[inline]
    pub(crate) fn entry(&self, at: u32) -> Entry {
        self.index.slots()[at as usize]
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame").field(&&*self.text).finish()
    }
}

fn within(bytes: usize, limits: &Limits) -> Result<(), Violation> {
    match limits.bytes {
        limit if limit as usize >= bytes => Ok(()),
        limit => Err(Violation::new(ViolationKind::TooLarge { limit }, limit as usize)),
    }
}
