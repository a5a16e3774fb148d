//! Child processes as background work.

use std::io::pipe;
use std::time::Duration;

use seams::background::Children;
use toolpost::Runtime;
use toolpost::tool::NoArgs;

#[tokio::test]
async fn a_drain_waits_for_children_and_names_those_that_remain() {
    let (children, (reader, writer)) = (Children::default(), pipe().unwrap());
    let tool = children.tool(move || reader.try_clone().unwrap().into());
    let runtime = Runtime::builder().any(tool).background("children", children).build().unwrap();
    for _ in 0..2 {
        assert_eq!(runtime.call("start", &NoArgs {}).await.unwrap().as_text(), Some("started"));
    }
    let remaining = runtime.drain(Duration::ZERO).await.unwrap_err();
    assert_eq!((remaining.calls, remaining.background["children"]), (0, 2));
    drop(writer);
    runtime.drain(Duration::MAX).await.unwrap();
}
