//! `search_text`: lines that match a regular expression.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkMatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost_tool::{AnyTool, CachePolicy, Call, Json, ToolError, blocking_fn};

use super::{each_file, head, local, wrong};
use crate::glob::Glob;
use crate::meter::Meter;
use crate::root::Root;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
const PATTERN_MAX: usize = 1_000;

/// What is shown of one line, in bytes.
const LINE_MAX: usize = 400;

/// The longest line that is searched, in bytes; a file with a longer one counts as skipped.
const HEAP_MAX: usize = 1 << 20;

/// What a compiled pattern may take, in bytes. One look for a match takes time by this and by [`HEAP_MAX`], and a call
/// that is over ends between two of them.
const PROGRAM_MAX: usize = 512 << 10;

/// The most that the paths and lines of one answer take together, in bytes.
const HITS_MAX: usize = 1 << 20;

/// Searches the text files below a directory for a regular expression, leaving out what .gitignore
/// excludes and binary files.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchText {
    /// A regular expression of Rust's `regex` crate, matched line by line: no look-around, no backreferences.
    #[schemars(length(min = 1, max = 1_000))]
    pattern: String,
    /// Whether the pattern is to be taken as it stands rather than as a regular expression.
    #[serde(default)]
    literal: bool,
    /// Whether upper and lower case are the same.
    #[serde(default)]
    ignore_case: bool,
    /// Where to search, a directory or a file relative to the root; the root itself if left out.
    #[schemars(length(max = 4_096))]
    path: Option<String>,
    /// Which files: `*.rs` takes a name at any depth, `src/**/*.rs` a path from the root; all if left out.
    #[schemars(length(min = 1, max = 1_000))]
    glob: Option<String>,
    /// The most matching lines to return; 100 if left out.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Hits {
    /// The matching lines, by path and line.
    matches: Vec<Hit>,
    /// How many files were searched.
    files_searched: u64,
    /// How many files were passed over, as binary or unreadable.
    files_skipped: u64,
    /// Whether there may be more than was returned.
    truncated: bool,
    /// Lines of ignore files that were passed over: too long, too deeply nested, or too many. What they name is not
    /// left out.
    ignore_lines_skipped: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Hit {
    /// Relative to the root.
    path: String,
    /// From 1.
    line: u64,
    /// Where in the line the match starts, in characters from 1.
    column: usize,
    /// The line, cut after 400 bytes.
    text: String,
}

pub(super) fn tool(root: Arc<Root>) -> AnyTool {
    let tool = blocking_fn("search_text", move |args: SearchText, call| run(&root, &args, &call).map(Json));
    AnyTool::new(tool.with_spec(|spec| {
        local(spec, "Search text", Duration::from_secs(20))
            .with_cache(CachePolicy::new(Duration::from_secs(2)).public().tagged("files"))
    }))
}

fn run(root: &Root, args: &SearchText, call: &Call) -> Result<Hits, ToolError> {
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let matcher = matcher(args)?;
    let glob = Glob::parse(args.glob.as_deref())?;
    let mut searcher = SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .line_number(true)
        .heap_limit(Some(HEAP_MAX))
        .build();
    let meter = Meter::new(call, "searched", "files");
    let mut skipped = 0;
    let mut hits = Vec::new();
    let mut truncated = false;
    let mut room = HITS_MAX;
    let walked = each_file(root, args.path.as_deref(), &glob, &meter, |found| {
        let before = hits.len();
        let mut sink = Lines {
            path: found.path,
            matcher: &matcher,
            hits: &mut hits,
            meter: &meter,
            limit,
            room,
            truncated: false,
            binary: false,
        };
        let searched =
            found.open().and_then(|file| searcher.search_reader(&matcher, meter.reading(file), &mut sink));
        truncated |= sink.truncated;
        let left = sink.room;
        if searched.is_err() || sink.binary {
            hits.truncate(before);
            skipped += 1;
        } else {
            room = left;
        }
        if truncated { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(Hits {
        matches: hits,
        files_searched: meter.done() - skipped,
        files_skipped: skipped,
        truncated: truncated || meter.is_late() || walked.is_cut,
        ignore_lines_skipped: walked.rules_skipped,
    })
}

fn matcher(args: &SearchText) -> Result<RegexMatcher, ToolError> {
    if args.pattern.is_empty() {
        return Err(wrong(
            "pattern",
            format_args!("is empty; give the text or the expression to search for"),
        ));
    }
    if args.pattern.len() > PATTERN_MAX {
        return Err(wrong(
            "pattern",
            format_args!("has {} bytes; {PATTERN_MAX} are the most", args.pattern.len()),
        ));
    }
    RegexMatcherBuilder::new()
        .case_insensitive(args.ignore_case)
        .fixed_strings(args.literal)
        .line_terminator(Some(b'\n'))
        .size_limit(PROGRAM_MAX)
        .dfa_size_limit(PROGRAM_MAX)
        .nest_limit(50)
        .build(&args.pattern)
        .map_err(|error| {
            let error = error.to_string();
            let cause = error.lines().last().unwrap_or(&error);
            wrong(
                "pattern",
                format_args!(
                    "`{}` is no expression for one line ({}); escape what is meant as it stands, or set `literal` to true",
                    args.pattern.escape_debug(),
                    cause.strip_prefix("error: ").unwrap_or(cause),
                ),
            )
        })
}

/// Collects the matching lines of one file.
struct Lines<'a> {
    path: &'a str,
    matcher: &'a RegexMatcher,
    hits: &'a mut Vec<Hit>,
    meter: &'a Meter<'a>,
    limit: usize,
    /// Bytes that paths and lines may still take.
    room: usize,
    truncated: bool,
    binary: bool,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let line = found.bytes();
        let text = shown(line);
        let takes = self.path.len() + text.len();
        if self.hits.len() == self.limit || takes > self.room || self.meter.is_over() {
            self.truncated = true;
            return Ok(false);
        }
        self.room -= takes;
        let at = self.matcher.find(line).ok().flatten().map_or(0, |span| span.start());
        self.hits.push(Hit {
            path: self.path.to_owned(),
            line: found.line_number().unwrap_or(0),
            column: String::from_utf8_lossy(&line[..at]).chars().count() + 1,
            text,
        });
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> io::Result<bool> {
        self.binary = true;
        Ok(false)
    }
}

fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // A broken character takes up to three bytes to show, so that a little more is not needed.
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE_MAX + 4)]);
    if text.len() <= LINE_MAX {
        return text.into_owned();
    }
    format!("{}…", head(&text, LINE_MAX))
}
