//! The two shims that make functions of Python and Node warm tools.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test unwraps, and says that it is skipped")]

use std::path::Path;

use toolpost_process::{Program, Supervisor, Workers, WorkersOptions};
use toolpost_tool::{AnyTool, Call, Tool as _};

use crate::common::soon;

const PYTHON: &str = "
from worker import serve, tool

@tool
def add(a: int, b: int = 2):
    '''Adds two numbers.'''
    print('adding')
    return {'sum': a + b}

@tool
def divide(a: float, b: float):
    return a / b

serve()
";

const NODE: &str = r#"
import { serve } from "./worker.mjs";
const inputSchema = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };
serve({
  add: { description: "Adds two numbers.", inputSchema, run: ({ a, b = 2 }) => { console.log("adding"); return { sum: a + b }; } },
  divide: { run: ({ b }) => { if (b === 0) throw new Error("division by zero"); } },
});
"#;

#[tokio::test]
async fn python_functions_are_warm_tools() {
    run("python3", "tool.py", PYTHON, "worker.py").await;
}

/// What a function does is no end of its worker: it reads stdin, or has no answer that JSON can have.
#[tokio::test]
async fn a_python_function_takes_no_request_of_another() {
    let text = "
import subprocess
from worker import serve, tool

@tool
def reads():
    return subprocess.run(['cat'], capture_output=True, text=True).stdout

@tool
def no_number():
    return float('nan')

serve()
";
    let Some((tools, _supervisor)) = started("python3", "tool.py", text, "worker.py").await else { return };
    let [reads, no_number] = &*tools else { panic!("{tools:?}") };
    let call = || Call::new(&serde_json::json!({})).unwrap();
    for _ in 0..2 {
        assert_eq!(soon(reads.call(call())).await.unwrap().as_text(), Some(""));
        let error = soon(no_number.call(call())).await.unwrap_err().to_string();
        assert!(error.contains("ValueError"), "{error}");
    }
}

#[tokio::test]
async fn node_functions_are_warm_tools() {
    run("node", "tool.mjs", NODE, "worker.mjs").await;
}

/// The tools of a program of these functions; nothing where that language is not.
async fn started(program: &str, file: &str, text: &str, shim: &str) -> Option<(Vec<AnyTool>, Supervisor)> {
    if std::process::Command::new(program).arg("--version").output().is_err() {
        println!("skipped: there is no {program} here");
        return None;
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let lines = std::fs::read_to_string(docs.join(shim)).unwrap().lines().count();
    assert!(lines <= 40, "{shim} has {lines} lines");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(docs.join(shim), dir.path().join(shim)).unwrap();
    std::fs::write(dir.path().join(file), text).unwrap();
    let program = Program::new(program).arg(file).dir(dir.path()).pass_env("PATH").pass_env("HOME");
    let supervisor = Supervisor::new();
    let workers = Workers::start(&supervisor, program, WorkersOptions::new().processes(1));
    Some((soon(workers.tools()).await.unwrap(), supervisor))
}

async fn run(program: &str, file: &str, text: &str, shim: &str) {
    let Some((tools, _supervisor)) = started(program, file, text, shim).await else { return };
    let [add, divide] = &*tools else { panic!("{tools:?}") };
    assert_eq!(add.spec().description(), "Adds two numbers.");
    assert_eq!(add.spec().input_schema()["required"], serde_json::json!(["a"]));
    for _ in 0..3 {
        let sum = soon(add.call(Call::new(&serde_json::json!({"a": 40})).unwrap())).await.unwrap();
        let sum: serde_json::Value = serde_json::from_str(sum.structured().unwrap()).unwrap();
        assert_eq!(sum, serde_json::json!({"sum": 42}));
        let zero = Call::new(&serde_json::json!({"a": 1, "b": 0})).unwrap();
        let error = soon(divide.call(zero)).await.unwrap_err().to_string();
        assert!(error.contains("division by zero"), "{error}");
    }
}
