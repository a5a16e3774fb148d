//! Results that outlive the process, below a cache in memory.
#![cfg(feature = "disk")]

use std::path::Path;
use std::time::Duration;

use toolpost::ToolExt as _;
use toolpost::cache::{Cache, Capacity, Codec, Disk, Memory};
use toolpost::layers::{ResultCache, Results};
use toolpost::tool::{CachePolicy, Call, NoArgs, Output, ResultFlag, Tool as _, ToolError, tool_fn};

/// What a server forgets before it ends.
#[derive(Clone, Copy)]
enum Then {
    Nothing,
    InvalidateTag,
    InvalidateTool,
    Forget,
}

/// One life of a server: asks its tool once, and says whether the result was remembered.
async fn life<C: Codec<Result<Output, ToolError>>>(path: &Path, then: Then) -> bool {
    let disk = Disk::<Result<Output, ToolError>, C>::open_as(path, 1 << 20).expect("a disk");
    let cache = ResultCache::with_slow_store(Cache::new(Memory::new(Capacity::entries(100))), disk);
    let policy = CachePolicy::new(Duration::from_secs(600)).tagged("shelf");
    let tool = tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") }).cached(&cache, policy);
    let call = Call::new(&serde_json::json!({})).expect("JSON");
    let output = tool.call(call.clone()).await.expect("an answer");
    assert_eq!(output.as_text(), Some("12 left"));
    match then {
        Then::Nothing => {}
        Then::InvalidateTag => cache.invalidate("shelf").await,
        Then::InvalidateTool => cache.invalidate_tool("stock").await,
        Then::Forget => assert!(tool.layer().forget(&call).await),
    }
    cache.drain().await;
    output.has_flag(ResultFlag::CacheHit)
}

/// Writes what no version ever wrote.
struct Garbage;

impl Codec<Result<Output, ToolError>> for Garbage {
    fn encode(_: &Result<Output, ToolError>, bytes: &mut Vec<u8>) -> bool {
        bytes.extend_from_slice(br#"{"content":[{"type":"text","#);
        true
    }

    fn decode(_: &[u8]) -> Option<Result<Output, ToolError>> {
        None
    }
}

#[tokio::test]
async fn a_restarted_server_finds_what_the_last_one_knew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results");
    assert!(!life::<Results>(&path, Then::Nothing).await);
    assert!(life::<Results>(&path, Then::Nothing).await);
    for forget in [Then::InvalidateTag, Then::InvalidateTool, Then::Forget] {
        assert!(life::<Results>(&path, forget).await);
        assert!(!life::<Results>(&path, Then::Nothing).await, "forgotten for good");
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_read_is_a_miss_and_gives_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("results");
    assert!(!life::<Garbage>(&path, Then::Nothing).await);
    assert!(!life::<Results>(&path, Then::Nothing).await);
    assert!(life::<Results>(&path, Then::Nothing).await);
}
