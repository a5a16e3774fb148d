//! Where it is kept what waits for a person.

use std::fmt;

use serde::{Deserialize, Serialize};
use toolpost_tool::{BoxFuture, Call, Principal, ToolError};

/// A call that waits for the approval of a person.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// A digest of principal, tool and canonical arguments, in 40 hexadecimal digits, the last eight of which are those of the
    /// principal: the same for each time that the call comes. It names the request, and proves nothing.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// Its arguments, as canonical JSON.
    pub arguments: String,
    /// Who calls; `None` if nobody identified the caller.
    pub principal: Option<String>,
    /// When it is of no more use, in seconds of Unix time.
    pub expires: u64,
}

/// What has become of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApprovalState {
    /// It was approved.
    Approved,
    /// It was declined.
    Declined,
    /// Nobody has decided.
    Waiting,
    /// There is none of this id: never asked, expired, or its decision was taken.
    Unknown,
}

/// Stores which calls wait for the approval of a person, what was decided, and which approvals were used.
///
/// Times are seconds of Unix time, given by whoever calls. A request waits until it is decided or expires; a decision is
/// kept until it is taken or expires, and is taken once: of several callers that take it at the same time, one gets it.
/// An error should be of the kind [`Unavailable`](toolpost_tool::ErrorKind::Unavailable); the call does not run then.
pub trait ApprovalStore: Send + Sync + 'static {
    /// Lets a request wait; one of its id that waits already, or is decided, stays as it is.
    ///
    /// # Errors
    ///
    /// If the store cannot be written, or has no room.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    fn ask<'a>(&'a self, request: &'a ApprovalRequest) -> BoxFuture<'a, Result<(), ToolError>>;

    /// Takes the decision of a request, if there is one; what it was is [unknown](ApprovalState::Unknown) from then on.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// After a drop a decision may be taken, and is of no more use.
    fn take<'a>(&'a self, id: &'a str, now: u64) -> BoxFuture<'a, Result<ApprovalState, ToolError>>;

    /// Decides about a request that waits; whether one does.
    ///
    /// # Errors
    ///
    /// If the store cannot be written.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be done or not.
    fn decide<'a>(
        &'a self,
        id: &'a str,
        is_approved: bool,
        now: u64,
    ) -> BoxFuture<'a, Result<bool, ToolError>>;

    /// The requests that wait, the oldest first.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    fn waiting(&self, now: u64) -> BoxFuture<'_, Result<Vec<ApprovalRequest>, ToolError>>;

    /// Remembers until `expires` that what is called `once` was used; whether it was not before.
    ///
    /// # Errors
    ///
    /// If the store cannot be written, or has no room.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be used.
    fn spend<'a>(&'a self, once: &'a str, expires: u64, now: u64) -> BoxFuture<'a, Result<bool, ToolError>>;
}

impl ApprovalRequest {
    /// The request of a call of `tool`.
    pub(super) fn of(tool: &str, call: &Call, expires: u64) -> Self {
        let mut canonical = Vec::new();
        call.arguments().write_canonical(&mut canonical);
        let principal = call.principal();
        let mut hasher = blake3::Hasher::new();
        for part in [
            &[u8::from(principal.is_anonymous())],
            principal.as_str().as_bytes(),
            tool.as_bytes(),
            &canonical,
        ] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        let mut id = hasher.finalize().to_hex().to_string();
        id.truncate(ID_LEN);
        id.push_str(&owner_of(call.principal()));
        Self {
            id,
            tool: tool.to_owned(),
            arguments: String::from_utf8_lossy(&canonical).into_owned(),
            principal: (!principal.is_anonymous()).then(|| principal.as_str().to_owned()),
            expires,
        }
    }

    /// The part of the id that is its principal's.
    pub(super) fn owner(&self) -> &str {
        self.id.get(ID_LEN..).unwrap_or_default()
    }
}

/// Digits of an id before those of its principal.
const ID_LEN: usize = 32;

/// What tells the requests of one principal from those of most others.
fn owner_of(principal: &Principal) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(principal.is_anonymous())]).update(principal.as_str().as_bytes());
    let mut owner = hasher.finalize().to_hex().to_string();
    owner.truncate(8);
    owner
}

impl fmt::Debug for ApprovalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments are left out: they may hold what must not be logged.
        f.debug_struct("ApprovalRequest")
            .field("id", &self.id)
            .field("tool", &self.tool)
            .field("principal", &self.principal)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
