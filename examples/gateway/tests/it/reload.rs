//! A changed file changes what is served, and loses no call.

use std::io::Write as _;
use std::process::Command;

use serde_json::json;

use crate::commands::WORKER;
use crate::fixture::{Place, text};

const FILE: &str = r#"
    [programs.hold]
    argv = ["cat", "{path}"]
    [workers.stays]
    argv = ["sh", "stays.sh"]
    cwd = "."
    processes = 1
    [workers.goes]
    argv = ["sh", "goes.sh"]
    cwd = "."
    processes = 1
"#;

fn place() -> Place {
    let place = Place::with(FILE);
    place.write("stays.sh", &WORKER.replace("warm", "stays"));
    place.write("goes.sh", &WORKER.replace("warm", "goes"));
    // Whoever reads it waits for somebody who writes.
    assert!(Command::new("mkfifo").arg(place.path("held")).status().unwrap().success());
    place
}

#[test]
fn a_changed_file_loses_no_call_and_starts_nothing_again_that_stayed() {
    let place = place();
    let mut client = place.served();
    client.wait_for("stays");
    client.wait_for("goes");
    let (stays, goes) = (client.call("stays", &json!({})), client.call("goes", &json!({})));
    let held = client.begin("hold", &json!({ "path": place.path("held") }));

    let changed = FILE.replace("cat", "head").replace("goes.sh\"]", "goes.sh\", \"again\"]")
        + "[programs.more]\nargv = ['echo', 'more']\n[tools.more]\ncache = {}\n";
    place.write("gateway.toml", &changed);
    let said = client.hear("makes no sense, and nothing is changed");
    assert!(!said.contains("the configuration is changed"), "a cache without a time: {said}");
    assert!(client.hear("tools.more").contains("`ttl-ms`"));
    assert_eq!(client.tools(), ["goes", "hold", "stays"]);

    place.write("gateway.toml", &changed.replace("cache = {}", "time-limit-ms = 1000"));
    let said = client.hear("the configuration is changed: ");
    assert!(said.contains("programs, policies, workers.goes") && !said.contains("workers.stays"), "{said}");
    assert_eq!(client.call("more", &json!({})), "more\n");
    assert_eq!(client.call("stays", &json!({})), stays, "what stays as it was is not started again");
    while client.call("goes", &json!({})) == goes {}

    // The call that began before both ends with the program that it began with.
    let mut writer = std::fs::File::options().write(true).open(place.path("held")).unwrap();
    writer.write_all(b"held\n").unwrap();
    drop(writer);
    assert_eq!(text(&client.answer(held)), "held\n");
    client.close();
}

#[test]
fn a_broken_file_changes_nothing_and_says_why() {
    let place = place();
    let mut client = place.served();
    client.wait_for("stays");
    client.wait_for("goes");
    for (broken, why) in [
        ("[programs.hold]\nargv = [", "TOML parse error"),
        ("[programs.hold]\nargvs = ['x']", "programs.hold.argvs: there is no such key"),
        ("", "there is nothing to serve"),
    ] {
        place.write("gateway.toml", broken);
        let said = client.hear(why);
        assert!(said.contains("has faults, and nothing is changed"), "{said}");
        assert_eq!(client.tools(), ["goes", "hold", "stays"]);
    }
    place.write("gateway.toml", FILE);
    let said = client.hear("the configuration is as it was");
    assert!(!said.contains("is changed"), "{said}");
    place.write("gateway.toml", "[programs.only]\nargv = ['echo', 'only']\n");
    client.hear("workers.goes is gone");
    assert_eq!(client.tools(), ["only"]);
    client.close();
}
