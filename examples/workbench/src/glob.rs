//! Which files a call is about.

use globset::{GlobBuilder, GlobMatcher};
use toolpost_tool::ToolError;

/// A pattern over paths. Without a `/` it speaks of the file name at any depth, as in `.gitignore`;
/// with one, of the whole path from the root.
#[derive(Clone, Debug, Default)]
pub struct Glob(Option<(GlobMatcher, Over)>);

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
    /// If the pattern cannot match any path below the root, or is no pattern.
    pub fn parse(pattern: Option<&str>) -> Result<Self, ToolError> {
        let Some(pattern) = pattern else { return Ok(Self::default()) };
        let refused = |why: &str| {
            Err(ToolError::invalid_arguments(format!(
                "argument `glob`: `{}` {why}; patterns look like `*.rs`, `src/**/*.rs` or `*.{{md,txt}}`",
                pattern.escape_debug(),
            )))
        };
        if pattern.is_empty() {
            return refused("is empty: leave the argument out to match every file");
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
        match GlobBuilder::new(pattern).literal_separator(true).build() {
            Ok(glob) => Ok(Self(Some((glob.compile_matcher(), over)))),
            Err(error) => refused(&format!("is no pattern: {}", error.kind())),
        }
    }

    /// Whether a file at `path` is one of those asked for.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match &self.0 {
            None => true,
            Some((glob, Over::Path)) => glob.is_match(path),
            Some((glob, Over::Name)) => glob.is_match(path.rsplit('/').next().unwrap_or(path)),
        }
    }
}
