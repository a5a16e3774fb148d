//! Streams of sessions, cut and resumed: nothing of them is lost, repeated, or anybody else's.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::needless_pass_by_value, reason = "a test")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::{advance, sleep};
use toolpost_dispatch::{Dispatcher, Registry};
use toolpost_server::{EventStore, MemoryEventStore, Server, ServerBuilder, StaticTokens, StreamEvents};
use toolpost_tool::{Call, LogLevel, NoArgs, Principal, tool_fn};

use crate::common::offers::offering;
use crate::common::{Answer, Watch, Wire, builder, modern, streams};

const KEY: [u8; 32] = [7; 32];
const LINES: usize = 12;

fn legacy(id: i64, method: &str, params: Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string().into_bytes()
}

fn waits(id: i64) -> Vec<u8> {
    legacy(id, "tools/call", json!({"name": "wait"}))
}

async fn post(server: &Server, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    Wire::within(server).0.post(headers, body).await
}

async fn initialize(server: &Server, headers: &[(&str, &str)], version: &str) -> String {
    let hello = json!({"protocolVersion": version, "capabilities": {}});
    let answer = post(server, headers, &legacy(0, "initialize", hello)).await;
    answer.header("mcp-session-id").unwrap().to_owned()
}

/// One event of a stream, as a client takes it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    id: Option<String>,
    /// Null without data.
    data: Value,
}

/// The whole events of what was received; what is cut off counts for nothing.
fn events(text: &str) -> Vec<Event> {
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let fields = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let read = |event: &str| Event {
        id: fields(event, "id:"),
        data: fields(event, "data:").and_then(|data| serde_json::from_str(&data).ok()).unwrap_or_default(),
    };
    whole.split("\n\n").map(read).filter(|event| event.id.is_some() || !event.data.is_null()).collect()
}

/// The body of what was received, up to wherever it was cut.
fn body(raw: &[u8]) -> String {
    let Some(head) = raw.windows(4).position(|four| four == b"\r\n\r\n") else { return String::new() };
    let (mut rest, mut body) = (&raw[head + 4..], Vec::new());
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// A client that loses its connections and comes back with the last id that it has.
struct Client<'a> {
    session: &'a str,
    token: &'static str,
    last: Option<String>,
    seen: Vec<Event>,
}

impl<'a> Client<'a> {
    fn new(session: &'a str) -> Self {
        Self { session, token: "Bearer none", last: None, seen: Vec::new() }
    }

    /// Asks, and takes no more than `most` bytes of the answer, nor for longer than `time`.
    async fn take(&mut self, server: &Server, call: &[u8], most: usize, time: Duration) {
        let (mut wire, served) = Wire::within(server);
        match &self.last {
            None => {
                let headers = [("Mcp-Session-Id", self.session), ("Authorization", self.token)];
                wire.request("POST", &headers, call).await;
            }
            Some(last) => {
                let headers = [
                    ("Mcp-Session-Id", self.session),
                    ("Authorization", self.token),
                    ("Last-Event-ID", last),
                    ("Connection", "close"),
                ];
                wire.request("GET", &headers, b"").await;
            }
        }
        let mut raw = Vec::new();
        let reads = async {
            while raw.len() < most {
                let mut some = vec![0; most - raw.len()];
                match wire.0.read(&mut some).await.unwrap() {
                    0 => break,
                    read => raw.extend_from_slice(&some[..read]),
                }
                // The last chunk ends the answer.
                if raw.ends_with(b"\r\n0\r\n\r\n") {
                    break;
                }
            }
        };
        let _cut = tokio::time::timeout(time, reads).await;
        drop(wire);
        served.await.unwrap();
        for event in events(&body(&raw)) {
            self.last = event.id.clone().or(self.last.take());
            if !event.data.is_null() {
                self.seen.push(event);
            }
        }
    }

    fn is_answered(&self) -> bool {
        self.seen.iter().any(|event| event.data.get("id").is_some())
    }

    fn answer(&self) -> &Value {
        &self.seen.last().unwrap().data
    }
}

const LONG: Duration = Duration::from_secs(3_600);

/// A server with a tool that writes one log line after the other.
fn talkative() -> ServerBuilder {
    let talk = tool_fn("talk", |_: NoArgs, call: Call| async move {
        for line in 0..LINES {
            call.log(LogLevel::Info, &json!({ "line": line, "text": "x".repeat(line * 7) }));
            if line % 3 == 0 {
                sleep(Duration::from_millis(40)).await;
            }
        }
        Ok("done")
    });
    let registry = Registry::builder().tool(talk).build().unwrap();
    Server::builder(Dispatcher::builder(registry).build()).state_key(KEY)
}

async fn listens_to_logs(server: &Server, version: &str) -> String {
    let session = initialize(server, &[], version).await;
    let level = legacy(1, "logging/setLevel", json!({"level": "debug"}));
    assert_eq!(post(server, &[("Mcp-Session-Id", &session)], &level).await.status, 200);
    session
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_at_any_byte_is_resumed_to_its_end_with_every_event_once() {
    let store: Arc<dyn EventStore> = Arc::new(MemoryEventStore::default());
    let servers = [(); 2].map(|()| talkative().event_store(Arc::clone(&store)).build());
    let call = legacy(5, "tools/call", json!({"name": "talk"}));
    let mut seed = 1_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let (mut cuts, mut without_id) = (0, 0);
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let session = listens_to_logs(&servers[0], version).await;
        for _ in 0..100 {
            let mut client = Client::new(&session);
            // The log level is remembered by the first alone; resumed is anywhere.
            let mut at = 0;
            while !client.is_answered() {
                let most = 200 + usize::try_from(random(1_500)).unwrap();
                client.take(&servers[at], &call, most, LONG).await;
                if client.last.is_none() {
                    // Cut before there was any id: only from 2025-11-25 on does each stream begin with one.
                    client = Client::new(&session);
                    without_id += 1;
                    continue;
                }
                at = usize::try_from(random(2)).unwrap();
                advance(Duration::from_millis(random(200))).await;
                cuts += 1;
            }
            let lines: Vec<_> =
                client.seen.iter().map(|event| &event.data["params"]["data"]["line"]).collect();
            let expected: Vec<_> = (0..LINES).map(Value::from).chain([Value::Null]).collect();
            assert_eq!(lines, expected.iter().collect::<Vec<_>>(), "{:#?}", client.seen);
            assert_eq!(client.answer()["result"]["content"][0]["text"], "done");
            let mut ids: Vec<_> = client.seen.iter().map(|event| event.id.as_ref().unwrap()).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), LINES + 1);
        }
    }
    assert!(600 < cuts && without_id < cuts, "{cuts} {without_id}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_begun_on_one_server_is_answered_on_another() {
    let kept = MemoryEventStore::new(|limits| limits.age = Duration::from_secs(20));
    let store: Arc<dyn EventStore> = Arc::new(kept);
    let watch = Arc::new(Watch::default());
    let servers = [(); 2].map(|()| builder(&watch).state_key(KEY).event_store(Arc::clone(&store)).build());
    let session = initialize(&servers[0], &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    let begun = tokio::time::Instant::now();
    client.take(&servers[0], &waits(5), 10_000, Duration::from_secs(2)).await;
    assert!(client.last.is_some() && client.seen.is_empty(), "an id, and nothing else");
    // Long after anything was said, the stream is still kept.
    sleep(Duration::from_secs(40)).await;
    let (again, released) = tokio::join!(
        async {
            client.take(&servers[1], b"", 10_000, LONG).await;
            client
        },
        async {
            sleep(Duration::from_secs(10)).await;
            watch.release.notify_waiters();
            begun.elapsed()
        }
    );
    assert_eq!(again.answer()["result"]["content"][0]["text"], "released");
    assert!(begun.elapsed() < released + Duration::from_secs(1), "it goes on live");
    // Whoever has everything is told not to come again.
    let headers = [("Mcp-Session-Id", &*session), ("Last-Event-ID", again.last.as_deref().unwrap())];
    let (mut wire, _served) = Wire::within(&servers[1]);
    wire.request("GET", &headers, b"").await;
    assert_eq!(wire.head().await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn each_revision_has_what_it_knows_of() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).state_key(KEY).build();
    let token = json!({"name": "talk", "_meta": {"progressToken": 1}});
    for (version, primes, has_ids) in [
        ("2025-11-25", true, true),
        ("2025-06-18", false, true),
        ("2025-03-26", false, true),
        ("2024-11-05", false, false),
    ] {
        let session = initialize(&server, &[], version).await;
        let answer =
            post(&server, &[("Mcp-Session-Id", &session)], &legacy(5, "tools/call", token.clone())).await;
        let all = events(&answer.text());
        let primed = all[0].data.is_null();
        assert_eq!((primed, answer.text().starts_with("retry: 1000\nid: ")), (primes, primes), "{version}");
        assert!(all.iter().all(|event| event.id.is_some() == has_ids), "{version}: {}", answer.text());
        assert_eq!(all.last().unwrap().data["id"], 5);
    }
    let headers = [("MCP-Protocol-Version", "2026-07-28"), ("Last-Event-ID", "x")];
    let answer = post(&server, &headers, modern(5, "tools/call", token).to_string().as_bytes()).await;
    assert!(events(&answer.text()).iter().all(|event| event.id.is_none()), "{}", answer.text());
}

/// Counts what it is asked, and fails at what it is told to.
#[derive(Default)]
struct Faulty {
    kept: MemoryEventStore,
    asked: AtomicUsize,
    fails: &'static str,
    how: How,
}

#[derive(Clone, Copy, Debug, Default)]
enum How {
    #[default]
    Refuses,
    Panics,
    Hangs,
}

impl Faulty {
    async fn ask(&self, what: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.fails.split(' ').any(|fails| fails == what) {
            return Ok(());
        }
        match self.how {
            How::Refuses => Err("no".into()),
            How::Panics => panic!("boom"),
            How::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait::async_trait]
impl EventStore for Faulty {
    async fn open(&self, stream: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.ask("open").await?;
        self.kept.open(stream, owner).await
    }

    async fn append(
        &self,
        stream: &str,
        event: Bytes,
        last: bool,
    ) -> Result<u64, Box<dyn Error + Send + Sync>> {
        self.ask(if last { "last" } else { "append" }).await?;
        self.kept.append(stream, event, last).await
    }

    async fn touch(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.ask("touch").await?;
        self.kept.touch(stream).await
    }

    async fn read(
        &self,
        stream: &str,
        after: u64,
    ) -> Result<Option<StreamEvents>, Box<dyn Error + Send + Sync>> {
        self.ask("read").await?;
        self.kept.read(stream, after).await
    }

    async fn changed(&self, _: &str, _: u64) {
        if self.fails == "nothing, in haste" {
            return;
        }
        let _fails_or_not = self.ask("changed").await;
        std::future::pending::<()>().await;
    }

    async fn remove(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.ask("remove").await?;
        self.kept.remove(stream).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_one_object_costs_the_store_nothing() {
    let store = Arc::new(Faulty::default());
    let server = builder(&Arc::new(Watch::default())).event_store(store.clone()).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    for body in [
        legacy(1, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}})),
        legacy(
            2,
            "tools/call",
            json!({"name": "echo", "arguments": {"text": "x"}, "_meta": {"progressToken": 1}}),
        ),
        legacy(3, "tools/list", json!({})),
    ] {
        let answer = post(&server, &[("Mcp-Session-Id", &session)], &body).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(store.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_costs_no_call() {
    for how in [How::Refuses, How::Panics, How::Hangs] {
        for fails in ["open", "append", "last", "append remove", "touch", "changed"] {
            let store = Arc::new(Faulty { fails, how, ..Faulty::default() });
            let server = talkative().event_store(store.clone()).build();
            let session = listens_to_logs(&server, "2025-11-25").await;
            let call = legacy(5, "tools/call", json!({"name": "talk"}));
            let answer = post(&server, &[("Mcp-Session-Id", &session)], &call).await;
            let all = events(&answer.text());
            let lines = all.iter().filter(|event| !event.data["params"].is_null()).count();
            assert_eq!((lines, &all.last().unwrap().data["id"]), (LINES, &json!(5)), "{fails} {how:?}");
            // What was not kept has no id, nor has anything after it.
            let kept = all.iter().filter(|event| event.id.is_some()).count();
            let expected = match fails {
                "open" => 0,
                "append" | "append remove" => 1,
                "last" => 1 + LINES,
                _ => 2 + LINES,
            };
            assert_eq!(kept, expected, "{fails} {how:?}: {}", answer.text());
            if kept == 0 {
                continue;
            }
            let mut client = Client::new(&session);
            client.last = all.iter().find_map(|event| event.id.clone());
            client.take(&server, b"", 100_000, LONG).await;
            match expected == 2 + LINES {
                true => assert_eq!(client.answer()["result"]["content"][0]["text"], "done"),
                // It learns that something is lost, and never takes a part for the whole.
                false if fails != "append remove" => {
                    assert_eq!(client.answer()["error"]["data"]["reason"], "stream_lost", "{fails} {how:?}");
                }
                false => {}
            }
        }
        let server =
            talkative().event_store(Arc::new(Faulty { fails: "read", how, ..Faulty::default() })).build();
        let session = listens_to_logs(&server, "2025-11-25").await;
        let call = legacy(5, "tools/call", json!({"name": "talk"}));
        let answer = post(&server, &[("Mcp-Session-Id", &session)], &call).await;
        let id = events(&answer.text())[0].id.clone().unwrap();
        let (mut wire, _served) = Wire::within(&server);
        wire.request("GET", &[("Mcp-Session-Id", &session), ("Last-Event-ID", &id)], b"").await;
        let head = wire.head().await;
        assert_eq!((head.status, head.header("retry-after").is_some()), (503, true));
    }
}

/// A store that its server loses, as if it had died.
struct Severed(Arc<MemoryEventStore>, AtomicUsize);

#[async_trait::async_trait]
impl EventStore for Severed {
    async fn open(&self, stream: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.open(stream, owner).await
    }

    async fn append(
        &self,
        stream: &str,
        event: Bytes,
        last: bool,
    ) -> Result<u64, Box<dyn Error + Send + Sync>> {
        if self.1.load(Ordering::SeqCst) == 0 {
            self.0.append(stream, event, last).await
        } else {
            Err("no".into())
        }
    }

    async fn touch(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        if self.1.load(Ordering::SeqCst) == 0 { self.0.touch(stream).await } else { Err("no".into()) }
    }

    async fn read(&self, _: &str, _: u64) -> Result<Option<StreamEvents>, Box<dyn Error + Send + Sync>> {
        Err("no".into())
    }

    async fn remove(&self, _: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err("no".into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_says_all_the_time_that_there_is_more_is_not_read_all_the_time() {
    let store = Arc::new(Faulty { fails: "nothing, in haste", ..Faulty::default() });
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).event_store(store.clone()).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&server, &waits(5), 10_000, Duration::from_secs(2)).await;
    let before = store.asked.load(Ordering::SeqCst);
    tokio::join!(client.take(&server, b"", 10_000, LONG), async {
        sleep(Duration::from_secs(10)).await;
        watch.release.notify_waiters();
    });
    assert_eq!(client.answer()["result"]["content"][0]["text"], "released");
    let asked = store.asked.load(Ordering::SeqCst) - before;
    assert!(asked < 300, "{asked} questions in 10 s");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_server_that_is_gone_is_told_so() {
    let store = Arc::new(MemoryEventStore::default());
    let severed = Arc::new(Severed(Arc::clone(&store), AtomicUsize::new(0)));
    let watch = Arc::new(Watch::default());
    let first = builder(&watch).state_key(KEY).event_store(severed.clone()).build();
    let second = builder(&watch).state_key(KEY).event_store(store).build();
    let session = initialize(&first, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&first, &waits(5), 10_000, Duration::from_secs(2)).await;
    severed.1.store(1, Ordering::SeqCst);
    let start = tokio::time::Instant::now();
    client.take(&second, b"", 10_000, LONG).await;
    assert_eq!(
        (&client.answer()["id"], &client.answer()["error"]["data"]["reason"]),
        (&json!(5), &json!("stream_lost"))
    );
    assert!(start.elapsed() < Duration::from_secs(21), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_anothers_unknown_or_too_old_is_answered_alike() {
    let watch = Arc::new(Watch::default());
    let tokens = StaticTokens::new([("a", Principal::new("ann")), ("b", Principal::new("bob"))]);
    let store = MemoryEventStore::new(|limits| limits.age = Duration::from_secs(100));
    let server = builder(&watch).state_key(KEY).authenticate(tokens).event_store(Arc::new(store)).build();
    let (ann, bob) = (("Authorization", "Bearer a"), ("Authorization", "Bearer b"));
    let anns = initialize(&server, &[ann], "2025-11-25").await;
    let other = initialize(&server, &[ann], "2025-11-25").await;
    let bobs = initialize(&server, &[bob], "2025-11-25").await;
    let (mut wire, _served) = Wire::within(&server);
    wire.request("POST", &[ann, ("Mcp-Session-Id", &anns)], &waits(5)).await;
    assert_eq!(wire.head().await.status, 200);
    let id = events(&String::from_utf8(wire.chunk().await.unwrap()).unwrap())[0].id.clone().unwrap();
    let resumed = async |who, session: &str, id: &str| {
        let (mut wire, _served) = Wire::within(&server);
        wire.request("GET", &[who, ("Mcp-Session-Id", session), ("Last-Event-ID", id)], b"").await;
        let answer = tokio::time::timeout(Duration::from_secs(1), wire.answer()).await;
        answer.map(|answer| (answer.status, answer.text()))
    };
    let mut unknown = id.clone().into_bytes();
    unknown[3] ^= 1;
    let unknown = resumed(ann, &anns, std::str::from_utf8(&unknown).unwrap()).await.unwrap();
    assert!(unknown.0 == 200 && unknown.1.contains(r#""id":5,"error""#), "{unknown:?}");
    assert_eq!(resumed(ann, &other, &id).await.unwrap(), unknown, "another session's");
    assert_eq!(resumed(bob, &bobs, &id).await.unwrap(), unknown, "another principal's");
    assert_eq!(resumed(bob, &anns, &id).await.unwrap().0, 404, "another principal's session");
    assert!(resumed(ann, &anns, &id).await.is_err(), "her own, which goes on");
    watch.release.notify_waiters();
    tokio::task::yield_now().await;
    sleep(Duration::from_secs(99)).await;
    assert!(resumed(ann, &anns, &id).await.unwrap().1.contains("released"));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(resumed(ann, &anns, &id).await.unwrap(), unknown, "too old");
}

#[tokio::test(start_paused = true)]
async fn of_a_flood_that_resumes_one_stream_the_last_is_served() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).state_key(KEY).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&server, &waits(5), 10_000, Duration::from_secs(2)).await;
    let headers = [("Mcp-Session-Id", &*session), ("Last-Event-ID", client.last.as_deref().unwrap())];
    let mut wires = Vec::new();
    for _ in 0..300 {
        let (mut wire, served) = Wire::within(&server);
        wire.request("GET", &headers, b"").await;
        assert_eq!(wire.head().await.status, 200);
        wires.push((wire, served));
    }
    let (mut last, _served) = wires.pop().unwrap();
    for (mut wire, _served) in wires {
        assert!(wire.chunk().await.is_none(), "it ended when the next one came");
    }
    watch.release.notify_waiters();
    assert_eq!(last.event().await.unwrap()["id"], 5);
    assert!(last.event().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_cancelled_has_nothing_to_come_back_for() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).state_key(KEY).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&server, &waits(5), 10_000, Duration::from_secs(2)).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    let named = [("Mcp-Session-Id", &*session)];
    assert_eq!(post(&server, &named, cancel.to_string().as_bytes()).await.status, 202);
    watch.reach(|watch| &watch.dropped, 1).await;
    sleep(Duration::from_millis(1)).await;
    let (mut wire, _served) = Wire::within(&server);
    wire.request("GET", &[named[0], ("Last-Event-ID", client.last.as_deref().unwrap())], b"").await;
    assert_eq!(wire.head().await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn calls_whose_clients_have_gone_are_bounded_and_those_beyond_say_so() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).state_key(KEY).http_limits(|limits| limits.detached_calls = 2).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let mut clients = Vec::new();
    for id in 0..5 {
        let mut client = Client::new(&session);
        client.take(&server, &waits(id), 10_000, Duration::from_secs(2)).await;
        clients.push(client);
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.dispatcher().running(), 2);
    for client in &mut clients[2..] {
        client.take(&server, b"", 10_000, LONG).await;
        assert!(
            client.answer()["error"]["message"].as_str().unwrap().contains("given up"),
            "{:?}",
            client.seen
        );
    }
    watch.release.notify_waiters();
    for client in &mut clients[..2] {
        client.take(&server, b"", 10_000, LONG).await;
        assert_eq!(client.answer()["result"]["content"][0]["text"], "released");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_many_calls_behind_leaves_room_for_those_of_others() {
    let watch = Arc::new(Watch::default());
    let tokens = StaticTokens::new([("a", Principal::new("ann")), ("b", Principal::new("bob"))]);
    let server = builder(&watch).state_key(KEY).authenticate(tokens).http_limits(|limits| {
        (limits.detached_calls, limits.detached_calls_per_principal) = (4, 2);
    });
    let server = server.build();
    let ann = initialize(&server, &[("Authorization", "Bearer a")], "2025-11-25").await;
    let bob = initialize(&server, &[("Authorization", "Bearer b")], "2025-11-25").await;
    let mut clients = Vec::new();
    for (id, session, token) in
        (0..5).map(|id| (id, &ann, "Bearer a")).chain([(5, &bob, "Bearer b"), (6, &bob, "Bearer b")])
    {
        let mut client = Client { token, ..Client::new(session) };
        client.take(&server, &waits(id), 10_000, Duration::from_secs(2)).await;
        clients.push(client);
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.dispatcher().running(), 4, "two of each");
    watch.release.notify_waiters();
    for (at, client) in clients.iter_mut().enumerate() {
        client.take(&server, b"", 10_000, LONG).await;
        assert_eq!(client.answer()["error"].is_null(), !(2..5).contains(&at), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_is_kept_before_its_server_ends() {
    /// Takes its time.
    struct Slow(Arc<MemoryEventStore>);

    #[async_trait::async_trait]
    impl EventStore for Slow {
        async fn open(&self, stream: &str, owner: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.0.open(stream, owner).await
        }

        async fn append(
            &self,
            stream: &str,
            event: Bytes,
            last: bool,
        ) -> Result<u64, Box<dyn Error + Send + Sync>> {
            sleep(Duration::from_millis(500)).await;
            self.0.append(stream, event, last).await
        }

        async fn touch(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.0.touch(stream).await
        }

        async fn read(
            &self,
            stream: &str,
            after: u64,
        ) -> Result<Option<StreamEvents>, Box<dyn Error + Send + Sync>> {
            self.0.read(stream, after).await
        }

        async fn remove(&self, stream: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
            self.0.remove(stream).await
        }
    }
    let watch = Arc::new(Watch::default());
    let store = Arc::new(MemoryEventStore::default());
    let first = builder(&watch).state_key(KEY).event_store(Arc::new(Slow(Arc::clone(&store)))).build();
    let second = builder(&watch).state_key(KEY).event_store(store).build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn({
        let first = first.clone();
        async move { first.serve(listener).await }
    });
    let session = initialize(&first, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&first, &waits(5), 10_000, Duration::from_secs(2)).await;
    watch.release.notify_waiters();
    tokio::task::yield_now().await;
    first.stop();
    serving.await.unwrap().unwrap();
    client.take(&second, b"", 10_000, Duration::from_millis(1)).await;
    assert_eq!(client.answer()["result"]["content"][0]["text"], "released");
}

#[tokio::test(start_paused = true)]
async fn a_question_reaches_a_client_that_was_away_when_it_was_asked() {
    let server = offering().0.state_key(KEY).build();
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}});
    let answer = post(&server, &[], &legacy(0, "initialize", hello)).await;
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let mut client = Client::new(&session);
    // The head, and the beginning of the stream: not the question.
    let asks = legacy(5, "tools/call", json!({"name": "ask"}));
    let mut most = 150;
    while client.last.is_none() {
        client = Client::new(&session);
        client.take(&server, &asks, most, LONG).await;
        most += 10;
    }
    assert!(client.seen.is_empty());
    client.take(&server, b"", 10_000, Duration::from_secs(5)).await;
    let question = client.seen.pop().unwrap().data;
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"],
        "result": {"action": "accept", "content": {"name": "Ann"}}});
    let named = [("Mcp-Session-Id", &*session)];
    assert_eq!(post(&server, &named, answer.to_string().as_bytes()).await.status, 202);
    client.take(&server, b"", 10_000, LONG).await;
    assert!(client.answer()["result"].to_string().contains("Ann"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_changes_is_resumed_and_where_it_is_not_kept_everything_may_have_changed() {
    let (builder, changes, _) = offering();
    let store = MemoryEventStore::new(|limits| limits.age = Duration::from_secs(100));
    let server = builder.state_key(KEY).event_store(Arc::new(store)).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let named = ("Mcp-Session-Id", &*session);
    let listen = async |last: &str| {
        let (mut wire, served) = Wire::within(&server);
        wire.request("GET", &[named, ("Last-Event-ID", last)], b"").await;
        assert_eq!(wire.head().await.status, 200);
        (wire, served)
    };
    let next = async |wire: &mut Wire| loop {
        let chunk = String::from_utf8(wire.chunk().await.unwrap()).unwrap();
        match &*events(&chunk) {
            [] => {}
            [event] => return event.clone(),
            several => panic!("{several:?}"),
        }
    };
    let (mut wire, served) = listen("").await;
    let primed = next(&mut wire).await.id.unwrap();
    changes.prompts_changed();
    let told = next(&mut wire).await;
    assert_eq!(told.data["method"], "notifications/prompts/list_changed");
    drop(wire);
    served.await.unwrap();
    changes.resources_changed();
    // Back before anything: what it was sent already, and what it was not.
    let (mut wire, _served) = listen(&primed).await;
    assert_eq!(next(&mut wire).await, told);
    let second = next(&mut wire).await;
    assert_eq!(second.data["method"], "notifications/resources/list_changed");
    assert_ne!(second.id, told.id);
    drop(wire);
    let (mut wire, _served) = listen(told.id.as_deref().unwrap()).await;
    assert_eq!(next(&mut wire).await, second);
    drop(wire);
    sleep(Duration::from_secs(101)).await;
    let (mut wire, _served) = listen(second.id.as_deref().unwrap()).await;
    let mut methods = Vec::new();
    while methods.len() < 3 {
        let chunk = String::from_utf8(wire.chunk().await.unwrap()).unwrap();
        methods.extend(
            events(&chunk).iter().filter_map(|event| Some(event.data["method"].as_str()?.to_owned())),
        );
    }
    methods.sort();
    let all = ["prompts", "resources", "tools"].map(|what| format!("notifications/{what}/list_changed"));
    assert_eq!(methods, all);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_stops_no_call_and_reads_on_elsewhere() {
    let server = talkative().build();
    let session = listens_to_logs(&server, "2025-11-25").await;
    let (mut stalled, _served) = Wire::with_buffer(&server, 256);
    let call = legacy(5, "tools/call", json!({"name": "talk"}));
    stalled.request("POST", &[("Mcp-Session-Id", &session)], &call).await;
    assert_eq!(stalled.head().await.status, 200);
    let begun = String::from_utf8(stalled.chunk().await.unwrap()).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.dispatcher().running(), 0, "it has ended, read or not");
    let mut client = Client::new(&session);
    client.last = events(&begun)[0].id.clone();
    client.take(&server, b"", 100_000, Duration::from_millis(1)).await;
    assert_eq!(client.answer()["result"]["content"][0]["text"], "done");
    assert_eq!(client.seen.len(), LINES + 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_for_a_call_that_a_stop_cut_off_is_told_so() {
    let watch = Arc::new(Watch::default());
    let store: Arc<dyn EventStore> = Arc::new(MemoryEventStore::default());
    let built =
        || builder(&watch).state_key(KEY).grace(Duration::from_secs(3)).event_store(Arc::clone(&store));
    let (first, second) = (built().build(), built().build());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn({
        let first = first.clone();
        async move { first.serve(listener).await }
    });
    let session = initialize(&first, &[], "2025-11-25").await;
    let mut client = Client::new(&session);
    client.take(&first, &waits(5), 10_000, Duration::from_secs(2)).await;
    first.stop();
    assert!(serving.await.unwrap().is_err(), "a call was cut off");
    client.take(&second, b"", 10_000, Duration::from_millis(1)).await;
    let error = &client.answer()["error"];
    assert!(error["message"].as_str().unwrap().contains("the server stopped"), "{error}");
    assert_eq!((&client.answer()["id"], &error["data"]["reason"]), (&json!(5), &json!("stream_lost")));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http2_that_is_reset_is_resumed_on_the_same_connection() {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).state_key(KEY).build();
    let session = initialize(&server, &[], "2025-11-25").await;
    let mut client = streams::connect(streams::within(&server)).await;
    let mut ask = async |verb: &str, last: &str, body: Vec<u8>| {
        let request = Request::builder().method(verb).uri("http://localhost/mcp");
        let request = request.header("content-type", "application/json").header("mcp-session-id", &session);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("last-event-id", last).body(Full::new(Bytes::from(body))).unwrap();
        client.send_request(request).await.unwrap().into_body()
    };
    let text = async |body: &mut Incoming| {
        let frame = body.frame().await.unwrap().unwrap();
        String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
    };
    let mut body = ask("POST", "", waits(5)).await;
    let id = events(&text(&mut body).await)[0].id.clone().unwrap();
    drop(body);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.dispatcher().running(), 1, "here a reset cancels nothing");
    let mut body = ask("GET", &id, Vec::new()).await;
    watch.release.notify_waiters();
    let answer = events(&text(&mut body).await);
    assert_eq!(answer[0].data["result"]["content"][0]["text"], "released");
    assert!(body.collect().await.unwrap().to_bytes().is_empty(), "and nothing after it");
}
