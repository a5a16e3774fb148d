//! Tools that only wait: for tests of load and of shutdown, and served only when asked for.

use std::io::Read as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::watch;
use toolpost_tool::{AnyTool, Call, NoArgs, TaskSupport, tool_fn};

use super::local;
use crate::clock;

/// Waits so long, and does nothing else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sleep {
    /// How long, in milliseconds.
    #[schemars(range(max = 10_000))]
    ms: u64,
}

/// Of so many permits, one is left to others by calls of `sleep`. A tool that holds its permit for long and costs nothing
/// would else keep all of them from tools that are done in a moment.
const LEFT: u32 = 16;

/// `sleep` and, where stdin serves nothing else, `hold`, which says that it has started and waits until stdin is closed.
/// `permits` is for how many calls at once there is room, of all tools.
pub(crate) fn all(stdin_is_free: bool, permits: u32) -> Vec<AnyTool> {
    let sleep = tool_fn("sleep", |args: Sleep, _| async move {
        clock::sleep(Duration::from_millis(args.ms)).await;
        Ok(format!("slept {} ms", args.ms))
    });
    let sleep = AnyTool::new(sleep.with_spec(|spec| {
        let spec = local(spec, "Sleep", Duration::from_secs(15)).with_task_support(TaskSupport::Optional);
        match permits / LEFT {
            0 => spec,
            left => spec.with_concurrency(permits - left),
        }
    }));
    if stdin_is_free { vec![sleep, hold()] } else { vec![sleep] }
}

fn hold() -> AnyTool {
    let stdin = Arc::new(OnceLock::new());
    let hold = tool_fn("hold", move |_: NoArgs, call: Call| {
        let mut closed = stdin.get_or_init(closing).clone();
        async move {
            call.progress(0.0, None, Some("holding"));
            closed.wait_for(|closed| *closed).await?;
            Ok("released")
        }
    });
    AnyTool::new(hold.with_spec(|spec| {
        local(spec, "Hold", Duration::from_secs(60))
            .with_description("Waits until the server's stdin is closed.")
    }))
}

/// Turns true when stdin is closed.
fn closing() -> watch::Receiver<bool> {
    let (told, closed) = watch::channel(false);
    // A thread of its own, which a process that ends does not wait for.
    #[expect(clippy::disallowed_methods, reason = "ends with stdin, or with the process")]
    std::thread::spawn(move || {
        let _read = std::io::stdin().read_to_end(&mut Vec::new());
        told.send_replace(true);
    });
    closed
}
