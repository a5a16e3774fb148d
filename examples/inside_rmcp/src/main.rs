//! An rmcp server whose twenty macro-made tools gain a cache, a breaker, permits and a time limit by
//! five lines (see `after` in lib.rs): `cargo run -p inside_rmcp`.
//!
//! The figures in README.md: `cargo run --release -p inside_rmcp -- load`.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use inside_rmcp::{Failure, Store, after, before, connect, load};
use rmcp::model::CallToolRequestParams;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if std::env::args().nth(1).as_deref() == Some("load") {
        print!("{}", load::table().await?);
        return Ok(());
    }
    for (name, through_toolpost) in [("before", false), ("after", true)] {
        let store = Arc::new(Store::default());
        let server = match through_toolpost {
            true => after(&store)?,
            false => before(&store),
        };
        let client = connect(server).await?;
        println!("{name}: {} tools", client.list_all_tools().await?.len());
        for _ in 0..3 {
            let mut request = CallToolRequestParams::new("lathe");
            request.arguments = serde_json::json!({ "size": 250 }).as_object().cloned();
            let found = client.call_tool(request).await?;
            let text = found.content.first().and_then(|block| block.as_text());
            println!("  {}", text.map_or("", |text| &text.text));
        }
        println!("  asked three times; the store was asked {} time(s)", store.asked());
        client.cancel().await?;
    }
    Ok(())
}
