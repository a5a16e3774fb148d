//! Stores results in a file, for the next process.

use serde_json::value::RawValue;
use toolpost_cache::{Codec, Disk};
use toolpost_json::{Frame, Limits, Node};
use toolpost_tool::{Output, ToolError};

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
        bytes.push(b'{');
        output.write(bytes, toolpost_tool::Version::LATEST);
        bytes.extend_from_slice(br#","_meta":{"#);
        let _members = output.write_meta(bytes);
        bytes.extend_from_slice(b"}}");
        bytes.len() <= LARGEST
    }

    fn decode(bytes: &[u8]) -> Option<Result<Output, ToolError>> {
        let frame = Frame::parse(bytes.to_vec().into(), &Limits::new().bytes(LARGEST)).ok()?;
        let result = frame.root();
        let (content, structured) = (result.member("content")?, result.member("structuredContent"));
        let mut output = match (text(content), structured) {
            (Some(text), Some(structured)) if text == structured.raw() => Output::json(&raw(structured)?),
            (Some(text), _) => Ok(Output::text(text)),
            (None, _) => Output::blocks(&raw(content)?),
        }
        .ok()?;
        if let Some(structured) = structured {
            output = output.with_structured(&raw(structured)?).ok()?;
        }
        for (name, value) in result.member("_meta")?.members() {
            output = output.with_meta(&name.name(), &raw(value)?).ok()?;
        }
        let is_error = result.member("isError").and_then(Node::as_bool).unwrap_or(false);
        Some(Ok(if is_error { output.into_error() } else { output }))
    }
}

/// Larger results are not written.
const LARGEST: usize = 4 << 20;

/// The text, if the content is one block of it and of nothing else.
fn text(content: Node<'_>) -> Option<String> {
    let block = content.item(0).filter(|block| content.len() == 1 && block.len() == 2)?;
    let kind = block.member("type")?.as_str()?;
    block.member("text").filter(|_| kind == "text")?.as_str().map(std::borrow::Cow::into_owned)
}

fn raw(node: Node<'_>) -> Option<Box<RawValue>> {
    RawValue::from_string(node.raw().to_owned()).ok()
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
