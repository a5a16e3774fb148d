//! What a process tool costs, beside what processes and pipes cost anyhow.
//!
//! Warm: a call of a worker, beside a line through the pipes of the same child and back, by a task that does nothing else. Cold:
//! a program started, read and reaped by the supervisor, beside the same by tokio. Then the workload that process tools are
//! slow for, an interpreter that takes half a second to start; and ten calls at once of a worker that sleeps.
//!
//! The children are this binary once more. `--quick` for a look that proves nothing.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::io::{self, BufRead, Write};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::{Goals, machine, median, record};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use toolpost_process::{Program, Supervisor, Workers, WorkersOptions};
use toolpost_tool::{AnyTool, Call, Tool, ToolSpec};

type Done<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A worker that takes half a second to start, as a Python program with its imports does, and then adds.
const PYTHON: &str = r#"
import json, sys, time
time.sleep(0.5)
def add(a, b): return {"sum": a + b}
if sys.argv[1:]:
    print(json.dumps(add(1, 2)))
else:
    for line in sys.stdin:
        request = json.loads(line)
        if "toolpost" in request: answer = {"toolpost": 1, "tools": [{"name": "add"}]}
        elif "call" in request: answer = {"id": request["id"], "result": add(**request["arguments"])}
        else: continue
        print(json.dumps(answer), flush=True)
"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["child", "worker"] => worker().map(|()| true).map_err(Into::into),
        ["child", "nothing"] => {
            println!("nothing");
            Ok(true)
        }
        [] => measured(1),
        ["--quick"] => measured(10),
        _ => Err("no such option; there is --quick".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-process: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers calls, echoes what is none, and sleeps for a tenth of a second where it is asked to.
fn worker() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with("{\"toolpost\"") {
            writeln!(stdout, "{{\"toolpost\":1,\"tools\":[{{\"name\":\"echo\"}},{{\"name\":\"sleep\"}}]}}")?;
        } else if let Some((id, rest)) = line.strip_prefix("{\"id\":").and_then(|rest| rest.split_once(',')) {
            if rest.starts_with("\"call\":\"sleep\"") {
                std::thread::sleep(Duration::from_millis(100));
            }
            writeln!(stdout, "{{\"id\":{id},\"result\":{line}}}")?;
        } else {
            writeln!(stdout, "{line}")?;
        }
        stdout.flush()?;
    }
    Ok(())
}

fn measured(less: usize) -> Done<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // As in a server: calls run in tasks, not on the thread that waits for the whole.
    runtime.block_on(async move { tokio::spawn(measure(less)).await? })
}

async fn measure(less: usize) -> Done<bool> {
    let mut goals = Goals::new();
    let mut text = String::new();

    let (bare, warm) = warm(2_000 / less).await?;
    text += &format!("warm: bare pipe {:.1} us, call {:.1} us\n", bare * 1e6, warm * 1e6);
    goals.at_most("warm call / (1.5 bare pipe round trips + 60 us)", warm / (1.5 * bare + 60e-6), 1.0);

    let mut programs = vec![("this binary", std::env::current_exe()?, ["child", "nothing"])];
    if let Ok(python) = found("python3") {
        programs.push(("python3", python, ["-c", "print(1)"]));
    }
    for (name, program, arguments) in programs {
        let (bare, cold) = cold(&program, &arguments, 300 / less).await?;
        text +=
            &format!("cold, {name}: bare spawn and wait {:.3} ms, call {:.3} ms\n", bare * 1e3, cold * 1e3);
        goals.at_most(&format!("cold call / bare spawn and wait, {name}"), cold / bare, 1.25);
    }

    let (after, at_once) = sleeping().await?;
    text += &format!("ten calls that sleep 100 ms: {after:.3} s one after another, {at_once:.3} s at once\n");
    goals.at_least("ten sleeping calls: one after another / at once", after / at_once, 9.0);

    if found("python3").is_ok() {
        let (cold, warm) = slow_start(1_000 / less).await?;
        text += &format!(
            "a start of half a second: cold P95 {:.0} ms, warm P95 {:.3} ms\n",
            cold * 1e3,
            warm * 1e3
        );
        goals.at_most("a start of half a second: warm P95, ms", warm * 1e3, 5.0);
    } else {
        println!("skipped: there is no python3 here");
    }
    print!("{text}");
    if less == 1 {
        record("process", &format!("{}\n\n```text\n{text}\n{}\n```", machine(), goals.lines().join("\n")))?;
    }
    Ok(goals.finish())
}

/// A Python without shims in front of it.
fn found(program: &str) -> Done<std::path::PathBuf> {
    let output =
        std::process::Command::new(program).args(["-c", "import sys; print(sys.executable)"]).output()?;
    let path = String::from_utf8(output.stdout)?;
    if path.trim().is_empty() { Err("no such program".into()) } else { Ok(path.trim().into()) }
}

fn workers(supervisor: &Supervisor, program: Program, processes: usize) -> Workers {
    let options = WorkersOptions::new().processes(processes).recycle_after(1 << 40);
    Workers::start(supervisor, program, options)
}

fn tool(workers: &Workers, name: &str) -> Done<AnyTool> {
    Ok(workers.tool(ToolSpec::new(name)?))
}

/// The median of both, taken in turn.
async fn warm(calls: usize) -> Done<(f64, f64)> {
    let exe = std::env::current_exe()?;
    let mut child = tokio::process::Command::new(&exe)
        .args(["child", "worker"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no pipe")?;
    let mut stdout = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let supervisor = Supervisor::new();
    let workers = workers(&supervisor, Program::new(exe).args(["child", "worker"]), 1);
    let echo = tool(&workers, "echo")?;
    // A line of 256 bytes both ways.
    let asked = format!("{{\"text\":\"{}\"}}", "x".repeat(245));
    let arguments: serde_json::Value = serde_json::from_str(&asked)?;
    let call = Call::new(&arguments).map_err(toolpost_tool::ToolError::into_std)?;
    let mut line = String::new();
    let (mut bare, mut through) = (Vec::new(), Vec::new());
    for n in 0..calls + 100 {
        let began = Instant::now();
        stdin.write_all(format!("{asked}\n").as_bytes()).await?;
        line.clear();
        stdout.read_line(&mut line).await?;
        let between = Instant::now();
        echo.call(call.clone()).await.map_err(toolpost_tool::ToolError::into_std)?;
        if 100 <= n {
            bare.push((between - began).as_secs_f64());
            through.push(between.elapsed().as_secs_f64());
        }
    }
    Ok((median(bare.into_iter()), median(through.into_iter())))
}

/// The median of both, taken in turn: the program is started, its stdout read to the end, and it is waited for.
async fn cold(program: &std::path::Path, arguments: &[&str], calls: usize) -> Done<(f64, f64)> {
    let supervisor = Supervisor::new();
    let described = Program::new(program).args(arguments.iter().copied());
    let (mut bare, mut through) = (Vec::new(), Vec::new());
    let mut said = Vec::new();
    for n in 0..calls + 20 {
        let began = Instant::now();
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        said.clear();
        child.stdout.take().ok_or("no pipe")?.read_to_end(&mut said).await?;
        child.wait().await?;
        let between = Instant::now();
        let mut process = supervisor.spawn(&described, |_| {})?;
        said.clear();
        process.take_stdout().ok_or("no pipe")?.read_to_end(&mut said).await?;
        process.wait().await?;
        if 20 <= n {
            bare.push((between - began).as_secs_f64());
            through.push(between.elapsed().as_secs_f64());
        }
    }
    Ok((median(bare.into_iter()), median(through.into_iter())))
}

async fn sleeping() -> Done<(f64, f64)> {
    let supervisor = Supervisor::new();
    let workers = workers(&supervisor, Program::new(std::env::current_exe()?).args(["child", "worker"]), 10);
    let sleep = tool(&workers, "sleep")?;
    let call = || Call::new(&serde_json::json!({})).map_err(toolpost_tool::ToolError::into_std);
    while workers.ready() < 10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    for _ in 0..10 {
        sleep.call(call()?).await.map_err(toolpost_tool::ToolError::into_std)?;
    }
    let after = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let (sleep, call) = (sleep.clone(), call()?);
        calls.spawn(async move { sleep.call(call).await.is_ok() });
    }
    if calls.join_all().await.contains(&false) {
        return Err("a call failed".into());
    }
    Ok((after, began.elapsed().as_secs_f64()))
}

/// The 95th percentile of a Python program that takes half a second to start: started for each call, and warm.
async fn slow_start(calls: usize) -> Done<(f64, f64)> {
    let supervisor = Supervisor::new();
    let python = Program::new(found("python3")?).args(["-c", PYTHON]);
    let mut cold = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        let mut process = supervisor.spawn(&python.clone().arg("once"), |_| {})?;
        let mut said = String::new();
        process.take_stdout().ok_or("no pipe")?.read_to_string(&mut said).await?;
        process.wait().await?;
        cold.push(began.elapsed().as_secs_f64());
    }
    let workers = workers(&supervisor, python, 2);
    workers.tools().await.map_err(toolpost_tool::ToolError::into_std)?;
    let add = tool(&workers, "add")?;
    let mut warm = Vec::new();
    for n in 0..calls {
        let call =
            Call::new(&serde_json::json!({"a": n, "b": 2})).map_err(toolpost_tool::ToolError::into_std)?;
        let began = Instant::now();
        add.call(call).await.map_err(toolpost_tool::ToolError::into_std)?;
        warm.push(began.elapsed().as_secs_f64());
    }
    Ok((percentile(cold), percentile(warm)))
}

fn percentile(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * 95).div_ceil(100) - 1]
}
