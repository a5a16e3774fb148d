//! Over HTTP: who is let in, and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::fixture::{Ended, Place};

const FILE: &str = r#"
    [serve]
    http = "127.0.0.1:0"
    path = "/tools"
    token-file = "tokens"
    [programs.echo]
    argv = ["echo", "{text}"]
"#;

/// A gateway over HTTP, which ends with this value.
pub(crate) struct Served {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = place.command(&["serve", "--config", "gateway.toml"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        let url =
            said.trim_end().strip_prefix("gateway: serving http://").unwrap_or_else(|| panic!("{said}"));
        let address = url.strip_suffix("/tools").unwrap().to_owned();
        Self { child, stderr, address }
    }

    /// What a call of `echo` with this token is answered.
    pub(crate) fn call(&self, token: &str) -> String {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /tools HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn hear(&mut self, part: &str) {
        let mut said = String::new();
        while !said.contains(part) {
            assert_ne!(self.stderr.read_line(&mut said).unwrap(), 0, "no `{part}` in {said}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn whoever_has_a_token_is_let_in_and_a_reload_takes_tokens_back() {
    const ADA: &str = "0123456789abcdef0123";
    const BOB: &str = "fedcba98765432100123";
    let place = Place::with(FILE);
    place.write("tokens", &format!("# who\nada {ADA}\n"));
    let mut served = Served::start(&place);
    let (answer, refused) = (served.call(ADA), served.call(BOB));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hi\\n"), "{answer}");
    assert!(refused.starts_with("HTTP/1.1 401") && !refused.contains("hi"), "{refused}");

    place.write("tokens", "bob short\n");
    served.hear("the token has less than 16 characters");
    assert!(served.call(ADA).starts_with("HTTP/1.1 200"), "nothing is changed");
    place.write("tokens", &format!("bob {BOB}\n"));
    served.hear("the configuration is changed: tokens");
    assert!(served.call(ADA).starts_with("HTTP/1.1 401"), "it was taken back");
    assert!(served.call(BOB).starts_with("HTTP/1.1 200"));

    served.signal("-HUP");
    served.hear("the configuration is as it was");
    served.signal("-TERM");
    assert!(served.child.wait().unwrap().success());
}

#[test]
fn a_file_that_is_named_before_it_is_there_is_read_when_it_comes() {
    const ADA: &str = "0123456789abcdef0123";
    const BOB: &str = "fedcba98765432100123";
    let place = Place::with(FILE);
    place.write("tokens", &format!("ada {ADA}\n"));
    let mut served = Served::start(&place);
    place.write("gateway.toml", &FILE.replace("\"tokens\"", "\"others\""));
    served.hear("others: there is no such file");
    assert!(served.call(ADA).starts_with("HTTP/1.1 200"), "nothing is changed");
    place.write("others", &format!("bob {BOB}\n"));
    served.hear("the configuration is changed: tokens");
    assert!(served.call(ADA).starts_with("HTTP/1.1 401"));
    assert!(served.call(BOB).starts_with("HTTP/1.1 200"));
}

#[test]
fn tokens_that_come_while_nobody_is_asked_for_one_are_no_news_that_misleads() {
    let place = Place::with(&FILE.replace("token-file", "# token-file"));
    let mut served = Served::start(&place);
    place.write("tokens", "ada 0123456789abcdef0123\n");
    place.write("gateway.toml", FILE);
    served.hear("tokens, for which nobody is asked before the next start");
    assert!(served.call("none at all").starts_with("HTTP/1.1 200"), "so it said");
}

#[test]
fn strangers_are_let_in_only_where_the_file_says_so() {
    let place = Place::with("[serve]\nhttp = '0.0.0.0:0'\n[programs.echo]\nargv = ['echo', 'x']\n");
    let ended = place.ended(&["serve"]);
    assert_eq!(ended.code, Some(1));
    ended.said(&["refusing to serve unauthenticated"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = ["serve", "--config", "gateway.toml", "--http", &address];
    Ended::of(&place.command(&args).output().unwrap()).said(&["the port is in use by another process"]);
}
