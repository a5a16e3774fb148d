//! Where it is kept which calls were made under which idempotency key, and how they ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytestring::ByteString;

use crate::{BoxFuture, Principal, ToolError};

/// Stores which calls were made under which idempotency key, and how they ended.
///
/// A runtime claims a key before it runs a tool that declares an [`IdempotencyPolicy`](crate::IdempotencyPolicy), and
/// finishes the claim with the end of the call. In memory (`toolpost`'s `MemoryIdempotencyStore`) the keys are those of one
/// process; replicas share a store on another machine.
///
/// A key is in one of four states:
///
/// ```text
/// free --begin--> running --finish(Some)--> ended
///   ^                | |---finish(None), abandon(began), lease over--> unknown
///   |--release, abandon(not begun)--|
/// ```
///
/// and an ended or unknown one is free again when its `ttl` is over. What a claim may still do is proved by its fence, a
/// number that is greater than those of all earlier claims of the key: what comes under another fence than that of the claim that
/// runs changes nothing, and answers `false`.
///
/// A shared store gives its claims a [lease](Self::lease), so that a process that dies leaves an unknown end and not one
/// that others wait for: it may have done its work. In Redis `begin` is one script over one hash (state, fence, digest, end)
/// with an expiry; in Postgres an `INSERT .. ON CONFLICT DO NOTHING` and a `SELECT`. `toolpost-test`'s
/// `assert_idempotency_store` holds any store to this page.
///
/// An error should be of the kind [`Unavailable`](crate::ErrorKind::Unavailable). A call whose key cannot be claimed does
/// not run. A function that takes more than 5 s has failed, and one that panics too.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims `key` for a call whose arguments have this digest, or says what became of the call that has it. Of several
    /// callers that claim a free key at once, exactly one gets [`New`](IdempotencyClaim::New).
    ///
    /// # Errors
    ///
    /// If the store cannot be asked, or has no room for another key.
    ///
    /// # Cancel safety
    ///
    /// After a drop the key may be claimed: then its lease runs out. A store without a lease claims within one poll.
    fn begin<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        arguments: &'a [u8; 32],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IdempotencyClaim, ToolError>>;

    /// Begins the lease of a claim anew; whether the key is still its own.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    fn renew<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>>;

    /// Stores how the call ended, for whoever repeats it; `None` if nobody knows. Whether the key was still its own.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    fn finish<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        fence: u64,
        end: Option<ByteString>,
    ) -> BoxFuture<'a, Result<bool, ToolError>>;

    /// Frees the key: the tool did nothing. Whether the key was still its own.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    fn release<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>>;

    /// Learns that whoever made the claim has left, before or after the tool `began`; called from a `drop`, so it does not
    /// wait. A store on another machine may leave it to the lease, as this does unless it is written otherwise.
    fn abandon(&self, key: &IdempotencyKey, fence: u64, began: bool) {
        let _ = (key, fence, began);
    }

    /// How long a claim holds that is not renewed; a runtime renews three times in that time. `None`: as long as the process.
    fn lease(&self) -> Option<Duration> {
        None
    }
}

/// Whose call of which tool it is, and the key that its caller gave it.
///
/// Its text is for a store: no two keys have the same.
///
/// ```
/// use toolpost_tool::{IdempotencyKey, Principal};
///
/// let key = IdempotencyKey::new(Principal::new("ada"), "order", "k-1");
/// assert_eq!(key.to_string(), r#"["ada","order","k-1"]"#);
/// let anonymous = IdempotencyKey::new(Principal::anonymous(), "order", "k-1");
/// assert_eq!(anonymous.to_string(), r#"[null,"order","k-1"]"#);
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct IdempotencyKey {
    principal: Principal,
    tool: ByteString,
    key: ByteString,
}

impl IdempotencyKey {
    /// The key that `principal` gave to a call of `tool`.
    pub fn new(principal: Principal, tool: impl Into<ByteString>, key: impl Into<ByteString>) -> Self {
        Self { principal, tool: tool.into(), key: key.into() }
    }

    /// Whose it is: a store has bounds for each.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Bytes of its texts, for those who bound memory by it.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.principal.as_str().len() + self.tool.len() + self.key.len()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let principal = (!self.principal.is_anonymous()).then(|| self.principal.as_str());
        let text = serde_json::to_string(&(principal, &*self.tool, &*self.key)).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

/// What became of a key that somebody wants to claim.
#[non_exhaustive]
pub enum IdempotencyClaim {
    /// It was free. The call runs, and finishes or frees the key under this fence.
    New(u64),
    /// A call under it runs. The future resolves when it may have ended, or is worth asking about again.
    Running(BoxFuture<'static, ()>),
    /// The call under it ended like this.
    Ended(ByteString),
    /// A call under it began, and nobody knows how it ended.
    Unknown,
    /// The call under it has, or had, other arguments.
    Conflict,
}

impl fmt::Debug for IdempotencyClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(fence) => f.debug_tuple("New").field(fence).finish(),
            Self::Running(_) => f.write_str("Running"),
            Self::Ended(end) => f.debug_tuple("Ended").field(end).finish(),
            Self::Unknown => f.write_str("Unknown"),
            Self::Conflict => f.write_str("Conflict"),
        }
    }
}

/// The same store, shared.
impl<S: IdempotencyStore + ?Sized> IdempotencyStore for Arc<S> {
    fn begin<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        arguments: &'a [u8; 32],
        ttl: Duration,
    ) -> BoxFuture<'a, Result<IdempotencyClaim, ToolError>> {
        (**self).begin(key, arguments, ttl)
    }

    fn renew<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        (**self).renew(key, fence)
    }

    fn finish<'a>(
        &'a self,
        key: &'a IdempotencyKey,
        fence: u64,
        end: Option<ByteString>,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        (**self).finish(key, fence, end)
    }

    fn release<'a>(&'a self, key: &'a IdempotencyKey, fence: u64) -> BoxFuture<'a, Result<bool, ToolError>> {
        (**self).release(key, fence)
    }

    fn abandon(&self, key: &IdempotencyKey, fence: u64, began: bool) {
        (**self).abandon(key, fence, began);
    }

    fn lease(&self) -> Option<Duration> {
        (**self).lease()
    }
}
