//! Twenty macro-made tools through the five lines, called by rmcp's client.

use std::sync::Arc;

use inside_rmcp::{Store, after, before, connect};
use rmcp::model::CallToolRequestParams;
use serde_json::json;

fn asking(tool: String, size: u32) -> CallToolRequestParams {
    let mut request = CallToolRequestParams::new(tool);
    request.arguments = json!({ "size": size }).as_object().cloned();
    request
}

#[tokio::test(start_paused = true)]
async fn all_twenty_answer_as_before_and_each_question_is_asked_once() {
    let stores = [Arc::new(Store::default()), Arc::new(Store::default())];
    let old = connect(before(&stores[0])).await.unwrap();
    let new = connect(after(&stores[1]).unwrap()).await.unwrap();
    let tools = new.list_all_tools().await.unwrap();
    let mut before = old.list_all_tools().await.unwrap();
    for tool in &mut before {
        // toolpost leaves out what says how wide an integer is in Rust: some clients refuse the schema for it.
        let size = Arc::make_mut(&mut tool.input_schema)["properties"]["size"].as_object_mut();
        assert_eq!(size.unwrap().remove("format"), Some(json!("uint32")));
    }
    assert_eq!(tools, before);
    assert_eq!(tools.len(), 20);
    for _ in 0..3 {
        for tool in &tools {
            let (old, new) = tokio::join!(
                old.call_tool(asking(tool.name.to_string(), 7)),
                new.call_tool(asking(tool.name.to_string(), 7)),
            );
            assert_eq!(new.unwrap().content, old.unwrap().content);
        }
    }
    assert_eq!((stores[0].asked(), stores[1].asked()), (60, 20));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_is_left_alone() {
    let store = Arc::new(Store::default());
    store.take_down();
    let client = connect(after(&store).unwrap()).await.unwrap();
    let mut refused = 0;
    for size in 0..30 {
        if let Ok(result) = client.call_tool(asking("lathe".to_owned(), size)).await {
            assert_eq!(result.meta.unwrap()["dev.toolpost/rejection"]["reason"], "breaker_open");
            refused += 1;
        }
    }
    assert_eq!((store.asked(), refused), (5, 25));
}

/// Here and where it is documented: from the comment to the next empty line, a statement to a line.
#[test]
fn five_lines_are_five_at_the_most() {
    let texts = [include_str!("../src/lib.rs"), include_str!("../../../crates/toolpost-rmcp/docs/embed.md")];
    for text in texts {
        let (_, rest) = text.split_once("// The five lines.\n").expect("the comment");
        let lines: Vec<&str> = rest.lines().take_while(|line| !line.is_empty()).collect();
        assert!((1..=5).contains(&lines.len()), "{lines:?}");
        for line in &lines {
            assert!(line.len() <= 110 && line.ends_with(';') && line.matches("; ").count() == 0, "{line}");
        }
        assert!(
            lines.iter().any(|line| line.contains("tool_router = ")),
            "the last of them puts it in place"
        );
    }
}
