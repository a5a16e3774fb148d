//! A plain struct is not a tool's result.

use toolpost_tool::{NoArgs, tool_fn};

struct Hit;

fn main() {
    let _tool = tool_fn("search", |_: NoArgs, _| async { Ok(Hit) });
}
