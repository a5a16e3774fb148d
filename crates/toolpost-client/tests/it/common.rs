//! A server that says what a test tells it to, line by line.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};
use toolpost_client::{ClientOptions, Frame, McpClient, RawResult, Version};

pub(crate) struct Scripted {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

pub(crate) fn options() -> ClientOptions {
    ClientOptions::new("test", "1")
}

impl Scripted {
    /// The server, and a client of it.
    pub(crate) fn new(options: ClientOptions) -> (Self, McpClient) {
        Self::with_pipe(options, 1 << 20)
    }

    /// Whose pipes hold so many bytes.
    pub(crate) fn with_pipe(options: ClientOptions, bytes: usize) -> (Self, McpClient) {
        let (ours, theirs) = duplex(bytes);
        let (reader, writer) = split(ours);
        let client = McpClient::over_stdio(reader, writer, options);
        let (reader, writer) = split(theirs);
        (Self { reader: BufReader::new(reader), writer }, client)
    }

    /// The next message of the client, if there is another.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await.unwrap();
        (read != 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next message of the client, which is of this method.
    pub(crate) async fn expect(&mut self, method: &str) -> Value {
        let message = self.hear().await.expect("a message");
        assert_eq!(message["method"], method, "{message}");
        message
    }

    /// Writes a line.
    pub(crate) async fn say(&mut self, line: impl ToString) {
        let line = line.to_string() + "\n";
        // The client may have left.
        let _ = self.writer.write_all(line.as_bytes()).await;
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(bytes).await
    }

    pub(crate) async fn answer(&mut self, request: &Value, result: Value) {
        self.say(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    pub(crate) async fn refuse(&mut self, request: &Value, code: i64, data: Value) {
        let error = json!({ "code": code, "message": "refused", "data": data });
        self.say(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
    }

    /// Says that it is a server of 2026-07-28.
    pub(crate) async fn discovered(&mut self, capabilities: Value) {
        let request = self.expect("server/discover").await;
        let result = json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
            "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "scripted", "version": "1" } } });
        self.answer(&request, result).await;
    }

    /// Knows no `server/discover`, and is initialized.
    pub(crate) async fn initialized(&mut self, version: Version, capabilities: Value) {
        let request = self.expect("server/discover").await;
        self.refuse(&request, -32601, Value::Null).await;
        let request = self.expect("initialize").await;
        let result = json!({ "protocolVersion": version.as_str(), "capabilities": capabilities,
            "serverInfo": { "name": "scripted", "version": "1" } });
        self.answer(&request, result).await;
        self.expect("notifications/initialized").await;
    }
}

pub(crate) fn frame(value: &Value) -> Frame {
    Frame::from_serialize(value).unwrap()
}

pub(crate) fn value(result: &RawResult) -> Value {
    serde_json::from_str(&result.text()).unwrap()
}
