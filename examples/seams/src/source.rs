//! Tools that come and go while a runtime serves: one for each line of a text that somebody edits.

use std::collections::BTreeMap;

use tokio::sync::watch;
use toolpost::tool::{AnyTool, Call, NoArgs, tool_fn};
use toolpost::{BuildError, ToolSource};

/// Gives `source` a tool for each line `name: answer`, and does so again whenever the text changes. A text that cannot be
/// had is told to `refused`, and what was there stays. When nobody can change the text any more, the tools go.
///
/// # Errors
///
/// If the tools cannot be taken back.
///
/// # Cancel safety
///
/// Dropping the future leaves the source as it is.
pub async fn follow(
    source: ToolSource,
    mut text: watch::Receiver<String>,
    mut refused: impl FnMut(BuildError),
) -> Result<(), BuildError> {
    let mut tools: BTreeMap<String, AnyTool> = BTreeMap::new();
    loop {
        let lines: Vec<String> = text.borrow_and_update().lines().map(str::to_owned).collect();
        // The tool of a line that stays is the same one, and keeps what is remembered of it.
        tools.retain(|line, _| lines.contains(line));
        for line in lines {
            if let Some(tool) = tool_of(&line) {
                tools.entry(line).or_insert(tool);
            }
        }
        if let Err(error) = source.set(tools.values().cloned()).await {
            refused(error);
        }
        if text.changed().await.is_err() {
            return source.clear().await;
        }
    }
}

fn tool_of(line: &str) -> Option<AnyTool> {
    let (name, answer) = line.split_once(": ")?;
    let answer = answer.to_owned();
    let answers = move |_: NoArgs, _: Call| {
        let answer = answer.clone();
        async move { Ok(answer) }
    };
    toolpost::tool::ToolSpec::new(name).is_ok().then(|| AnyTool::new(tool_fn(name, answers)))
}
