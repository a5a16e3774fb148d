//! Which names a tool may have.

use std::fmt;

/// A name that MCP does not allow for a tool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidToolName {
    name: String,
}

impl fmt::Display for InvalidToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.name.chars().take(80).collect();
        write!(f, "tool name `{shown}` ")?;
        match self.name.char_indices().find(|(_, c)| !is_name_char(*c)) {
            Some((at, c)) => write!(f, "has `{}` at byte {at}", c.escape_debug())?,
            None => write!(f, "has {} characters", self.name.len())?,
        }
        f.write_str("; use 1 to 64 of A-Z a-z 0-9 _ . / -")
    }
}

impl std::error::Error for InvalidToolName {}

const NAME_MAX: usize = 64;

pub(crate) fn valid(name: String) -> Result<String, InvalidToolName> {
    let fits = !name.is_empty() && name.len() <= NAME_MAX && name.chars().all(is_name_char);
    if fits { Ok(name) } else { Err(InvalidToolName { name }) }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}
