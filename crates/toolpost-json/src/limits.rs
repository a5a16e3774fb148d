//! What a received message may cost.

/// The deepest nesting that [`Limits::depth`] can allow: typed decoding recurses, and this much
/// fits every thread's stack.
const DEEPEST: u16 = 128;

/// Bounds on one received message, checked before anything is decoded.
///
/// # Examples
///
/// ```
/// use toolpost_json::{Frame, Limits, ViolationKind};
///
/// let limits = Limits::new().depth(1);
/// let refused = Frame::parse("[[]]".into(), &limits).unwrap_err();
/// assert_eq!(refused.kind(), ViolationKind::TooDeep { limit: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(crate) bytes: u32,
    pub(crate) nodes: u32,
    pub(crate) depth: u16,
    pub(crate) number_len: u16,
}

impl Limits {
    /// The defaults: 4 MiB, depth 64, 262,144 nodes, numbers of 128 characters.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: 4 << 20, nodes: 1 << 18, depth: 64, number_len: 128 }
    }

    /// Allows messages of up to `bytes` bytes (at most 1 GiB; more is lowered to that).
    #[must_use]
    pub const fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = if bytes < 1 << 30 { bytes as u32 } else { 1 << 30 };
        self
    }

    /// Allows arrays and objects nested up to `depth` deep (at most 128; more is lowered to that).
    #[must_use]
    pub const fn depth(mut self, depth: u16) -> Self {
        self.depth = if depth < DEEPEST { depth } else { DEEPEST };
        self
    }

    /// Allows up to `nodes` values and member names together (at most 16,777,215; more is lowered
    /// to that). Each costs 16 bytes of index.
    #[must_use]
    pub const fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = if nodes < 1 << 24 { nodes } else { (1 << 24) - 1 };
        self
    }

    /// Allows numbers written in up to `number_len` characters.
    #[must_use]
    pub const fn number_len(mut self, number_len: u16) -> Self {
        self.number_len = number_len;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
