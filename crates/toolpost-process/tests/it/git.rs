//! A program that reads what a stranger wrote: `git log` over a hostile repository, as a command tool. The repository's own
//! configuration is never read: git is given a directory of ours, with links to the places of the objects alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use toolpost_process::{CommandTool, Program, Supervisor};
use toolpost_tool::{Call, ErrorKind, Tool as _};

use crate::common::soon;

/// A repository with three commits, and a place for what hostile commands would leave.
struct Place(TempDir);

impl Place {
    /// `None` where there is no git.
    fn new() -> Option<Self> {
        Command::new("git").arg("--version").output().ok()?;
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.repository()).unwrap();
        place.git(&["init", "-q"]);
        for (n, file) in [(1, "a"), (2, "b"), (3, "a")] {
            std::fs::write(place.repository().join(file), n.to_string()).unwrap();
            place.git(&["add", "."]);
            place.git(&["commit", "-q", "-m", &format!("number {n}")]);
        }
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// What git says in the repository, run by its owner.
    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.repository()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        git.env("HOME", self.0.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(args);
        let done = git.output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// A directory for git that has a configuration of ours, no references, and the repository's objects: loose ones and
    /// packs, without `info`, where `alternates` and the commit graph would be.
    fn scratch(&self) -> PathBuf {
        let scratch = self.path("scratch");
        let objects = self.repository().join(".git/objects");
        std::fs::create_dir_all(scratch.join("refs")).unwrap();
        std::fs::create_dir_all(scratch.join("objects")).unwrap();
        std::fs::write(scratch.join("HEAD"), "ref: refs/heads/none\n").unwrap();
        std::fs::write(scratch.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            .unwrap();
        for name in (0..=255).map(|n| format!("{n:02x}")).chain(["pack".into()]) {
            symlink(objects.join(&name), scratch.join("objects").join(name)).unwrap();
        }
        scratch
    }

    fn log(&self, extra: &[&str]) -> CommandTool {
        let program = Program::new("git")
            .pass_env("PATH")
            .dir("/")
            .env("GIT_DIR", self.scratch())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        CommandTool::builder("git_log", program)
            .args(["-c", "core.multiPackIndex=false", "log", "--full-history", "--no-notes", "--format=%s"])
            .args(extra.iter().copied())
            .args(["--max-count={limit:integer?}", "{revision}", "--", "{path?}"])
            .build(&Supervisor::new())
            .unwrap()
    }

    async fn said(&self, extra: &[&str], arguments: Value) -> Result<String, String> {
        let tool = self.log(extra);
        let answer = soon(tool.call(Call::new(&arguments).unwrap())).await;
        std::fs::remove_dir_all(self.path("scratch")).unwrap();
        let left: Vec<_> =
            std::fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name == "ran"), "a command of the repository ran");
        answer.map(|output| output.as_text().unwrap().to_owned()).map_err(|error| error.to_string())
    }

    /// Has the log as it is.
    async fn keeps_its_log(&self) {
        let head = self.head_by_name();
        assert_eq!(
            self.said(&[], json!({ "revision": head })).await.unwrap(),
            "number 3\nnumber 2\nnumber 1\n"
        );
    }

    /// The head, read without git: it may be hostile by now.
    fn head_by_name(&self) -> String {
        let git = self.repository().join(".git");
        let head = std::fs::read_to_string(git.join("HEAD")).unwrap();
        let name = head.trim().strip_prefix("ref: ").unwrap();
        std::fs::read_to_string(git.join(name)).unwrap().trim().to_owned()
    }

    fn configure(&self, more: &str) {
        let config = self.repository().join(".git/config");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(
            config,
            format!("{text}\n{}\n", more.replace("RAN", &self.path("ran").to_string_lossy())),
        )
        .unwrap();
    }
}

#[tokio::test]
async fn a_hostile_configuration_is_not_read() {
    let Some(place) = Place::new() else { return };
    let config = [
        "[core]\nfsmonitor = touch RAN",
        "[core]\npager = touch RAN\n[pager]\nlog = touch RAN",
        "[core]\nsshCommand = touch RAN\neditor = touch RAN\nalternateRefsCommand = touch RAN",
        "[log]\nshowSignature = true\n[gpg]\nprogram = RAN",
        "[credential]\nhelper = !touch RAN",
        "[alias]\nlog = !touch RAN",
        "[log]\nfollow = no such value\nshowRoot = 7 x",
        "[include]\npath = /etc/passwd",
        "[includeIf \"gitdir:/\"]\npath = /etc/passwd",
        "[extensions]\nnoSuchExtension = true\n[core]\nrepositoryformatversion = 1",
        "no configuration at all",
    ];
    let before = std::fs::read_to_string(place.repository().join(".git/config")).unwrap();
    for hostile in config {
        std::fs::write(place.repository().join(".git/config"), &before).unwrap();
        place.configure(hostile);
        place.keeps_its_log().await;
    }
}

#[tokio::test]
async fn hooks_and_drivers_of_differences_do_not_run() {
    let Some(place) = Place::new() else { return };
    let head = place.head();
    for hook in ["post-index-change", "reference-transaction", "post-checkout", "fsmonitor-watchman"] {
        let path = place.repository().join(".git/hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", place.path("ran").display())).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(place.repository().join(".git/info/attributes"), "* diff=x filter=x\n").unwrap();
    place.configure("[diff]\nexternal = touch RAN\n[diff \"x\"]\ntextconv = touch RAN\ncommand = touch RAN\n[filter \"x\"]\nsmudge = touch RAN");
    place.keeps_its_log().await;
    let with_differences = place.said(&["-p"], json!({ "revision": head, "limit": 1 })).await.unwrap();
    assert!(with_differences.contains("-1") && with_differences.contains("+3"), "{with_differences}");
}

#[tokio::test]
async fn replacements_and_grafts_replace_nothing() {
    let Some(place) = Place::new() else { return };
    let (head, first) = (place.head(), place.git(&["rev-parse", "HEAD~2"]));
    place.git(&["replace", &head, &first]);
    assert_eq!(place.git(&["log", "--format=%s"]), "number 1", "git by itself is taken in");
    std::fs::write(place.repository().join(".git/info/grafts"), format!("{head}\n")).unwrap();
    place.keeps_its_log().await;
}

#[tokio::test]
async fn what_is_borrowed_from_elsewhere_is_not_there() {
    let (Some(place), Some(foreign)) = (Place::new(), Place::new()) else { return };
    std::fs::write(foreign.repository().join("secret"), "x").unwrap();
    foreign.git(&["add", "."]);
    foreign.git(&["commit", "-q", "-m", "a secret"]);
    let id = foreign.head();
    let alternates = place.repository().join(".git/objects/info/alternates");
    std::fs::write(alternates, format!("{}\n", foreign.repository().join(".git/objects").display())).unwrap();
    assert!(place.git(&["log", "--format=%s", &id]).starts_with("a secret"), "git by itself follows it");
    let error = place.said(&[], json!({ "revision": id })).await.unwrap_err();
    assert!(error.contains("exit status 128") && !error.contains("a secret"), "{error}");
    place.keeps_its_log().await;
}

#[tokio::test]
async fn a_missing_object_is_fetched_from_nowhere() {
    let Some(place) = Place::new() else { return };
    place.configure("[extensions]\npartialClone = evil\n[core]\nrepositoryformatversion = 1\n[remote \"evil\"]\npromisor = true\nurl = ext::sh -c \"touch% RAN\"\n[protocol]\nallow = always");
    let error = place.said(&[], json!({ "revision": "1".repeat(40) })).await.unwrap_err();
    assert!(error.contains("`git` failed with exit status 128: fatal: bad object 1111"), "{error}");
}

/// Git refuses a repository of another owner for what its configuration could do; here that is not read.
#[tokio::test]
async fn a_repository_of_somebody_else_has_a_log() {
    let Some(place) = Place::new() else { return };
    let git = place.repository().join(".git");
    place.configure("[core]\nfsmonitor = touch RAN");
    // Only root can give a file away.
    if [place.repository(), git.clone(), git.join("config")]
        .iter()
        .all(|path| chown(path, Some(65_534), None).is_ok())
    {
        place.keeps_its_log().await;
    }
}

#[tokio::test]
async fn arguments_are_no_options_and_no_patterns() {
    let Some(place) = Place::new() else { return };
    let head = place.head();
    let written = place.path("written");
    for revision in [format!("--output={}", written.display()), "--all".into(), "-p".into()] {
        let tool = place.log(&[]);
        let error = soon(tool.call(Call::new(&json!({ "revision": revision })).unwrap())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArguments, "{error}");
        std::fs::remove_dir_all(place.path("scratch")).unwrap();
    }
    assert!(!Path::new(&written).exists());
    for (path, expected) in [("a", "number 3\nnumber 1\n"), ("*", ""), (":(top)a", ""), ("--all", "")] {
        let said = place.said(&[], json!({ "revision": head, "path": path })).await.unwrap();
        assert_eq!(said, expected, "{path}");
    }
}

#[tokio::test]
async fn an_object_that_is_too_large_is_an_error_of_the_call() {
    let Some(place) = Place::new() else { return };
    std::fs::write(place.path("message"), "x".repeat(8 << 20)).unwrap();
    let message = place.path("message");
    place.git(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", &message.to_string_lossy()]);
    let head = place.head();
    // What is written of it is bounded all the same.
    let error = place.said(&["--format=%B"], json!({ "revision": head })).await.unwrap_err();
    assert!(error.contains("wrote more than its limit of 1048576 bytes"), "{error}");
}
