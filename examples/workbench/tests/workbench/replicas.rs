//! Processes that share a secret serve each other's sessions, and let in the same clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::fixture::Place;

const TOKEN: &str = "Bearer 0123456789abcdef0123";

/// A process that serves HTTP until this is dropped.
pub(crate) struct Replica {
    process: Child,
    address: String,
}

impl Replica {
    fn start(place: &Place, dir: &Path) -> Self {
        Self::start_with(place, dir, &[])
    }

    pub(crate) fn start_with(place: &Place, dir: &Path, more: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_workbench"))
            .args(["serve", "--http", "localhost:0", "--root"])
            .arg(place.root())
            .arg("--state-key-file")
            .arg(dir.join("key"))
            .arg("--token-file")
            .arg(dir.join("tokens"))
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stderr.take().unwrap()).read_line(&mut said).unwrap();
        let url = said.trim_end().strip_prefix("workbench: serving http://").unwrap();
        let address = url.split('/').next().unwrap().to_owned();
        Self { process, address }
    }

    /// What answers a message: head and body.
    fn post(&self, token: &str, session: Option<&str>, message: &Value) -> (String, String) {
        let session = session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
        self.send(token, &session, message)
    }

    /// What answers a call of `tool` that stands alone.
    pub(crate) fn post_modern(&self, token: &str, tool: &str, message: &Value) -> (String, String) {
        let headers =
            format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n");
        self.send(token, &headers, message)
    }

    fn send(&self, token: &str, headers: &str, message: &Value) -> (String, String) {
        let body = message.to_string();
        let mut stream = TcpStream::connect(&*self.address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {token}\r\n{headers}\
             Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // As a machine that is gone.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(crate) fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

#[test]
fn a_session_outlives_the_process_that_opened_it() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    std::fs::write(dir.path().join("key"), format!("{}\n", "5a".repeat(32))).unwrap();
    let tokens = "# who may come in\nada 0123456789abcdef0123\nbob fedcba9876543210fedc\n";
    std::fs::write(dir.path().join("tokens"), tokens).unwrap();
    let (first, second) = (Replica::start(&place, dir.path()), Replica::start(&place, dir.path()));

    let capabilities = json!({"protocolVersion": "2025-06-18", "capabilities": {}});
    let (head, _) = first.post("Bearer wrong", None, &request("initialize", capabilities.clone()));
    assert!(head.starts_with("HTTP/1.1 401"), "{head}");
    let (head, _) = first.post(TOKEN, None, &request("initialize", capabilities));
    let id = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap().trim().to_owned();
    drop(first);

    let list = request("tools/list", json!({}));
    let third = Replica::start(&place, dir.path());
    for replica in [second, third] {
        let (head, body) = replica.post(TOKEN, Some(&id), &list);
        assert!(head.starts_with("HTTP/1.1 200") && body.contains("count_lines"), "{head}\n{body}");
        let (head, _) = replica.post("Bearer fedcba9876543210fedc", Some(&id), &list);
        assert!(head.starts_with("HTTP/1.1 404"), "another's session is none: {head}");
    }
}

#[test]
fn files_of_secrets_that_make_no_sense_are_refused() {
    let (place, dir) = (Place::new(), tempfile::TempDir::new().unwrap());
    let file = dir.path().join("file");
    for (flag, content, why) in [
        ("--token-file", "", "no token"),
        ("--token-file", "ada", "line 1"),
        ("--token-file", "\n# x\nada short", "line 3: the token has less than 16 characters"),
        (
            "--token-file",
            "ada 0123456789abcdef0123\nbob 0123456789abcdef0123",
            "another line has the same token",
        ),
        ("--state-key-file", "5a", "64 digits"),
        ("--state-key-file", &"+5".repeat(32), "64 digits"),
    ] {
        std::fs::write(&file, content).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_workbench"))
            .args(["serve", "--http", "localhost:0", flag])
            .arg(&file)
            .arg("--root")
            .arg(place.root())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{content:?}: {said}");
        assert!(!said.contains("0123456789"), "no secret is shown: {said}");
    }
}
