//! A runtime whose tools are programs: a drain waits for what runs, and ends what is kept warm.

use std::time::Duration;

use toolpost::Runtime;
use toolpost::process::{Program, Supervisor, Workers, WorkersOptions};

const WORKER: &str = r#"
read -r hello; echo '{"toolpost":1,"tools":[{"name":"pid"}]}'
while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"result\":\"$$\"}"; done"#;

#[tokio::test]
async fn a_drain_ends_what_is_kept_warm_and_counts_what_runs() {
    let supervisor = Supervisor::new();
    let program = Program::new("/bin/sh").args(["-c", WORKER]);
    let workers = Workers::start(&supervisor, program, WorkersOptions::new().processes(2));
    let runtime = Runtime::builder().background("processes", supervisor.clone()).build().unwrap();
    runtime.source("workers").set(workers.tools().await.unwrap()).await.unwrap();
    let first = runtime.call("pid", &serde_json::json!({})).await.unwrap();
    assert!(first.as_text().is_some());

    let stays = supervisor.spawn(&Program::new("cat"), |_| {}).unwrap();
    let remaining = runtime.drain(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(remaining.background["processes"], 1, "the workers are gone");
    drop(stays);
    runtime.drain(Duration::from_secs(60)).await.unwrap();
    assert_eq!(supervisor.running(), 0);
}
