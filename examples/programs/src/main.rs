//! Programs as tools, declared in a file: one that is started for each call, and a Python function warm and cold, with
//! what each costs. Run it with `cargo run -p programs`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::disallowed_methods, reason = "it tells how long calls take")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolpost::Runtime;
use toolpost::process::{Programs, Supervisor};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let supervisor = Supervisor::new();
    let mut programs = Programs::from_file(here.join("programs.toml"))?;
    let commands = programs.take_commands(&supervisor);
    // A drain waits for the processes.
    let builder = Runtime::builder().background("processes", supervisor.clone());
    let runtime = commands.into_iter().fold(builder, toolpost::RuntimeBuilder::any).build()?;

    let found =
        runtime.call("find", &json!({ "pattern": "^argv", "paths": [here.join("programs.toml")] })).await?;
    println!("find: {}", found.as_text().unwrap_or_default().lines().next().unwrap_or_default());
    // A value is never an option, and a missing argument is told before anything starts.
    for wrong in [json!({ "pattern": "x", "path": "y" }), json!({ "pattern": "x", "paths": [7] })] {
        if let Err(error) = runtime.call("find", &wrong).await {
            println!("find {wrong}: {error}");
        }
    }

    let sum = json!({ "a": 40, "b": 2 });
    if let Err(error) = runtime.call("add_cold", &sum).await {
        println!("skipped, warm and cold Python: {error}");
        return Ok(());
    }
    // Workers tell their tools when they have started: nobody has to wait for that but this example.
    for (name, workers) in programs.start_workers(&supervisor) {
        runtime.source(name).set(workers.tools().await?).await?;
    }
    let cold = took(&runtime, "add_cold", &sum, 10).await?;
    let warm = took(&runtime, "add", &sum, 500).await?;
    println!("cold: {cold:?} a call, warm: {warm:?} a call");
    println!("a warm call takes 1/{:.0} of a cold one", cold.as_secs_f64() / warm.as_secs_f64());

    drop(runtime.source("python").clear().await);
    if let Err(left) = runtime.drain(Duration::from_secs(5)).await {
        println!("left behind: {left}");
    }
    Ok(())
}

/// How long a call takes, on average.
async fn took(runtime: &Runtime, tool: &str, args: &Value, calls: u32) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..calls {
        let output = runtime.call(tool, args).await?;
        let sum: Value = serde_json::from_str(output.structured().unwrap_or_default())?;
        if sum != json!({ "sum": 42 }) {
            return Err(format!("{tool} says {sum}").into());
        }
    }
    Ok(start.elapsed() / calls)
}
