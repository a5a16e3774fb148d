//! Stores results in a file, for the next process.

use toolpost_cache::{Codec, Disk};
use toolpost_json::{Frame, Limits};
use toolpost_tool::{Output, ToolError};

use super::stored_result::{self, LARGEST};

/// Stores results of tools in a file, below a cache in memory: see [`ResultCache::with_slow_store`](super::ResultCache).
///
/// ```
/// use std::time::Duration;
/// use toolpost::ToolExt;
/// use toolpost::cache::{Cache, Capacity, Memory};
/// use toolpost::layers::{ResultCache, ResultDisk};
/// use toolpost::tool::{Call, ResultFlag, NoArgs, Tool, tool_fn};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("results");
/// for start in 0..2 {
///     let disk = ResultDisk::open_as(&path, 64 << 20).unwrap();
///     let cache = ResultCache::with_slow_store(Cache::new(Memory::new(Capacity::entries(1_000))), disk);
///     let slow = tool_fn("slow", |_: NoArgs, _: Call| async { Ok("found") }).cached(&cache, Duration::from_secs(60));
///
///     let output = slow.call(Call::new(&serde_json::json!({})).unwrap()).await.unwrap();
///     assert_eq!(output.has_flag(ResultFlag::CacheHit), start == 1);
///     cache.drain().await; // what is being written is written
/// }
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub type ResultDisk = Disk<Result<Output, ToolError>, Results>;

/// Writes a result as the JSON object of its members. A failure is not written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Results;

impl Codec<Result<Output, ToolError>> for Results {
    fn encode(result: &Result<Output, ToolError>, bytes: &mut Vec<u8>) -> bool {
        let Ok(output) = result else { return false };
        stored_result::encode(output, bytes);
        bytes.len() <= LARGEST
    }

    fn decode(bytes: &[u8]) -> Option<Result<Output, ToolError>> {
        let frame = Frame::parse(bytes.to_vec().into(), &Limits::new().bytes(LARGEST)).ok()?;
        stored_result::of(frame.root()).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_come_back_as_they_went() {
        let outputs = [
            Output::text("a \"b\"\n\u{1F980}"),
            Output::json(&json!({"lines": 3, "exact": 1.0})).unwrap(),
            Output::blocks(&json!([{"type": "image", "data": "", "mimeType": "image/png"}])).unwrap(),
            Output::blocks(&json!([])).unwrap().with_structured(&json!([1])).unwrap(),
            Output::text("x").with_structured(&json!("y")).unwrap().into_error(),
            Output::text("").with_meta("a/b", &json!({"c": []})).unwrap().with_meta("d", &json!(1)).unwrap(),
        ];
        for output in outputs {
            let mut bytes = Vec::new();
            assert!(Results::encode(&Ok(output.clone()), &mut bytes));
            assert_eq!(Results::decode(&bytes).unwrap().unwrap(), output);
            for cut in 0..bytes.len() {
                assert!(Results::decode(&bytes[..cut]).is_none(), "half of one is none");
            }
        }
        assert!(!Results::encode(&Err(ToolError::new("failed")), &mut Vec::new()));
    }
}
