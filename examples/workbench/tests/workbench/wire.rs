//! Every tool over both transports in both eras, with a client that is not ours.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use workbench::client::{Client, Era};
use workbench::plan::{self, TOOLS};
use workbench::serve::{executor, runtime, server, url};

use crate::fixture::{Place, SECRET};

const PROGRAM: &str = env!("CARGO_BIN_EXE_workbench");

/// Runs `drive` with a client over HTTP and with one over stdio, in each era.
fn on_every_wire(root: &Path, drive: impl AsyncFn(&Client)) {
    executor().unwrap().block_on(async {
        let server = server(&runtime(root, |builder| builder).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = url(listener.local_addr().unwrap());
        let driven = async {
            for era in Era::ALL {
                let client = Client::over_http(&url, era).await.unwrap();
                drive(&client).await;
                client.close().await.unwrap();
                let client = Client::over_stdio(Path::new(PROGRAM), root, era).await.unwrap();
                drive(&client).await;
                client.close().await.unwrap();
            }
            server.stop();
        };
        let (served, ()) = tokio::join!(server.serve(listener), driven);
        served.unwrap();
    });
}

/// The text of the answer, which must be a refusal.
async fn refused(client: &Client, tool: &str, args: &Value) -> String {
    let result = client.call(tool, args).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{tool} {args}: {result:?}");
    result.content[0].as_text().unwrap().text.clone()
}

#[test]
fn every_tool_is_listed_and_called() {
    let place = Place::new();
    on_every_wire(&place.root(), async |client| {
        let listed = client.list().await.unwrap();
        let names: Vec<_> = listed.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, TOOLS);
        for tool in &listed {
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert!(tool.output_schema.is_some() || tool.name == "run_workflow", "{}", tool.name);
            assert_eq!(tool.annotations.as_ref().unwrap().read_only_hint, Some(true), "{}", tool.name);
        }
        let listed = client.call("list_files", &json!({})).await.unwrap().structured_content.unwrap();
        let planned = plan::each_tool(&listed);
        let mut called: Vec<_> = planned.iter().map(|planned| planned.tool).collect();
        called.sort_unstable();
        assert_eq!(called, TOOLS, "each once");
        for planned in planned.iter().chain(&plan::refusals()) {
            let (made, _) = plan::make(client, planned).await.unwrap();
            assert!(made.ok, "{made:?}");
        }
    });
}

#[test]
fn what_a_tool_says_arrives_as_it_was_said() {
    let place = Place::new();
    let said = place.ok("read_file", json!({ "path": "src/main.rs" }));
    on_every_wire(&place.root(), async |client| {
        let result = client.call("read_file", &json!({ "path": "src/main.rs" })).await.unwrap();
        let text = &result.content[0].as_text().unwrap().text;
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), said);
        assert_eq!(result.structured_content, Some(said.clone()));
    });
}

/// A shape that the schema does not allow is answered before the tool is called.
#[test]
fn an_argument_of_the_wrong_shape_is_named() {
    let place = Place::new();
    let cases = [
        ("list_files", json!({ "limit": "ten" }), "limit", "integer"),
        ("list_files", json!({ "limit": 0 }), "limit", "1"),
        ("list_files", json!({ "limit": 5_001 }), "limit", "5000"),
        ("list_files", json!({ "limt": 10 }), "limt", "limit"),
        ("list_files", json!({ "path": ["a"] }), "path", "string"),
        ("read_file", json!({}), "path", "missing"),
        ("read_file", json!({ "path": 7 }), "path", "string"),
        ("read_file", json!({ "path": "a", "offset": -1 }), "offset", "0"),
        ("read_file", json!({ "path": "a", "start_line": 0 }), "start_line", "1"),
        ("search_text", json!({}), "pattern", "missing"),
        ("search_text", json!({ "pattern": "" }), "pattern", "1"),
        ("search_text", json!({ "pattern": "x", "ignore_case": "yes" }), "ignore_case", "boolean"),
        ("count_lines", json!({ "glob": 1 }), "glob", "string"),
        ("count_lines", json!({ "limit": 1 }), "limit", "glob"),
        #[cfg(feature = "git")]
        ("git_log", json!({ "limit": 1.5 }), "limit", "integer"),
        #[cfg(feature = "git")]
        ("git_log", json!({ "revision": {} }), "revision", "string"),
    ];
    on_every_wire(&place.root(), async |client| {
        for (tool, args, argument, fix) in &cases {
            let text = refused(client, tool, args).await;
            assert!(text.contains(argument) && text.contains(fix), "{tool} {args}: {text}");
        }
    });
}

#[test]
fn what_is_outside_stays_outside() {
    let place = Place::new();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside", place.root().join("out")).unwrap();
    on_every_wire(&place.root(), async |client| {
        for path in ["../secret.txt", "/etc/passwd", "README.md\0", "out/secret.txt", "README.md/", "~"] {
            for tool in ["read_file", "list_files", "count_lines"] {
                let text = refused(client, tool, &json!({ "path": path })).await;
                assert!(text.contains("`path`") && !text.contains(SECRET), "{tool} {path}: {text}");
            }
        }
    });
}

#[test]
fn an_unknown_tool_is_answered_with_the_nearest() {
    let place = Place::new();
    on_every_wire(&place.root(), async |client| {
        let error = client.call("read_files", &json!({ "path": "a" })).await.unwrap_err().to_string();
        assert!(error.contains("read_file"), "{error}");
    });
}
