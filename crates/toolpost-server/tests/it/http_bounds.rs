//! Every bound of the HTTP server, filled: what is kept stays at the bound, whoever is refused is told so, and
//! others are served while it is full.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "a test; its clock is paused, or not waited for"
)]

use crate::common;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::streams::{Unfinished, connect, connect_with, request, request_with, within};
use common::{Answer, Watch, Wire, builder, call, modern, serve};
use http::request::Parts;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use toolpost_server::{HttpLimits, Server, Unauthenticated};
use toolpost_tool::Principal;

const MODERN: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

/// A server that is full.
struct Filled {
    /// How much is kept, of what was offered; and the bound.
    kept: usize,
    bound: usize,
    server: Server,
    /// What keeps it full.
    _holds: Box<dyn Any>,
}

type Filling = Pin<Box<dyn Future<Output = Filled>>>;
type Bound = (&'static str, bool, fn() -> Filling);

/// What is bounded; whether its row may let the clock jump; and what fills it.
const BOUNDS: &[Bound] = &[
    ("connections", false, || Box::pin(connections())),
    ("connections that are busy", false, || Box::pin(busy_connections())),
    ("bytes of bodies, all clients", true, || Box::pin(bodies())),
    ("bytes of bodies, one HTTP/2 connection", true, || Box::pin(bodies_of_one())),
    ("bytes of answers, one HTTP/2 connection", true, || Box::pin(answers_of_one())),
    ("bytes of answers, all clients", true, || Box::pin(answers())),
    ("HTTP/2 streams", true, || Box::pin(streams())),
    ("sessions that something is remembered of", true, || Box::pin(sessions())),
    ("sessions that are in use", true, || Box::pin(used_sessions())),
    ("sessions of one principal", true, || Box::pin(sessions_of_one())),
    ("listeners of one connection", true, || Box::pin(listeners_of_one())),
    ("listeners of all clients", true, || Box::pin(listeners())),
    ("detached calls", true, || Box::pin(detached())),
    ("bytes of one request's headers", true, || Box::pin(headers())),
    ("bytes of one body", true, || Box::pin(body())),
    ("connections told that there is no room", false, || Box::pin(refusals())),
];

/// The bounds that the page of bounds lists for HTTP and says are filled here.
#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let page = include_str!("../../../../docs/bounds.md");
    let (_, section) = page.split_once("\n## toolpost-server, HTTP\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|row| row.contains("| `what_is_bounded_stays_at_its_bound_and_others"));
    let mut listed: Vec<_> = rows.filter_map(|row| row.split(" | ").next()?.strip_prefix("| ")).collect();
    let mut filled: Vec<_> = BOUNDS.iter().map(|(what, ..)| *what).collect();
    listed.sort_unstable();
    filled.sort_unstable();
    assert_eq!(listed, filled);
}

#[test]
fn what_is_bounded_stays_at_its_bound_and_others_are_served() {
    for (what, paused, fill) in BOUNDS {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(*paused).build().unwrap();
        runtime.block_on(async {
            let full = fill().await;
            assert_eq!(full.kept, full.bound, "{what}");
            // A connection in memory is not one of the listener's, so it gets in where those are full.
            let (mut other, _served) = Wire::within(&full.server);
            let answer = other.post(&by("innocent"), echo().to_string().as_bytes()).await;
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            // What kept it full is given back when those who did have gone.
            let Filled { server, _holds: holds, .. } = full;
            drop(holds);
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            let (mut other, _served) = Wire::within(&server);
            let long = call(1, "echo", json!({"text": "x".repeat(30_000)})).to_string();
            for _ in 0..3 {
                let answer = other.post(&by("innocent"), long.as_bytes()).await;
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            }
        });
    }
}

fn echo() -> Value {
    call(1, "echo", json!({"text": "x"}))
}

fn by(token: &'static str) -> [(&'static str, &'static str); 2] {
    [MODERN, ("Authorization", token)]
}

fn limited(change: impl FnOnce(&mut HttpLimits)) -> (Server, Arc<Watch>) {
    let watch = Arc::new(Watch::default());
    (builder(&watch).http_limits(change).build(), watch)
}

fn full(kept: usize, bound: usize, server: Server, holds: impl Any) -> Filled {
    Filled { kept, bound, server, _holds: Box::new(holds) }
}

/// Those of `offered` that were refused, each with 503 and when to come again; the rest wait.
async fn refused(offered: &mut [Wire]) -> usize {
    let mut refused = 0;
    for wire in offered {
        if let Ok(answer) = timeout(Duration::from_millis(1), wire.head()).await {
            assert_eq!(answer.status, 503);
            assert_ne!(answer.header("retry-after").unwrap().parse::<u32>().unwrap(), 0);
            refused += 1;
        }
    }
    refused
}

async fn connections() -> Filled {
    let (server, _) = limited(|limits| limits.connections = 4);
    let served = serve(&server).await;
    let mut wires = Vec::new();
    for _ in 0..10 {
        let mut wire = Wire::to(served.address).await;
        assert_eq!(wire.ask(&echo()).await.status, 200, "newcomers are let in");
        wires.push(wire);
    }
    let mut open = 0;
    for wire in &mut wires {
        let body = echo().to_string();
        wire.request("POST", &[MODERN], body.as_bytes()).await;
        let mut some = [0; 12];
        let read = wire.0.read(&mut some).await.unwrap_or(0);
        open += usize::from(some[..read].starts_with(b"HTTP/1.1 200"));
    }
    full(open, 4, server, wires)
}

async fn busy_connections() -> Filled {
    let (server, watch) = limited(|limits| limits.connections = 3);
    let served = serve(&server).await;
    let mut wires = Vec::new();
    for n in 1..=3 {
        let mut wire = Wire::to(served.address).await;
        wire.request("POST", &[MODERN], call(1, "wait", json!({})).to_string().as_bytes()).await;
        watch.reach(|watch| &watch.started, n).await;
        wires.push(wire);
    }
    for _ in 0..3 {
        let mut late = Wire::to(served.address).await;
        late.write(b"POST /mcp HTTP/1.1\r\n").await;
        let answer = late.answer().await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    }
    watch.release.notify_waiters();
    let mut answered = 0;
    for wire in &mut wires {
        answered += usize::from(wire.answer().await.status == 200);
    }
    full(answered, 3, server, wires)
}

/// A request of 60,000 bytes, of which 50,000 have come.
const HALF: &[u8] = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n";

async fn half_sent(server: &Server) -> Wire {
    let (mut wire, _) = Wire::within(server);
    wire.write(HALF).await;
    wire.write(&[b' '; 50_000]).await;
    wire
}

async fn bodies() -> Filled {
    let (server, _) = limited(|limits| limits.buffered_bytes = 310_000);
    let mut wires = Vec::new();
    for _ in 0..12 {
        wires.push(half_sent(&server).await);
        // One after the other: what is kept is what has arrived, in whichever pieces.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let waiting = wires.len() - refused(&mut wires).await;
    assert!((3..=6).contains(&waiting), "{waiting} bodies of 50,000 bytes wait within 310,000");
    full(0, 0, server, wires)
}

async fn bodies_of_one() -> Filled {
    let (server, _) = limited(|limits| limits.buffered_bytes_per_connection = 150_000);
    let client = connect_with(within(&server), |_| ()).await;
    let mut asked = JoinSet::new();
    for _ in 0..12 {
        let mut client = client.clone();
        asked.spawn(async move {
            let request = request_with("localhost", &echo(), Unfinished(50_000));
            timeout(Duration::from_secs(20), client.send_request(request)).await.ok().map(Result::unwrap)
        });
    }
    let (mut waiting, mut refused) = (0, 0);
    while let Some(answer) = asked.join_next().await {
        match answer.unwrap() {
            None => waiting += 1,
            Some(answer) => {
                assert_eq!(answer.status(), 503);
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
            }
        }
    }
    assert!((1..=3).contains(&waiting), "{waiting} wait, {refused} are refused");
    full(waiting + refused, 12, server, client)
}

/// `asked` answers of `bytes` bytes, of which the client lets nothing through: those that are kept and those
/// that are refused for want of room.
async fn unread(server: &Server, asked: usize, bytes: usize) -> (Box<dyn Any>, usize, usize) {
    let client = connect_with::<Full<_>>(within(server), |builder| {
        builder.initial_stream_window_size(0);
    })
    .await;
    let (mut kept, mut refused) = (Vec::new(), 0);
    for id in 0..asked {
        let request = request("localhost", &call(id, "large", json!({ "bytes": bytes })));
        let answer = client.clone().send_request(request).await.unwrap();
        match answer.status().as_u16() {
            200 => kept.push(answer),
            503 => {
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
            }
            status => panic!("{status}"),
        }
    }
    let many = kept.len();
    (Box::new((kept, client)), many, refused)
}

async fn answers_of_one() -> Filled {
    let (server, _) = limited(|limits| limits.buffered_bytes_per_connection = 350_000);
    let (holds, kept, refused) = unread(&server, 20, 100_000).await;
    assert_eq!(refused, 17);
    full(kept, 3, server, holds)
}

async fn answers() -> Filled {
    let (server, _) = limited(|limits| {
        limits.buffered_bytes_per_connection = 250_000;
        limits.buffered_bytes = 1_800_000;
    });
    let (mut holds, mut all) = (Vec::new(), 0);
    for _ in 0..6 {
        let (held, kept, _) = unread(&server, 4, 100_000).await;
        holds.push(held);
        all += kept;
    }
    full(all, 8, server, holds)
}

#[tokio::test(start_paused = true)]
async fn large_answers_leave_room_for_small_ones() {
    let (server, _) = limited(|limits| limits.buffered_bytes = 1_000_000);
    let (large, kept, refused) = unread(&server, 10, 100_000).await;
    assert_eq!((kept, refused), (4, 6), "half is for large ones");
    let (small, kept, refused) = unread(&server, 2, 20_000).await;
    assert_eq!((kept, refused), (2, 0));
    drop((large, small));
}

async fn streams() -> Filled {
    let (server, watch) = limited(|limits| limits.streams = 5);
    let client = connect(within(&server)).await;
    let mut asked = JoinSet::new();
    for id in 0..20 {
        let mut client = client.clone();
        asked.spawn(
            async move { client.send_request(request("localhost", &call(id, "wait", json!({})))).await },
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    full(watch.started.load(Ordering::SeqCst), 5, server, (client, asked))
}

fn legacy(id: i64, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

async fn initialize(wire: &mut Wire, token: &'static str) -> Answer {
    let hello = legacy(0, "initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}}));
    wire.post(&[("Authorization", token)], hello.as_bytes()).await
}

async fn opened(wire: &mut Wire, token: &'static str) -> String {
    let answer = initialize(wire, token).await;
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn lives(wire: &mut Wire, token: &'static str, id: &str) -> bool {
    let headers = [("Mcp-Session-Id", id), ("Authorization", token)];
    match wire.post(&headers, legacy(1, "ping", json!({})).as_bytes()).await.status {
        200 => true,
        404 => false,
        status => panic!("{status}"),
    }
}

/// Has the session remembered, for its log level.
async fn remembered(wire: &mut Wire, token: &'static str, id: &str) {
    let level = legacy(1, "logging/setLevel", json!({"level": "error"}));
    let answer = wire.post(&[("Mcp-Session-Id", id), ("Authorization", token)], level.as_bytes()).await;
    assert_eq!(answer.status, 200);
}

async fn alive(wire: &mut Wire, token: &'static str, ids: &[String]) -> usize {
    let mut alive = 0;
    for id in ids {
        alive += usize::from(lives(wire, token, id).await);
    }
    alive
}

async fn sessions() -> Filled {
    let (server, _) = limited(|limits| limits.sessions = 4);
    let (mut wire, _) = Wire::within(&server);
    let mut ids = Vec::new();
    for _ in 0..11 {
        ids.push(opened(&mut wire, "").await);
    }
    assert_eq!(alive(&mut wire, "", &ids).await, 11, "there may be any number that say nothing");
    for id in &ids {
        remembered(&mut wire, "", id).await;
    }
    full(alive(&mut wire, "", &ids).await, 4, server, wire)
}

async fn used_sessions() -> Filled {
    let (server, _) = limited(|limits| limits.sessions = 3);
    let mut streams = Vec::new();
    let (mut opener, _) = Wire::within(&server);
    let listening = async |id: &str| {
        let (mut wire, _) = Wire::within(&server);
        wire.request("GET", &[("Mcp-Session-Id", id)], b"").await;
        let head = wire.head().await;
        (wire, head.status, head.header("retry-after").map(str::to_owned))
    };
    for _ in 0..3 {
        let (wire, status, _) = listening(&opened(&mut opener, "").await).await;
        assert_eq!(status, 200);
        streams.push(wire);
    }
    let id = opened(&mut opener, "").await;
    let (_, status, retry_after) = listening(&id).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("30")));
    // When one of them is not in use any more, it gives way.
    streams.pop();
    tokio::task::yield_now().await;
    let (wire, status, _) = listening(&id).await;
    assert_eq!(status, 200);
    streams.push(wire);
    full(streams.len(), 3, server, streams)
}

fn named(parts: &Parts) -> Result<Principal, Unauthenticated> {
    let token = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Principal::new(token))
}

async fn sessions_of_one() -> Filled {
    let server = builder(&Arc::new(Watch::default()))
        .authenticate(named)
        .http_limits(|limits| (limits.sessions, limits.sessions_per_principal) = (10, 3))
        .build();
    let (mut wire, _) = Wire::within(&server);
    let bobs = opened(&mut wire, "bob").await;
    remembered(&mut wire, "bob", &bobs).await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        let id = opened(&mut wire, "mallory").await;
        remembered(&mut wire, "mallory", &id).await;
        ids.push(id);
    }
    assert!(lives(&mut wire, "bob", &bobs).await, "what one holds is not taken for another's");
    full(alive(&mut wire, "mallory", &ids).await, 3, server, wire)
}

fn listen(id: usize) -> Value {
    modern(id, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
}

async fn listeners_of_one() -> Filled {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).listen_limits(|limits| limits.streams = 2).build();
    let client = connect(within(&server)).await;
    let mut open = Vec::new();
    for id in 0..5 {
        let mut request = request("localhost", &listen(id));
        request.headers_mut().remove("mcp-name");
        let answer = client.clone().send_request(request).await.unwrap();
        match answer.status().as_u16() {
            200 => open.push(answer),
            status => assert_eq!(status, 429),
        }
    }
    // Callers without a name on another connection have places of their own.
    let (mut other, _) = Wire::within(&server);
    other.request("POST", &[MODERN], listen(9).to_string().as_bytes()).await;
    assert_eq!(other.head().await.status, 200);
    full(open.len(), 2, server, (client, open, other))
}

async fn listeners() -> Filled {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).listen_limits(|limits| limits.total = 3).build();
    let (mut wires, mut open) = (Vec::new(), 0);
    for id in 0..6 {
        let (mut wire, _) = Wire::within(&server);
        wire.request("POST", &[MODERN], listen(id).to_string().as_bytes()).await;
        match wire.head().await.status {
            200 => open += 1,
            status => assert_eq!(status, 429),
        }
        wires.push(wire);
    }
    full(open, 3, server, wires)
}

async fn detached() -> Filled {
    let (server, watch) = limited(|limits| limits.detached_calls = 2);
    let (mut wire, _) = Wire::within(&server);
    let session = opened(&mut wire, "").await;
    for n in 1..=6 {
        let (mut wire, served) = Wire::within(&server);
        let wait = legacy(i64::try_from(n).unwrap(), "tools/call", json!({"name": "wait"}));
        wire.request("POST", &[("Mcp-Session-Id", &session)], wait.as_bytes()).await;
        watch.reach(|watch| &watch.started, n).await;
        drop(wire);
        served.await.unwrap();
    }
    full(server.dispatcher().running(), 2, server, wire)
}

async fn headers() -> Filled {
    let (server, _) = limited(|limits| limits.header_bytes = 16 << 10);
    let (mut wire, _) = Wire::within(&server);
    wire.write(format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(20 << 10)).as_bytes())
        .await;
    assert_eq!(wire.answer().await.status, 431);
    full(0, 0, server, wire)
}

async fn body() -> Filled {
    let watch = Arc::new(Watch::default());
    let server = builder(&watch).message_limit(40_000).build();
    let mut wire = half_sent(&server).await;
    assert_eq!(wire.answer().await.status, 413);
    full(0, 0, server, wire)
}

async fn refusals() -> Filled {
    let (server, watch) = limited(|limits| limits.connections = 1);
    let served = serve(&server).await;
    let mut busy = Wire::to(served.address).await;
    busy.request("POST", &[MODERN], call(1, "wait", json!({})).to_string().as_bytes()).await;
    watch.reach(|watch| &watch.started, 1).await;
    let mut wires = Vec::new();
    for _ in 0..100 {
        wires.push(Wire::to(served.address).await);
    }
    // Those that are told are told to the end; the others see the connection close, and keep no task.
    let mut told = 0;
    for wire in &mut wires {
        let mut all = Vec::new();
        let _closed = wire.0.read_to_end(&mut all).await;
        assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&all));
        told += usize::from(!all.is_empty());
    }
    full(told.min(64), 64, server, (busy, wires))
}

// The times.

/// How long a client is waited for that sends `bytes` and then nothing.
async fn hung_up_after(server: &Server, bytes: &[u8]) -> u64 {
    let (mut wire, served) = Wire::within(server);
    wire.write(bytes).await;
    let start = Instant::now();
    served.await.unwrap();
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_begins_is_not_waited_for_longer_than_one_that_stalls() {
    let (server, _) = limited(|_| ());
    for tail in
        ["Content-Length: 2\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 2\r\n\r\n{"]
    {
        let head =
            format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{tail}");
        let (mut wire, _served) = Wire::within(&server);
        wire.write(head.as_bytes()).await;
        let start = Instant::now();
        assert_eq!(wire.answer().await.status, 408, "{tail:?}");
        assert_eq!(start.elapsed().as_secs(), 30, "{tail:?}");
    }
    // Over HTTP/2, and where an application's own server is in front.
    let mut client = connect_with(within(&server), |_| ()).await;
    let start = Instant::now();
    let answer = client.send_request(request_with("localhost", &echo(), Unfinished(0))).await.unwrap();
    assert_eq!((answer.status().as_u16(), start.elapsed().as_secs()), (408, 30));
    let mut mounted = server.into_service();
    let start = Instant::now();
    let request = request_with("localhost", &echo(), Unfinished(0));
    let answer = tower_service::Service::call(&mut mounted, request).await.unwrap();
    assert_eq!((answer.status().as_u16(), start.elapsed().as_secs()), (408, 30));
}

#[tokio::test(start_paused = true)]
async fn however_much_of_a_body_arrives_it_has_an_end() {
    let (server, _) = limited(|_| ());
    let (mut wire, _served) = Wire::within(&server);
    wire.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\n\r\n").await;
    let start = Instant::now();
    loop {
        wire.write(&[b' '; 2_048]).await;
        if let Ok(answer) = timeout(Duration::from_secs(1), wire.head()).await {
            assert_eq!(answer.status, 408);
            break;
        }
    }
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_a_slow_head() {
    let (server, _) = limited(|_| ());
    assert_eq!(hung_up_after(&server, b"").await, 30);
    assert_eq!(hung_up_after(&server, b"POST /mcp HTTP/1.1\r\nHost: loc").await, 30);
    // Between two requests there is more time than any load balancer's, and for the next head as much as for
    // the first.
    for (next, after) in [(b"".as_slice(), 75), (b"POST /mcp HT", 30)] {
        let (mut wire, served) = Wire::within(&server);
        assert_eq!(wire.ask(&echo()).await.status, 200);
        assert_eq!(wire.ask(&echo()).await.status, 200);
        wire.write(next).await;
        let start = Instant::now();
        served.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), after);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_window_of_its_client_stops_is_ended() {
    for (stops, seconds) in [(false, 30), (true, 0)] {
        let (server, _) = limited(|_| ());
        let (holds, kept, _) = unread(&server, 10, 100_000).await;
        assert_eq!(kept, 10);
        let start = Instant::now();
        if stops {
            server.stop();
        }
        let (answers, _client): (Vec<http::Response<hyper::body::Incoming>>, _) = *holds
            .downcast::<(Vec<_>, hyper::client::conn::http2::SendRequest<Full<bytes::Bytes>>)>()
            .unwrap();
        for answer in answers {
            assert!(answer.into_body().collect().await.is_err());
        }
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    let (server, _) = limited(|_| ());
    // A client that reads gets all of it.
    let mut client = connect(within(&server)).await;
    let answer = client
        .send_request(request("localhost", &call(1, "large", json!({"bytes": 500_000}))))
        .await
        .unwrap();
    assert!(500_000 < answer.into_body().collect().await.unwrap().to_bytes().len());
}

#[tokio::test(start_paused = true)]
async fn a_session_is_idle_only_once_its_last_stream_or_call_has_ended() {
    let (server, watch) = limited(|limits| limits.session_idle = Duration::from_secs(300));
    let (mut wire, _served) = Wire::within(&server);
    let id = opened(&mut wire, "").await;
    let (mut stream, _served) = Wire::within(&server);
    stream.request("GET", &[("Mcp-Session-Id", &id)], b"").await;
    assert_eq!(stream.head().await.status, 200);
    tokio::time::sleep(Duration::from_secs(311)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(lives(&mut Wire::within(&server).0, "", &id).await, "a stream was open until just now");
    let (mut caller, _served) = Wire::within(&server);
    let wait =
        legacy(7, "tools/call", json!({"name": "wait", "_meta": {"dev.toolpost/deadlineMs": 600_000}}));
    caller.request("POST", &[("Mcp-Session-Id", &id), ("Accept", "application/json")], wait.as_bytes()).await;
    tokio::time::sleep(Duration::from_secs(500)).await;
    watch.release.notify_one();
    assert_eq!(caller.answer().await.status, 200);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(lives(&mut Wire::within(&server).0, "", &id).await, "a call ran until just now");
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert!(!lives(&mut Wire::within(&server).0, "", &id).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_calls_and_for_no_half_request() {
    let halves: [&[u8]; 5] = [
        b"",
        b"POST /mcp HTTP/1.1\r\nHost: loc",
        HALF,
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ];
    let (server, watch) = limited(|_| ());
    let mut connections = JoinSet::new();
    let mut wires = Vec::new();
    for half in halves {
        let (mut wire, served) = Wire::within(&server);
        wire.write(half).await;
        wires.push(wire);
        connections.spawn(served);
    }
    // An HTTP/2 client whose request has no body yet.
    let mut client = connect_with(within(&server), |_| ()).await;
    let unfinished =
        tokio::spawn(
            async move { client.send_request(request_with("localhost", &echo(), Unfinished(0))).await },
        );
    let (mut caller, called) = Wire::within(&server);
    caller.request("POST", &[MODERN], call(1, "wait", json!({})).to_string().as_bytes()).await;
    watch.reach(|watch| &watch.started, 1).await;
    let start = Instant::now();
    server.stop();
    while let Some(ended) = connections.join_next().await {
        ended.unwrap().unwrap();
    }
    let _answered_or_reset = unfinished.await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_secs(10)).await;
    watch.release.notify_one();
    assert_eq!(caller.answer().await.status, 200, "a call that ran is answered");
    called.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_readers_and_not_for_those_who_read_nothing() {
    for (reads, least, most) in [(false, 1, 1), (true, 10, 120)] {
        let (server, _) = limited(|_| ());
        let (mut wire, served) = Wire::with_buffer(&server, 4 << 10);
        wire.request("POST", &[MODERN], call(1, "large", json!({"bytes": 64 << 10})).to_string().as_bytes())
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let start = Instant::now();
        server.stop();
        let mut received = 0;
        let mut read = usize::from(reads);
        while read != 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            read = wire.0.read(&mut [0; 4 << 10]).await.unwrap();
            received += read;
        }
        served.await.unwrap();
        assert!((least..=most).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(64 << 10 < received, reads, "{received} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_becomes_a_stream_for_whoever_takes_one_by_name() {
    let (server, watch) = limited(|_| ());
    let (mut wire, _served) = Wire::within(&server);
    let session = opened(&mut wire, "").await;
    let modern = call(1, "wait", json!({})).to_string();
    let legacy = legacy(1, "tools/call", json!({"name": "wait"}));
    // Calls of one id in one session do not run at the same time, so each ends before the next.
    // In a session of 2025-11-25 the stream begins at once, with an id by which it can be resumed.
    let named = ("Mcp-Session-Id", session.as_str());
    for (header, body, begins, after) in [
        (MODERN, modern.as_str(), ": still working\n\n", 15),
        (named, legacy.as_str(), "retry: 1000\nid: c", 1),
    ] {
        let (mut wire, _served) = Wire::within(&server);
        let start = Instant::now();
        wire.request("POST", &[header], body.as_bytes()).await;
        let head = wire.head().await;
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert!(wire.chunk().await.unwrap().starts_with(begins.as_bytes()));
        assert_eq!(start.elapsed().as_secs(), after);
        assert_eq!(wire.chunk().await.unwrap(), b": still working\n\n");
        assert_eq!(start.elapsed().as_secs(), after + 15);
        watch.release.notify_one();
        assert_eq!(wire.event().await.unwrap()["result"]["content"][0]["text"], "released");
        for accept in ["application/json", "*/*"] {
            let (mut wire, _served) = Wire::within(&server);
            wire.request("POST", &[header, ("Accept", accept)], body.as_bytes()).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            watch.release.notify_one();
            assert_eq!(wire.answer().await.header("content-type"), Some("application/json"), "{accept}");
        }
    }
}

#[tokio::test]
async fn a_refused_body_is_read_on_so_that_its_sender_reads_the_answer() {
    let (server, _) = limited(|_| ());
    let served = serve(&server).await;
    let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let size = 32 << 20;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it is sent before anything is read, as simple clients do.
    for _ in 0..(size >> 20) {
        stream.write_all(&vec![b' '; 1 << 20]).await.unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_answered_if_that_needs_no_waiting() {
    let (server, _) = limited(|_| ());
    let served = serve(&server).await;
    for in_memory in [true, false] {
        let mut wire = if in_memory { Wire::within(&server).0 } else { Wire::to(served.address).await };
        wire.request("POST", &[MODERN], echo().to_string().as_bytes()).await;
        wire.0.get_mut().shutdown().await.unwrap();
        assert_eq!(wire.answer().await.status, 200);
    }
}
