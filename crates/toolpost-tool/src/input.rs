//! Input that a running call asks its client for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use toolpost_json::{Frame, Kind, Limits, Node, write};

use crate::ToolError;

/// One question to the client: an elicitation, a sampling request, or its roots.
///
/// ```
/// use toolpost_tool::InputRequest;
///
/// let question = InputRequest::elicit(
///     "Your name?",
///     &serde_json::json!({"type": "object", "properties": {"name": {"type": "string"}}}),
/// );
/// assert_eq!(question.method(), "elicitation/create");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputRequest {
    method: &'static str,
    params: Option<String>,
    needs: Capability,
    /// A form that is whole when nothing is filled in.
    is_optional: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Capability {
    Elicitation,
    ElicitationUrl,
    Sampling,
    Roots,
}

impl InputRequest {
    /// Asks the user to fill in a form described by `schema` (a flat JSON Schema object). Where it requires nothing,
    /// a client may accept it without any content, which is then `{}`.
    #[must_use]
    pub fn elicit(message: &str, schema: &serde_json::Value) -> Self {
        let params = serde_json::json!({ "mode": "form", "message": message, "requestedSchema": schema });
        Self {
            method: "elicitation/create",
            params: Some(params.to_string()),
            needs: Capability::Elicitation,
            is_optional: schema["required"].as_array().is_none_or(Vec::is_empty),
        }
    }

    /// Asks the user to visit `url`, for what must not pass through the client.
    #[must_use]
    pub fn visit(message: &str, url: &str) -> Self {
        let params = serde_json::json!({ "mode": "url", "message": message, "url": url });
        Self {
            method: "elicitation/create",
            params: Some(params.to_string()),
            needs: Capability::ElicitationUrl,
            is_optional: false,
        }
    }

    /// Asks the client's model; `params` are those of `sampling/createMessage`.
    #[must_use]
    pub fn sample(params: &serde_json::Value) -> Self {
        Self {
            method: "sampling/createMessage",
            params: Some(params.to_string()),
            needs: Capability::Sampling,
            is_optional: false,
        }
    }

    /// Asks for the client's roots.
    #[must_use]
    pub const fn roots() -> Self {
        Self { method: "roots/list", params: None, needs: Capability::Roots, is_optional: false }
    }

    /// The question that another server asks by this method, with these params as they came; `None` if it is none that a client
    /// can be asked.
    ///
    /// ```
    /// use toolpost_json::{Frame, Limits};
    /// use toolpost_tool::InputRequest;
    ///
    /// let params = Frame::from_text(r#"{"mode":"url","message":"Sign in","url":"https://a.example"}"#, &Limits::new())?;
    /// let question = InputRequest::read("elicitation/create", Some(params.root())).unwrap();
    /// assert_eq!(question.capability(), "elicitation.url");
    /// assert!(InputRequest::read("ping", None).is_none());
    /// # Ok::<(), toolpost_json::Violation>(())
    /// ```
    #[must_use]
    pub fn read(method: &str, params: Option<Node<'_>>) -> Option<Self> {
        let member = |name| params.and_then(|params| params.member(name));
        let (method, needs) = match method {
            "elicitation/create" => match member("mode").and_then(Node::as_str).as_deref() {
                Some("url") => ("elicitation/create", Capability::ElicitationUrl),
                None | Some("form") => ("elicitation/create", Capability::Elicitation),
                Some(_) => return None,
            },
            "sampling/createMessage" => ("sampling/createMessage", Capability::Sampling),
            "roots/list" => ("roots/list", Capability::Roots),
            _ => return None,
        };
        let required = member("requestedSchema").and_then(|schema| schema.member("required"));
        let is_optional = needs == Capability::Elicitation && required.is_none_or(Node::is_empty);
        let params = params.filter(|params| params.kind() == Kind::Object);
        if params.is_none() && needs != Capability::Roots {
            return None;
        }
        Some(Self { method, params: params.map(without_meta), needs, is_optional })
    }

    /// The method of the embedded request.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The parameters of the embedded request, encoded.
    #[must_use]
    pub fn params(&self) -> Option<&str> {
        self.params.as_deref()
    }

    /// Whether a client with these capabilities may be asked.
    #[must_use]
    pub fn fits(&self, client: &InputCapabilities) -> bool {
        match self.needs {
            Capability::Elicitation => client.elicitation,
            Capability::ElicitationUrl => client.elicitation_url,
            Capability::Sampling => client.sampling,
            Capability::Roots => client.roots,
        }
    }

    /// Whether `answer` has the form of an answer to this request. Whether its content fits what was
    /// asked for is the tool's to judge.
    #[must_use]
    pub fn accepts(&self, answer: Node<'_>) -> bool {
        let is = |member: &str, kind: Kind| answer.member(member).is_some_and(|node| node.kind() == kind);
        let action = || answer.member("action").and_then(Node::as_str);
        match self.needs {
            Capability::Elicitation => match action().as_deref() {
                Some("accept") => is("content", Kind::Object) || self.is_bare(answer),
                action => matches!(action, Some("decline" | "cancel")),
            },
            Capability::ElicitationUrl => {
                matches!(action().as_deref(), Some("accept" | "decline" | "cancel"))
            }
            Capability::Sampling => is("role", Kind::String) && answer.member("content").is_some(),
            Capability::Roots => is("roots", Kind::Array),
        }
    }

    /// What `answer` lacks to be one to this request, for people; `None` if it [is one](Self::accepts).
    #[must_use]
    #[cold]
    pub fn lacks(&self, answer: Node<'_>) -> Option<String> {
        if self.accepts(answer) {
            return None;
        }
        let is_accepted = answer.member("action").and_then(Node::as_str).as_deref() == Some("accept");
        Some(match self.needs {
            Capability::Elicitation if is_accepted => match self.required().as_slice() {
                [] => "`content` as an object".into(),
                names => format!("`content` with {}", names.join(", ")),
            },
            Capability::Elicitation | Capability::ElicitationUrl => {
                "`action`: accept, decline or cancel".into()
            }
            Capability::Sampling => "`role` and `content`".into(),
            Capability::Roots => "`roots` as an array".into(),
        })
    }

    /// `answer` as whoever asked reads it, if it is one: where the form requires nothing, no content is `{}`.
    pub(crate) fn answer_in<'a>(&self, answer: Node<'a>) -> Option<Node<'a>> {
        static NOTHING: LazyLock<Option<Frame>> = LazyLock::new(|| {
            Frame::from_text(r#"{"action":"accept","content":{}}"#.to_owned(), &Limits::new()).ok()
        });
        if !self.accepts(answer) {
            return None;
        }
        match self.is_bare(answer) {
            true => NOTHING.as_ref().map(Frame::root),
            false => Some(answer),
        }
    }

    /// Whether `answer` accepts, without any content, a form that requires none.
    fn is_bare(&self, answer: Node<'_>) -> bool {
        self.is_optional
            && answer.member("content").is_none_or(Node::is_null)
            && answer.member("action").and_then(Node::as_str).as_deref() == Some("accept")
    }

    /// The names that its form requires, quoted.
    fn required(&self) -> Vec<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            requested_schema: Form,
        }

        #[derive(Deserialize)]
        struct Form {
            #[serde(default)]
            required: Vec<String>,
        }

        let params = self.params.as_deref().and_then(|params| serde_json::from_str::<Params>(params).ok());
        let names = params.map(|params| params.requested_schema.required).unwrap_or_default();
        names.iter().map(|name| format!("`{name}`")).collect()
    }

    /// The capability a client must declare to be asked, for people.
    #[must_use]
    pub const fn capability(&self) -> &'static str {
        match self.needs {
            Capability::Elicitation => "elicitation",
            Capability::ElicitationUrl => "elicitation.url",
            Capability::Sampling => "sampling",
            Capability::Roots => "roots",
        }
    }

    /// The capability a client must declare to be asked, as a `ClientCapabilities` object.
    #[must_use]
    pub fn required_capability(&self) -> serde_json::Value {
        match self.needs {
            Capability::Elicitation => serde_json::json!({ "elicitation": { "form": {} } }),
            Capability::ElicitationUrl => serde_json::json!({ "elicitation": { "url": {} } }),
            Capability::Sampling => serde_json::json!({ "sampling": {} }),
            Capability::Roots => serde_json::json!({ "roots": {} }),
        }
    }
}

/// The params without what is said of the message that they came in.
fn without_meta(params: Node<'_>) -> String {
    if params.member("_meta").is_none() {
        return params.raw().to_owned();
    }
    let members = params.members().filter(|(key, _)| !key.is("_meta"));
    merge_answers(None, members.map(|(key, value)| (key.name(), value.raw())))
}

/// What the client of a call can be asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct InputCapabilities {
    /// The user can fill in a form.
    pub elicitation: bool,
    /// The user can be sent to a URL.
    pub elicitation_url: bool,
    /// The client's model can be asked.
    pub sampling: bool,
    /// The client has roots.
    pub roots: bool,
}

impl InputCapabilities {
    /// Reads a `ClientCapabilities` object. An empty `elicitation` means forms only; what is `null` is not declared.
    #[must_use]
    pub fn read(capabilities: Node<'_>) -> Self {
        let declared = |of: Node<'_>, name| of.member(name).is_some_and(|node| !node.is_null());
        let elicitation = capabilities.member("elicitation").filter(|node| !node.is_null());
        let url = elicitation.is_some_and(|elicitation| declared(elicitation, "url"));
        let form = elicitation.is_some_and(|elicitation| declared(elicitation, "form") || !url);
        Self {
            elicitation: form,
            elicitation_url: url,
            sampling: declared(capabilities, "sampling"),
            roots: declared(capabilities, "roots"),
        }
    }
}

/// What a suspended call waits for: questions by key, and the state it wants back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct InputRequired {
    requests: BTreeMap<String, InputRequest>,
    state: Option<ByteString>,
}

impl InputRequired {
    /// How many rounds in a row may [bring no answer](Self::lacks) before whoever asks the client fails the call.
    pub const FRUITLESS_ROUNDS: u8 = 3;

    /// Waits for nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { requests: BTreeMap::new(), state: None }
    }

    /// Adds a question; a second one under the same key replaces the first.
    #[must_use]
    pub fn asking(mut self, key: impl Into<String>, request: InputRequest) -> Self {
        self.requests.insert(key.into(), request);
        self
    }

    /// Sets the state to be handed back with the answers. It travels through the client sealed.
    ///
    /// The server keeps nothing of a suspended call, so a client may hand the same state back more than once while it
    /// lasts: to try again after a connection broke, or on another instance. Each time is a call of its own, authorized
    /// and checked like any other. A tool whose effect must happen once puts a key for it into the state, and has the
    /// system that the effect is in refuse the key a second time.
    ///
    /// # Errors
    ///
    /// If `state` cannot be encoded as JSON.
    pub fn with_state<T: Serialize + ?Sized>(mut self, state: &T) -> Result<Self, ToolError> {
        self.state = Some(serde_json::to_string(state)?.into());
        Ok(self)
    }

    /// What is missing, for people, if one of `answers` (an object by key) is none to what is asked for under its key, or
    /// if the round that asks again [brought no answer](Self::is_answered).
    #[must_use]
    #[cold]
    pub fn lacks(&self, answers: Node<'_>, is_answered: bool) -> Option<String> {
        let malformed = self.requests.iter().find_map(|(key, request)| {
            let lacking = request.lacks(answers.member(key)?)?;
            Some(format!("the client was asked for `{key}`, and again, and its answer lacks {lacking}"))
        });
        malformed.or_else(|| {
            let (key, _) = self.requests.first_key_value().filter(|_| !is_answered)?;
            Some(format!(
                "the client was asked for `{key}`, and again, and answered nothing that it was asked"
            ))
        })
    }

    /// Whether `newer` answers (an object by key) have one under a key that was `asked` (an array of keys). Where it is
    /// not known what was asked, each is taken for one.
    #[must_use]
    #[cold]
    pub fn is_answered(asked: Option<Node<'_>>, newer: Option<Node<'_>>) -> bool {
        newer.into_iter().flat_map(Node::members).any(|(key, _)| {
            asked.is_none_or(|asked| asked.items().any(|one| one.as_str().is_some_and(|one| key.is(&one))))
        })
    }

    /// The questions by key.
    #[must_use]
    pub const fn requests(&self) -> &BTreeMap<String, InputRequest> {
        &self.requests
    }

    /// The state, encoded.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Writes the answers of earlier rounds and the newer ones as one object by key; where both have a key, the newer wins.
#[must_use]
pub fn merge_answers<'a>(
    earlier: Option<Node<'a>>,
    newer: impl Iterator<Item = (Cow<'a, str>, &'a str)>,
) -> String {
    let newer: Vec<_> = newer.collect();
    let kept = earlier.into_iter().flat_map(Node::members).map(|(key, node)| (key.name(), node.raw()));
    let kept = kept.filter(|(key, _)| newer.iter().all(|(newer, _)| newer != key));
    let mut out = vec![b'{'];
    for (n, (key, answer)) in kept.chain(newer.iter().cloned()).enumerate() {
        if 0 < n {
            out.push(b',');
        }
        write::string(&mut out, &key);
        out.push(b':');
        out.extend_from_slice(answer.as_bytes());
    }
    out.push(b'}');
    // Made of text alone.
    String::from_utf8(out).unwrap_or_default()
}
