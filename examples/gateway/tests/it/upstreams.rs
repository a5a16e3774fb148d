//! Other servers, which stand behind the gateway: here, gateways over programs.

use std::io::Write as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::fixture::{GATEWAY, Place, text};
use crate::http::Served;

/// A server with a program `hold`, which reads a file that somebody else writes, and one that says `saying`.
fn inner(saying: &str) -> String {
    format!(
        "[programs.hold]\nargv = ['cat', '{{path}}']\n\
         [programs.say]\ndescription = 'Says {saying}.'\nargv = ['echo', '{saying}']\nread-only = true\n"
    )
}

/// The gateway in front of `inner.toml` and `other.toml`.
fn file() -> String {
    format!(
        r#"
        [upstreams.inner]
        argv = ["{GATEWAY}", "serve", "--config", "inner.toml"]
        cwd = "."
        [upstreams.other]
        argv = ["{GATEWAY}", "serve", "--config", "other.toml"]
        cwd = "."
        prefix = ""
        "#
    )
}

fn place() -> Place {
    let place = Place::with(&file());
    place.write("inner.toml", &inner("one"));
    place.write("other.toml", "[programs.date]\nargv = ['date', '-u']\n");
    assert!(Command::new("mkfifo").arg(place.path("held")).status().unwrap().success());
    place
}

#[test]
fn the_tools_of_servers_are_listed_and_called_under_their_prefix() {
    let place = place();
    let mut client = place.served();
    client.wait_for("inner_say");
    client.wait_for("date");
    assert_eq!(client.tools(), ["date", "inner_hold", "inner_say"]);
    assert_eq!(client.call("inner_say", &json!({})), "one\n");
    assert!(client.call("inner_hold", &json!({ "paht": "x" })).contains("path"), "its schema is kept");
    client.close();
}

#[test]
fn a_server_that_is_down_hurts_nobody_else_and_says_why() {
    let place = place();
    let whole =
        file() + "[upstreams.dead]\nargv = ['false']\n[upstreams.absent]\nargv = ['no-such-program']\n";
    place.write("gateway.toml", &whole);
    let ended = place.ended(&["list", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let origin = |name: &str| document["origins"][format!("upstreams.{name}")].clone();
    assert_eq!(origin("inner"), json!({ "state": "ready", "tools": 2 }));
    assert_eq!((&origin("dead")["state"], &origin("absent")["state"]), (&json!("down"), &json!("down")));
    assert!(origin("absent")["reason"].to_string().contains("no-such-program"), "{document}");
    assert_eq!(ended.code, Some(1));
    let ended = place.ended(&["call", "date"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("UTC"), "{ended:?}");
    let ended = place.ended(&["call", "dead_say"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("upstreams.dead: "), "{ended:?}");
}

#[test]
fn two_servers_with_one_name_are_both_named() {
    let place = place();
    place.write(
        "gateway.toml",
        &file().replace("cwd = \".\"\n", "cwd = \".\"\nprefix = 'x_'\n").replace("prefix = \"\"", ""),
    );
    place.write("other.toml", &inner("two"));
    let ended = place.ended(&["list"]);
    assert_eq!(ended.code, Some(1));
    let fault = "the name `x_hold` is claimed by source `inner` and by source `other`";
    assert!(ended.stdout.contains(fault), "{ended:?}");
}

#[test]
fn only_the_server_whose_table_changed_is_started_again_and_no_call_is_lost() {
    let place = place();
    let mut client = place.served();
    client.wait_for("inner_say");
    client.wait_for("date");
    let held = client.begin("inner_hold", &json!({ "path": place.path("held") }));
    let more = client.begin("inner_say", &json!({}));
    assert_eq!(text(&client.answer(more)), "one\n", "the held call is with the server by now");

    place.write("changed.toml", &inner("two"));
    place.write("gateway.toml", &file().replace("inner.toml", "changed.toml"));
    let said = client.hear("the configuration is changed: ");
    assert!(said.contains("changed: upstreams.inner\n"), "{said}");
    while client.call("inner_say", &json!({})) != "two\n" {}
    let mut writer = std::fs::File::options().write(true).open(place.path("held")).unwrap();
    writer.write_all(b"held\n").unwrap();
    drop(writer);
    assert_eq!(text(&client.answer(held)), "held\n");

    place.write("gateway.toml", "[programs.only]\nargv = ['echo', 'only']\n");
    client.hear("upstreams.other is gone");
    assert_eq!(client.tools(), ["only"]);
    client.close();
}

#[test]
fn a_tool_that_is_not_as_it_is_pinned_is_refused_until_it_is_accepted() {
    let place = place();
    place.write("gateway.toml", &format!("pins = 'pins.json'\n{}", file()));
    let ended = place.ended(&["pin", "--check"]);
    assert!(ended.code == Some(1) && ended.stdout.ends_with("3 changes\n"), "{ended:?}");
    let ended = place.ended(&["list"]);
    assert!(ended.stdout.contains("refused: `inner` lists the tool `say`, which is not pinned"), "{ended:?}");

    // One that serves meanwhile takes the new file.
    let mut client = place.served();
    client.hear("upstreams.inner: ready, 0 tools");
    let ended = place.ended(&["pin"]);
    assert!(
        ended.code == Some(0) && ended.stdout.ends_with("3 changes accepted in pins.json\n"),
        "{ended:?}"
    );
    client.wait_for("inner_say");
    assert_eq!(client.call("inner_say", &json!({})), "one\n");
    client.close();
    let ended = place.ended(&["pin", "--check"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "0 changes\n"), "{ended:?}");

    place.write("inner.toml", &inner("another thing"));
    let ended = place.ended(&["call", "inner_say"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("otherwise than it is pinned"), "{ended:?}");
    let ended = place.ended(&["pin", "--check"]);
    for line in ["Says one.", "Says another thing."] {
        assert!(ended.stdout.contains(line), "{line} is not in {ended:?}");
    }
    let ended = place.ended(&["pin", "other"]);
    assert!(ended.stdout.ends_with("0 changes accepted in pins.json\n"), "{ended:?}");
    assert!(place.ended(&["pin", "nobody"]).stderr.contains("there is no upstream `nobody`"));
    assert_eq!(place.ended(&["pin", "inner"]).code, Some(0));
    let ended = place.ended(&["call", "inner_say"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "another thing\n\n"), "{ended:?}");
}

/// Two addresses of one server, by a credential of the gateway's own: nobody's token is passed on.
#[test]
fn a_server_with_urls_is_reached_with_the_credentials_of_its_table() {
    const TOKEN: &str = "0123456789abcdef0123";
    let far = Place::with(
        "[serve]\nhttp = '127.0.0.1:0'\npath = '/tools'\ntoken-file = 'tokens'\n[programs.say]\nargv = ['echo', 'far']\n",
    );
    far.write("tokens", &format!("gateway {TOKEN}\n"));
    let (one, other) = (Served::start(&far), Served::start(&far));
    let place = Place::with(&format!(
        "[upstreams.far]\nurls = ['http://{}/tools', 'http://{}/tools']\nbearer-token-file = 'token'\n",
        one.address, other.address
    ));
    place.write("token", TOKEN);
    let mut client = place.served();
    client.wait_for("far_say");
    assert_eq!(client.call("far_say", &json!({})), "far\n");
    drop(one);
    // What was sent to the one that is gone may be lost; what comes after is not.
    while client.call("far_say", &json!({})) != "far\n" {}
    client.close();

    place.write("token", "another token of nobody");
    let ended = place.ended(&["list", "--wait", "30"]);
    assert!(ended.code == Some(1) && ended.stdout.contains("upstreams.far: "), "{ended:?}");
    assert!(!ended.stderr.contains("another token"), "{ended:?}");
}

#[test]
fn each_user_of_a_server_that_keeps_something_has_their_own() {
    const ADA: &str = "0123456789abcdef0123";
    const BOB: &str = "fedcba98765432100123";
    let place = Place::with(&format!(
        r#"
        [serve]
        http = "127.0.0.1:0"
        path = "/tools"
        token-file = "tokens"
        [upstreams.inner]
        argv = ["{GATEWAY}", "serve", "--config", "inner.toml"]
        cwd = "."
        prefix = ""
        per-user = true
        "#
    ));
    place.write("tokens", &format!("ada {ADA}\nbob {BOB}\n"));
    place.write("inner.toml", "[programs.echo]\nargv = ['sh', '-c', 'echo of process $PPID', '{text}']\n");
    let mut served = Served::start(&place);
    served.hear("upstreams.inner: ready");
    let process = |token: &str| {
        let answer = served.call(token);
        let of = answer.split("of process ").nth(1).unwrap_or_else(|| panic!("{answer}"));
        of.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    let (ada, bob) = (process(ADA), process(BOB));
    assert_ne!(ada, bob);
    assert_eq!((process(ADA), process(BOB)), (ada, bob));
    let ended = place.ended(&["call", "echo", r#"{"text": "x"}"#]);
    assert!(ended.code == Some(3) && ended.stderr.contains("nobody says who calls"), "{ended:?}");
    let ended = place.ended(&["call", "echo", r#"{"text": "x"}"#, "--by", "ada"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("of process "), "{ended:?}");
}
