//! Which files a call is about.
//!
//! A pattern is what a stranger wrote, and becomes a regular expression by way of a parser that recurses and a compiler
//! that takes memory. So it is bounded before either sees it, in length and in braces, and what it is compiled to is
//! bounded too.

use globset::GlobBuilder;
use regex::bytes::{Regex, RegexBuilder};
use toolpost_tool::ToolError;

use crate::root::shown;

/// The longest pattern, in bytes.
pub(crate) const PATTERN_MAX: usize = 1_000;

/// The most `{` in one pattern; each may lie in another.
pub(crate) const BRACES_MAX: usize = 10;

/// What a compiled pattern may take, in bytes, and the automaton that is built of it while it matches.
const PROGRAM_MAX: usize = 1 << 20;

/// A pattern over paths. Without a `/` it speaks of the file name at any depth, as in `.gitignore`;
/// with one, of the whole path from the root.
#[derive(Clone, Debug, Default)]
pub struct Glob(Option<(Regex, Over)>);

#[derive(Clone, Copy, Debug)]
enum Over {
    Name,
    Path,
}

impl Glob {
    /// Reads the argument `glob`; without one, everything matches.
    ///
    /// # Errors
    ///
    /// If the pattern is longer than 1,000 bytes or has more than 10 `{`, cannot match any path below the root, or is no
    /// pattern.
    pub fn parse(pattern: Option<&str>) -> Result<Self, ToolError> {
        let Some(pattern) = pattern else { return Ok(Self::default()) };
        let refused = |why: &str| {
            Err(ToolError::invalid_arguments(format!(
                "argument `glob`: `{}` {why}; patterns look like `*.rs`, `src/**/*.rs` or `*.{{md,txt}}`",
                shown(pattern),
            )))
        };
        if pattern.is_empty() {
            return refused("is empty: leave the argument out to match every file");
        }
        if pattern.len() > PATTERN_MAX {
            return refused(&format!("has {} bytes, and {PATTERN_MAX} are the most", pattern.len()));
        }
        if !has_few_braces(pattern) {
            return refused(&format!("has more than {BRACES_MAX} `{{`"));
        }
        if pattern.starts_with('/') {
            return refused("starts with `/`: paths are relative to the root");
        }
        if pattern.starts_with('!') {
            return refused("starts with `!`: a pattern says what to take, not what to leave out");
        }
        if pattern.split('/').any(|part| part == "..") {
            return refused("has a `..` in it: nothing outside the root can match");
        }
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let over = if pattern.contains('/') { Over::Path } else { Over::Name };
        let glob = match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(glob) => glob,
            Err(error) => return refused(&format!("is no pattern: {}", error.kind())),
        };
        let regex = RegexBuilder::new(glob.regex())
            .dot_matches_new_line(true)
            .size_limit(PROGRAM_MAX)
            .dfa_size_limit(PROGRAM_MAX)
            .build();
        match regex {
            Ok(regex) => Ok(Self(Some((regex, over)))),
            Err(_) => refused("asks for too much: give a simpler one"),
        }
    }

    /// Whether a file at `path` is one of those asked for.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match &self.0 {
            None => true,
            Some((glob, Over::Path)) => glob.is_match(path.as_bytes()),
            Some((glob, Over::Name)) => glob.is_match(path.rsplit('/').next().unwrap_or(path).as_bytes()),
        }
    }
}

/// Whether a pattern may be handed to a parser that recurses for each `{`.
pub(crate) fn has_few_braces(pattern: &str) -> bool {
    pattern.bytes().filter(|byte| *byte == b'{').count() <= BRACES_MAX
}
