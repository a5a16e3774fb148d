//! One round of a request that asks its client for input: what the last one left, and what the next one finds.

use std::sync::Arc;

use rmcp::ErrorData;
use toolpost_json::{Frame, Limits};
use toolpost_tool::{CallParts, InputRequired};

use crate::sealed::{Bound, Seal};

/// What is known of the rounds until now.
pub(crate) struct Round {
    bound: Bound,
    answers: Option<Arc<Frame>>,
    /// How many in a row have brought no answer to what was asked.
    fruitless: u8,
}

/// How a round ends that asks.
pub(crate) enum Next {
    /// With this state for the next one, if there is something to keep.
    Asks(Option<String>),
    /// With a failure, since the client answers and never answers what it is asked.
    Fruitless(String),
}

impl Round {
    /// Gives `parts`, which have their arguments, what the client sends of earlier rounds.
    pub(crate) fn open(
        parts: &mut CallParts,
        answers: Option<Frame>,
        state: Option<&str>,
        seal: &Seal,
    ) -> Result<Self, ErrorData> {
        let mut round = Self { bound: Bound::of(parts), answers: answers.map(Arc::new), fruitless: 0 };
        if let Some(sealed) = state {
            let content = Frame::from_text(seal.open(sealed, &round.bound)?, &Limits::new())
                .map_err(|violation| ErrorData::invalid_params(violation.to_string(), None))?;
            let member = |name| content.root().member(name);
            round.fruitless = member("fruitless").and_then(|count| count.decode().ok()).unwrap_or(0);
            parts.set_state(member("state").map(|state| state.raw().into()));
        }
        parts.set_answers(round.answers.clone());
        Ok(round)
    }

    /// Ends the round with what the tool asks.
    pub(crate) fn next(self, required: &InputRequired, seal: &Seal) -> Result<Next, ErrorData> {
        let lacking = self.answers.as_deref().and_then(|answers| required.lacks(answers.root()));
        let fruitless = lacking.as_ref().map_or(0, |_| self.fruitless.saturating_add(1));
        if let Some(lacking) = lacking.filter(|_| InputRequired::FRUITLESS_ROUNDS <= fruitless) {
            return Ok(Next::Fruitless(lacking));
        }
        if required.state().is_none() && fruitless == 0 {
            return Ok(Next::Asks(None));
        }
        let state = required.state().map(|state| format!(r#","state":{state}"#)).unwrap_or_default();
        let content = format!(r#"{{"fruitless":{fruitless}{state}}}"#);
        seal.seal(&content, &self.bound).map(|sealed| Next::Asks(Some(sealed)))
    }
}
