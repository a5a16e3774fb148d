//! The document of a plan: checked JSON that nobody has looked into yet.

use std::fmt;

use bytestring::ByteString;
use serde_json::Value;
use toolpost_json::{Frame, Node, Violation, ViolationKind};

use crate::fault::{PlanFaultKind, RefusedPlan, refused};
use crate::limits::PlanLimits;

/// Holds the document of a plan: JSON within the limits, without two members of one name in an object. What it says is
/// checked by [`compile`](Self::compile).
///
/// ```
/// use toolpost_plan::{PlanDocument, PlanLimits};
///
/// let document = PlanDocument::parse(
///     r#"{
///         "steps": {
///             "files": {"tool": "list_files", "arguments": {"glob": "*.md"}},
///             "first": {"tool": "read_file", "arguments": {"path": {"$ref": "/steps/files/output/files/0/path"}}}
///         },
///         "output": {"$ref": "/steps/first/output"}
///     }"#,
///     &PlanLimits::default(),
/// )?;
/// assert_eq!(document.root().member("steps").unwrap().len(), 2);
/// # Ok::<(), toolpost_plan::RefusedPlan>(())
/// ```
///
/// # The form
///
/// `steps` is an object: each member is a step, named by letters, digits, `_` and `-`. A step has a `tool` and its
/// `arguments`, or a whole `plan` and its `input`. What a step refers to it waits for; `after` lists what it waits for
/// besides. Either way it runs only if that succeeded.
///
/// A value may be, anywhere in `arguments`, `input`, `output` and the `over` of a `map`:
///
/// | value | stands for |
/// |---|---|
/// | `{"$ref": "/steps/user/output/id"}` | a part of a step's output, by JSON Pointer |
/// | `{"$ref": "/steps/user/output/id", "default": 0}` | the same, or `0` if the step has no output or the output no such part |
/// | `{"$ref": "/input/id"}` | a part of the input of this plan |
/// | `{"$ref": "/item/id"}`, `{"$ref": "/index"}` | a part of the item of the list, and its place, within a step with `map` |
/// | `{"$cel": "size(steps.files.output.files) + 1"}` | what a CEL expression comes to |
/// | `{"$literal": {"$ref": "as it is"}}` | what stands in it, with nothing looked up |
/// | anything else | itself, its members and items looked into |
///
/// The output of a step is the structured content of its tool's result; of a result without any, its text as a string,
/// and of one with other content, the array of its blocks.
///
/// A step may also have: `when`, a CEL expression that skips it unless true; `retry` (`attempts`, `waitMs`), for tools
/// that are safe to repeat; `timeoutMs` for each attempt; `priority`; `onFailure` (`isolate`: what depends on it is
/// skipped, `allow`: so too, and the run succeeds all the same, `failFast`: the run ends); `map` (`over`, `concurrency`,
/// `tolerate`, `atMost`), which runs it for every item of a list and has the list of outputs, with `null` for tolerated
/// failures, for its output; `needsApproval`. [`schema`](Self::schema) is the whole form.
///
/// # Expressions
///
/// `when` and `$cel` take a subset of CEL, the Common Expression Language: literals, lists and maps; `steps.NAME.output`
/// (`steps["NAME"].output` where the name has a `-`), `input`, and within a `map` `item` and `index`, with members and
/// items of them; `! - * / % + == != < <= > >= in && || ?:`; `has`, `size`, `contains`, `startsWith`, `endsWith`, `string`,
/// `int`, `double`; `all`, `exists`, `exists_one`, `filter` and `map`. A whole number of JSON is an `int` and any other a
/// `double`; one beside the other counts as a `double`. There are no unsigned numbers, bytes, times and regular expressions.
#[derive(Clone)]
pub struct PlanDocument {
    frame: Frame,
}

impl PlanDocument {
    /// Reads a document.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, has two members of one name in an object, or exceeds a limit.
    pub fn parse(text: impl Into<ByteString>, limits: &PlanLimits) -> Result<Self, RefusedPlan> {
        let text = text.into();
        let length = text.len();
        match Frame::from_text(text, &limits.of_document()) {
            Ok(frame) => Ok(Self { frame }),
            Err(violation) => Err(unread(violation, length, limits)),
        }
    }

    /// Takes a part of a message for a document: the argument of a call, say. No text is copied.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_node(node: Node<'_>, limits: &PlanLimits) -> Result<Self, RefusedPlan> {
        Self::parse(node.frame().text().slice_ref(node.raw()), limits)
    }

    /// The document, to be looked at in place.
    #[must_use]
    pub const fn root(&self) -> Node<'_> {
        self.frame.root()
    }

    /// The text, exactly as it came.
    #[must_use]
    pub const fn text(&self) -> &ByteString {
        self.frame.text()
    }

    /// The JSON Schema of documents, as text: what a client is shown, or an editor.
    #[must_use]
    pub const fn schema_text() -> &'static str {
        include_str!("../docs/plan.schema.json")
    }

    /// The JSON Schema of documents.
    ///
    /// # Panics
    ///
    /// Never: its text is tested.
    #[must_use]
    pub fn schema() -> Value {
        serde_json::from_str(Self::schema_text()).expect("the schema is JSON")
    }
}

impl fmt::Debug for PlanDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A document may hold what must not be logged.
        f.debug_struct("PlanDocument").field("bytes", &self.text().len()).finish_non_exhaustive()
    }
}

fn unread(violation: Violation, length: usize, limits: &PlanLimits) -> RefusedPlan {
    let (kind, message) = match violation.kind() {
        ViolationKind::TooLarge { .. } => (
            PlanFaultKind::Limit,
            format!("the document has {length} bytes; the limit `bytes` is {}", limits.bytes),
        ),
        ViolationKind::TooDeep { limit } => (
            PlanFaultKind::Limit,
            format!("the document nests more than {limit} levels of JSON; the limit `depth` is {limit}"),
        ),
        ViolationKind::TooManyNodes { limit } => (
            PlanFaultKind::Limit,
            format!("the document has more than {limit} values; the limit `values` is {limit}"),
        ),
        _ => (PlanFaultKind::Json, format!("the document is not JSON that can be read: {violation}")),
    };
    refused(kind, "", message)
}
