//! One round of a request that asks its client for input: what the last one left, and what the next one finds.

use std::sync::Arc;

use rmcp::ErrorData;
use toolpost_json::{Frame, Limits, Node};
use toolpost_tool::{CallParts, InputRequired, merge_answers};

use crate::sealed::{Bound, Seal};

/// What is known of the rounds until now.
pub(crate) struct Round {
    bound: Bound,
    /// Those of earlier rounds, and the newer ones.
    answers: Option<Arc<Frame>>,
    /// How many in a row have brought no answer to what was asked.
    fruitless: u8,
    /// Whether this one brought an answer under a key that was asked.
    is_answered: bool,
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
        newer: Option<&Frame>,
        state: Option<&str>,
        seal: &Seal,
    ) -> Result<Self, ErrorData> {
        let unfit =
            |violation: toolpost_json::Violation| ErrorData::invalid_params(violation.to_string(), None);
        let mut round = Self { bound: Bound::of(parts), answers: None, fruitless: 0, is_answered: true };
        if newer.is_none() && state.is_none() {
            return Ok(round);
        }
        let content = state.map(|sealed| seal.open(sealed, &round.bound)).transpose()?;
        let content = content.map(|content| Frame::from_text(content, &Limits::new())).transpose();
        let content = content.map_err(unfit)?;
        let member = |name| content.as_ref().and_then(|content| content.root().member(name));
        let (newer, asked) = (newer.map(Frame::root), member("asked"));
        round.fruitless = member("fruitless").and_then(|count| count.decode().ok()).unwrap_or(0);
        round.is_answered = asked.is_some_and(Node::is_empty) || InputRequired::is_answered(asked, newer);
        let brought = newer.into_iter().flat_map(Node::members).map(|(key, node)| (key.name(), node.raw()));
        let merged = merge_answers(member("answers"), brought);
        round.answers = Some(Arc::new(Frame::from_text(merged, &Limits::new()).map_err(unfit)?));
        parts.set_state(member("state").map(|state| state.raw().into()));
        parts.set_answers(round.answers.clone());
        Ok(round)
    }

    /// Ends the round with what the tool asks.
    pub(crate) fn next(self, required: &InputRequired, seal: &Seal) -> Result<Next, ErrorData> {
        let answers = self.answers.as_deref().map(Frame::root);
        let lacking = answers.and_then(|answers| required.lacks(answers, self.is_answered));
        let fruitless = lacking.as_ref().map_or(0, |_| self.fruitless.saturating_add(1));
        if let Some(lacking) = lacking.filter(|_| InputRequired::FRUITLESS_ROUNDS <= fruitless) {
            return Ok(Next::Fruitless(lacking));
        }
        let answers = answers.filter(|answers| !answers.is_empty());
        let keeps = required.state().is_some() || answers.is_some() || 0 < fruitless;
        let asks_nothing = required.state().is_none() && required.requests().is_empty();
        if !keeps || asks_nothing {
            return Ok(Next::Asks(None));
        }
        let state = required.state().map(|state| format!(r#""state":{state},"#)).unwrap_or_default();
        let asked = serde_json::json!(required.requests().keys().collect::<Vec<_>>());
        let answers = answers.map_or("{}", Node::raw);
        let content = format!(r#"{{{state}"fruitless":{fruitless},"asked":{asked},"answers":{answers}}}"#);
        seal.seal(&content, &self.bound).map(|sealed| Next::Asks(Some(sealed)))
    }
}
