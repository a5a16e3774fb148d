//! Workers: warm processes that answer many calls.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test unwraps, spawns and looks at the clock"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use toolpost_process::{Program, Supervisor, Workers, WorkersOptions};
use toolpost_tool::{AnyTool, Call, ErrorKind, Output, Tool as _, ToolError, ToolSpec};

use crate::common::{call, children, exists, gone, heard, sh, soon};

/// A worker in the language of the shell.
const WORKER: &str = r#"
say() { printf '%s\n' "$1"; }
read -r hello
say '{"toolpost":1,"tools":[{"name":"pid"},{"name":"crash"},{"name":"hang"},{"name":"noise"},{"name":"endless"},{"name":"half"},{"name":"fails"},{"name":"talks"},{"name":"echo"},{"name":"waits"},{"name":"heeds"},{"name":"stays"}]}'
while read -r line; do
    id=${line#*:}; id=${id%%[,\}]*}
    case $line in
    *'"call":"pid"'*) say "{\"id\":$id,\"result\":\"$$\"}" ;;
    *'"call":"crash"'*) echo 'about to crash' >&2; kill -9 $$ ;;
    *'"call":"hang"'*) sleep 1000 ;;
    *'"call":"noise"'*) say 'Traceback (most recent call last):' ;;
    *'"call":"endless"'*) exec dd if=/dev/zero bs=65536 2>/dev/null ;;
    *'"call":"half"'*) printf '{"id":%s,"resu' "$id"; exit 0 ;;
    *'"call":"fails"'*) say "{\"id\":$id,\"error\":{\"message\":\"no such lathe\",\"kind\":\"invalid_arguments\"}}" ;;
    *'"call":"talks"'*)
        say "{\"id\":$id,\"progress\":{\"done\":1,\"total\":2,\"message\":\"half\"}}"
        say "{\"id\":$id,\"log\":{\"level\":\"warning\",\"data\":{\"jaw\":3}}}"
        say "{\"id\":$id,\"result\":{\"done\":true}}" ;;
    *'"call":"echo"'*) say "{\"id\":$id,\"result\":$line}" ;;
    *'"call":"waits"'*) waiting="$waiting $id" ; [ "$(echo $waiting | wc -w)" = 3 ] && for each in $waiting; do say "{\"id\":$each,\"result\":$each}"; done ;;
    *'"call":"heeds"'*) heeding=$id; say "{\"id\":$id,\"log\":{\"data\":\"begun\"}}" ;;
    *'"call":"stays"'*) exec >&-; sleep 1000 ;;
    '{"cancel":'*) say "{\"id\":$heeding,\"error\":{\"message\":\"cancelled\",\"kind\":\"cancelled\"}}" ;;
    esac
done
"#;

struct Fixture {
    supervisor: Supervisor,
    workers: Workers,
}

fn start(options: WorkersOptions) -> Fixture {
    start_program(sh(WORKER), options)
}

fn start_program(program: Program, options: WorkersOptions) -> Fixture {
    let supervisor = Supervisor::new();
    let workers = Workers::start(&supervisor, program, options);
    Fixture { supervisor, workers }
}

impl Fixture {
    fn tool(&self, name: &str) -> AnyTool {
        self.workers.tool(ToolSpec::new(name).unwrap())
    }

    async fn call(&self, name: &str) -> Result<Output, ToolError> {
        soon(self.tool(name).call(call())).await
    }

    async fn pid(&self) -> u32 {
        self.call("pid").await.unwrap().as_text().unwrap().parse().unwrap()
    }

    async fn error(&self, name: &str) -> ToolError {
        self.call(name).await.unwrap_err()
    }
}

fn one() -> WorkersOptions {
    WorkersOptions::new().processes(1)
}

#[tokio::test]
async fn a_thousand_calls_run_in_one_process() {
    let fixture = start(one().recycle_after(10_000));
    let pid = fixture.pid().await;
    for _ in 0..1_000 {
        assert_eq!(fixture.pid().await, pid);
    }
    assert_eq!((fixture.supervisor.running(), fixture.workers.ready()), (1, 1));
}

#[tokio::test]
async fn tools_are_those_that_the_first_worker_tells() {
    let fixture = start(one());
    let tools = soon(fixture.workers.tools()).await.unwrap();
    assert_eq!((tools.len(), tools[0].spec().name()), (12, "pid"));
    assert_eq!(tools[0].spec().policy().concurrency, Some(1), "calls wait in the scheduler");
    let said = soon(tools[0].call(call())).await.unwrap();
    assert_eq!(said.as_text().unwrap().parse::<u32>().unwrap(), fixture.pid().await);
}

#[tokio::test]
async fn a_crash_fails_the_call_it_had_and_no_other() {
    let fixture = start(WorkersOptions::new().processes(2).at_once(1));
    let other = fixture.tool("heeds");
    let (listened, said) = heard();
    let other = tokio::spawn(async move { other.call(listened).await });
    soon(async {
        while said.lines().is_empty() {
            tokio::task::yield_now().await
        }
    })
    .await;
    let error = fixture.error("crash").await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(
        text.contains("signal: 9") && text.contains("about to crash") && text.contains("not known"),
        "{text}"
    );
    fixture.pid().await;
    assert!(!other.is_finished());
    other.abort();
}

#[tokio::test]
async fn a_poisoned_worker_is_replaced() {
    let fixture = start(one().line_limit(1 << 20));
    let mut pids = BTreeSet::new();
    for (poison, says) in [
        ("noise", "Traceback"),
        ("endless", "1048576 bytes"),
        ("half", "no answer"),
        ("stays", "closed its stdout and stayed"),
        ("crash", "signal: 9"),
    ] {
        pids.insert(fixture.pid().await);
        let text = fixture.error(poison).await.to_string();
        assert!(text.contains(says), "{poison}: {text}");
    }
    pids.insert(fixture.pid().await);
    assert_eq!(pids.len(), 6, "each was another");
    for pid in pids.iter().filter(|pid| !children().contains(pid)) {
        assert!(!exists(*pid));
    }
}

#[tokio::test]
async fn workers_are_recycled_after_so_many_calls_without_a_failed_one() {
    let fixture = start(WorkersOptions::new().processes(2).recycle_after(10));
    let mut pids = BTreeSet::new();
    for _ in 0..200 {
        pids.insert(fixture.pid().await);
    }
    assert!((8..=24).contains(&pids.len()), "{}", pids.len());
    assert!(fixture.supervisor.running() <= 5);
}

#[tokio::test]
async fn workers_are_recycled_when_they_are_old_or_have_grown() {
    for options in [one().max_age(Duration::from_millis(1)), one().max_memory(1)] {
        let fixture = start(options);
        let first = fixture.pid().await;
        soon(async { while fixture.pid().await == first {} }).await;
        gone(first).await;
    }
}

#[tokio::test]
async fn progress_logs_errors_and_structured_results_come_through() {
    let fixture = start(one());
    let (listened, said) = heard();
    let output = soon(fixture.tool("talks").call(listened)).await.unwrap();
    assert_eq!(output.structured(), Some(r#"{"done":true}"#));
    assert_eq!(said.lines(), [r#"1 of Some(2.0): Some("half")"#, r#"warning: {"jaw":3}"#]);
    let error = fixture.error("fails").await;
    assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidArguments, "no such lathe"));
    let due = Call::new(&serde_json::json!({"text": "a\nb"})).unwrap();
    let due = due.due_by(Instant::now() + Duration::from_secs(500));
    let echoed = soon(fixture.tool("echo").call(due)).await.unwrap();
    let echoed = echoed.structured().unwrap();
    assert!(echoed.contains(r#""text":"a\nb"#) && echoed.contains(r#""deadlineMs":499"#), "{echoed}");
}

#[tokio::test]
async fn arguments_on_several_lines_go_on_one_and_long_ones_whole() {
    let fixture = start(one());
    let text = format!("{{\n  \"text\": \"{}\"\r\n}}", "x".repeat(300_000));
    let frame = toolpost_json::Frame::parse(text.into(), &toolpost_json::Limits::new()).unwrap();
    let mut parts = toolpost_tool::CallParts::default();
    parts.arguments = Some(frame.root().id());
    parts.frame = Some(frame);
    let echoed = soon(fixture.tool("echo").call(Call::from_parts(parts))).await.unwrap();
    assert!(300_000 < echoed.structured().unwrap().len());
}

#[tokio::test]
async fn a_cancelled_call_costs_its_worker_only_if_it_goes_on() {
    // One that heeds the message has time for it; one that does not is waited for.
    for (name, grace, stays) in [("heeds", 20_000, true), ("hang", 50, false)] {
        let fixture = start(one().cancel_grace(Duration::from_millis(grace)));
        let pid = fixture.pid().await;
        let tool = fixture.tool(name);
        assert!(tokio::time::timeout(Duration::from_millis(20), tool.call(call())).await.is_err());
        assert_eq!(fixture.pid().await == pid, stays, "{name}");
        if !stays {
            gone(pid).await;
        }
    }
}

#[tokio::test]
async fn several_calls_at_once_run_in_one_process() {
    let fixture = start(one().at_once(3));
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let tool = fixture.tool("waits");
        calls.spawn(async move { tool.call(call()).await.unwrap().structured().unwrap().to_owned() });
    }
    let mut answers = soon(calls.join_all()).await;
    answers.sort();
    assert_eq!(answers, ["1", "2", "3"], "each has its own answer");
    assert_eq!(fixture.supervisor.running(), 1);
}

#[tokio::test]
async fn one_that_ends_at_once_is_started_ever_more_slowly_and_calls_fail_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("[ -e works ] || {{ echo no license >&2; exit 3; }}\n{WORKER}");
    let fixture = start_program(sh(&script).dir(dir.path()), one());
    let error = soon(fixture.workers.tools()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 3") && text.contains("no license"), "{text}");
    assert!(error.retry_after().is_some());
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(fixture.error("pid").await.kind(), ErrorKind::Unavailable);
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    // It is tried again, and taken as soon as it works.
    std::fs::write(dir.path().join("works"), "").unwrap();
    soon(async {
        while fixture.call("pid").await.is_err() {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn a_start_that_comes_to_nothing_says_why_and_leaves_nothing() {
    let short = one().start_limit(Duration::from_millis(50));
    for (program, says) in [
        (sh("sleep 1000"), "did not tell its tools within 50ms"),
        (sh("echo '{\"toolpost\":2}'; sleep 1000"), "version 2"),
        (sh("echo hello; sleep 1000"), "expected"),
        (sh("echo '{\"toolpost\":1,\"tools\":[{\"name\":\"a b\"}]}'; sleep 1000"), "name"),
        (Program::new("no-such-program"), "was not found"),
    ] {
        let fixture = start_program(program, short);
        let text = soon(fixture.workers.tools()).await.unwrap_err().to_string();
        assert!(text.contains(says), "{says}: {text}");
        drop(fixture.workers);
        soon(fixture.supervisor.idle()).await;
    }
}

#[tokio::test]
async fn calls_wait_for_a_worker_that_starts_and_not_more_than_may() {
    let fixture = start(one().queue(2));
    assert_eq!(fixture.workers.ready(), 0, "nothing was waited for");
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let tool = fixture.tool("pid");
        calls.spawn(async move { tool.call(call()).await.map(|_| ()).map_err(|error| error.kind()) });
    }
    let ends = soon(calls.join_all()).await;
    assert_eq!(ends.iter().filter(|end| end.is_err()).count(), 1, "{ends:?}");
}

#[tokio::test]
async fn a_drain_ends_idle_workers_and_serves_what_had_begun() {
    let fixture = start(WorkersOptions::new().processes(2));
    fixture.pid().await;
    fixture.supervisor.close();
    soon(fixture.supervisor.idle()).await;
    // A call that was let in before, and comes here after.
    fixture.pid().await;
    soon(fixture.supervisor.idle()).await;
}

#[tokio::test]
async fn workers_end_with_the_last_of_their_tools() {
    let Fixture { supervisor, workers } = start(WorkersOptions::new());
    let tool = workers.tool(ToolSpec::new("pid").unwrap());
    drop(workers);
    soon(tool.call(call())).await.unwrap();
    drop(tool);
    soon(supervisor.idle()).await;
}

#[tokio::test]
async fn one_that_tells_other_tools_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let script = "read -r hello; if mkdir first; then name=a; else name=b; fi
        printf '{\"toolpost\":1,\"tools\":[{\"name\":\"%s\"}]}\\n' $name; read -r line; exit 0";
    let fixture = start_program(sh(script).dir(dir.path()), one());
    let tools = soon(fixture.workers.tools()).await.unwrap();
    assert_eq!(tools[0].spec().name(), "a");
    assert!(soon(tools[0].call(call())).await.is_err(), "it ends in its first call");
    let error = soon(async {
        loop {
            let error = tools[0].call(call()).await.unwrap_err().to_string();
            if error.contains("other tools") {
                return error;
            }
        }
    });
    assert!(error.await.contains("no worker of"));
}

#[tokio::test]
async fn ten_calls_run_at_once_in_ten_processes() {
    let fixture = start(WorkersOptions::new().processes(10));
    let mut calls = JoinSet::new();
    let mut all = Vec::new();
    for _ in 0..10 {
        let (listened, said) = heard();
        let tool = fixture.tool("heeds");
        all.push(said);
        calls.spawn(async move { tool.call(listened).await });
    }
    // Each has begun, and none ends.
    soon(async {
        while all.iter().any(|said| said.lines().is_empty()) {
            tokio::task::yield_now().await
        }
    })
    .await;
    assert_eq!(calls.len(), 10);
    calls.shutdown().await;
    fixture.pid().await;
}

#[tokio::test]
async fn what_an_old_worker_left_behind_reaches_no_new_one() {
    let script = r#"
        read -r hello; echo '{"toolpost":1}'
        if mkdir first 2>/dev/null; then
            setsid sh -c 'while :; do echo "{\"id\":1,\"result\":\"old\"}" || exit; done' 2>/dev/null &
            exit 0
        fi
        while read -r line; do id=${line#*:}; echo "{\"id\":${id%%,*},\"result\":\"new\"}"; done"#;
    let dir = tempfile::tempdir().unwrap();
    let fixture = start_program(sh(script).dir(dir.path()), one());
    let mut news = 0;
    for _ in 0..50 {
        // What the first one's rest says is no answer to a call of another.
        if let Ok(output) = fixture.call("any").await {
            news += usize::from(output.as_text() == Some("new"));
        }
    }
    assert!(40 < news, "{news}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_call_is_lost_between_a_worker_and_its_successor() {
    let supervisor = Supervisor::new();
    let options = WorkersOptions::new().processes(2).recycle_after(1).queue(1_000);
    let workers = Workers::start(&supervisor, sh(WORKER), options);
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let tool = workers.tool(ToolSpec::new("pid").unwrap());
        calls.spawn(async move {
            for _ in 0..25 {
                soon(tool.call(call())).await.unwrap();
            }
        });
    }
    // In the middle of it nothing is kept warm any more.
    soon(async {
        while calls.len() == 8 && workers.ready() == 0 {
            tokio::task::yield_now().await
        }
    })
    .await;
    supervisor.close();
    soon(calls.join_all()).await;
    soon(supervisor.idle()).await;
}

#[tokio::test]
async fn a_caller_that_leaves_during_a_drain_keeps_no_worker() {
    let fixture = start(one());
    let (first, second) = (fixture.tool("heeds"), fixture.tool("pid"));
    let (listened, said) = heard();
    let (mut first, mut second) = (Box::pin(first.call(listened)), Box::pin(second.call(call())));
    soon(async {
        while said.lines().is_empty() {
            assert!(polled_once(&mut first).await.is_none());
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(polled_once(&mut second).await.is_none(), "it waits for the only worker");
    fixture.supervisor.close();
    // The first leaves, its worker is free for the second, and then that leaves.
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(second);
    soon(fixture.supervisor.idle()).await;
}

/// Polls once.
async fn polled_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_call_that_no_worker_has_heard_of_goes_to_the_next() {
    let script = "read -r hello; echo '{\"toolpost\":1}'; read -r line; echo \"{\\\"id\\\":1,\\\"result\\\":\\\"$$\\\"}\"";
    let fixture = start_program(sh(script), one());
    for _ in 0..5 {
        let pid = fixture.call("any").await.unwrap().as_text().unwrap().to_owned();
        // Holds the thread up, so that nobody here hears of the end before the next call.
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        while exists(pid.parse().unwrap()) && !stat().contains(") Z ") {
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn what_goes_on_after_a_worker_holds_up_nobody() {
    let script = r#"
        read -r hello; echo '{"toolpost":1}'; read -r line; id=${line#*:}; id=${id%%,*}
        if mkdir first 2>/dev/null; then
            setsid sh -c 'while :; do echo "{\"id\":1,\"progress\":{\"done\":1}}" || exit; sleep 0.005; done' 2>/dev/null &
            sleep 0.05; exit 0
        fi
        echo "{\"id\":$id,\"result\":\"next\"}"; read -r line"#;
    let dir = tempfile::tempdir().unwrap();
    let fixture = start_program(sh(script).dir(dir.path()), one());
    let error = fixture.call("any").await.unwrap_err().to_string();
    assert!(error.contains("it ended (exit status: 0)"), "{error}");
    assert_eq!(fixture.call("any").await.unwrap().as_text(), Some("next"));
}

#[tokio::test]
async fn successors_that_come_to_nothing_are_started_ever_more_slowly() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo x >> starts; mkdir first 2>/dev/null || exit 3\n{WORKER}");
    let fixture = start_program(sh(&script).dir(dir.path()), one().max_memory(1));
    let pid = fixture.pid().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(fixture.pid().await, pid, "the one that serves goes on");
    let starts = std::fs::read_to_string(dir.path().join("starts")).unwrap().lines().count();
    assert!((2..=15).contains(&starts), "{starts}");
}

#[tokio::test]
async fn a_grace_without_end_is_one() {
    let fixture = start(one().cancel_grace(Duration::MAX));
    let pid = fixture.pid().await;
    let tool = fixture.tool("heeds");
    assert!(tokio::time::timeout(Duration::from_millis(20), tool.call(call())).await.is_err());
    assert_eq!(fixture.pid().await, pid);
}

/// Of a host, and it panics.
struct Panics;

impl toolpost_tool::Sink for Panics {
    fn progress(&self, _: f64, _: Option<f64>, _: Option<&str>) {
        panic!("progress");
    }

    fn log(&self, _: toolpost_tool::LogLevel, _: Option<&str>, _: &str) {
        panic!("log");
    }

    fn log_level(&self) -> Option<toolpost_tool::LogLevel> {
        Some(toolpost_tool::LogLevel::Debug)
    }
}

#[tokio::test]
async fn a_listener_that_panics_costs_no_worker() {
    let fixture = start(one());
    let pid = fixture.pid().await;
    let mut parts = toolpost_tool::CallParts::default();
    parts.set_sink(Some(std::sync::Arc::new(Panics)));
    let output = soon(fixture.tool("talks").call(Call::from_parts(parts))).await.unwrap();
    assert_eq!(output.structured(), Some(r#"{"done":true}"#));
    assert_eq!(fixture.pid().await, pid);
}

#[tokio::test]
async fn a_secret_that_is_cut_through_comes_out_in_no_part() {
    let secret = "k3y-of-thirty-characters-in-all";
    // At the end of what is kept of a line of stderr, and of what is shown of a line that is no answer.
    let script = r#"read -r hello; echo '{"toolpost":1}'; read -r line
        S=$(cat <&$S_FD); x() { head -c $1 /dev/zero | tr '\0' '.'; }
        printf '%s%s\n' "$(x 1000)" "$S" >&2; printf 'is %s\n' "$S" >&2; sleep 0.05
        printf '%s%s and more\n' "$(x 175)" "$S"; read -r line"#;
    let fixture = start_program(sh(script).secret("S", secret), one());
    let (listened, said) = heard();
    let error = soon(fixture.tool("any").call(listened)).await.unwrap_err().to_string();
    let all = format!("{error}\n{}", said.lines().join("\n"));
    assert!(!all.contains("k3y-"), "{all}");
    assert_eq!((error.matches("[redacted]").count(), said.lines().len()), (1, 2), "{all}");
    assert_eq!(said.lines().join("\n").matches("[redacted]").count(), 2, "{all}");
}
