//! What a configuration may say, and what is said of one that may not be.

use crate::fixture::{Ended, Place};

#[test]
fn every_fault_is_told_at_once_with_its_file_and_path() {
    let place = Place::with(
        r#"
        pins = 3
        [serve]
        htpp = "127.0.0.1:0"
        token-file = "tokens"
        [serve.jwt]
        issuer = "https://login.example.org"
        [limits]
        permits = 0
        [upstream.x]
        [upstreams.both]
        argv = ["npx"]
        url = "https://example.org/mcp"
        [upstreams.neither]
        [upstreams.far]
        url = "ftp://example.org"
        cwd = "data"
        headers = { Authorization = "Bearer ${GATEWAY_TEST_UNSET}", "no good" = "x" }
        bearer-token-env = "GATEWAY_TEST_UNSET_TOO"
        [upstreams.near]
        argv = ["npx"]
        arvg = ["x"]
        env = "HOME"
        when-down = "vanish"
        headers = { X = "y" }
        [programs.one]
        argvs = ["ls"]
        [workers.one]
        argv = ["ls"]
        [defaults]
        timelimit = 1
        [tools.one]
        time-limit-ms = 0
        [tools.two]
        cache = { ttl-ms = "1 s" }
        "#,
    );
    place.write("tokens", "ada secret\nbob 0123456789abcdef0123\neve 0123456789abcdef0123\n");
    let ended = place.ended(&["check"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
    ended.said(&[
        "gateway: gateway.toml: pins: invalid type: integer `3`",
        "gateway.toml: serve.htpp: there is no such key; did you mean `http`?",
        "gateway.toml: serve.token-file: line 1 of tokens: the token has less than 16 characters",
        "gateway.toml: serve.token-file: line 3 of tokens: another line has the same token",
        "gateway.toml: serve.jwt: `audience` is missing",
        "gateway.toml: serve.jwt: give `jwks-url`",
        "gateway.toml: serve: has tokens or a state key, which are of HTTP; give `http`",
        "gateway.toml: limits.permits: is 0, and must be 1 to 100000",
        "gateway.toml: upstream: there is no such key; did you mean `upstreams`?",
        "gateway.toml: upstreams.both: has `argv` and a URL",
        "gateway.toml: upstreams.neither: give `argv`, the program to start, or `url`",
        "gateway.toml: upstreams.far.url: must begin with http:// or https://",
        "gateway.toml: upstreams.far.cwd: is for a program, and this server has a URL",
        "gateway.toml: upstreams.far.headers.Authorization: the variable `GATEWAY_TEST_UNSET` is not set",
        "gateway.toml: upstreams.far.headers.no good: is no name of a header",
        "gateway.toml: upstreams.far.bearer-token-env: the variable `GATEWAY_TEST_UNSET_TOO` is not set",
        "gateway.toml: upstreams.near.arvg: there is no such key; did you mean `argv`?",
        "gateway.toml: upstreams.near.env: invalid type: string \"HOME\", expected a sequence",
        "gateway.toml: upstreams.near.when-down: unknown variant `vanish`, expected `show` or `hide`",
        "gateway.toml: upstreams.near.headers: is for a server with a URL, and this one is a program",
        "gateway.toml: programs.one.argvs: there is no such key; did you mean `argv`?",
        "gateway.toml: programs.one.argv: is missing",
        "gateway.toml: workers.one: has the name of another table",
        "gateway.toml: `defaults.timelimit`: unknown field `timelimit`",
        "gateway.toml: `tools.one.time-limit-ms` is 0, and must be 1 at least",
        "gateway.toml: `tools.two.cache.ttl-ms`: invalid type: string \"1 s\"",
    ]);
}

#[test]
fn a_path_that_no_request_has_is_a_fault() {
    let place = Place::with("[serve]\npath = 'mcp'\n[programs.x]\nargv = ['x']\n");
    place.ended(&["check"]).said(&["gateway.toml: serve.path: is `mcp`, and must begin with `/`"]);
}

#[test]
fn what_is_not_to_be_read_is_said() {
    let place = Place::with("[programs.x]\nargv = [");
    let ended = place.ended(&["check"]);
    assert!(ended.stderr.contains("gateway.toml: TOML parse error at line 2"), "{ended:?}");
    let ended = Ended::of(&place.command(&["check", "--config", "none.toml"]).output().unwrap());
    ended.said(&["none.toml: there is no such file"]);
    let ended = Ended::of(&place.command(&["check"]).output().unwrap());
    ended.said(&["give --config FILE, --mcp-config FILE, or both"]);
    place.write("gateway.toml", "[serve]\n");
    place.ended(&["check"]).said(&["there is nothing to serve"]);
}

#[test]
fn what_the_machine_lacks_is_said_by_check() {
    let place = Place::with(
        "[upstreams.a]\nargv = ['no-such-program-anywhere']\ncwd = 'nowhere'\n[upstreams.b]\nargv = ['sh']\n",
    );
    let ended = place.ended(&["check"]);
    assert_eq!(ended.code, Some(2));
    ended.said(&[
        "upstreams.a: there is no program `no-such-program-anywhere`; install it",
        "upstreams.a: there is no directory nowhere; create it",
    ]);
}

#[test]
fn a_configuration_without_faults_is_counted() {
    let place = Place::with(
        r#"
        [limits]
        permits = 8
        [upstreams.a]
        argv = ["sh"]
        [upstreams.b]
        url = "http://127.0.0.1:1/mcp"
        prefix = ""
        [upstreams.c]
        argv = ["gone"]
        disabled = true
        [programs.list]
        argv = ["ls"]
        [programs.date]
        argv = ["date"]
        [workers.warm]
        argv = ["sh"]
        [tools.list]
        time-limit-ms = 1000
        "#,
    );
    let ended = place.ended(&["check"]);
    assert_eq!(
        (ended.code, &*ended.stdout),
        (Some(0), "ok: 2 upstreams, 2 programs, 1 worker\n"),
        "{ended:?}"
    );
}

#[test]
fn the_file_of_a_desktop_client_is_read_as_it_is() {
    let place = Place::with("");
    place.write(
        "mcp.json",
        r#"{ "mcpServers": {
            "files": {
                "type": "stdio", "command": "sh", "args": ["-c", "${GATEWAY_TEST_UNSET:-true}"],
                "env": { "HOME": "${HOME}" }, "autoApprove": ["read"], "timeout": 30
            },
            "far": { "type": "http", "url": "https://example.org/${GATEWAY_TEST_UNSET:-mcp}", "headers": { "X-Key": "k" } },
            "off": { "command": "gone", "disabled": true }
        } }"#,
    );
    let check =
        |place: &Place| Ended::of(&place.command(&["check", "--mcp-config", "mcp.json"]).output().unwrap());
    let ended = check(&place);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "ok: 2 upstreams\n"), "{ended:?}");
    ended.said(&["mcp.json: mcpServers.files: passed over: autoApprove, timeout"]);

    place.write(
        "mcp.json",
        r#"{ "mcpServers": {
            "a": { "command": "${GATEWAY_TEST_UNSET}", "args": ["${GATEWAY_TEST_UNSET_TOO}"] },
            "b": { "type": "sse", "url": "https://example.org/sse" },
            "c": { "command": "sh", "url": "https://example.org/mcp" },
            "d": { "args": ["x"] },
            "e": { "command": "sh", "args": "x" },
            "f": { "type": "websocket", "url": "https://example.org/mcp" }
        } }"#,
    );
    check(&place).said(&[
        "mcp.json: mcpServers.a.command: the variable `GATEWAY_TEST_UNSET` is not set",
        "mcp.json: mcpServers.a.args.[0]: the variable `GATEWAY_TEST_UNSET_TOO` is not set",
        "mcp.json: mcpServers.b.type: `sse` is the transport of 2024-11-05",
        "mcp.json: mcpServers.c: has `command` and `url`",
        "mcp.json: mcpServers.d: has neither `command` nor `url`",
        "mcp.json: mcpServers.e.args: invalid type: string \"x\", expected a sequence",
        "mcp.json: mcpServers.f.type: there is no `websocket`, but `stdio` and `http`",
    ]);
}
