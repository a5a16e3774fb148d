//! What travels with a call that was asked about, sealed, from one of its rounds to the next.

use std::hash::{BuildHasher as _, RandomState};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use toolpost_tool::Call;

use super::ApprovalRequest;

/// Where the approval of a call stands, and the state of what is behind it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Round {
    /// [`ApprovalRequest::id`].
    pub(super) id: String,
    /// What is used up by the next round.
    pub(super) once: String,
    pub(super) expires: u64,
    /// Whether a person has said yes, and the tool asks something of its own.
    pub(super) is_granted: bool,
    /// Whether the user was sent to a page: then what the client says of it is no answer.
    pub(super) by_page: bool,
    pub(super) state: Option<Box<RawValue>>,
}

impl Round {
    /// A question was asked.
    pub(super) fn asked(request: &ApprovalRequest) -> Self {
        Self {
            id: request.id.clone(),
            once: drawn(),
            expires: request.expires,
            is_granted: false,
            by_page: false,
            state: None,
        }
    }

    /// The user was sent to a page.
    pub(super) fn sent(request: &ApprovalRequest) -> Self {
        Self { by_page: true, ..Self::asked(request) }
    }

    /// The tool was let run, and wants to go on with `state`.
    pub(super) fn granted(request: &ApprovalRequest, state: Option<&str>) -> Self {
        let state = state.and_then(|state| RawValue::from_string(state.to_owned()).ok());
        Self { is_granted: true, state, ..Self::asked(request) }
    }

    /// What came back with a call.
    pub(super) fn of(call: &Call) -> Option<Self> {
        call.state().ok().flatten()
    }
}

/// A name that nothing else has. It need not be secret: it travels sealed.
fn drawn() -> String {
    let half = || RandomState::new().hash_one(());
    format!("{:016x}{:016x}", half(), half())
}
