//! What a server says that answers nothing: what it asks, and what it tells.

use std::time::{Duration, Instant};

use bytestring::ByteString;
use toolpost_json::{Frame, Node, NodeId};
use toolpost_protocol::model::RawJson;
use toolpost_protocol::{Code, Error as RpcError, Id, meta};

use super::{Core, Effect, Kind, Left, Progress, incoming};
use crate::events::LARGEST;
use crate::respond::unanswered;
use crate::{ClientError, ClientEvent, Question};

/// The most questions of a server that are open.
pub(super) const QUESTIONS: usize = 64;
/// For how long a request that was left may ask something: as long as an answer may take.
const HAUNTS: Duration = crate::questions::LONGEST;
/// How many of those are remembered.
const LEFT: usize = 256;
/// The longest message of a progress notification, in bytes; longer ones are cut.
pub(super) const PROGRESS_TEXT: usize = 1 << 10;

impl<K: Clone> Core<K> {
    pub(super) fn asked(
        &mut self,
        frame: &Frame,
        id: Id,
        method: &str,
        params: Option<NodeId>,
        via: Option<i64>,
        now: Instant,
    ) {
        if self.stateless || self.questions.contains_key(&id) {
            self.ignored += 1;
            return;
        }
        match method {
            "ping" => self.reply(&id, &RawJson::parse("{}").map_err(internal), via),
            "elicitation/create" | "sampling/createMessage" | "roots/list" => {
                if QUESTIONS <= self.questions.len() {
                    let error = RpcError::new(Code::INTERNAL_ERROR, "too many questions are open");
                    return self.reply(&id, &Err(error), via);
                }
                let about = via.filter(|via| self.pending.contains_key(via)).or_else(|| self.only_call(now));
                let key = about.and_then(|about| self.pending.get(&about)).map(|pending| pending.key.clone());
                let params = params.map_or("{}", |params| frame.node(params).raw());
                let question = Question::new(ByteString::from(method), ByteString::from(params));
                self.questions.insert(id.clone(), about);
                self.effects.push(Effect::Ask { id, question, about: key });
            }
            _ => self.reply(&id, &Err(unanswered(method)), via),
        }
    }

    pub(super) fn told(&mut self, frame: &Frame, method: &str, params: Option<NodeId>) {
        let node = params.map(|params| frame.node(params));
        let member = |name| node.and_then(|node| node.member(name));
        match method {
            "notifications/progress" => {
                let id = member("progressToken").and_then(Id::read).and_then(|id| incoming::ours(&id));
                let number = |name| Some(member(name)?.as_number()?.as_f64());
                let pending = id.and_then(|id| self.pending.get(&id)).filter(|pending| pending.reports);
                let (Some(pending), Some(done)) = (pending, number("progress")) else {
                    self.ignored += 1;
                    return;
                };
                let message = member("message").and_then(Node::as_str);
                let message = message.map(|text| ByteString::from(cut(&text, PROGRESS_TEXT)));
                let progress = Progress { done, total: number("total"), message };
                self.effects.push(Effect::Progress(pending.key.clone(), progress));
            }
            "notifications/cancelled" => {
                let id = member("requestId").and_then(Id::read);
                let Some(id) = id else { return self.ignored += 1 };
                if self.questions.remove(&id).is_some() {
                    self.effects.push(Effect::Withdraw(id));
                } else if let Some(ours) = incoming::ours(&id)
                    && self.pending.get(&ours).is_some_and(|pending| pending.kind == Kind::Own)
                {
                    // So a server ends a stream of changes.
                    self.fail(ours, ClientError::ConnectionLost("the server ended the stream".into()));
                } else {
                    self.ignored += 1;
                }
            }
            "notifications/subscriptions/acknowledged" => {
                let meta = member("_meta");
                let id = meta.and_then(|meta| meta.member(meta::SUBSCRIPTION_ID));
                let id = id.and_then(Id::read).and_then(|id| incoming::ours(&id));
                match id.and_then(|id| self.pending.get(&id)) {
                    Some(pending) => self.effects.push(Effect::Acknowledged(pending.key.clone())),
                    None => self.ignored += 1,
                }
            }
            "notifications/tools/list_changed" => self.event(ClientEvent::ToolsChanged),
            "notifications/prompts/list_changed" => self.event(ClientEvent::PromptsChanged),
            "notifications/resources/list_changed" => self.event(ClientEvent::ResourcesChanged),
            "notifications/resources/updated" => match member("uri").and_then(Node::as_str) {
                Some(uri) if uri.len() <= LARGEST => {
                    self.event(ClientEvent::ResourceUpdated { uri: ByteString::from(uri.into_owned()) });
                }
                _ => self.ignored += 1,
            },
            _ => {
                let params = node.map_or("{}", |node| node.raw());
                if LARGEST < params.len() + method.len() {
                    self.ignored += 1;
                    return;
                }
                let params = ByteString::from(params);
                self.event(match method {
                    "notifications/message" => ClientEvent::Log { params },
                    _ => ClientEvent::Notification { method: ByteString::from(method), params },
                });
            }
        }
    }

    fn event(&mut self, event: ClientEvent) {
        self.effects.push(Effect::Event(event));
    }

    /// Remembers a request that was left, so that what it still asks is put to nobody else.
    pub(super) fn leave_behind(&mut self, left: Left) {
        if self.left.len() == LEFT {
            self.left.pop_front();
        }
        self.left.push_back(left);
    }

    /// The one request of the host that is in flight, if there is one and no more, and none that was left may ask on
    /// somebody else's behalf.
    fn only_call(&mut self, now: Instant) -> Option<i64> {
        if self.calls != 1 {
            return None;
        }
        while self.left.front().is_some_and(|left| HAUNTS <= now.saturating_duration_since(left.since)) {
            self.left.pop_front();
        }
        let (id, pending) = self.pending.iter().find(|(_, pending)| pending.kind == Kind::Call)?;
        self.left.iter().all(|left| left.whom == pending.whom).then_some(*id)
    }
}

fn internal(error: impl std::fmt::Display) -> RpcError {
    RpcError::new(Code::INTERNAL_ERROR, error.to_string())
}

fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}
