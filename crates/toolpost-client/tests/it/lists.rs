//! Lists through their pages, and their bounds.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test of tasks on a paused clock")]

use serde_json::{Value, json};
use tokio::join;
use toolpost_client::{ClientError, RequestOptions};

use crate::common::{Scripted, options};

/// Answers each request for a page by the next of these.
async fn pages(server: &mut Scripted, pages: &[Value]) {
    for page in pages {
        let request = server.expect("tools/list").await;
        server.answer(&request, page.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read_and_each_item_is_as_it_was_written() {
    let (mut server, client) = Scripted::new(options());
    let script = async {
        server.discovered(json!({ "tools": {} })).await;
        pages(&mut server, &[json!({ "tools": [{ "name": "a" }], "nextCursor": "" })]).await;
        let request = server.expect("tools/list").await;
        assert_eq!(request["params"]["cursor"], "", "an empty cursor is one");
        let id = &request["id"];
        server.say(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{{"n": 1.50}}, 2]}}}}"#)).await;
    };
    let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
    assert_eq!(tools.unwrap(), [r#"{"name":"a"}"#, r#"{"n": 1.50}"#, "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_comes_twice_is_an_error() {
    let (mut server, client) = Scripted::new(options());
    let script = async {
        server.discovered(json!({ "tools": {} })).await;
        let page = |cursor| json!({ "tools": [], "nextCursor": cursor });
        pages(&mut server, &[page("a"), page("b"), page("a")]).await;
    };
    let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
    let error = tools.unwrap_err();
    assert!(matches!(error, ClientError::Malformed(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn items_bytes_and_pages_are_bounded() {
    let (mut server, client) = Scripted::new(options().list_bounds(3, 1 << 20));
    let script = async {
        server.discovered(json!({ "tools": {} })).await;
        pages(&mut server, &[json!({ "tools": [1, 2, 3, 4] })]).await;
    };
    let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
    assert!(matches!(tools.unwrap_err(), ClientError::TooMany { limit: 3, .. }));

    let (mut server, client) = Scripted::new(options().list_bounds(1_000, 100));
    let script = async {
        server.discovered(json!({ "tools": {} })).await;
        pages(
            &mut server,
            &[json!({ "tools": ["x".repeat(60)], "nextCursor": "a" }), json!({ "tools": ["x".repeat(60)] })],
        )
        .await;
    };
    let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
    assert!(matches!(tools.unwrap_err(), ClientError::TooMany { limit: 100, .. }));

    let (mut server, client) = Scripted::new(options());
    let script = async {
        server.discovered(json!({ "tools": {} })).await;
        for page in 0..1_000 {
            pages(&mut server, &[json!({ "tools": [], "nextCursor": page.to_string() })]).await;
        }
    };
    let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
    assert!(matches!(tools.unwrap_err(), ClientError::TooMany { limit: 1_000, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_such_a_list_has_none() {
    for (capabilities, refused) in [(json!({}), false), (json!({ "tools": {} }), true)] {
        let (mut server, client) = Scripted::new(options());
        let script = async {
            server.discovered(capabilities).await;
            let request = server.expect("tools/list").await;
            server.refuse(&request, -32601, Value::Null).await;
        };
        let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
        match refused {
            true => assert!(matches!(tools.unwrap_err(), ClientError::Refused(_))),
            false => assert!(tools.unwrap().is_empty()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_is_malformed() {
    for page in [json!({}), json!({ "tools": 1 }), json!([]), json!(null)] {
        let (mut server, client) = Scripted::new(options());
        let script = async {
            server.discovered(json!({ "tools": {} })).await;
            pages(&mut server, &[page]).await;
        };
        let (tools, ()) = join!(client.list_tools(RequestOptions::new()), script);
        let error = tools.unwrap_err();
        assert!(matches!(error, ClientError::Malformed(_)), "{error}");
    }
}
