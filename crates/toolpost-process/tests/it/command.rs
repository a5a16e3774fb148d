//! Programs that run once for each call.
#![expect(clippy::disallowed_methods, reason = "a test waits for what the system does")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use toolpost_process::{CommandOutput, CommandTool, CommandToolBuilder, Program, Redactor, Supervisor};
use toolpost_tool::{Call, CallParts, ErrorKind, LogLevel, Output, Sink, Tool as _, ToolError};

use crate::common::{gone, sh, soon};

/// What a client hears of a call besides its answer.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Sink for Heard {
    fn progress(&self, done: f64, _: Option<f64>, message: Option<&str>) {
        self.0.lock().unwrap().push(format!("progress {done} {}", message.unwrap_or_default()));
    }

    fn log(&self, level: LogLevel, _: Option<&str>, data: &str) {
        self.0.lock().unwrap().push(format!("{} {data}", level.as_str()));
    }

    fn log_level(&self) -> Option<LogLevel> {
        Some(LogLevel::Debug)
    }
}

fn call(arguments: &Value) -> (Call, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut parts = CallParts::default().with_arguments(arguments).unwrap();
    parts.set_sink(Some(Arc::clone(&heard) as _));
    (Call::from_parts(parts), heard)
}

fn script(script: &str) -> CommandToolBuilder {
    CommandTool::builder("script", sh(script).pass_env("PATH"))
}

async fn ran(builder: CommandToolBuilder, arguments: Value) -> Result<Output, ToolError> {
    let tool = builder.build(&Supervisor::new()).unwrap();
    soon(tool.call(call(&arguments).0)).await
}

async fn answer(text: &str, output: CommandOutput) -> Result<String, String> {
    let tool = CommandTool::builder("printf", Program::new("printf")).args(["%b", "{text}"]).output(output);
    match ran(tool, json!({ "text": text })).await {
        Ok(output) => Ok(output.structured().or(output.as_text()).unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn an_answer_is_text_or_one_document_or_a_document_a_line() {
    use CommandOutput::{Json, JsonLines, Text};
    for (text, output, expected) in [
        ("one\\n\\033[1mtwo\\007", Text, "one\n\u{1b}[1mtwo\u{7}"),
        ("", Text, ""),
        ("\\0377x", Text, "\u{fffd}x"),
        ("{\"a\": [1,\\n 2]}\\n", Json, r#"{"a":[1,2]}"#),
        ("[1]", Json, "[1]"),
        ("null", Json, "null"),
        ("\"\\\\u0007\"", Json, "\"\\u0007\""),
        ("1\\n\\n{\"a\": 1}\\r\\n[ ]", JsonLines, r#"[1,{"a":1},[]]"#),
        ("", JsonLines, "[]"),
    ] {
        assert_eq!(answer(text, output).await.unwrap(), expected, "{text}");
    }
    for (text, output, expected) in [
        ("", Json, "`printf` wrote nothing, and one JSON document was expected"),
        (" \\n", Json, "wrote nothing"),
        ("{\"a\": ", Json, "what `printf` wrote is no JSON document: "),
        ("\"\\007\"", Json, "is no JSON document"),
        ("{} {}", Json, "is no JSON document"),
        ("{\"a\":1,\"a\":2}", Json, "is no JSON document"),
        ("1\\nTraceback\\n2", JsonLines, "line 2 of what `printf` wrote is no JSON document"),
    ] {
        let error = answer(text, output).await.unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[tokio::test]
async fn an_array_is_wrapped_where_only_an_object_may_stand() {
    let tool = CommandTool::builder("printf", Program::new("printf")).arg("[1]").output(CommandOutput::Json);
    let output = ran(tool, json!({})).await.unwrap();
    let mut wire = Vec::new();
    output.write(&mut wire, toolpost_tool::Version::V2025_06_18);
    assert!(String::from_utf8(wire).unwrap().contains(r#""structuredContent":{"result":[1]}"#));
}

#[tokio::test]
async fn arguments_and_stdin_go_where_the_template_says() {
    let tool = CommandTool::builder("say", Program::new("sh"))
        .args(["-c", "cat; printf '|%s' \"$@\"", "sh", "{words...}"])
        .group(["--n", "{n:integer?}"])
        .stdin("<{text}>");
    let words = ["a b", "$(id)", "'", "*"];
    let output = ran(tool, json!({ "words": words, "text": "in\n" })).await.unwrap();
    assert_eq!(output.as_text(), Some("<in\n>|a b|$(id)|'|*"));
}

#[tokio::test]
async fn a_value_that_would_be_an_option_never_starts_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let touched = dir.path().join("touched");
    let tool = CommandTool::builder("sort", Program::new("sort")).arg("{path}");
    let error = ran(tool, json!({ "path": format!("--output={}", touched.display()) })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert!(
        error.to_string().contains("argument `path`: begins with `-`, and `sort` would take it"),
        "{error}"
    );
    assert!(!touched.exists());
}

#[tokio::test]
async fn exit_codes_are_kinds_of_errors() {
    for code in [1, 2, 3, 4, 5, 42, 124, 127, 130, 137, 143, 255] {
        let error = ran(script(&format!("echo why >&2; exit {code}")), json!({})).await.unwrap_err();
        let text = error.to_string();
        let kind = if code == 124 { ErrorKind::TimedOut } else { ErrorKind::Failed };
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.starts_with(&format!("`/bin/sh` failed with exit status {code}")), "{text}");
        assert!(text.ends_with(": why"), "{text}");
        match code {
            127 => assert!(text.contains("did not find something to execute"), "{text}"),
            130 => assert!(text.contains("(signal 2, INT)"), "{text}"),
            137 => assert!(text.contains("(signal 9, KILL: out of memory, perhaps)"), "{text}"),
            143 => assert!(text.contains("(signal 15, TERM)"), "{text}"),
            _ => {}
        }
    }
    let told = || {
        script("echo none; exit $1")
            .args(["sh", "{code:integer}"])
            .exit_ok(1)
            .exit_kind(69, ErrorKind::Unavailable)
    };
    assert_eq!(ran(told(), json!({ "code": 1 })).await.unwrap().as_text(), Some("none\n"));
    let error = ran(told(), json!({ "code": 69 })).await.unwrap_err();
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (ErrorKind::Unavailable, "`/bin/sh` failed with exit status 69: none")
    );
    let error = ran(script("kill -9 $$"), json!({})).await.unwrap_err();
    assert_eq!(error.to_string(), "`/bin/sh` was ended by signal 9, KILL: out of memory, perhaps");
}

#[tokio::test]
async fn a_missing_program_and_a_forbidden_one_are_errors_of_the_call() {
    let dir = tempfile::tempdir().unwrap();
    let forbidden = dir.path().join("forbidden");
    std::fs::write(&forbidden, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&forbidden, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = ran(CommandTool::builder("x", Program::new("no-such-program")), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("the program `no-such-program` was not found"), "{error}");
    let error = ran(CommandTool::builder("x", Program::new(forbidden)), json!({})).await.unwrap_err();
    assert!(error.to_string().contains("may not be executed"), "{error}");
}

#[tokio::test]
async fn the_last_lines_of_stderr_are_in_the_error_and_all_are_log_messages() {
    let tool = script(
        "for n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; done; printf 'token: abc\\n\\n' >&2; exit 1",
    );
    let tool = tool.build(&Supervisor::new()).unwrap();
    let (call, heard) = call(&json!({}));
    let error = soon(tool.call(call)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "`/bin/sh` failed with exit status 1:\nline 6\nline 7\nline 8\nline 9\ntoken: [redacted]"
    );
    assert!(heard.all().starts_with("info \"line 1\"\n"), "{}", heard.all());
    assert!(heard.all().contains("\ninfo \"token: [redacted]\""), "{}", heard.all());
    let long = script("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1");
    let error = ran(long, json!({})).await.unwrap_err().to_string();
    assert!(error.len() < 2_100, "{}", error.len());
}

#[tokio::test]
async fn lines_are_progress_as_they_come() {
    let tool = script("echo '{\"n\": 1}'; read x; echo 2").stdin("").output(CommandOutput::JsonLines);
    let tool = tool.build(&Supervisor::new()).unwrap();
    let (call, heard) = call(&json!({}));
    let output = soon(tool.call(call)).await.unwrap();
    assert_eq!(output.structured(), Some(r#"[{"n":1},2]"#));
    assert_eq!(heard.all(), "progress 1 {\"n\": 1}\nprogress 2 2");
}

#[tokio::test]
async fn a_program_sees_the_environment_that_is_named_and_its_secrets() {
    let tool = CommandTool::builder("env", Program::new("env").env("SET", "a b")).secret("TOKEN", "hunter22");
    let output = ran(tool, json!({})).await.unwrap();
    let mut lines: Vec<&str> = output.as_text().unwrap().lines().collect();
    lines.retain(|line| !line.starts_with("TOOLPOST_SERVER="));
    lines.sort_unstable();
    assert_eq!(lines, ["SET=a b", "TOKEN=[redacted]"]);
}

/// A process that says its number, and what becomes of it when its call is dropped.
async fn dropped(script: &str) -> Vec<u32> {
    let dir = tempfile::tempdir().unwrap();
    let numbers = dir.path().join("numbers");
    let supervisor = Supervisor::new();
    let program = sh(script).pass_env("PATH").dir(dir.path()).grace(Duration::from_millis(50));
    let tool = CommandTool::builder("script", program).build(&supervisor).unwrap();
    let running = tool.call(call(&json!({})).0);
    let started = async {
        loop {
            let text = std::fs::read_to_string(&numbers).unwrap_or_default();
            if text.contains("end") {
                return text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let numbers = soon(async {
        tokio::select! {
            answer = running => panic!("{answer:?}"),
            numbers = started => numbers,
        }
    })
    .await;
    soon(supervisor.idle()).await;
    numbers
}

#[tokio::test]
async fn a_dropped_call_ends_its_program_and_all_that_it_started() {
    for script in [
        // A child and a grandchild.
        "sleep 1000 & echo $! >> numbers; (sleep 1000 & echo $! >> numbers; echo end >> numbers; wait); wait",
        // TERM does nothing.
        "trap '' TERM; echo $$ >> numbers; echo end >> numbers; while :; do sleep 1000; done",
        // Stdout is closed, and the program stays.
        "exec >&-; echo $$ >> numbers; echo end >> numbers; sleep 1000",
    ] {
        let numbers = dropped(script).await;
        assert!(!numbers.is_empty());
        for number in numbers {
            gone(number).await;
        }
    }
}

#[tokio::test]
async fn a_child_that_holds_stdout_beyond_the_end_holds_up_nothing() {
    // It leaves the group, as a daemon does.
    let tool = script("echo before; setsid sh -c 'echo $$ >&2; sleep 1000' & sleep 0.2; echo after");
    let tool = tool.build(&Supervisor::new()).unwrap();
    let (call, heard) = call(&json!({}));
    let output = soon(tool.call(call)).await.unwrap();
    assert_eq!(output.as_text(), Some("before\nafter\n"));
    let daemon: u32 = heard.all().trim_start_matches("info ").trim_matches('"').parse().unwrap();
    let daemon = rustix::process::Pid::from_raw(daemon as i32).unwrap();
    rustix::process::kill_process_group(daemon, rustix::process::Signal::KILL).unwrap();
}

/// Runs one test of this binary in a process of its own, and tells its output.
fn alone(test: &str) {
    let run = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

/// The most memory that this process has had, in KiB.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_a_program_writes_is_bounded_in_memory() {
    if cfg!(target_os = "linux") {
        alone("command::floods_in_a_process_of_their_own");
    }
}

#[tokio::test]
#[ignore = "run by what_a_program_writes_is_bounded_in_memory"]
async fn floods_in_a_process_of_their_own() {
    const LIMIT: usize = 4 << 20;
    let supervisor = Supervisor::new();
    let build = |script: &str, output| {
        let tool =
            CommandTool::builder("flood", sh(script).pass_env("PATH").grace(Duration::from_millis(50)));
        tool.output(output).output_limit(LIMIT).build(&supervisor).unwrap()
    };
    // The first costs what every first costs.
    let call = || Call::new(&json!({})).unwrap();
    soon(build("echo 1", CommandOutput::Text).call(call())).await.unwrap();
    let before = most_memory();
    let sixty = "head -c 60000000 /dev/zero | tr '\\0' x";
    let lines = "yes '{\"a\": \"0123456789\"}' | head -c 60000000";
    let most = format!("more than its limit of {LIMIT} bytes and was stopped after ");
    for (script, output, expected) in [
        (sixty, CommandOutput::Text, &*most),
        (sixty, CommandOutput::Json, &most),
        (sixty, CommandOutput::JsonLines, &most),
        (lines, CommandOutput::JsonLines, &most),
        ("trap '' TERM PIPE; yes; sleep 1000", CommandOutput::Text, &most),
        ("head -c 60000000 /dev/zero >&2; echo why >&2; exit 3", CommandOutput::Text, "exit status 3"),
        ("yes 1>&2 & sleep 0.3; kill $!; exit 4", CommandOutput::Text, "exit status 4:\ny\ny\ny\ny\ny"),
    ] {
        let tool = build(script, output);
        let error = soon(tool.call(call())).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{script}: {error}");
        // The next call is served.
        let next = build("echo 1", CommandOutput::Json);
        assert_eq!(soon(next.call(call())).await.unwrap().structured(), Some("1"));
        soon(supervisor.idle()).await;
    }
    let grown = most_memory() - before;
    println!("grown by {grown} KiB");
    assert!(grown < (LIMIT >> 10) + (8 << 10), "grown by {grown} KiB");
}

#[tokio::test]
async fn a_flood_of_stderr_is_a_thousand_log_messages() {
    let tool = script("yes | head -n 5000 >&2; exit 1").build(&Supervisor::new()).unwrap();
    let (call, heard) = call(&json!({}));
    assert!(soon(tool.call(call)).await.is_err());
    let heard = heard.all();
    let lines: Vec<&str> = heard.lines().collect();
    assert_eq!((lines.len(), lines[0]), (1_001, "info \"y\""));
    assert!(lines[1_000].contains("more lines are not passed on"), "{}", lines[1_000]);
}

#[tokio::test]
async fn secrets_come_out_nowhere() {
    // As the environment, an argument, a file.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config"), "db: mysql://root:p@ss:w0rd@db/x\npassword=filesecret1\n")
        .unwrap();
    let program =
        sh("cat config >&2; env >&2; echo \"--token $1\" >&2; echo \"Bearer $TOKEN ${TOKEN}\" >&2; \
                      printf %s \"$TOKEN\" | base64 >&2; printf %s \"user:$TOKEN\" | base64 >&2; \
                      printf %s \"$TOKEN\" | od -An -tx1 | tr -d ' \\n' >&2; exit 1");
    let tool = CommandTool::builder("leaky", program.pass_env("PATH").dir(dir.path()))
        .args(["sh", "{token}"])
        .secret("TOKEN", "hunter22\"\\ä")
        .build(&Supervisor::new())
        .unwrap();
    let (call, heard) = call(&json!({ "token": "argsecret1" }));
    let error = soon(tool.call(call)).await.unwrap_err();
    let all = format!("{error}\n{error:?}\n{}\n{tool:?}", heard.all());
    for secret in [
        "hunter22",
        "p@ss",
        "w0rd",
        "filesecret1",
        "argsecret1",
        "aHVudGVyMjI",
        "dXNlcjpodW50",
        "68756e746572",
    ] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    assert!(all.matches("[redacted]").count() >= 7, "{all}");
}

#[tokio::test]
async fn a_secret_by_descriptor_comes_out_no_more_than_one_by_name() {
    let program =
        sh("cat <&$TOKEN_FD | tee /dev/stderr; exit $1").pass_env("PATH").secret("TOKEN", "hunter22");
    for exit in [0, 1] {
        let tool = CommandTool::builder("leaky", program.clone()).args(["sh", "{exit:integer}"]);
        let said = match ran(tool, json!({ "exit": exit })).await {
            Ok(output) => output.encode(),
            Err(error) => error.to_string(),
        };
        assert!(!said.contains("hunter22") && said.contains("[redacted]"), "{said}");
    }
}

#[tokio::test]
async fn a_secret_that_is_cut_through_comes_out_in_no_part() {
    // What is shown begins within the secret: 4,096 bytes before the end, of which little is left without control sequences.
    let tool = script("printf %s \"$S\"; head -c 4080 /dev/zero; exit 1")
        .secret("S", "k3y-of-thirty-characters-in-all");
    let error = ran(tool, json!({})).await.unwrap_err().to_string();
    assert_eq!(error, "`/bin/sh` failed with exit status 1: [redacted]");
    // What is kept of a line of stderr ends within a character of the secret.
    let tool = script("head -c 1019 /dev/zero | tr '\\0' . >&2; echo \"$S\" >&2; exit 1")
        .secret("S", "hunté-hunter");
    let error = ran(tool, json!({})).await.unwrap_err().to_string();
    assert!(error.ends_with(".[redacted]"), "{error}");
}

/// How a program of the test spells what is in its environment.
const SPELLINGS: [&str; 6] = [
    "printf %s \"$S\"",
    "printf 'x=%s;' \"$S\"",
    "printf %s \"$S\" | base64 -w0",
    "printf 'user:%s' \"$S\" | base64 -w0",
    "printf %s \"$S\" | od -An -v -tx1 | tr -d ' \\n'",
    "printf '{\"v\": \"%s\"}' \"$(printf %s \"$S\" | sed 's/[\\\\\"]/\\\\&/g')\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_planted_secret_comes_out_in_no_spelling(secret in "[ -~]{6,40}", spelling in 0usize..6, exit in 0..2) {
        let spelled = SPELLINGS[spelling];
        let builder = script(&format!("{{ {spelled}; echo; }} | tee /dev/stderr; exit {exit}"))
            .secret("S", &*secret)
            .output(if spelling == 5 { CommandOutput::JsonLines } else { CommandOutput::Text });
        let tool = builder.build(&Supervisor::new()).unwrap();
        let (call, heard) = call(&json!({}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(soon(tool.call(call)));
        let (ok, said) = match &answer {
            Ok(output) => (true, output.encode()),
            Err(error) => (false, format!("{error}\n{error:?}")),
        };
        prop_assert_eq!(ok, exit == 0);
        let all = format!("{said}\n{}", heard.all());
        prop_assert!(all.contains("[redacted]"), "{all}");
        // Decoded once and twice, it is not there either: what is left of it would be found by itself.
        let again = Redactor::of([&secret]).unwrap();
        prop_assert_eq!(again.redact_values(&all), &*all);
        prop_assert!(!all.contains(&secret));
    }
}

#[tokio::test]
async fn a_layer_keeps_secrets_out_of_what_any_tool_says() {
    let redactor = Redactor::of(["hunter22"]).unwrap();
    let tool = toolpost_tool::tool_fn("leaky", |_: toolpost_tool::NoArgs, call: Call| async move {
        call.step(1, 2, "tried hunter22");
        call.log(LogLevel::Info, &json!({ "password": 5, "n": [1], "of": "hunter22" }));
        Err::<String, _>(
            ToolError::unavailable("https://u:p@host said hunter22").with_retry_after(Duration::from_secs(1)),
        )
    });
    let tool = redactor.layer()(toolpost_tool::AnyTool::new(tool));
    let (call, heard) = call(&json!({}));
    let error = tool.call(call).await.unwrap_err();
    assert_eq!(error.to_string(), "https://[redacted]@host said [redacted]");
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Unavailable, Some(Duration::from_secs(1))));
    assert!(error.source().is_none());
    let heard = heard.all();
    assert!(
        heard.starts_with("progress 1 tried [redacted]\ninfo {") && !heard.contains("hunter22"),
        "{heard}"
    );
    assert!(heard.contains(r#""password":"[redacted]""#) && heard.contains(r#""n":[1]"#), "{heard}");
}

#[tokio::test]
async fn a_layer_takes_known_values_out_of_results() {
    let redactor = Redactor::of(["hunter22", "12345678"]).unwrap();
    let layer = redactor.layer();
    for (output, expected) in [
        (Output::text("is hunter22, password=x"), r#""text":"is [redacted], password=x""#),
        (Output::json(&json!({ "a": "hunter22" })).unwrap(), r#""structuredContent":{"a":"[redacted]"}"#),
        (Output::json(&json!([12_345_678])).unwrap(), r#""structuredContent":"[[redacted]]""#),
        (
            Output::text("hunter22").with_structured(&1).unwrap(),
            r#""text":"[redacted]"}],"structuredContent":1"#,
        ),
        (Output::text("password=x").into_error(), r#""text":"password=[redacted]"}],"isError":true"#),
    ] {
        let tool = toolpost_tool::tool_fn("says", move |_: toolpost_tool::NoArgs, _| {
            let output = output.clone();
            async { Ok(output) }
        });
        let tool = layer(toolpost_tool::AnyTool::new(tool));
        let said = tool.call(call(&json!({})).0).await.unwrap().encode();
        assert!(said.contains(expected), "{said}");
    }
}
