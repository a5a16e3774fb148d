//! `git_log`: what was done to the checkout, newest first.
//!
//! What reads the repository maps its packs into memory, and a pack that is cut off meanwhile ends the process that reads
//! it. So a server lets a child of its own binary read; a function call of the tool reads by itself.

mod child;

use std::sync::Arc;
use std::time::Duration;

use gix::date::time::format::ISO8601_STRICT;
use gix::revision::walk::Sorting;
use gix::traverse::commit::simple::CommitTimeOrder;
use gix::{Commit, Id, ObjectId, Repository};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost_tool::{AnyTool, CachePolicy, Call, Json, ToolError, blocking_fn, tool_fn};

use super::{head, local, wrong};
use crate::checkout::{Checkout, NoCheckout, OBJECT_MAX};
use crate::meter::Meter;
use crate::root::{RelPath, Root, exhausted};

pub use child::{answer, read_in_children_of};

const LIMIT: usize = 20;
const LIMIT_MAX: usize = 200;

/// What is shown of a subject, and of a name or an address, in bytes.
const SUBJECT_MAX: usize = 500;
const NAME_MAX: usize = 200;

/// The most parents of a commit that are shown.
const PARENTS_MAX: usize = 64;

/// Logs that are read at once: each may be a process.
const AT_ONCE: u32 = 8;

/// The longest name of a revision, in bytes.
const REVISION_MAX: usize = 250;

/// What is shown of one message's body, in bytes.
const BODY_MAX: usize = 2_000;

/// Bytes of objects kept at hand during one call.
const OBJECTS_MAX: usize = 8 << 20;

/// Shows the commits of the git checkout at the root, newest first.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct GitLog {
    /// Where to start: HEAD, a branch, a tag, or a full commit id; HEAD if left out.
    #[schemars(length(min = 1, max = 250))]
    revision: Option<String>,
    /// Only commits that changed this file or directory, relative to the root.
    #[schemars(length(max = 4_096))]
    path: Option<String>,
    /// The most commits to show; 20 if left out.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Log {
    /// The branch that is checked out; null if none is.
    branch: Option<String>,
    /// Newest first.
    commits: Vec<Entry>,
    /// Whether older commits are missing from this checkout.
    shallow: bool,
    /// Whether there may be more than was returned.
    truncated: bool,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Entry {
    /// The full id.
    id: String,
    /// The ids of its parents; more than one for a merge, at most 64.
    parents: Vec<String>,
    author: String,
    email: String,
    /// When it was committed, in the committer's own time zone.
    date: String,
    /// The first line of the message, cut after 500 bytes.
    subject: String,
    /// The rest of the message, cut after 2,000 bytes; empty if there is none.
    body: String,
}

pub(super) fn tool(root: Arc<Root>) -> AnyTool {
    let checkout = Arc::new(Checkout::of(root));
    let spec = |spec| {
        local(spec, "Git log", Duration::from_secs(10))
            .with_category("history")
            .with_concurrency(AT_ONCE)
            .with_cache(CachePolicy::new(Duration::from_secs(5)).public().tagged("history"))
    };
    let Some(program) = child::program() else {
        let tool = blocking_fn("git_log", move |args: GitLog, call| run(&checkout, &args, &call).map(Json));
        return AnyTool::new(tool.with_spec(spec));
    };
    let tool = tool_fn("git_log", move |args: GitLog, _| {
        let checkout = Arc::clone(&checkout);
        async move {
            args.check()?;
            child::ask(program, checkout.root().path(), &args).await.map(Json)
        }
    });
    AnyTool::new(tool.with_spec(spec))
}

impl GitLog {
    /// Says which argument cannot be right, whatever the repository holds.
    fn check(&self) -> Result<RelPath, ToolError> {
        if let Some(revision) = self.revision.as_deref().filter(|name| name.len() > REVISION_MAX) {
            return Err(unknown(revision));
        }
        match self.path.as_deref() {
            None => Ok(RelPath::root()),
            Some(path) => RelPath::parse(path).map_err(|refused| refused.answer("path")),
        }
    }
}

fn run(checkout: &Checkout, args: &GitLog, call: &Call) -> Result<Log, ToolError> {
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let path = args.check()?;
    let mut repository = match checkout.repository() {
        Err(NoCheckout::Exhausted) => return Err(exhausted()),
        repository => repository?,
    };
    repository.object_cache_size_if_unset(OBJECTS_MAX);
    let tip = tip(&repository, args.revision.as_deref())?;
    let mut log = Log {
        branch: repository.head_name().ok().flatten().map(|name| name.shorten().to_string()),
        commits: Vec::new(),
        shallow: repository.is_shallow().unwrap_or(false),
        truncated: false,
    };
    let Some(tip) = tip else { return Ok(log) };
    let meter = Meter::new(call, "looked at", "commits");
    let walk = repository
        .rev_walk([tip.detach()])
        .sorting(Sorting::ByCommitTime(CommitTimeOrder::NewestFirst))
        .all()
        .map_err(damaged)?;
    for info in walk {
        if meter.count().is_break() {
            log.truncated = true;
            break;
        }
        let commit = info.and_then(|info| info.object()).map_err(damaged)?;
        if !path.is_root() && !changes(&repository, &commit, path.as_str()).map_err(damaged)? {
            continue;
        }
        if log.commits.len() == limit {
            log.truncated = true;
            break;
        }
        log.commits.push(entry(&commit).map_err(damaged)?);
    }
    if log.commits.is_empty() && !path.is_root() && !log.truncated {
        return Err(wrong(
            "path",
            format_args!("no commit from here on changed `{path}`; list_files shows what exists"),
        ));
    }
    Ok(log)
}

/// The commit to start from; `None` in a repository without commits.
fn tip<'r>(repository: &'r Repository, revision: Option<&str>) -> Result<Option<Id<'r>>, ToolError> {
    let Some(revision) = revision.filter(|revision| *revision != "HEAD") else {
        return match repository.head() {
            Ok(head) if head.is_unborn() => Ok(None),
            _ => repository.head_id().map(Some).map_err(damaged),
        };
    };
    let id = match ObjectId::from_hex(revision.as_bytes()) {
        Ok(id) => id,
        Err(_) => reference(repository, revision)?,
    };
    // A tag is an object that names another one.
    let peeled = repository.find_object(id).and_then(gix::Object::peel_tags_to_end);
    match peeled.map(|object| (object.kind, object.id())) {
        Ok((gix::object::Kind::Commit, id)) => Ok(Some(id)),
        Err(error) if error.is_resource_exhausted() => Err(damaged(error)),
        _ => Err(unknown(revision)),
    }
}

/// What the tag or branch `name` leads to. Only what lies below `refs` is one.
fn reference(repository: &Repository, name: &str) -> Result<ObjectId, ToolError> {
    let places: &[&str] =
        if name.starts_with("refs/") { &[""] } else { &["refs/tags/", "refs/heads/", "refs/remotes/"] };
    for place in places {
        let Ok(Some(mut found)) = repository.try_find_reference(&*format!("{place}{name}")) else { continue };
        return found.follow_to_object().map(Id::detach).map_err(|_| unknown(name));
    }
    Err(unknown(name))
}

fn unknown(revision: &str) -> ToolError {
    let shown: String = revision.chars().take(100).flat_map(char::escape_debug).collect();
    wrong(
        "revision",
        format_args!("`{shown}` is no branch, tag or full commit id of this checkout; leave it out for HEAD"),
    )
}

/// Whether what stands at `path` differs from every parent's, as `git log -- path` has it.
fn changes(repository: &Repository, commit: &Commit<'_>, path: &str) -> gix::Result<bool> {
    let at = |commit: &Commit<'_>| -> gix::Result<Option<ObjectId>> {
        Ok(commit.tree()?.lookup_entry_by_path(path)?.map(|entry| entry.object_id()))
    };
    let here = at(commit)?;
    let mut parents = 0;
    for parent in commit.parent_ids() {
        // A parent beyond the edge of a shallow checkout is not there.
        let Ok(parent) = repository.find_commit(parent) else { continue };
        parents += 1;
        if at(&parent)? == here {
            return Ok(false);
        }
    }
    Ok(parents > 0 || here.is_some())
}

fn entry(commit: &Commit<'_>) -> gix::Result<Entry> {
    let message = commit.message()?;
    let author = commit.author()?;
    let body = message.body.map(ToString::to_string).unwrap_or_default();
    let cut = |text: &gix::bstr::BStr, max| head(&text.to_string(), max).trim().to_owned();
    Ok(Entry {
        id: commit.id.to_string(),
        parents: commit.parent_ids().take(PARENTS_MAX).map(|id| id.to_string()).collect(),
        author: cut(author.name, NAME_MAX),
        email: cut(author.email, NAME_MAX),
        date: commit.time()?.format_or_unix(ISO8601_STRICT),
        subject: cut(message.title, SUBJECT_MAX),
        body: head(&body, BODY_MAX).trim().to_owned(),
    })
}

/// What git's own reader says may name paths of this machine, so it stays the source.
fn damaged(error: impl Into<gix::Error>) -> ToolError {
    let error = error.into();
    let text = match error.is_resource_exhausted() {
        true => format!(
            "an object in the history of this checkout is larger than the {} MiB that are read of one",
            OBJECT_MAX >> 20
        ),
        false => "the history of this checkout cannot be read; its .git may be damaged".into(),
    };
    ToolError::new(text).with_source(error)
}
