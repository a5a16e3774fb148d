//! A gateway over a directory of its own, and who speaks to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The gateway's program.
pub(crate) const GATEWAY: &str = env!("CARGO_BIN_EXE_gateway");

/// A directory with configurations.
pub(crate) struct Place(TempDir);

impl Place {
    /// One with this `gateway.toml`.
    pub(crate) fn with(text: &str) -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("gateway.toml", text);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file at once, so that no reader finds half of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let draft = self.path(&format!("{name}.draft"));
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, self.path(name)).unwrap();
    }

    /// Writes a program into `bin`.
    pub(crate) fn program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(self.path("bin")).unwrap();
        let path = self.path("bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The gateway with these arguments, in this directory.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(GATEWAY);
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// What it says with these arguments and `gateway.toml`, and its exit code.
    pub(crate) fn ended(&self, args: &[&str]) -> Ended {
        Ended::of(&self.command(args).args(["--config", "gateway.toml"]).output().unwrap())
    }

    /// Serves `gateway.toml` on stdin and stdout.
    pub(crate) fn served(&self) -> Client {
        let mut command = self.command(&["serve", "--config", "gateway.toml"]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut client = Client { child, stdin, stdout, stderr, last: 0, early: Vec::new() };
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "it", "version": "1" },
        });
        let hello = client.ask("initialize", &params);
        assert!(client.answer(hello)["result"]["capabilities"]["tools"].is_object());
        client.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts that each of `lines` was said on stderr, and as many as these.
    pub(crate) fn said(&self, lines: &[&str]) {
        for line in lines {
            assert!(self.stderr.contains(line), "{line}\nis not in\n{}", self.stderr);
        }
        assert_eq!(self.stderr.lines().count(), lines.len(), "{}", self.stderr);
    }
}

/// A client on the gateway's stdin and stdout; the gateway ends with it.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    last: u64,
    /// Answers that came before they were waited for.
    early: Vec<Value>,
}

impl Client {
    fn tell(&mut self, message: &Value) {
        writeln!(self.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Sends a request; its id.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.last += 1;
        self.tell(&json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params }));
        self.last
    }

    pub(crate) fn begin(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }

    /// The answer to the request with this id.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        if let Some(at) = self.early.iter().position(|answer| answer["id"] == id) {
            return self.early.swap_remove(at);
        }
        loop {
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the gateway ended");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
            self.early.push(answer);
        }
    }

    /// The text that a call comes to.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let id = self.begin(tool, arguments);
        text(&self.answer(id))
    }

    pub(crate) fn tools(&mut self) -> Vec<String> {
        let id = self.ask("tools/list", &json!({}));
        let answer = self.answer(id);
        let tools = answer["result"]["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until there is a tool of this name: each change of the list is told.
    pub(crate) fn wait_for(&mut self, tool: &str) {
        while !self.tools().iter().any(|name| name == tool) {
            let told = |message: &Value| message["method"] == "notifications/tools/list_changed";
            if let Some(at) = self.early.iter().position(told) {
                drop(self.early.swap_remove(at));
                continue;
            }
            let mut line = String::new();
            assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the gateway ended");
            let message: Value = serde_json::from_str(&line).unwrap();
            if !told(&message) {
                self.early.push(message);
            }
        }
    }

    /// Reads stderr until a line has `part`; all the lines.
    pub(crate) fn hear(&mut self, part: &str) -> String {
        let mut said = String::new();
        while !said.lines().last().is_some_and(|line| line.contains(part)) {
            assert_ne!(self.stderr.read_line(&mut said).unwrap(), 0, "no `{part}` in {said}");
        }
        said
    }

    /// Closes stdin, and waits for the end.
    pub(crate) fn close(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The text of a result, or the message of an error.
pub(crate) fn text(answer: &Value) -> String {
    let text = answer["result"]["content"][0]["text"].as_str().or(answer["error"]["message"].as_str());
    text.unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}
