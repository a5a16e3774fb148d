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

/// The log of a repository that borrows from a foreign one must be refused, and say nothing of it.
#[track_caller]
fn refused(root: &Path, args: Value) {
    let error = log(root, args).unwrap_err();
    assert!(error.contains("parts that lie elsewhere") || error.contains("not a git checkout"), "{error}");
    assert!(!error.contains("Third"), "{error}");
}

/// A repository in `root`, beside that of `checkout`.
fn planted(dir: &TempDir) -> std::path::PathBuf {
    let root = dir.path().join("root");
    write(&root.join("x"), "");
    git(&root, &["init", "-q"]);
    root
}

#[test]
fn a_commondir_is_not_followed() {
    let dir = checkout();
    let root = planted(&dir);
    write(&root.join(".git/commondir"), "../../top/.git\n");
    refused(&root, json!({}));
}

#[test]
fn alternates_are_not_followed() {
    let dir = checkout();
    let root = planted(&dir);
    let id = log(&dir.path().join("top"), json!({})).unwrap()["commits"][0]["id"].clone();
    let objects = dir.path().join("top/.git/objects");
    write(&root.join(".git/objects/info/alternates"), &format!("{}\n", objects.display()));
    refused(&root, json!({ "revision": id }));
}

#[cfg(unix)]
#[test]
fn links_in_a_repository_are_not_followed() {
    use std::os::unix::fs::symlink;
    let dir = checkout();
    let top = dir.path().join("top");
    git(&top, &["gc", "-q"]);
    git(&top, &["pack-refs", "--all"]);
    for part in
        ["objects", "refs", "packed-refs", "HEAD", "config", "objects/pack", "refs/heads", "refs/heads/main"]
    {
        let root = planted(&dir);
        let link = root.join(".git").join(part);
        let _ = std::fs::remove_dir_all(&link);
        let _ = std::fs::remove_file(&link);
        symlink(top.join(".git").join(part), link).unwrap();
        refused(&root, json!({}));
        std::fs::remove_dir_all(root).unwrap();
    }
    // What runs on commits is not read.
    let root = planted(&dir);
    std::fs::remove_dir_all(root.join(".git/hooks")).unwrap();
    symlink(top.join(".git/hooks"), root.join(".git/hooks")).unwrap();
    assert!(log(&root, json!({})).is_ok());
}

#[test]
fn a_worktree_that_its_repository_does_not_list_is_not_followed() {
    let dir = checkout();
    let root = dir.path().join("root");
    write(&root.join(".git"), "gitdir: made-up\n");
    write(&root.join("made-up/gitdir"), &format!("{}\n", root.join(".git").display()));
    write(&root.join("made-up/HEAD"), "ref: refs/heads/main\n");
    write(&root.join("made-up/commondir"), &format!("{}\n", dir.path().join("top/.git").display()));
    refused(&root, json!({}));
}

#[test]
fn what_would_be_read_whole_has_a_longest_length() {
    let dir = checkout();
    let top = dir.path().join("top");
    for (file, bytes) in [("config", 2 << 20), ("refs/heads/large", 1 << 20), ("HEAD", 1 << 20)] {
        let path = top.join(".git").join(file);
        let before = std::fs::read(&path).ok();
        write(&path, &"#".repeat(bytes));
        let error = log(&top, json!({})).unwrap_err();
        assert!(error.contains("more than is looked through"), "{file}: {error}");
        match before {
            Some(before) => std::fs::write(path, before).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
    }
    assert!(log(&top, json!({})).is_ok());
}

#[test]
fn an_object_that_is_too_large_is_refused_before_it_is_inflated() {
    let dir = checkout();
    let top = dir.path().join("top");
    // A few kilobytes on the disk.
    write(&dir.path().join("message"), &"x".repeat(8 << 20));
    let message = dir.path().join("message");
    git(&top, &["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", &message.to_string_lossy()]);
    for args in [json!({}), json!({ "revision": "main" }), json!({ "path": "a.txt" })] {
        let error = log(&top, args).unwrap_err();
        assert!(error.contains("larger than the 4 MiB"), "{error}");
    }
    assert_eq!(subjects(&log(&top, json!({ "revision": "v1" })).unwrap()), ["First"]);
    // Packed, as a whole and as a difference.
    git(&top, &["gc", "-q"]);
    assert!(log(&top, json!({})).unwrap_err().contains("larger than the 4 MiB"));
}

#[test]
fn every_commit_says_its_body() {
    let dir = checkout();
    let log = log(&dir.path().join("top"), json!({})).unwrap();
    assert!(log["commits"].as_array().unwrap().iter().all(|commit| commit["body"].is_string()), "{log}");
}

/// The binary reads in a child: the answers are the same.
#[test]
fn a_server_reads_the_log_in_a_child() {
    let dir = checkout();
    let top = dir.path().join("top");
    let program = Path::new(env!("CARGO_BIN_EXE_workbench"));
    let served = workbench::serve::executor().unwrap().block_on(async {
        let client = workbench::client::Client::over_stdio(program, &top, workbench::client::Era::Discover)
            .await
            .unwrap();
        client.list().await.unwrap();
        assert!(client.keeps("git_log", &json!({ "commits": [{}] })).is_err(), "a broken promise is seen");
        let mut answers = Vec::new();
        for args in [json!({}), json!({ "revision": "v1", "limit": 1 }), json!({ "revision": "nowhere" })] {
            let result = client.call("git_log", &args).await.unwrap();
            let text = result.content.first().and_then(|block| block.as_text()).unwrap().text.clone();
            if let Some(content) = &result.structured_content {
                client.keeps("git_log", content).unwrap();
            }
            answers.push(result.structured_content.ok_or(text));
        }
        client.close().await.unwrap();
        answers
    });
    assert_eq!(served[0].as_ref().unwrap(), &log(&top, json!({})).unwrap());
    assert_eq!(subjects(served[1].as_ref().unwrap()), ["First"]);
    assert!(served[2].as_ref().unwrap_err().contains("`revision`"), "{served:?}");
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
