//! Lists the tools of any MCP server that is a program, and calls one:
//!
//! ```sh
//! cargo run -p ask_a_server -- target/debug/workbench serve
//! cargo run -p ask_a_server -- target/debug/example-server -- greet '{"name":"Ada"}'
//! ```
//!
//! Without arguments it does the latter (`cargo build -p example-server` first).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::error::Error;

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    use toolpost_client::{ClientOptions, Frame, McpClient, RequestOptions};
    use toolpost_process::{Program, Supervisor};

    let mut said: Vec<String> = std::env::args().skip(1).collect();
    if said.is_empty() {
        let server = std::env::current_exe()?.with_file_name("example-server");
        said = [&*server.to_string_lossy(), "--", "greet", r#"{"name":"Ada"}"#].map(Into::into).to_vec();
    }
    let end = said.iter().position(|word| word == "--").unwrap_or(said.len());
    let (command, call) = (&said[..end], said.get(end + 1..).unwrap_or_default());
    let [executable, arguments @ ..] = command else { return Err("no command before `--`".into()) };

    let program = Program::new(executable).args(arguments).pass_env("PATH");
    let supervisor = Supervisor::new();
    let mut process = supervisor.spawn(&program, |line| eprintln!("server: {line}"))?;
    let (Some(stdout), Some(stdin)) = (process.take_stdout(), process.take_stdin()) else {
        return Err("a process without pipes".into());
    };
    let client = McpClient::over_stdio(stdout, stdin, ClientOptions::new("ask_a_server", "1.0.0"));

    println!("speaks {}", client.ready().await?.version);
    for tool in client.list_tools(RequestOptions::new()).await? {
        println!("{tool}");
    }
    if let [name, rest @ ..] = call {
        let arguments = rest.first().map_or("{}", String::as_str);
        let arguments = Frame::from_text(arguments, &Default::default())?;
        println!("{}", client.call_tool(name, arguments.root(), RequestOptions::new()).await?.text());
    }
    client.close().await;
    process.wait().await?;
    Ok(())
}
