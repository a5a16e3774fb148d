//! `count_lines`: lines, words and bytes by language.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolpost_tool::{AnyTool, CachePolicy, Call, Json, ToolError, blocking_fn};

use super::{SNIFFED, each_file, local};
use crate::glob::Glob;
use crate::language;
use crate::meter::Meter;
use crate::root::Root;

/// Counts lines, words and bytes of the text files below a directory, by language, leaving out what
/// .gitignore excludes and binary files.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountLines {
    /// Where to start, a directory or a file relative to the root; the root itself if left out.
    #[schemars(length(max = 4_096))]
    path: Option<String>,
    /// Which files: `*.rs` takes a name at any depth, `src/**/*.rs` a path from the root; all if left out.
    #[schemars(length(min = 1, max = 1_000))]
    glob: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    /// By language, most lines first.
    languages: Vec<Language>,
    /// All languages together.
    total: Tally,
    /// How many files were passed over, as binary or unreadable.
    files_skipped: u64,
    /// Whether the deadline cut the count short, or a directory has more names than are held.
    truncated: bool,
    /// Lines of ignore files that were passed over: too long, too deeply nested, or too many. What they name is not
    /// left out.
    ignore_lines_skipped: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Language {
    /// The language, told by the name of the file.
    language: &'static str,
    #[serde(flatten)]
    tally: Tally,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
struct Tally {
    files: u64,
    /// A last line without an end counts.
    lines: u64,
    /// Runs of anything but ASCII white space.
    words: u64,
    bytes: u64,
}

pub(super) fn tool(root: Arc<Root>) -> AnyTool {
    let tool = blocking_fn("count_lines", move |args: CountLines, call| run(&root, &args, &call).map(Json));
    AnyTool::new(tool.with_spec(|spec| {
        local(spec, "Count lines", Duration::from_secs(20))
            .with_cache(CachePolicy::new(Duration::from_secs(5)).public().tagged("files"))
    }))
}

fn run(root: &Root, args: &CountLines, call: &Call) -> Result<Counted, ToolError> {
    let glob = Glob::parse(args.glob.as_deref())?;
    let mut by_language: BTreeMap<&'static str, Tally> = BTreeMap::new();
    let meter = Meter::new(call, "counted", "files");
    let mut files_skipped = 0;
    let walked = each_file(root, args.path.as_deref(), &glob, &meter, |found| {
        match found.open().and_then(|file| tally(meter.reading(file))) {
            Ok(Some(tally)) => by_language.entry(language::of(found.path)).or_default().add(tally),
            // What was left in the middle is in neither count.
            Err(_) if meter.is_late() => {}
            Ok(None) | Err(_) => files_skipped += 1,
        }
        ControlFlow::Continue(())
    })?;
    let mut total = Tally::default();
    by_language.values().for_each(|tally| total.add(*tally));
    let mut languages: Vec<_> =
        by_language.into_iter().map(|(language, tally)| Language { language, tally }).collect();
    languages.sort_by_key(|language| std::cmp::Reverse(language.tally.lines));
    let truncated = meter.is_late() || walked.is_cut;
    Ok(Counted { languages, total, files_skipped, truncated, ignore_lines_skipped: walked.rules_skipped })
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.lines += other.lines;
        self.words += other.words;
        self.bytes += other.bytes;
    }
}

/// Counts one file; `None` if it is binary.
fn tally(mut file: impl Read) -> io::Result<Option<Tally>> {
    let mut tally = Tally { files: 1, ..Tally::default() };
    let mut chunk = vec![0; 64 << 10];
    let (mut in_word, mut last) = (false, b'\n');
    loop {
        let read = match file.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &chunk[..read];
        if tally.bytes < SNIFFED as u64 && memchr::memchr(0, bytes).is_some() {
            return Ok(None);
        }
        tally.bytes += read as u64;
        tally.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        for byte in bytes {
            let is_space = byte.is_ascii_whitespace();
            tally.words += u64::from(!is_space && !in_word);
            in_word = !is_space;
        }
        last = bytes[read - 1];
    }
    tally.lines += u64::from(last != b'\n');
    Ok(Some(tally))
}
