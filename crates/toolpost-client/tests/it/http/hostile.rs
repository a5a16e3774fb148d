//! Servers that are wrong, in the way, or at war.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use toolpost_client::{
    ClientError, ClientOptions, Credentials, HttpTarget, McpClient, RequestOptions, Version,
};

use super::web::{Web, discovered, dual};
use crate::common::{frame, options, value};

const NEW: Version = Version::V2026_07_28;
const OLD: Version = Version::V2025_11_25;

fn small() -> ClientOptions {
    options().message_limit(1 << 16)
}

type Call = tokio::task::JoinHandle<Result<Value, ClientError>>;

fn call(client: &McpClient) -> Call {
    call_within(client, RequestOptions::new())
}

fn call_within(client: &McpClient, options: RequestOptions) -> Call {
    let client = client.clone();
    tokio::spawn(async move {
        let result = client.call_tool("käse", frame(&json!({})).root(), options).await?;
        Ok(value(&result)["content"][0]["text"].clone())
    })
}

fn text(text: &str) -> Value {
    json!({ "resultType": "complete", "content": [{ "type": "text", "text": text }] })
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 4096, "1".repeat(4096));
    for (headers, piece) in [
        ("Transfer-Encoding: chunked\r\n\r\n", chunk.as_str()),
        ("Content-Length: 99999999999\r\n\r\n", "1"),
        ("Connection: close\r\n\r\n", chunk.as_str()),
    ] {
        let call = call(&client);
        let mut request = web.expect("tools/call").await;
        request.write(&format!("{head}{headers}")).await;
        while !call.is_finished() {
            request.write(piece).await;
            tokio::task::yield_now().await;
        }
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::TooLarge { limit: 65_536 }), "{error}");
    }
}

#[tokio::test]
async fn an_endless_event_and_an_endless_head_are_cut_off() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    for piece in ["x".repeat(4096), format!("\ndata: {}", "x".repeat(4096))] {
        let call = call(&client);
        let mut stream = web.expect("tools/call").await.events().await;
        stream.say("data: ").await;
        while !call.is_finished() {
            stream.say(&piece).await;
            tokio::task::yield_now().await;
        }
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::TooLarge { limit: 65_536 }), "{error}");
    }
    let call = call(&client);
    let mut request = web.expect("tools/call").await;
    request.write("HTTP/1.1 200 OK\r\nX: ").await;
    while !call.is_finished() {
        request.write(&"x".repeat(4096)).await;
        tokio::task::yield_now().await;
    }
    assert!(call.await.unwrap().unwrap_err().is_outcome_unknown());
}

#[tokio::test]
async fn silence_ends_with_the_time_for_the_request() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    let soon = || RequestOptions::new().time_limit(Duration::from_millis(50));
    // No head, no body, comments and nothing else.
    let waiting = call_within(&client, soon());
    let request = web.expect("tools/call").await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    drop(request);
    let waiting = call_within(&client, soon());
    let mut request = web.expect("tools/call").await;
    request.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n").await;
    assert!(matches!(waiting.await.unwrap().unwrap_err(), ClientError::TimedOut { .. }));
    let waiting = call_within(&client, soon());
    let stream = web.expect("tools/call").await.events().await;
    let (error, ()) = tokio::join!(waiting, stream.closed());
    assert!(matches!(error.unwrap().unwrap_err(), ClientError::TimedOut { .. }));
}

#[tokio::test]
async fn redirects_are_followed_within_the_origin_alone() {
    let mut evil = Web::new().await;
    let mut web = Web::new().await;
    let target = HttpTarget::new(&format!("{}/mcp", web.origin)).unwrap().bearer("s3cret").unwrap();
    let client = web.client_of(target, NEW, options()).await;

    let waiting = call(&client);
    let request = web.expect("tools/call").await;
    assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
    request.status(307, &format!("Location: {}/mcp\r\n", evil.origin)).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::Malformed(why) if why.contains(&evil.origin)), "{error}");
    assert!(evil.is_quiet() && evil.connections() == 0);

    // Round and round.
    let waiting = call(&client);
    for _ in 0..=5 {
        web.expect("tools/call").await.status(307, "Location: /mcp?again\r\n").await;
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::Malformed(why) if why.contains("more than 5 times")), "{error}");

    // 302 would make a GET of it.
    let waiting = call(&client);
    web.expect("tools/call").await.status(302, "Location: /mcp/\r\n").await;
    assert!(matches!(waiting.await.unwrap().unwrap_err(), ClientError::Malformed(_)));

    // A slash at the end, remembered: the second call goes there at once.
    for first in [true, false] {
        let waiting = call(&client);
        if first {
            web.expect("tools/call").await.status(307, "Location: /mcp/\r\n").await;
        }
        let request = web.expect("tools/call").await;
        assert_eq!(
            (request.path.as_str(), request.header("authorization")),
            ("/mcp/", Some("Bearer s3cret"))
        );
        request.result(text("there")).await;
        assert_eq!(waiting.await.unwrap().unwrap(), "there");
    }
}

#[tokio::test]
async fn answers_that_are_none_are_malformed() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    let json = "Content-Type: application/json\r\n";
    for (headers, body, why) in [
        ("Content-Type: text/html\r\n", "<html>", "text/html"),
        ("", "{}", "without a content type"),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "\u{1f}", "gzip"),
        ("Content-Type: text/event-stream\r\nContent-Encoding: br\r\n", "x", "br"),
        (json, "", "no answer"),
        (json, "not JSON", "no answer"),
        (json, r#"{"jsonrpc":"2.0","id":"somebody else's","result":{}}"#, "no answer"),
    ] {
        let waiting = call(&client);
        web.expect("tools/call").await.whole(200, headers, body).await;
        let error = waiting.await.unwrap().unwrap_err();
        assert!(matches!(&error, ClientError::Malformed(told) if told.contains(why)), "{body}: {error}");
    }
    let waiting = call(&client);
    web.expect("tools/call").await.status(202, "").await;
    assert!(matches!(waiting.await.unwrap().unwrap_err(), ClientError::Malformed(_)));
    // And the client goes on.
    let waiting = call(&client);
    web.expect("tools/call").await.result(text("fine")).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "fine");
}

#[tokio::test]
async fn what_is_cut_is_lost_and_what_only_reads_is_repeated_once() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    let waiting = call(&client);
    let mut stream = web.expect("tools/call").await.events().await;
    // 2026-07-28 has no streams that are resumed, whatever the server says.
    stream.say("id: 1\nretry: 1\ndata:\n\n").await;
    drop(stream);
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::ConnectionLost(_)) && error.is_outcome_unknown(), "{error}");

    let waiting = call(&client);
    drop(web.expect("tools/call").await);
    assert!(waiting.await.unwrap().unwrap_err().is_outcome_unknown());
    assert!(web.is_quiet(), "a call is not repeated");

    let list = |client: &McpClient| {
        let client = client.clone();
        tokio::spawn(async move { client.list_tools(RequestOptions::new()).await })
    };
    let listing = list(&client);
    drop(web.expect("tools/list").await);
    web.expect("tools/list").await.result(json!({ "resultType": "complete", "tools": [] })).await;
    assert!(listing.await.unwrap().unwrap().is_empty());
    let listing = list(&client);
    for _ in 0..2 {
        drop(web.expect("tools/list").await);
    }
    assert!(matches!(listing.await.unwrap().unwrap_err(), ClientError::ConnectionLost(_)));
}

#[tokio::test]
async fn refusals_say_what_the_server_says() {
    let mut web = Web::new().await;
    let client = web.client(NEW, small()).await;
    let waiting = call(&client);
    let challenge = r#"Bearer resource_metadata="https://a.example/.well-known/x""#;
    web.expect("tools/call").await.status(401, &format!("WWW-Authenticate: {challenge}\r\n")).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ClientError::Unauthorized { status: 401, challenge: Some(told) } if &**told == challenge),
        "{error:?}"
    );
    for (status, headers, wait) in
        [(429, "Retry-After: 7\r\n", Some(7)), (503, "Retry-After: soon\r\n", None)]
    {
        let waiting = call(&client);
        web.expect("tools/call").await.status(status, headers).await;
        let error = waiting.await.unwrap().unwrap_err();
        let ClientError::Unavailable { status: told, retry_after } = error else { panic!("{error}") };
        assert_eq!((told, retry_after), (status, wait.map(Duration::from_secs)));
        assert!(!error.is_outcome_unknown());
    }
    for (status, unknown) in [(403, false), (400, false), (404, false), (500, true), (502, true)] {
        let waiting = call(&client);
        web.expect("tools/call").await.whole(status, "Content-Type: text/html\r\n", "<html>").await;
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.is_outcome_unknown(), unknown, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    let waiting = call(&client);
    let request = web.expect("tools/call").await;
    let error = json!({ "jsonrpc": "2.0", "id": request.body["id"], "error": { "code": -32020, "message": "header" } });
    request.json(400, &error).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(&error, ClientError::Refused(error) if error.code().0 == -32020), "{error}");
}

/// A token that is made anew when the server refuses it.
struct Fresh(AtomicUsize);

impl Credentials for Fresh {
    async fn authorization(&self, challenge: Option<&str>) -> Result<String, Box<dyn Error + Send + Sync>> {
        let asked = self.0.fetch_add(usize::from(challenge.is_some()), Ordering::SeqCst);
        match asked + usize::from(challenge.is_some()) {
            3 => Err("nobody knows".into()),
            4.. => panic!("the host's own"),
            token => Ok(format!("Bearer {token}")),
        }
    }
}

#[tokio::test]
async fn credentials_are_asked_once_more_when_they_are_refused() {
    let mut web = Web::new().await;
    let target = HttpTarget::new(&format!("{}/mcp", web.origin)).unwrap();
    let target = target.credentials(Fresh(AtomicUsize::new(0)));
    let client = web.client_of(target, NEW, options()).await;
    for (first, second, status) in [("Bearer 0", "Bearer 1", 200), ("Bearer 1", "Bearer 2", 401)] {
        let waiting = call(&client);
        let request = web.expect("tools/call").await;
        assert_eq!(request.header("authorization"), Some(first));
        request.status(401, "WWW-Authenticate: Bearer\r\n").await;
        let request = web.expect("tools/call").await;
        assert_eq!(request.header("authorization"), Some(second));
        if status == 200 {
            request.result(text("let in")).await;
            assert_eq!(waiting.await.unwrap().unwrap(), "let in");
        } else {
            request.status(401, "").await;
            assert!(matches!(waiting.await.unwrap(), Err(ClientError::Unauthorized { .. })));
        }
    }
    // An error of the host's, and a panic, cost their request alone.
    for why in ["nobody knows", "panicked"] {
        let waiting = call(&client);
        web.expect("tools/call").await.status(401, "").await;
        let error = waiting.await.unwrap().unwrap_err();
        assert!(matches!(&error, ClientError::NotConnected(told) if told.contains(why)), "{error}");
        if why == "nobody knows" {
            let waiting = call(&client);
            // It has none even without being challenged: nothing is sent.
            assert!(matches!(waiting.await.unwrap(), Err(ClientError::NotConnected(_))));
            break;
        }
    }
    assert!(web.is_quiet());
}

#[tokio::test]
async fn a_server_that_wants_to_know_who_asks_is_not_taken_for_an_old_one() {
    for status in [401, 403, 429, 503, 500] {
        let mut web = Web::new().await;
        let client = dual(&web);
        web.expect("server/discover").await.status(status, "").await;
        let error = client.ready().await.unwrap_err();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert!(web.is_quiet(), "{status}");
    }
    for status in [400, 404, 405] {
        let mut web = Web::new().await;
        let client = dual(&web);
        web.expect("server/discover").await.status(status, "").await;
        web.initialize(OLD, "s-1").await;
        assert_eq!(client.ready().await.unwrap().version, OLD);
    }
}

#[tokio::test]
async fn headers_repeat_what_the_message_says() {
    let mut web = Web::new().await;
    let client = dual(&web);
    let request = web.expect("server/discover").await;
    assert_eq!(request.header("mcp-method"), Some("server/discover"));
    assert_eq!(request.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(request.header("accept"), Some("application/json, text/event-stream"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    request.result(discovered()).await;
    client.ready().await.unwrap();
    let waiting = call(&client);
    let request = web.expect("tools/call").await;
    assert_eq!(request.header("mcp-method"), Some("tools/call"));
    assert_eq!(request.header("mcp-name"), Some("=?base64?a8Okc2U=?="));
    assert_eq!(request.header("mcp-session-id"), None);
    request.result(text("said")).await;
    assert_eq!(waiting.await.unwrap().unwrap(), "said");
    let read = {
        let client = client.clone();
        tokio::spawn(async move { client.read_resource("file:///a", RequestOptions::new()).await })
    };
    let request = web.expect("resources/read").await;
    assert_eq!(request.header("mcp-name"), Some("file:///a"));
    request.result(json!({ "resultType": "complete", "contents": [] })).await;
    read.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_is_not_used() {
    let mut web = Web::new().await;
    let client = web.client(NEW, options()).await;
    let mut made = web.connections();
    for _ in 0..5 {
        let waiting = call(&client);
        let request = web.expect("tools/call").await;
        let message = request.answer(text("kept"));
        request
            .whole(200, "Content-Type: application/json\r\nConnection: close\r\n", &message.to_string())
            .await;
        assert_eq!(waiting.await.unwrap().unwrap(), "kept");
        assert!(web.connections() <= made + 1);
        made = web.connections();
    }
}

#[test]
fn a_target_shows_no_secret_and_takes_no_nonsense() {
    let url = "https://mcp.example.com/mcp/t0ken?key=s3cret";
    let target =
        HttpTarget::new(url).unwrap().header("X-Api-Key", "s3cret").unwrap().bearer("s3cret").unwrap();
    let shown = format!("{target:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("t0ken"), "{shown}");
    assert!(shown.contains("x-api-key") && shown.contains("https://mcp.example.com"), "{shown}");
    for url in
        ["", "/mcp", "mcp.example.com", "ftp://a.example/", "https://user:s3cret@a.example/", "https://"]
    {
        let error = HttpTarget::new(url).unwrap_err();
        assert!(matches!(error, ClientError::InvalidTarget(_)), "{url}");
        assert!(!error.to_string().contains("s3cret"));
    }
    for (name, header) in [
        ("Host", "a"),
        ("Mcp-Name", "a"),
        ("a b", "c"),
        ("x", "s3cret\r\nHost: evil"),
        ("Last-Event-ID", "1"),
    ] {
        let error = HttpTarget::new("http://localhost").unwrap().header(name, header).unwrap_err();
        assert!(matches!(error, ClientError::InvalidTarget(_)), "{name}");
        assert!(!error.to_string().contains("s3cret"));
    }
}
