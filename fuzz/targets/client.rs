//! Any bytes as what a server writes, a line at a time: every request of the client ends once, and nothing of it is left.
//! A first line `l` has the client begin with `initialize`.

use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, duplex, split};
use tokio::runtime::{Builder, Runtime};
use toolpost_client::{
    ClientCapabilities, ClientOptions, Frame, McpClient, Question, RawJson, RequestOptions, Respond,
    RpcError, Version,
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
});

struct Yes;

impl Respond for Yes {
    fn capabilities(&self) -> ClientCapabilities {
        serde_json::from_str(r#"{"elicitation":{},"roots":{},"sampling":{}}"#).expect("capabilities")
    }

    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(async move { RawJson::parse(question.params()).map_err(|_| unreachable!("checked")) })
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let (legacy, lines) = match bytes.strip_prefix(b"l\n") {
        Some(lines) => (true, lines),
        None => (false, bytes),
    };
    RUNTIME.block_on(async {
        let options = ClientOptions::new("fuzz", "1").respond(Yes).message_limit(4_096).noise(8);
        let options = if legacy { options.versions([Version::V2025_11_25]) } else { options };
        let (ours, mut theirs) = duplex(1 << 20);
        let (reader, writer) = split(ours);
        let client = McpClient::over_stdio(reader, writer, options);
        let mut events = client.events();
        let limited = || RequestOptions::new().time_limit(Duration::from_secs(5)).progress(|_, _, _| {});
        let serving = async move {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                settle().await;
                // The client may have left.
                let _ = theirs.write_all(line).await;
            }
            settle().await;
        };
        let requests = async {
            let call = client.call_tool("t", Frame::empty().root(), limited()).await;
            let list = client.list_tools(limited()).await;
            if let Ok(result) = &call {
                assert!(Frame::parse(result.text().into_bytes(), &toolpost_json::Limits::new()).is_ok());
            }
            for item in list.iter().flatten() {
                assert!(Frame::from_text(item.clone(), &toolpost_json::Limits::new()).is_ok());
            }
        };
        tokio::join!(serving, requests);
        assert_eq!(client.in_flight(), 0);
        client.close().await;
        while events.next().await.is_some() {}
    });
}

/// Lets whoever waits for the line before go on: the clock is paused, and goes on when nothing else does.
#[allow(clippy::disallowed_methods, reason = "a paused clock")]
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}
