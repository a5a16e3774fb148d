//! What is pinned of one tool.

use std::fmt::Write as _;

use toolpost_json::{Frame, Kind, Limits, Node};

use crate::clean::is_hidden;

/// The members of a record. What else a tool says (icons, `_meta`) is no text that a model acts on, and may change.
const MEMBERS: [&str; 5] = ["annotations", "description", "inputSchema", "outputSchema", "title"];

/// What a tool says of itself: equal to another exactly if it says the same.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    frame: Frame,
    /// Two ways to write one value are one value. It is never stored: its form may change between versions.
    canonical: Box<[u8]>,
}

impl Record {
    /// The record of a tool that is listed, made of texts that are clean by now.
    ///
    /// # Errors
    ///
    /// What is wrong with its schemas.
    pub(crate) fn of(
        title: Option<&str>,
        description: &str,
        annotations: Option<&str>,
        input: &str,
        output: Option<&str>,
    ) -> Result<Self, String> {
        let lines: Vec<&str> = description.split('\n').collect();
        let described = (!description.is_empty()).then(|| serde_json::json!(lines).to_string());
        let title = title.map(|title| serde_json::json!(title).to_string());
        let members = [
            ("annotations", annotations),
            ("description", described.as_deref()),
            ("inputSchema", Some(input)),
            ("outputSchema", output),
            ("title", title.as_deref()),
        ];
        let mut text = String::from("{");
        for (name, value) in members {
            let Some(value) = value else { continue };
            let comma = if text.len() == 1 { "" } else { "," };
            // Into a string, which takes all that comes.
            let _infallible = write!(text, r#"{comma}"{name}":{value}"#);
        }
        text.push('}');
        let limits = Limits::new().depth(128);
        Frame::from_text(text, &limits).map(Self::new).map_err(|violation| violation.to_string())
    }

    /// Reads a record of the lock file.
    pub(crate) fn read(node: Node<'_>) -> Result<Self, String> {
        if node.kind() != Kind::Object {
            return Err("is no object".into());
        }
        if let Some((key, _)) = node.members().find(|(key, _)| !MEMBERS.iter().any(|name| key.is(name))) {
            return Err(format!("unknown member `{key}`; there are {}", MEMBERS.join(", ")));
        }
        let described = node.member("description");
        let is_lines = |lines: Node<'_>| {
            lines.kind() == Kind::Array && lines.items().all(|line| line.kind() == Kind::String)
        };
        if described.is_some_and(|lines| !is_lines(lines)) {
            return Err("`description` is no array of lines".into());
        }
        let limits = Limits::new().bytes(16 << 20).nodes(1 << 21).depth(128);
        let frame = Frame::from_text(node.raw().to_owned(), &limits);
        frame.map(Self::new).map_err(|violation| violation.to_string())
    }

    /// Writes it over several lines, the first of which goes on where `out` is.
    pub(crate) fn write(&self, out: &mut Vec<u8>, depth: usize) {
        value(out, self.frame.root(), depth);
    }

    /// The record in lines.
    pub(crate) fn text(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out, 0);
        // Made of text alone.
        String::from_utf8(out).unwrap_or_default()
    }

    fn new(frame: Frame) -> Self {
        let mut canonical = Vec::new();
        frame.root().write_canonical(&mut canonical);
        Self { frame, canonical: canonical.into() }
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Record {}

/// Begins a line, `depth` deep.
pub(super) fn line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.extend(std::iter::repeat_n(b' ', 2 * depth));
}

/// Writes a value with members sorted by name. The depth of what was guarded is bounded.
fn value(out: &mut Vec<u8>, node: Node<'_>, depth: usize) {
    match node.kind() {
        Kind::Object if !node.is_empty() => {
            let mut members: Vec<_> = node.members().map(|(key, value)| (key.name(), value)).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            for (n, (name, member)) in members.into_iter().enumerate() {
                out.push(if n == 0 { b'{' } else { b',' });
                line(out, depth + 1);
                string(out, &name);
                out.extend_from_slice(b": ");
                value(out, member, depth + 1);
            }
            line(out, depth);
            out.push(b'}');
        }
        Kind::Array if !node.is_empty() => {
            for (n, item) in node.items().enumerate() {
                out.push(if n == 0 { b'[' } else { b',' });
                line(out, depth + 1);
                value(out, item, depth + 1);
            }
            line(out, depth);
            out.push(b']');
        }
        Kind::Object => out.extend_from_slice(b"{}"),
        Kind::Array => out.extend_from_slice(b"[]"),
        Kind::String => string(out, &node.as_str().unwrap_or_default()),
        _ => out.extend_from_slice(node.raw().as_bytes()),
    }
}

/// Writes a string; what nobody would see of it is escaped.
fn string(out: &mut Vec<u8>, text: &str) {
    if !text.chars().any(|c| is_hidden(c) && !c.is_ascii_control()) {
        return toolpost_json::write::string(out, text);
    }
    out.push(b'"');
    for c in text.chars() {
        let mut one = [0; 4];
        let one = c.encode_utf8(&mut one);
        if is_hidden(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
            continue;
        }
        let mut quoted = Vec::new();
        toolpost_json::write::string(&mut quoted, one);
        out.extend_from_slice(&quoted[1..quoted.len() - 1]);
    }
    out.push(b'"');
}
