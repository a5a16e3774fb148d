//! The commands, as a person or a script runs them.

use serde_json::{Value, json};

use crate::fixture::Place;

/// A worker that tells a tool `warm`, and answers with its process.
pub(crate) const WORKER: &str = r#"
    read hello; echo '{"toolpost": 1, "tools": [{"name": "warm", "description": "Says who it is."}]}'
    while read -r call; do
        id=${call#*:}; echo "{\"id\": ${id%%,*}, \"result\": {\"pid\": $$}}"
    done
"#;

fn place() -> Place {
    let place = Place::with(
        r#"
        [programs.echo]
        description = "Says what it is told."
        argv = ["echo", "{text}"]
        read-only = true
        [programs.fails]
        argv = ["sh", "-c", "echo no luck >&2; exit 3"]
        [programs.slow]
        argv = ["sleep", "1000"]
        time-limit-ms = 100
        [workers.warm]
        argv = ["sh", "worker.sh"]
        cwd = "."
        processes = 1
        [tools.echo]
        cache = { ttl-ms = 60000 }
        breaker = {}
        priority = "urgent"
        [tools.warm]
        concurrency = 2
        "#,
    );
    place.write("worker.sh", WORKER);
    place
}

#[test]
fn list_shows_where_tools_come_from_their_policies_and_how_they_do() {
    let place = place();
    let ended = place.ended(&["list"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = |name: &str| ended.stdout.lines().find(|line| line.starts_with(name)).unwrap();
    for part in ["programs.echo", "cached 60s", "breaker", "urgent", "ready, breaker closed"] {
        assert!(line("echo").contains(part), "{part} is not in {}", ended.stdout);
    }
    assert!(line("warm").contains("workers.warm") && line("warm").contains("2 at once"), "{}", ended.stdout);
    assert!(line("slow").contains("100ms at most"), "{}", ended.stdout);

    let ended = place.ended(&["list", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["tools"].as_array().unwrap().len(), 4);
    assert_eq!(document["origins"], json!({ "workers.warm": { "state": "ready", "tools": 1 } }));

    place.write("worker.sh", "exit 3");
    let ended = place.ended(&["list"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("workers.warm: "), "{ended:?}");
}

#[test]
fn call_hands_on_the_arguments_as_they_are_written() {
    let place = place();
    let read = "read -r call; do";
    let told = WORKER.replace(
        read,
        "read -r call; do case $call in *:12345678901234567890123}*) pid=1;; *) pid=0;; esac;",
    );
    place.write("worker.sh", &told.replace("$$", "$pid"));
    let ended = place.ended(&["call", "warm", r#"{"n":12345678901234567890123}"#, "--json"]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(result["structuredContent"]["pid"], 1, "{ended:?}");
}

#[test]
fn call_goes_through_the_whole_pipeline_and_says_how_it_ended() {
    let place = place();
    let ended = place.ended(&["call", "echo", r#"{"text": "hello"}"#]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "hello\n\n"), "{ended:?}");
    let ended = place.ended(&["call", "warm", "--json"]);
    let result: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert!(ended.code == Some(0) && result["structuredContent"]["pid"].is_u64(), "{ended:?}");
    for (args, code, said) in [
        (&["call", "ehco"][..], 2, "there is no tool `ehco`; did you mean `echo`?"),
        (&["call", "echo", "{}"], 2, "text"),
        (&["call", "echo", "[1]"], 2, "the arguments are no JSON object"),
        (&["call", "echo", "{"], 2, "the arguments are no JSON"),
        (&["call", "fails"], 1, "no luck"),
        (&["call", "slow"], 4, "100ms"),
    ] {
        let ended = place.ended(args);
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{said} is not in {ended:?}");
    }
}

#[test]
fn schema_prints_the_published_schema() {
    let place = Place::with("");
    let printed: Value = serde_json::from_str(&place.ended(&["schema"]).stdout).unwrap();
    let published: Value = serde_json::from_str(include_str!("../../gateway.schema.json")).unwrap();
    assert!(printed == published, "what is printed is what is published");
}

#[test]
fn programs_and_workers_are_served_on_stdio() {
    let place = place();
    let mut client = place.served();
    client.wait_for("warm");
    assert_eq!(client.tools(), ["echo", "fails", "slow", "warm"]);
    assert_eq!(client.call("echo", &json!({ "text": "hello" })), "hello\n");
    let first = client.call("warm", &json!({}));
    assert_eq!(client.call("warm", &json!({})), first, "one process answers both");
    client.close();
}

#[test]
fn plans_run_over_the_tools_that_are_served() {
    let place = place();
    let whole = std::fs::read_to_string(place.path("gateway.toml")).unwrap();
    place
        .write("gateway.toml", &format!("{whole}\n[plans]\nrun-workflow = true\ntemplates = 'plans.json'\n"));
    let template = json!({
        "name": "greet", "version": "1.0.0", "description": "Greets.",
        "parameters": { "who": { "type": "string" } },
        "steps": { "say": { "tool": "echo", "arguments": { "text": "hello ${who}" } } },
        "output": { "$ref": "/steps/say/output" },
    });
    place.write("plans.json", &json!({ "templates": [template] }).to_string());
    let ended = place.ended(&["call", "greet", r#"{"who": "Ada"}"#]);
    assert!(ended.code == Some(0) && ended.stdout.contains("hello Ada"), "{ended:?}");
    let workflow = json!({ "workflow": {
        "steps": { "who": { "tool": "warm" } }, "output": { "$ref": "/steps/who/output/pid" },
    } });
    // A plan is held against the tools that there are: the worker has to have told its own.
    let mut client = place.served();
    client.wait_for("warm");
    assert!(client.call("run_workflow", &workflow).parse::<u32>().is_ok());
    assert!(client.call("greet", &json!({})).contains("who"));
    client.close();
    let ended = place.ended(&["list"]);
    assert!(
        ended.stdout.lines().any(|line| line.starts_with("greet") && line.contains("plans")),
        "{ended:?}"
    );

    place.write("plans.json", r#"{ "templates": [{ "name": "greet", "version": "one" }] }"#);
    let ended = place.ended(&["check"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("gateway.toml: plans.templates: "), "{ended:?}");
}
