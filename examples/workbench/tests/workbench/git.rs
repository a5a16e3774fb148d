//! `git_log` over checkouts made by git itself.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{call, write};

fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git")
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=Ada L.", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .output()
        .expect("git is there");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A checkout with three commits on `main` and a tag on the first.
pub(crate) fn checkout() -> TempDir {
    let dir = TempDir::new().unwrap();
    let top = dir.path().join("top");
    write(&top.join("a.txt"), "1\n");
    git(&top, &["init", "-q"]);
    git(&top, &["add", "."]);
    commit(&top, "2026-01-01T00:00:00+0100", "First\n\nWith a body.\n");
    git(&top, &["tag", "-m", "one", "v1"]);
    write(&top.join("b/c.txt"), "2\n");
    git(&top, &["add", "."]);
    commit(&top, "2026-01-02T00:00:00+0100", "Second");
    write(&top.join("a.txt"), "3\n");
    git(&top, &["add", "."]);
    commit(&top, "2026-01-03T00:00:00+0100", "Third: Grüße");
    dir
}

fn commit(dir: &Path, date: &str, message: &str) {
    let date = format!("--date={date}");
    // The committer's date decides the order; git takes it from the environment alone.
    let done = Command::new("git")
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_COMMITTER_DATE", date.trim_start_matches("--date="))
        .args([
            "-c",
            "user.name=Ada L.",
            "-c",
            "user.email=ada@example.org",
            "commit",
            "-q",
            &date,
            "-m",
            message,
        ])
        .output()
        .expect("git is there");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn log(root: &Path, args: Value) -> Result<Value, String> {
    let tools = workbench::tools::all(root).unwrap();
    call(&tools, "git_log", &args).map_err(|error| error.to_string())
}

fn subjects(log: &Value) -> Vec<&str> {
    log["commits"].as_array().unwrap().iter().map(|commit| commit["subject"].as_str().unwrap()).collect()
}

#[test]
fn the_log_is_newest_first() {
    let dir = checkout();
    let log = log(&dir.path().join("top"), json!({})).unwrap();
    assert_eq!(subjects(&log), ["Third: Grüße", "Second", "First"]);
    assert_eq!(
        (&log["branch"], &log["shallow"], &log["truncated"]),
        (&json!("main"), &json!(false), &json!(false))
    );
    let first = &log["commits"][2];
    assert_eq!(first["author"], "Ada L.");
    assert_eq!(first["email"], "ada@example.org");
    assert_eq!(first["date"], "2026-01-01T00:00:00+01:00");
    assert_eq!(first["body"], "With a body.");
    assert_eq!(first["parents"], json!([]));
    assert_eq!(log["commits"][1]["parents"][0], first["id"]);
}

#[test]
fn the_log_is_limited_and_says_so() {
    let dir = checkout();
    let log = log(&dir.path().join("top"), json!({ "limit": 2 })).unwrap();
    assert_eq!(subjects(&log), ["Third: Grüße", "Second"]);
    assert_eq!(log["truncated"], true);
}

#[test]
fn the_log_of_a_path_shows_what_changed_it() {
    let dir = checkout();
    let top = dir.path().join("top");
    assert_eq!(subjects(&log(&top, json!({ "path": "a.txt" })).unwrap()), ["Third: Grüße", "First"]);
    assert_eq!(subjects(&log(&top, json!({ "path": "./b/" })).unwrap()), ["Second"]);
    let error = log(&top, json!({ "path": "never.txt" })).unwrap_err();
    assert!(error.contains("`path`") && error.contains("list_files"), "{error}");
}

#[test]
fn the_log_starts_at_a_branch_a_tag_or_an_id() {
    let dir = checkout();
    let top = dir.path().join("top");
    let whole = log(&top, json!({})).unwrap();
    assert_eq!(subjects(&log(&top, json!({ "revision": "v1" })).unwrap()), ["First"]);
    assert_eq!(subjects(&log(&top, json!({ "revision": "main" })).unwrap()).len(), 3);
    let second = &whole["commits"][1]["id"];
    assert_eq!(subjects(&log(&top, json!({ "revision": second })).unwrap()), ["Second", "First"]);
    for revision in ["nowhere", "../../x", "--output=x", "", "HEAD~1", &"0".repeat(40), "v1\0"] {
        let error = log(&top, json!({ "revision": revision })).unwrap_err();
        assert!(
            error.contains("`revision`") && error.contains("leave it out for HEAD"),
            "{revision}: {error}"
        );
    }
}

#[test]
fn a_shallow_checkout_has_a_log() {
    let dir = checkout();
    git(dir.path(), &["clone", "-q", "--depth=2", "--no-local", "top", "shallow"]);
    let shallow = log(&dir.path().join("shallow"), json!({})).unwrap();
    assert_eq!(subjects(&shallow), ["Third: Grüße", "Second"]);
    assert_eq!(shallow["shallow"], true);
    assert_eq!(subjects(&log(&dir.path().join("shallow"), json!({ "path": "b" })).unwrap()), ["Second"]);
}

#[test]
fn a_linked_worktree_has_a_log() {
    let dir = checkout();
    git(&dir.path().join("top"), &["worktree", "add", "-q", "-b", "side", "../side", "v1"]);
    let log = log(&dir.path().join("side"), json!({})).unwrap();
    assert_eq!((subjects(&log), &log["branch"]), (vec!["First"], &json!("side")));
}

#[test]
fn a_checkout_without_commits_has_an_empty_log() {
    let dir = TempDir::new().unwrap();
    git(dir.path(), &["init", "-q"]);
    let log = log(dir.path(), json!({})).unwrap();
    assert_eq!((subjects(&log).len(), &log["branch"]), (0, &json!("main")));
}

#[test]
fn what_is_no_checkout_says_so() {
    let dir = checkout();
    let error = log(dir.path(), json!({})).unwrap_err();
    assert!(error.contains("not a git checkout") && error.contains("no .git"), "{error}");
}

#[test]
fn a_git_file_that_leads_to_a_foreign_repository_is_not_followed() {
    let dir = checkout();
    let planted = dir.path().join("planted");
    write(&planted.join(".git"), "gitdir: ../top/.git\n");
    let error = log(&planted, json!({})).unwrap_err();
    assert!(error.contains("does not know it as a worktree"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_git_link_out_of_the_root_is_not_followed() {
    let dir = checkout();
    let planted = dir.path().join("planted");
    write(&planted.join("x"), "");
    std::os::unix::fs::symlink("../top/.git", planted.join(".git")).unwrap();
    let error = log(&planted, json!({})).unwrap_err();
    assert!(error.contains("not a git checkout"), "{error}");
}

#[test]
fn a_damaged_repository_says_so_and_names_no_path() {
    let dir = checkout();
    let top = dir.path().join("top");
    std::fs::remove_dir_all(top.join(".git/objects")).unwrap();
    let error = log(&top, json!({})).unwrap_err();
    assert!(!error.contains(&*dir.path().to_string_lossy()), "{error}");
    assert!(error.contains(".git"), "{error}");
}
