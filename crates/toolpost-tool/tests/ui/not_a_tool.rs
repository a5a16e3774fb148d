//! A plain struct is not a tool.

use toolpost_tool::AnyTool;

struct Search;

fn main() {
    let _tool = AnyTool::new(Search);
}
