//! One call, from the command line, behind every policy.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use toolpost::dispatch::{CallRequest, nearest};
use toolpost::tool::{ErrorKind, Output, Principal, ToolError};

use crate::config::Config;
use crate::gateway::{Condition, Gateway};
use crate::say::say;
use crate::{FAILED, Failure, WRONG};

/// The call is refused, or what it needs cannot be reached now.
const LATER: u8 = 3;
/// The call took too long.
const LATE: u8 = 4;
/// Nobody knows how the call ended.
const UNKNOWN: u8 = 5;

/// What to call.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The tool's name, as `gateway list` has it.
    name: String,
    /// The arguments, a JSON object.
    #[arg(default_value = "{}")]
    arguments: String,
    /// Prints the whole result as one JSON object, rather than its text.
    #[arg(long)]
    json: bool,
    /// Whom the call is made for; nobody, unless told otherwise.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// How long servers and workers may take to say which tools they have.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,
}

/// Makes the call and prints what it comes to; returns the exit code.
pub(crate) async fn call(config: Config, options: Options) -> Result<u8, Failure> {
    // As they are written: a number may have more digits than a value of Rust.
    let arguments: &RawValue = match serde_json::from_str(&options.arguments) {
        Ok::<&RawValue, _>(arguments) if arguments.get().starts_with('{') => arguments,
        Ok(_) => return Ok(wrong("the arguments are no JSON object; give one such as '{\"path\": \".\"}'")),
        Err(error) => return Ok(wrong(format!("the arguments are no JSON: {error}"))),
    };
    let gateway = Gateway::start(config).await.map_err(|faults| faults.join("\n"))?;
    if !found(&gateway, &options.name, Duration::from_secs(options.wait)).await {
        let code = wrong(absent(&gateway, &options.name));
        gateway.stop().await;
        return Ok(code);
    }
    let mut request = CallRequest::new(&*options.name).with_arguments(arguments)?;
    if let Some(name) = options.by {
        request = request.by(Principal::new(name));
    }
    let code = match gateway.runtime().dispatcher().call(request).await {
        Ok(output) => {
            println!("{}", shown(&output, options.json));
            if output.is_error() { FAILED } else { 0 }
        }
        Err(error) => {
            say(reason(&error));
            code(error.kind())
        }
    };
    gateway.stop().await;
    Ok(code)
}

fn wrong(fault: impl Into<String>) -> u8 {
    say(fault);
    WRONG
}

/// Whether there is a tool of this name, or comes to be one in time.
async fn found(gateway: &Gateway, name: &str, wait: Duration) -> bool {
    let dispatcher = gateway.runtime().dispatcher();
    let is_there = || dispatcher.catalog().find(name).is_some();
    let mut changes = dispatcher.catalog_changes();
    let came = async { while !is_there() && changes.changed().await.is_ok() {} };
    tokio::select! {
        biased;
        () = came => {}
        () = gateway.settled(wait) => {}
    }
    is_there()
}

/// Says that there is no such tool, and why that may be.
fn absent(gateway: &Gateway, name: &str) -> String {
    let catalog = gateway.runtime().dispatcher().catalog();
    let names: Vec<&str> = catalog.iter().map(|entry| entry.spec().name()).collect();
    let mut text = format!("there is no tool `{name}`");
    if let Some(near) = nearest(name, names.into_iter()).first() {
        text += &format!("; did you mean `{near}`?");
    }
    for (origin, state) in gateway.states() {
        match state.condition {
            Condition::Starting => text += &format!("\n{origin} has not said yet which tools it has"),
            Condition::Down(reason) => text += &format!("\n{origin}: {reason}"),
            Condition::Ready => {}
        }
        let refused = state.refused.into_iter().filter(|(refused, _)| refused == name);
        refused.for_each(|(_, reason)| text += &format!("\n{origin}: {reason}"));
    }
    text
}

/// The text of a result that is text alone; else, or if the `whole` is asked for, its JSON.
fn shown(output: &Output, whole: bool) -> String {
    let json = format!("{{{}}}", output.encode());
    let result: Value = serde_json::from_str(&json).unwrap_or_default();
    let blocks = result["content"].as_array().filter(|blocks| !blocks.is_empty() && !whole);
    let texts: Option<Vec<&str>> =
        blocks.and_then(|blocks| blocks.iter().map(|block| block["text"].as_str()).collect());
    texts.map_or(json, |texts| texts.join("\n"))
}

fn reason(error: &ToolError) -> String {
    match error.retry_after() {
        Some(wait) => format!("{error} (come back in {wait:?})"),
        None => error.to_string(),
    }
}

const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArguments | ErrorKind::Protocol => WRONG,
        ErrorKind::Refused(_) | ErrorKind::Unavailable => LATER,
        ErrorKind::TimedOut => LATE,
        ErrorKind::OutcomeUnknown => UNKNOWN,
        _ => FAILED,
    }
}
