//! Programs under a supervisor.
#![expect(clippy::disallowed_methods, reason = "a test looks at the clock")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use toolpost_process::{Lines, ProcessError, ProcessLimits, Program, Supervisor};
use toolpost_tool::ErrorKind;

use crate::common::{exists, gone, said, sh, soon, spawn};

#[tokio::test]
async fn what_a_program_says_comes_whole() {
    let supervisor = Supervisor::new();
    let mut process = spawn(&supervisor, &Program::new("cat"));
    assert_eq!(supervisor.running(), 1);
    let text = "null\n\u{7}\u{0}partial";
    process.take_stdin().unwrap().write_all(text.as_bytes()).await.unwrap();
    assert_eq!(said(&mut process).await, text);
    assert!(process.wait().await.unwrap().success());
    assert!(process.wait().await.unwrap().success(), "it can be asked again");
    soon(supervisor.idle()).await;
}

#[tokio::test]
async fn arguments_pass_no_shell() {
    let hostile = ["$(id)", "`id`", "; id", "-n", "a b", "\"", "'", "", "*", "a\nb"];
    let mut process = spawn(&Supervisor::new(), &Program::new("printf").arg("%s|").args(hostile));
    assert_eq!(said(&mut process).await, format!("{}|", hostile.join("|")));
}

#[tokio::test]
async fn exit_codes_and_signals_come_through() {
    use std::os::unix::process::ExitStatusExt as _;
    let supervisor = Supervisor::new();
    for code in [0, 1, 2, 3, 4, 5, 42, 124, 127, 130, 137, 143, 255] {
        let mut process = spawn(&supervisor, &sh(&format!("exit {code}")));
        assert_eq!(process.wait().await.unwrap().code(), Some(code));
    }
    let mut process = spawn(&supervisor, &sh("kill -9 $$"));
    assert_eq!(process.wait().await.unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_missing_program_and_one_that_is_forbidden_are_told_apart() {
    let supervisor = Supervisor::new();
    let start = |program: Program| supervisor.spawn(&program, |_| {}).unwrap_err();
    let dir = tempfile::tempdir().unwrap();
    let forbidden = dir.path().join("forbidden");
    std::fs::write(&forbidden, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&forbidden, std::fs::Permissions::from_mode(0o644)).unwrap();
    for missing in ["no-such-program", "/no/such/program", "./no-such-program"] {
        let error = start(Program::new(missing));
        assert!(matches!(error, ProcessError::NotFound(_)), "{error}");
        assert!(
            error.to_string().contains("no-such-program") || error.to_string().contains("/no/such"),
            "{error}"
        );
        assert_eq!(error.into_tool_error().kind(), ErrorKind::Failed);
    }
    assert!(matches!(start(Program::new(&forbidden)), ProcessError::NotPermitted(_)));
    assert!(matches!(start(Program::new("true").dir("/no/such")), ProcessError::NoDirectory(_)));
    assert_eq!(supervisor.running(), 0);
}

#[tokio::test]
async fn a_program_sees_only_the_environment_that_is_named() {
    let program = Program::new("env").env("SET", "a b").pass_env("PATH").pass_env("NOT_SET_ANYWHERE");
    let mut process = spawn(&Supervisor::new(), &program);
    let text = said(&mut process).await;
    let mut names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "SET", "TOOLPOST_SERVER"]);
    // Nor does what sets its limits add to it.
    let mut process = spawn(&Supervisor::new(), &program.limits(ProcessLimits::new().open_files(64)));
    let again = said(&mut process).await;
    let mut names: Vec<&str> = again.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.retain(|name| *name != "_");
    names.sort_unstable();
    assert_eq!(names, ["PATH", "SET", "TOOLPOST_SERVER"]);
}

#[tokio::test]
async fn a_program_gets_three_descriptors_in_its_own_directory() {
    // Open in this process, and not marked to be closed.
    let leaked = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = sh("pwd; ls /proc/$$/fd; :").dir(dir.path());
    let mut process = spawn(&Supervisor::new(), &program);
    let text = said(&mut process).await;
    let (pwd, descriptors) = text.split_once('\n').unwrap();
    assert_eq!(pwd, dir.path().canonicalize().unwrap().to_str().unwrap());
    // Some shells keep their own at 10 and above.
    let own: Vec<u32> =
        descriptors.split_whitespace().map(|d| d.parse().unwrap()).filter(|d| *d < 10).collect();
    assert_eq!(own, [0, 1, 2], "{descriptors}");
}

#[tokio::test]
async fn a_secret_comes_by_descriptor_and_stands_nowhere_else() {
    let program = sh("tr '\\0' '\\n' < /proc/$$/environ; tr '\\0' ' ' < /proc/$$/cmdline; cat <&$TOKEN_FD")
        .env("PATH", "/usr/bin:/bin")
        .secret("OTHER", "first")
        .secret("TOKEN", "hunter2");
    assert!(!format!("{program:?}").contains("hunter2"));
    let mut process = spawn(&Supervisor::new(), &program);
    let text = said(&mut process).await;
    assert_eq!(text.matches("hunter2").count(), 1, "{text}");
    assert!(text.ends_with("hunter2") && text.contains("TOKEN_FD=4"), "{text}");
    let long = Program::new("true").secret("LONG", vec![b'x'; 4_097]);
    let error = Supervisor::new().spawn(&long, |_| {}).unwrap_err();
    assert!(matches!(error, ProcessError::LongSecret(_)), "{error}");
}

#[tokio::test]
async fn a_grandchild_is_dead_when_its_program_is_stopped() {
    let supervisor = Supervisor::new();
    let mut process = spawn(&supervisor, &sh("sleep 1000 & echo $!; wait"));
    let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
    let grandchild: u32 =
        std::str::from_utf8(&lines.next().await.unwrap().unwrap()).unwrap().parse().unwrap();
    let child = process.id();
    assert!(exists(child) && exists(grandchild));
    assert!(!soon(process.stop()).await.unwrap().success());
    assert!(!exists(child), "reaped");
    gone(grandchild).await;
    soon(supervisor.idle()).await;
}

#[tokio::test]
async fn a_grandchild_is_dead_when_its_program_has_ended() {
    let mut process = spawn(&Supervisor::new(), &sh("sleep 1000 > /dev/null 2>&1 & echo $!"));
    let grandchild: u32 = said(&mut process).await.trim().parse().unwrap();
    assert!(process.wait().await.unwrap().success());
    gone(grandchild).await;
}

#[tokio::test]
async fn a_dropped_process_is_gone_with_its_group() {
    let supervisor = Supervisor::new();
    let mut process = spawn(&supervisor, &sh("sleep 1000 & echo $!; wait"));
    let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
    let grandchild: u32 =
        std::str::from_utf8(&lines.next().await.unwrap().unwrap()).unwrap().parse().unwrap();
    let child = process.id();
    drop(process);
    soon(supervisor.idle()).await;
    assert!(!exists(child));
    gone(grandchild).await;
}

#[tokio::test]
async fn one_that_ignores_term_is_killed_after_its_grace() {
    let supervisor = Supervisor::new();
    let program =
        sh("trap '' TERM; echo ready; while :; do sleep 1000; done").grace(Duration::from_millis(200));
    let mut process = spawn(&supervisor, &program);
    let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
    assert_eq!(lines.next().await.unwrap().unwrap(), "ready");
    let began = Instant::now();
    let status = soon(process.stop()).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(Duration::from_millis(200) <= began.elapsed());
}

#[tokio::test]
async fn one_that_heeds_term_ends_by_itself_and_a_stopped_one_hears_it() {
    let program = sh("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
        .env("PATH", "/usr/bin:/bin");
    for stopped in [false, true] {
        let mut process = spawn(&Supervisor::new(), &program);
        let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
        assert_eq!(lines.next().await.unwrap().unwrap(), "ready");
        if stopped {
            let pid = process.id().to_string();
            assert!(std::process::Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
        }
        assert_eq!(soon(process.stop()).await.unwrap().code(), Some(3));
        assert_eq!(lines.next().await.unwrap().unwrap(), "bye");
    }
}

#[tokio::test]
async fn stderr_is_kept_bounded_and_told() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let program = sh("i=0; while [ $i -lt 200 ]; do echo line $i >&2; i=$((i+1)); done; printf end >&2");
    let mut process = Supervisor::new()
        .spawn(&program, move |line| listener.lock().unwrap().push(line.to_owned()))
        .unwrap();
    process.wait().await.unwrap();
    let kept = process.stderr();
    assert_eq!((kept.len(), &*kept[63], &*kept[62]), (64, "end", "line 199"));
    assert_eq!(heard.lock().unwrap().len(), 201);
}

#[tokio::test]
async fn a_flood_on_stderr_blocks_nobody() {
    let program =
        sh("dd if=/dev/zero bs=1048576 count=64 2>/dev/null >&2; echo done").env("PATH", "/usr/bin:/bin");
    let mut process = spawn(&Supervisor::new(), &program);
    assert_eq!(soon(said(&mut process)).await, "done\n");
    process.wait().await.unwrap();
    assert!(process.stderr().iter().map(String::len).sum::<usize>() <= 64 << 12);
}

#[tokio::test]
async fn one_that_closes_stdout_and_stays_is_ended_like_any() {
    let mut process = spawn(&Supervisor::new(), &sh("exec >&- 2>&-; sleep 1000"));
    assert_eq!(said(&mut process).await, "");
    assert!(tokio::time::timeout(Duration::from_millis(20), process.wait()).await.is_err());
    assert!(!soon(process.stop()).await.unwrap().success());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn limits_hold() {
    let supervisor = Supervisor::new();
    let limits =
        ProcessLimits::new().cpu_seconds(7).memory(1 << 30).open_files(33).processes(9_999).file_size(1_024);
    // The limits are there before a program that is linked to libraries has reached its `main`.
    let program = sh("cat /proc/self/limits").env("PATH", "/usr/bin:/bin").limits(limits);
    let mut process = spawn(&supervisor, &program);
    let text = said(&mut process).await;
    for (name, most) in [
        ("Max cpu time", "7"),
        ("Max address space", "1073741824"),
        ("Max open files", "33"),
        ("Max processes", "9999"),
        ("Max file size", "1024"),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.matches(&format!(" {most} ")).count(), 2, "{line}");
    }
    let dir = tempfile::tempdir().unwrap();
    let program = sh("dd if=/dev/zero of=file bs=4096 count=1 2>/dev/null").env("PATH", "/usr/bin:/bin");
    let mut process = spawn(&supervisor, &program.dir(dir.path()).limits(limits));
    assert!(!process.wait().await.unwrap().success());
    assert_eq!(dir.path().join("file").metadata().unwrap().len(), 1_024);
}

#[tokio::test]
async fn so_many_run_and_no_more() {
    let supervisor = Supervisor::with_at_most(2);
    let first = spawn(&supervisor, &Program::new("cat"));
    let second = spawn(&supervisor, &Program::new("cat"));
    assert_ne!(first.generation(), second.generation());
    let error = supervisor.spawn(&Program::new("cat"), |_| {}).unwrap_err();
    assert!(matches!(error, ProcessError::TooMany(2)), "{error}");
    assert_eq!(error.into_tool_error().kind(), ErrorKind::Unavailable);
    drop(first);
    let second = soon(async {
        loop {
            match supervisor.spawn(&Program::new("cat"), |_| {}) {
                Ok(process) => break (second, process),
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    })
    .await;
    soon(supervisor.stop()).await;
    assert_eq!(supervisor.running(), 0);
    assert!(matches!(supervisor.spawn(&Program::new("cat"), |_| {}), Err(ProcessError::Stopped)));
    drop(second);
}

#[test]
fn a_tokio_runtime_that_ends_takes_its_processes_along() {
    let supervisor = Supervisor::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut process = runtime.block_on(async { spawn(&supervisor, &sh("trap '' TERM; sleep 1000")) });
    let child = process.id();
    drop(runtime);
    let waits = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    waits.block_on(async { soon(supervisor.idle()).await });
    assert!(!exists(child));
    for _ in 0..2 {
        let error = waits.block_on(soon(process.wait())).unwrap_err();
        assert!(error.to_string().contains("was not waited for"), "{error}");
    }
}

#[tokio::test]
async fn a_reader_of_sixty_megabytes_stops_at_its_limit() {
    let supervisor = Supervisor::new();
    let program = sh("dd if=/dev/zero bs=1048576 count=60 2>/dev/null").env("PATH", "/usr/bin:/bin");
    let mut process = spawn(&supervisor, &program);
    let mut kept = Vec::new();
    process.take_stdout().unwrap().take(1 << 20).read_to_end(&mut kept).await.unwrap();
    assert_eq!(kept.len(), 1 << 20);
    assert!(!soon(process.stop()).await.unwrap().success());
    let mut process = spawn(&supervisor, &program);
    let mut lines = Lines::new(process.take_stdout().unwrap(), 1 << 20);
    assert!(matches!(lines.next().await, Err(ProcessError::LongLine { .. })));
    drop(process);
    soon(supervisor.idle()).await;
}

#[tokio::test]
async fn one_that_forks_is_gone_with_all_it_has_forked() {
    let script =
        "trap '' TERM; n=0; while [ $n -lt 50 ]; do sleep 1000 & echo $!; n=$((n+1)); done; echo end; wait";
    let program = sh(script).grace(Duration::from_millis(20));
    let mut process = spawn(&Supervisor::new(), &program);
    let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
    let mut forked = Vec::new();
    while let Ok(pid) =
        std::str::from_utf8(&soon(lines.next()).await.unwrap().unwrap()).unwrap().parse::<u32>()
    {
        forked.push(pid);
    }
    assert_eq!(forked.len(), 50);
    soon(process.stop()).await.unwrap();
    for pid in forked {
        gone(pid).await;
    }
}

#[cfg(all(target_os = "linux", feature = "landlock"))]
#[tokio::test]
async fn one_that_is_confined_reads_and_writes_its_paths_alone() {
    let supervisor = Supervisor::new();
    let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(inside.path().join("file"), "mine").unwrap();
    std::fs::write(outside.path().join("file"), "theirs").unwrap();
    let script = format!(
        "cat file; cat {0}/file; echo x > new || echo no new; echo x > {0}/new",
        outside.path().display()
    );
    let system = ["/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/dev/null"];
    let read = sh(&script).read_paths(system).read_paths([inside.path()]).dir(inside.path());
    for limits in [ProcessLimits::new(), ProcessLimits::new().open_files(64)] {
        let mut process = match supervisor.spawn(&read.clone().limits(limits), |_| {}) {
            // Nothing is started that would not be confined.
            Err(ProcessError::Unsupported(_)) => return,
            process => process.unwrap(),
        };
        assert_eq!(said(&mut process).await, "mineno new\n");
        assert!(!process.wait().await.unwrap().success());
        assert!(process.stderr().iter().any(|line| line.contains("Permission denied")));
    }
    let mut process = spawn(&supervisor, &read.write_paths([inside.path()]));
    assert_eq!(said(&mut process).await, "mine");
    assert!(inside.path().join("new").exists() && !outside.path().join("new").exists());
    assert!(std::fs::read(outside.path().join("file")).is_ok(), "this process is not confined");
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_gone_too() {
    let script = "(setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000; sleep 1000' & wait) & wait";
    for drops in [false, true] {
        let supervisor = Supervisor::new();
        let mut process = spawn(&supervisor, &sh(script).grace(Duration::from_millis(20)));
        let mut lines = Lines::new(process.take_stdout().unwrap(), 100);
        let line = soon(lines.next()).await.unwrap().unwrap();
        let stray: u32 = std::str::from_utf8(&line).unwrap().parse().unwrap();
        assert!(exists(stray));
        if drops {
            drop(process);
        } else {
            soon(process.stop()).await.unwrap();
        }
        gone(stray).await;
        soon(supervisor.idle()).await;
    }
}
