//! The lock file of tools: what each upstream's tools said of themselves when somebody accepted them.

mod diff;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use toolpost_json::{Frame, Kind, Limits, write};

pub(crate) use record::Record;

/// The longest lock file that is read.
const FILE_MAX: usize = 64 << 20;
/// The form of the file.
const FORM: &str = "1";

/// Pins tools of upstreams: their names, titles, descriptions, hints and schemas, as somebody accepted them.
///
/// A tool that an upstream lists otherwise than it is pinned, or that is not pinned at all, is refused by itself: it is
/// neither listed nor called until the [`PinChange`] is [accepted](Self::accept). So a server cannot change what a tool says
/// once people have come to trust it. What is pinned is the [cleaned](crate::Upstream) text, the one that models see.
///
/// A clone is the same pins. Whoever [shares](crate::UpstreamOptions::pins) them with upstreams changes both.
///
/// # The file
///
/// [`to_json`](Self::to_json) writes a JSON file to be kept under version control: members sorted by name, a line of a
/// description on a line of its own, so that a difference between two of them can be read.
///
/// ```
/// use toolpost_upstream::Pins;
///
/// let text = r#"{
///   "toolpost-pins": 1,
///   "upstreams": {
///     "files": {
///       "read": {
///         "description": [
///           "Reads a file."
///         ],
///         "inputSchema": {
///           "type": "object"
///         }
///       }
///     }
///   }
/// }
/// "#;
/// let pins = Pins::read(text)?;
/// assert_eq!(pins.to_json(), text);
/// assert!(pins.is_pinned("files", "read"));
/// # Ok::<(), toolpost_upstream::InvalidPins>(())
/// ```
#[derive(Clone)]
pub struct Pins(Arc<Shared>);

struct Shared {
    pinned: Mutex<Pinned>,
    /// Grows with each change.
    changes: watch::Sender<u64>,
}

/// The tools of each upstream, by their names there.
type Pinned = BTreeMap<String, BTreeMap<String, Arc<Record>>>;

impl Pins {
    /// Nothing is pinned: every tool of an upstream that goes by these pins is refused until it is accepted.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Pinned::new())
    }

    /// Reads the lock file, of at most 64 MiB.
    ///
    /// # Errors
    ///
    /// If the text is none: what is wrong with it, and where.
    pub fn read(text: &str) -> Result<Self, InvalidPins> {
        let fault = |what: String| InvalidPins { what };
        let limits = Limits::new().bytes(FILE_MAX).nodes(1 << 23);
        let frame = Frame::from_text(text.to_owned(), &limits).map_err(|why| fault(why.to_string()))?;
        let root = frame.root();
        match root.member("toolpost-pins").map(|form| form.raw()) {
            Some(FORM) => {}
            Some(other) => {
                return Err(fault(format!("`toolpost-pins` is {other}, and this version reads {FORM}")));
            }
            None => return Err(fault("`toolpost-pins` is missing: this is no lock file of tools".into())),
        }
        if let Some((key, _)) =
            root.members().find(|(key, _)| !key.is("toolpost-pins") && !key.is("upstreams"))
        {
            return Err(fault(format!("unknown member `{key}`; there are `toolpost-pins` and `upstreams`")));
        }
        let upstreams = root.member("upstreams").filter(|node| node.kind() == Kind::Object);
        let upstreams = upstreams.ok_or_else(|| fault("`upstreams` is missing, or no object".into()))?;
        let mut pinned = Pinned::new();
        for (upstream, tools) in upstreams.members() {
            if tools.kind() != Kind::Object {
                return Err(fault(format!("`upstreams.{upstream}` is no object")));
            }
            let of_upstream = pinned.entry(upstream.name().into_owned()).or_default();
            for (tool, record) in tools.members() {
                let record = Record::read(record)
                    .map_err(|what| fault(format!("`upstreams.{upstream}.{tool}`: {what}")))?;
                of_upstream.insert(tool.name().into_owned(), Arc::new(record));
            }
        }
        Ok(Self::of(pinned))
    }

    /// The lock file. The same pins make the same text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        out.extend_from_slice(b"{\n  \"toolpost-pins\": ");
        out.extend_from_slice(FORM.as_bytes());
        out.extend_from_slice(b",\n  \"upstreams\": ");
        object(&mut out, 1, &self.pinned(), |out, tools| {
            object(out, 2, tools, |out, record| record.write(out, 3));
        });
        out.extend_from_slice(b"\n}\n");
        // Made of text alone.
        String::from_utf8(out).unwrap_or_default()
    }

    /// Whether the upstream's tool is pinned, however it is listed now.
    #[must_use]
    pub fn is_pinned(&self, upstream: &str, tool: &str) -> bool {
        self.pinned().get(upstream).is_some_and(|tools| tools.contains_key(tool))
    }

    /// Accepts a change: from now on the tool is pinned as the change shows it, and one that has vanished is pinned no
    /// more. Exactly what was shown is accepted: if the upstream lists it otherwise by now, that is another change.
    pub fn accept(&self, change: &PinChange) {
        {
            let mut pinned = self.pinned();
            let tools = pinned.entry(change.upstream.clone()).or_default();
            match &change.after {
                Some(record) => drop(tools.insert(change.tool.clone(), Arc::clone(record))),
                None => drop(tools.remove(&change.tool)),
            }
        }
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Pins what `other` does now, and nothing else: a lock file that was read again.
    pub fn replace(&self, other: &Self) {
        let other = other.pinned().clone();
        *self.pinned() = other;
        self.0.changes.send_modify(|changes| *changes += 1);
    }

    /// Forgets all that is pinned of an upstream.
    pub fn forget(&self, upstream: &str) {
        let was_there = self.pinned().remove(upstream).is_some();
        if was_there {
            self.0.changes.send_modify(|changes| *changes += 1);
        }
    }

    /// How what an upstream lists differs from what is pinned, in the order of the tools' names.
    pub(crate) fn judge(&self, upstream: &str, listed: &BTreeMap<String, Arc<Record>>) -> Vec<PinChange> {
        let pinned = self.pinned();
        let none = BTreeMap::new();
        let pinned = pinned.get(upstream).unwrap_or(&none);
        let names: BTreeSet<&String> = pinned.keys().chain(listed.keys()).collect();
        let changes = names.into_iter().filter_map(|tool| {
            let (before, after) = (pinned.get(tool), listed.get(tool));
            (before != after).then(|| PinChange {
                upstream: upstream.to_owned(),
                tool: tool.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
        });
        changes.collect()
    }

    /// The names of the upstream's tools that are pinned.
    pub(crate) fn names(&self, upstream: &str) -> Vec<String> {
        self.pinned().get(upstream).into_iter().flat_map(|tools| tools.keys().cloned()).collect()
    }

    /// Signals changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn of(pinned: Pinned) -> Self {
        Self(Arc::new(Shared { pinned: Mutex::new(pinned), changes: watch::Sender::new(0) }))
    }

    fn pinned(&self) -> MutexGuard<'_, Pinned> {
        self.0.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Pins {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pinned = self.pinned();
        f.debug_map().entries(pinned.iter().map(|(upstream, tools)| (upstream, tools.len()))).finish()
    }
}

/// How one tool of an upstream differs from what is pinned. Its `Display` is one line; [`diff`](Self::diff) shows the
/// difference.
#[derive(Clone, Eq, PartialEq)]
pub struct PinChange {
    upstream: String,
    tool: String,
    before: Option<Arc<Record>>,
    after: Option<Arc<Record>>,
}

impl PinChange {
    /// The upstream.
    #[must_use]
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The tool's name there.
    #[must_use]
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Whether the upstream lists a tool that is not pinned.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// Whether a tool is pinned that the upstream does not list.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.after.is_none()
    }

    /// The difference in lines, as `diff -u` shows it: ` ` as it was, `-` no more, `+` new. At most 400 lines, each cut at 400
    /// bytes; characters that nobody sees are escaped.
    #[must_use]
    pub fn diff(&self) -> String {
        let text =
            |record: &Option<Arc<Record>>| record.as_ref().map_or_else(String::new, |record| record.text());
        diff::lines(&text(&self.before), &text(&self.after))
    }
}

impl fmt::Display for PinChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, tool, .. } = self;
        match (self.is_new(), self.is_gone()) {
            (true, _) => {
                write!(f, "`{upstream}` lists the tool `{tool}`, which is not pinned: accept it to use it")
            }
            (_, true) => write!(f, "`{upstream}` does not list the tool `{tool}`, which is pinned"),
            _ => write!(
                f,
                "`{upstream}` lists the tool `{tool}` otherwise than it is pinned: accept it to use it"
            ),
        }
    }
}

impl fmt::Debug for PinChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PinChange({self})")
    }
}

/// A text that is no lock file of tools.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the pins cannot be read: {what}")]
pub struct InvalidPins {
    what: String,
}

/// Writes an object over several lines.
fn object<T>(
    out: &mut Vec<u8>,
    depth: usize,
    members: &BTreeMap<String, T>,
    value: impl Fn(&mut Vec<u8>, &T),
) {
    if members.is_empty() {
        return out.extend_from_slice(b"{}");
    }
    for (n, (name, member)) in members.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"{" } else { b"," });
        record::line(out, depth + 1);
        write::string(out, name);
        out.extend_from_slice(b": ");
        value(out, member);
    }
    record::line(out, depth);
    out.push(b'}');
}

#[cfg(test)]
mod tests;
