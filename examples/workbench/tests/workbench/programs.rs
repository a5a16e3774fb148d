//! Programs of a file, served beside the workbench's own tools.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use workbench::client::{Client, Era};
use workbench::serve::executor;

use crate::fixture::write;

fn serve(file: &Path) -> Output {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_workbench"));
    serve.args(["serve", "--programs"]).arg(file).stdin(std::process::Stdio::null()).output().unwrap()
}

#[test]
fn a_file_with_faults_is_told_of_all_of_them() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("programs.toml");
    write(
        &file,
        "[programs.a]\nargvs = ['x']\n[programs.b]\nargv = ['x', '--{y}']\nsecrets = ['NOT_SET_ANYWHERE']\n",
    );
    let output = serve(&file);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for fault in [
        "programs.toml: programs.a.argvs: there is no such key; did you mean `argv`?",
        "programs.toml: programs.b.argv[1]: `--{y}` lets a caller choose the option",
        "programs.toml: programs.b.secrets: `NOT_SET_ANYWHERE` is not set",
    ] {
        assert!(said.contains(fault), "{fault}\nis not in\n{said}");
    }
    let output = serve(&dir.path().join("none.toml"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("none.toml: cannot be read"));
}

#[test]
fn programs_and_workers_are_tools() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("programs.toml");
    // A worker that says what it is told, the handshake and then answers, when it is started for the fifth time.
    let worker = r#"
        echo >> starts; [ "$(wc -l < starts)" -lt 5 ] && exit 3
        read hello; echo '{"toolpost": 1, "tools": [{"name": "warm"}]}'
        while read -r call; do
            id=${call#*:}; echo "{\"id\": ${id%%,*}, \"result\": {\"pid\": $$}}"
        done
    "#;
    write(&dir.path().join("worker.sh"), worker);
    write(&dir.path().join("data/a.txt"), "one\ntwo\n");
    write(
        &file,
        r#"
        [programs.find]
        description = "Finds lines."
        argv = ["grep", "-n", "-e", "{-pattern}", "--", "{path}"]
        cwd = "data"
        exit-codes = { 1 = "ok" }
        [programs.leak]
        argv = ["sh", "-c", "echo $PATH; echo password=$PATH >&2; exit 1"]
        secrets = ["PATH"]
        [programs.slow]
        argv = ["sleep", "1000"]
        time-limit-ms = 100
        [workers.warm]
        argv = ["sh", "worker.sh"]
        cwd = "."
        processes = 1
        "#,
    );
    let program = Path::new(env!("CARGO_BIN_EXE_workbench"));
    executor().unwrap().block_on(async {
        let args = ["--programs".to_owned(), file.display().to_string()];
        let client = Client::over_stdio_with(program, dir.path(), &args, Era::Discover).await.unwrap();
        let text = |result: &rmcp::model::CallToolResult| {
            result.content.first().and_then(|block| block.as_text()).unwrap().text.clone()
        };
        let found = client.call("find", &json!({ "pattern": "tw", "path": "a.txt" })).await.unwrap();
        assert_eq!(text(&found), "2:two\n");
        let refused = client.call("find", &json!({ "pattern": "tw", "paht": "a.txt" })).await.unwrap();
        assert!(refused.is_error == Some(true) && text(&refused).contains("paht"), "{refused:?}");
        let leak = text(&client.call("leak", &json!({})).await.unwrap());
        assert_eq!(leak, "`sh` failed with exit status 1: password=[redacted]");
        let slow = text(&client.call("slow", &json!({})).await.unwrap());
        assert!(slow.contains("100ms"), "{slow}");
        // The worker has told its tool by now, or soon.
        let mut pids = std::collections::BTreeSet::new();
        while pids.is_empty() {
            if let Ok(result) = client.call("warm", &json!({})).await
                && let Some(pid) = result.structured_content
            {
                pids.insert(pid["pid"].as_u64());
            }
        }
        let again = client.call("warm", &json!({})).await.unwrap();
        pids.insert(again.structured_content.unwrap()["pid"].as_u64());
        assert_eq!(pids.len(), 1, "one process answers both");
        client.close().await.unwrap();
    });
}
