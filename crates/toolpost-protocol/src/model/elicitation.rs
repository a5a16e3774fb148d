//! What the person using a client answers. [`Request::elicit_form`](super::Request::elicit_form) and
//! [`Request::elicit_url`](super::Request::elicit_url) ask.

use super::{Meta, Object};

/// The result of `elicitation/create`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElicitResult {
    /// What the result says about itself.
    pub meta: Option<Meta>,
    /// What the person decided.
    pub action: ElicitAction,
    /// What the person entered, by field: strings, numbers, booleans and arrays of strings.
    pub content: Option<Object>,
    /// Fields that no revision names.
    pub extra: Object,
}

object! { ElicitResult { meta: optional "_meta", action: required "action", content: optional "content" } }

impl ElicitResult {
    /// Holds what the person decided, without anything entered so far.
    #[must_use]
    pub fn new(action: ElicitAction) -> Self {
        Self { meta: None, action, content: None, extra: Object::new() }
    }
}

/// What the person decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ElicitAction {
    /// To answer.
    Accept,
    /// Not to answer.
    Decline,
    /// Nothing: the question was dismissed.
    Cancel,
    /// A word that no revision names.
    Other(String),
}

names! { ElicitAction { Accept = "accept", Decline = "decline", Cancel = "cancel" } }
