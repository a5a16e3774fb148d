//! Every way out of the root is shut.

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::File;
use serde_json::{Value, json};
use workbench::root::{RelPath, Root, Why};
use workbench::walk::walk;

use crate::fixture::{Place, SECRET, paths};

/// Every tool with a `path`, asked for this one.
fn calls(path: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("read_file", json!({ "path": path })),
        ("list_files", json!({ "path": path })),
        ("search_text", json!({ "pattern": "secret", "path": path })),
        ("count_lines", json!({ "path": path })),
        #[cfg(feature = "git")]
        ("git_log", json!({ "path": path })),
    ]
}

/// Every tool refuses `path` by its form alone.
fn refused_by_all(path: &str, fix: &str) {
    let place = Place::new();
    for (tool, args) in calls(path) {
        let text = place.refused(tool, args);
        assert!(text.contains("`path`") && text.contains(fix), "{tool}: {text}");
    }
}

/// Every tool that opens files refuses `path` when it tries to.
fn refused_when_opened(place: &Place, path: &str, fix: &str) {
    for (tool, args) in calls(path).into_iter().filter(|(tool, _)| *tool != "git_log") {
        let text = place.refused(tool, args);
        assert!(text.contains("`path`") && text.contains(fix), "{tool}: {text}");
    }
}

#[test]
fn by_dot_dot() {
    refused_by_all("../secret.txt", "without `..`");
    refused_by_all("..", "without `..`");
    refused_by_all("src/../../secret.txt", "without `..`");
    refused_by_all("src/..", "without `..`");
    refused_by_all("./../outside/", "without `..`");
}

#[test]
fn by_an_absolute_path() {
    refused_by_all("/etc/passwd", "relative to the root");
    refused_by_all("/", "relative to the root");
    refused_by_all("//etc/passwd", "relative to the root");
    let place = Place::new();
    let text =
        place.call("read_file", json!({ "path": place.root().join("README.md") })).unwrap_err().to_string();
    assert!(text.contains("relative to the root"), "even into the root: {text}");
}

#[test]
fn by_a_nul() {
    refused_by_all("README.md\0", "leave it out");
    refused_by_all("README.md\0/../../secret.txt", "leave it out");
}

#[test]
fn by_a_path_without_end() {
    refused_by_all(&"a/".repeat(4_000), "too long");
    let place = Place::new();
    refused_when_opened(&place, &"a".repeat(300), "255 for one name");
}

#[test]
fn by_spellings_of_dot_dot_that_are_names() {
    let place = Place::new();
    for path in ["%2e%2e/secret.txt", "..%2fsecret.txt", "...", "~", "~/secret.txt", "．．/secret.txt"] {
        refused_when_opened(&place, path, "does not exist");
    }
}

#[test]
fn by_a_trailing_slash_on_a_file() {
    let place = Place::new();
    let text = place.refused("read_file", json!({ "path": "README.md/" }));
    assert!(text.contains("leave the `/` out"), "{text}");
    refused_when_opened(&place, "README.md/", "leave the `/` out");
}

#[cfg(unix)]
#[test]
fn by_a_link_to_a_file() {
    let place = Place::new();
    link("../outside/secret.txt", &place.root().join("relative"));
    link(place.dir.path().join("outside/secret.txt"), &place.root().join("absolute"));
    link("relative", &place.root().join("twice"));
    for path in ["relative", "absolute", "twice"] {
        refused_when_opened(&place, path, "leads out of the root");
    }
}

#[cfg(unix)]
#[test]
fn by_a_link_to_a_directory() {
    let place = Place::new();
    link("../outside", &place.root().join("out"));
    link(place.dir.path(), &place.root().join("src/up"));
    for path in ["out", "out/", "out/secret.txt", "src/up/outside/secret.txt", "src/up/secret.txt"] {
        refused_when_opened(&place, path, "leads out of the root");
    }
}

#[cfg(unix)]
#[test]
fn by_a_link_in_a_walk() {
    let place = Place::new();
    link("../outside", &place.root().join("out"));
    link("../outside/secret.txt", &place.root().join("relative.txt"));
    let listed = place.ok("list_files", json!({}));
    assert!(
        !paths(&listed["files"]).iter().any(|path| path.starts_with("out") || path.starts_with("relative"))
    );
    assert_eq!(place.ok("search_text", json!({ "pattern": "secret" }))["matches"], json!([]));
}

#[cfg(unix)]
#[test]
fn a_link_that_stays_inside_is_no_escape() {
    let place = Place::new();
    link("src/main.rs", &place.root().join("inside.rs"));
    let text = place.ok("read_file", json!({ "path": "inside.rs" }));
    assert!(text["content"].as_str().unwrap().starts_with("fn main"));
}

#[cfg(unix)]
#[test]
fn by_a_link_that_goes_round() {
    let place = Place::new();
    link("round", &place.root().join("round"));
    refused_when_opened(&place, "round", "leads back to itself");
}

#[cfg(unix)]
#[test]
fn by_an_ignore_file_that_is_a_link() {
    let place = Place::new();
    // A rule outside of the root would show whether a line stands in a foreign file.
    fs::write(place.dir.path().join("outside/rules"), "README.md\n").unwrap();
    link("../outside/rules", &place.root().join(".ignore"));
    assert!(paths(&place.ok("list_files", json!({}))["files"]).contains(&"README.md"));
}

#[cfg(unix)]
#[test]
fn by_a_pipe_that_nobody_writes_to() {
    let place = Place::new();
    let pipe = place.root().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    refused_when_opened(&place, "pipe", "not a regular file");
    assert!(!paths(&place.ok("list_files", json!({}))["files"]).contains(&"pipe"));
}

/// The classic: the path is checked while it leads to a file inside, and used when it leads out.
#[cfg(unix)]
#[test]
fn by_a_link_swapped_in_between_check_and_use() {
    let place = Place::new();
    let root = Root::open(&place.root()).unwrap();
    let path = RelPath::parse("src/deep/secret.txt").unwrap();
    fs::write(place.root().join("src/deep/secret.txt"), "inside").unwrap();
    let checked = root.file(&path).expect("it leads to a file inside");

    fs::rename(place.root().join("src/deep"), place.root().join("src/was")).unwrap();
    link("../../outside", &place.root().join("src/deep"));

    assert_eq!(text(checked), "inside", "what was opened stays what it was");
    assert_eq!(root.file(&path).unwrap_err().why(), Why::Outside);
}

/// The same as a race: one thread swaps without pause, the other reads.
#[cfg(unix)]
#[test]
fn by_a_link_swapped_in_a_thousand_times() {
    let place = Place::new();
    let (door, inside, outside) =
        (place.root().join("door"), place.root().join("inside"), place.root().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("secret.txt"), "inside").unwrap();
    link("../outside", &outside);
    fs::rename(&inside, &door).unwrap();
    let root = Root::open(&place.root()).unwrap();
    let path = RelPath::parse("door/secret.txt").unwrap();
    let done = AtomicBool::new(false);
    let (mut read, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                fs::rename(&door, &inside).unwrap();
                fs::rename(&outside, &door).unwrap();
                fs::rename(&door, &outside).unwrap();
                fs::rename(&inside, &door).unwrap();
            }
        });
        let _done = OnDrop(&done);
        // Until both have been seen, so that the race is known to have been run.
        for turn in 0.. {
            match root.file(&path) {
                Ok(file) => {
                    assert_eq!(text(file), "inside");
                    read += 1;
                }
                Err(error) => refused += u32::from(error.why() == Why::Outside),
            }
            if turn % 10 > 0 {
                continue;
            }
            let mut seen = Vec::new();
            let _ = walk(
                &root,
                &RelPath::root(),
                || false,
                |found| {
                    if let Ok(file) = found.open() {
                        seen.push(text(file));
                    }
                    ControlFlow::Continue(())
                },
            );
            assert!(!seen.iter().any(|text| text.contains(SECRET)));
            if turn >= 1_000 && (read > 0 && refused > 0 || turn >= 100_000) {
                break;
            }
        }
    });
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
}

/// A directory that is swapped for a link after the walk has listed its parent is not entered.
#[cfg(unix)]
#[test]
fn by_a_link_swapped_in_during_a_walk() {
    let place = Place::new();
    let root = Root::open(&place.root()).unwrap();
    let mut seen = Vec::new();
    walk(
        &root,
        &RelPath::root(),
        || false,
        |found| {
            if seen.is_empty() {
                fs::rename(place.root().join("src"), place.root().join("was")).unwrap();
                link("../outside", &place.root().join("src"));
            }
            seen.push(found.path.to_owned());
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert!(seen.contains(&"README.md".to_owned()), "{seen:?}");
    assert!(!seen.iter().any(|path| path.starts_with("src")), "{seen:?}");
}

/// A file that is swapped for a link after the walk came upon it is not opened.
#[cfg(unix)]
#[test]
fn by_a_link_swapped_in_under_a_found_file() {
    let place = Place::new();
    let root = Root::open(&place.root()).unwrap();
    let mut found_it = false;
    walk(
        &root,
        &RelPath::root(),
        || false,
        |found| {
            if found.path == "README.md" {
                found_it = true;
                fs::remove_file(place.root().join("README.md")).unwrap();
                link("../outside/secret.txt", &place.root().join("README.md"));
                assert!(found.open().is_err());
            }
            ControlFlow::Continue(())
        },
    )
    .unwrap();
    assert!(found_it);
}

/// Ends the other thread, also when this one panics.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(unix)]
fn link(target: impl AsRef<Path>, at: &Path) {
    std::os::unix::fs::symlink(target, at).unwrap();
}
