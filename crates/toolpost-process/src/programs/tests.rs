//! What a file may say, and what is said of one that may not be.

use std::ffi::OsString;
use std::path::Path;

use super::*;

fn read(text: &str) -> Result<Programs, Vec<String>> {
    file(text, Path::new("/base"), &|name| (name == "TOKEN").then(|| OsString::from("hunter22")))
}

#[test]
fn every_key_is_read() {
    let programs = read(
        r#"
        [programs.grep]
        description = "Finds."
        argv = ["grep", ["-m", "{limit:integer?}"], "-e", "{-pattern}", "--", "{paths...}"]
        stdin = "{}"
        cwd = "data"
        env = ["LANG", "HOME"]
        secrets = ["TOKEN"]
        output = "json-lines"
        output-limit = 1000
        time-limit-ms = 500
        exit-codes = { 1 = "ok", 2 = "invalid-arguments" }
        concurrency = 2
        read-only = true
        output-schema = { type = "array" }

        [programs.date]
        argv = ["/bin/date", "{format}"]
        [programs.date.input-schema]
        type = "object"
        required = ["format"]
        properties.format = { type = "string", description = "As strftime has it." }

        [workers.stats]
        argv = ["python3", "stats.py"]
        processes = 2
        recycle-after = 10
        secrets = ["TOKEN"]
        "#,
    )
    .unwrap();
    assert_eq!(format!("{programs:?}"), r#"Programs { commands: 2, workers: ["stats"] }"#);
    let mut programs = programs;
    let tools = programs.take_commands(&crate::Supervisor::new());
    let grep = tools.iter().find(|tool| toolpost_tool::Tool::spec(*tool).name() == "grep").unwrap();
    let spec = toolpost_tool::Tool::spec(grep);
    assert_eq!(spec.description(), "Finds.");
    assert_eq!(spec.policy().time_limit, Some(Duration::from_millis(500)));
    assert_eq!((spec.policy().concurrency, spec.policy().repeatable), (Some(2), true));
    assert_eq!(spec.output_schema().unwrap()["type"], "array");
    assert_eq!(spec.input_schema()["required"], serde_json::json!(["pattern", "paths"]));
}

#[test]
fn all_faults_are_told_at_once_each_with_its_table_and_key() {
    let faults = read(
        r#"
        [program.x]
        [programs.one]
        argvs = ["x"]
        [programs.two]
        argv = "ls -l"
        output = "jsonl"
        output-limit = 0
        time-limit-ms = "1s"
        processes = 2
        secrets = ["ABSENT", "A=B"]
        [programs.three]
        argv = ["ls", "{path", "--{option}"]
        input-schema = { type = "object", properties = { paht = {} } }
        [programs."no good"]
        argv = ["ls"]
        exit-codes = { 300 = "ok" }
        [programs.four]
        argv = ["ls"]
        exit-codes = { 1 = "fine" }
        [workers.four]
        argv = ["ls", ["a"]]
        stdin = "x"
        "#,
    )
    .unwrap_err();
    let expected = [
        "program: there is no such key; did you mean `programs`?",
        "programs.one.argvs: there is no such key; did you mean `argv`?",
        "programs.one.argv: is missing; give the program",
        "programs.two.argv: expected a list of texts, got string",
        "programs.two.output: there is no \"jsonl\", but \"text\", \"json\", \"json-lines\"; did you mean \"json\"?",
        "programs.two.output-limit: expected 1 to 1073741824, got 0",
        "programs.two.time-limit-ms: expected a whole number, got string",
        "programs.two.processes: there is no such key here; it is for [workers]",
        "programs.two.secrets: `ABSENT` is not set in the server's environment",
        "programs.two.secrets: `A=B` is no name of a variable",
        "programs.three.argv[1]: `{path` has a `{` that nothing closes",
        "programs.three.argv[2]: `--{option}` lets a caller choose the option",
        "programs.three.input-schema: has no property `option`",
        "programs.three.input-schema: has a property `paht`, which goes nowhere",
        "programs.no good.exit-codes: `300` is no exit status",
        "programs.no good.tool name `no good` has ` `",
        "programs.four.exit-codes: 1: there is no \"fine\"",
        "workers.four: has the name of another table",
        "workers.four.argv[1]: is a list; a worker is started without values",
        "workers.four.stdin: there is no such key here; it is for [programs]",
    ];
    let all = faults.join("\n");
    for expected in expected {
        assert!(all.contains(expected), "{expected}\nis not in\n{all}");
    }
    assert_eq!(faults.len(), expected.len(), "{all}");
    assert!(read("[programs.x]\nargv = [").unwrap_err()[0].contains("line 2"));
}

#[test]
fn a_short_secret_is_a_fault() {
    let faults =
        file("[programs.x]\nargv = ['x']\nsecrets = ['PIN']", Path::new(""), &|_| Some("1234".into()))
            .unwrap_err();
    assert_eq!(
        faults,
        ["programs.x.secrets: `PIN` has 4 bytes, and 6 at least are needed to tell it from other text"]
    );
}

/// `docs/programs.schema.json` is what editors are given.
#[test]
fn the_published_schema_is_that_of_the_reader() {
    let published: Json = serde_json::from_str(include_str!("../../docs/programs.schema.json")).unwrap();
    assert_eq!(published, Programs::schema(), "write `Programs::schema()` to docs/programs.schema.json");
}
