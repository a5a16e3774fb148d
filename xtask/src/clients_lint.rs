//! What clients refuse or misread in the tools of the examples: a line for each tool and client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use toolpost_tool::{SchemaClient, ToolSpec};

use crate::examples::answered;
use crate::{Done, build_binaries, root};

/// Examples that serve, how they are started, and whether their tools must be for every usual client. (The fixture of the
/// conformance suite has schemas that the suite asks for.)
const SERVED: &[(&str, &[&str], bool)] = &[
    ("example-server", &[], true),
    ("workbench", &["serve"], true),
    ("conformance", &["127.0.0.1:0"], false),
];

/// Prints a line for each tool and client; fails if a tool is not for a client that it must be for.
pub(crate) fn run() -> Done {
    let root = root();
    build_binaries(&root)?;
    let mut refused = 0;
    for (example, args, held) in SERVED {
        let tools = match *example {
            "conformance" => over_http(&root, example, args),
            _ => over_stdio(&root, example, args),
        };
        for tool in tools.map_err(|error| format!("{example}: {error}"))? {
            let spec = described(&tool).ok_or_else(|| format!("{example}: cannot read the tool {tool}"))?;
            refused += usize::from(*held) * lines(example, &spec);
        }
    }
    match refused {
        0 => Ok(()),
        refused => Err(format!("{refused} lines above tell what a usual client refuses")),
    }
}

/// Prints a line for each client; how many usual clients refuse something.
fn lines(example: &str, spec: &ToolSpec) -> usize {
    let findings = spec.findings();
    let mut refused = 0;
    for client in SchemaClient::USUAL.iter().chain(&[SchemaClient::OpenAiStrict]) {
        let own = findings.iter().filter(|finding| finding.clients().contains(client));
        let own: Vec<String> =
            own.map(|finding| format!("{} at {}", finding.rule(), finding.pointer())).collect();
        let name = spec.name();
        if own.is_empty() {
            println!("{example} {name}, {client}: ok");
        } else {
            println!("{example} {name}, {client}: {}", own.join("; "));
            refused += usize::from(SchemaClient::USUAL.contains(client));
        }
    }
    refused
}

fn described(tool: &Value) -> Option<ToolSpec> {
    let spec = ToolSpec::new(tool["name"].as_str()?).ok()?;
    let spec = spec.with_description(tool["description"].as_str().unwrap_or_default());
    let spec = spec.with_input_schema(tool["inputSchema"].clone());
    Some(match tool.get("outputSchema") {
        Some(schema) => spec.with_output_schema(schema.clone()),
        None => spec,
    })
}

/// The request for all tools, in one page.
fn asked() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    } } })
}

fn tools(reply: &str) -> Result<Vec<Value>, String> {
    let reply: Value = serde_json::from_str(reply).map_err(|error| error.to_string())?;
    reply["result"]["tools"].as_array().cloned().ok_or_else(|| format!("lists no tools: {reply}"))
}

fn over_stdio(root: &Path, example: &str, args: &[&str]) -> Result<Vec<Value>, String> {
    let mut command = Command::new(root.join("target/debug").join(example));
    let out = answered(command.args(args).current_dir(root), &format!("{}\n", asked()));
    let out = out.map_err(|error| error.to_string())?;
    tools(String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or_default())
}

fn over_http(root: &Path, example: &str, args: &[&str]) -> Result<Vec<Value>, String> {
    let mut command = Command::new(root.join("target/debug").join(example));
    let child = command.args(args).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = Ended(child.map_err(|error| error.to_string())?);
    let mut said = String::new();
    let stderr = child.0.stderr.take().ok_or("says nothing")?;
    BufReader::new(stderr).read_line(&mut said).map_err(|error| error.to_string())?;
    let address = said.trim().strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix("/mcp"));
    let address = address.ok_or_else(|| format!("does not say where it listens: {said}"))?;
    tools(&posted(address).map_err(|error| error.to_string())?)
}

fn posted(address: &str) -> std::io::Result<String> {
    let body = asked().to_string();
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/list\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
}

/// Ends its process when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}
