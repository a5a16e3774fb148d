//! Connections of callers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use toolpost_dispatch::Prompts as _;
use toolpost_pool::PoolOptions;
use toolpost_server::Server;
use toolpost_tool::{AnyTool, Call, CallParts, ErrorKind, Output, Principal, Refusal, ToolError, tool_fn};
use toolpost_upstream::{Endpoint, PerCaller, Upstream, UpstreamOptions};

use crate::common::{Wire, dispatcher, scripted, serving, start, tool};

#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct Asked {
    millis: u64,
}

/// A server that is one user's: it says whose.
fn whose(wire: &Wire, user: &str) -> Endpoint {
    let user = user.to_owned();
    let whoami = tool_fn("whoami", move |Asked { millis }: Asked, _| {
        let user = user.clone();
        async move {
            sleep(Duration::from_millis(millis)).await;
            Ok(user)
        }
    });
    let whoami = whoami.with_spec(|spec| spec.read_only());
    serving(wire, &dispatcher([AnyTool::new(whoami)]))
}

/// The servers of all users, by their names.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<BTreeMap<String, Wire>>>);

impl Users {
    fn wire(&self, user: &str) -> Wire {
        self.0.lock().unwrap().entry(user.to_owned()).or_default().clone()
    }

    fn per_caller(&self) -> PerCaller {
        let users = self.clone();
        PerCaller::new(move |user| whose(&users.wire(user), user))
    }

    fn opened(&self) -> usize {
        self.0.lock().unwrap().values().map(Wire::opened).sum()
    }
}

async fn upstream(per_caller: PerCaller) -> Upstream {
    let options = UpstreamOptions::new().per_caller(per_caller);
    start("desks", whose(&Wire::default(), "nobody"), options).await
}

async fn called_by(tool: &AnyTool, principal: Principal, millis: u64) -> Result<Output, ToolError> {
    let mut parts = CallParts::default().with_arguments(&Asked { millis }).unwrap();
    parts.principal = principal;
    tool.call_boxed(Call::from_parts(parts)).await
}

fn said(answer: Result<Output, ToolError>) -> String {
    let encoded: Value = serde_json::from_str(&format!("{{{}}}", answer.unwrap().encode())).unwrap();
    encoded["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_caller_has_one_connection_for_all_that_it_does() {
    let users = Users::default();
    let upstream = upstream(users.per_caller()).await;
    let whoami = tool(&upstream, "whoami");
    let mut calls = JoinSet::new();
    for n in 0..100 {
        let (whoami, user) = (whoami.clone(), format!("user {}", n % 5));
        calls.spawn(async move {
            assert_eq!(said(called_by(&whoami, Principal::new(&*user), 10).await), user);
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    assert_eq!(users.opened(), 5, "no handshake for a call");
    let error = called_by(&whoami, Principal::anonymous(), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused(Refusal::Denied));
    assert_eq!(upstream.status().handshakes, 1, "the one that reads the lists");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_made_anew_and_hurts_its_own_user_alone() {
    let users = Users::default();
    let upstream = upstream(users.per_caller()).await;
    let whoami = tool(&upstream, "whoami");
    for user in ["ada", "bob"] {
        assert_eq!(said(called_by(&whoami, Principal::new(user), 0).await), user);
    }
    let [ada, bob] = ["ada", "bob"].map(|user| {
        let (whoami, principal) = (whoami.clone(), Principal::new(user));
        tokio::spawn(async move { called_by(&whoami, principal, 1_000).await })
    });
    sleep(Duration::from_millis(100)).await;
    users.wire("ada").cut();
    assert_eq!(ada.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(said(bob.await.unwrap()), "bob");
    assert_eq!(said(called_by(&whoami, Principal::new("ada"), 0).await), "ada");
    assert_eq!((users.wire("ada").opened(), users.wire("bob").opened()), (2, 1));

    users.wire("ada").set_down(true);
    users.wire("ada").cut();
    sleep(Duration::from_millis(100)).await;
    let error = called_by(&whoami, Principal::new("ada"), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(said(called_by(&whoami, Principal::new("bob"), 0).await), "bob");
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_the_calls_of_all_and_what_is_at_the_other_end() {
    let users = Users::default();
    let upstream = upstream(users.per_caller()).await;
    let whoami = tool(&upstream, "whoami");
    let call = {
        let whoami = whoami.clone();
        tokio::spawn(async move { called_by(&whoami, Principal::new("ada"), 1_000_000).await })
    };
    sleep(Duration::from_millis(100)).await;
    upstream.stop().await;
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    let error = called_by(&whoami, Principal::new("ada"), 0).await.unwrap_err();
    assert_eq!(error.to_string(), "`desks` cannot be reached: it was stopped");
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded_and_the_one_idle_for_longest_gives_way() {
    let users = Users::default();
    let options = PoolOptions::new().total(2).per_key(1).shared_by(8).get_timeout(Duration::from_secs(1));
    let upstream = upstream(users.per_caller().pool(options)).await;
    let whoami = tool(&upstream, "whoami");
    for user in ["ada", "bob", "eve", "ada"] {
        assert_eq!(said(called_by(&whoami, Principal::new(user), 0).await), user);
    }
    assert_eq!((users.wire("ada").opened(), users.opened()), (2, 4));
    let busy: Vec<_> = ["ada", "eve"]
        .map(|user| {
            let (whoami, principal) = (whoami.clone(), Principal::new(user));
            tokio::spawn(async move { called_by(&whoami, principal, 10_000).await })
        })
        .into();
    sleep(Duration::from_millis(10)).await;
    let error = called_by(&whoami, Principal::new("bob"), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused(Refusal::QueueFull));
    for call in busy {
        call.await.unwrap().unwrap();
    }
}

/// Prompts, resources and completions go over connections of their callers as well, of servers of either era.
#[tokio::test(start_paused = true)]
async fn prompts_are_a_callers_own_too() {
    let answers = |user: String| {
        move |method: &str, _: &Value| match method {
            "initialize" => Some(json!({
                "protocolVersion": "2025-11-25", "capabilities": { "prompts": {}, "tools": {} },
                "serverInfo": { "name": "scripted", "version": "1" } })),
            "tools/list" => Some(json!({ "tools": [{ "name": "t", "inputSchema": { "type": "object" } }] })),
            "prompts/list" => Some(json!({ "prompts": [{ "name": "greet" }] })),
            "prompts/get" => Some(json!({ "messages": [
                { "role": "user", "content": { "type": "text", "text": user } }] })),
            _ => None,
        }
    };
    let own = answers("nobody".to_owned());
    let per_caller = PerCaller::new(move |user| scripted(&Wire::default(), answers(user.to_owned())));
    let options = UpstreamOptions::new().per_caller(per_caller);
    let upstream = start("desks", scripted(&Wire::default(), own), options).await;
    for user in ["ada", "bob"] {
        let mut parts = CallParts::default();
        parts.principal = Principal::new(user);
        let prompt = upstream.get("greet", BTreeMap::new(), Call::from_parts(parts)).await.unwrap().unwrap();
        assert!(serde_json::to_string(&prompt).unwrap().contains(user), "{prompt:?}");
    }
}

/// What the host makes endpoints with may panic: that costs the call.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_panics_costs_one_call_and_no_slot() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let per_caller = PerCaller::new(move |user| {
        assert!(0 < counted.fetch_add(1, Ordering::Relaxed), "told to");
        whose(&Wire::default(), user)
    });
    let upstream = upstream(per_caller.pool(PoolOptions::new().total(1))).await;
    let whoami = tool(&upstream, "whoami");
    let panics = {
        let whoami = whoami.clone();
        tokio::spawn(async move { called_by(&whoami, Principal::new("ada"), 0).await })
    };
    // A runtime catches it around the tool.
    assert!(panics.await.is_err_and(|error| error.is_panic()));
    assert_eq!(said(called_by(&whoami, Principal::new("bob"), 0).await), "bob");
}

/// What a server may take for its start, it may take for each caller.
#[tokio::test(start_paused = true)]
async fn a_server_that_starts_slowly_starts_for_its_callers_too() {
    let per_caller = PerCaller::new(|_| {
        let whoami = tool_fn("whoami", |_: Asked, _| async { Ok("slow") });
        let server = Server::builder(dispatcher([AnyTool::new(whoami)])).build();
        Wire::default().endpoint(move |stream| {
            let server = server.clone();
            async move {
                sleep(Duration::from_secs(20)).await;
                let (reader, writer) = tokio::io::split(stream);
                drop(server.serve_io(reader, writer).await);
            }
        })
    });
    let upstream = upstream(per_caller).await;
    assert_eq!(said(called_by(&tool(&upstream, "whoami"), Principal::new("ada"), 0).await), "slow");
}

#[tokio::test(start_paused = true)]
async fn of_several_endpoints_callers_use_each_and_another_where_theirs_is_down() {
    let wires = [Wire::default(), Wire::default()];
    let of_callers = wires.clone();
    let per_caller = PerCaller::new(move |_| {
        Endpoint::several(["one", "other"].into_iter().zip(&of_callers).map(|(name, wire)| whose(wire, name)))
    });
    let upstream = upstream(per_caller).await;
    let whoami = tool(&upstream, "whoami");
    for n in 0..20 {
        said(called_by(&whoami, Principal::new(format!("user {n}")), 0).await);
    }
    let opened = wires.each_ref().map(Wire::opened);
    assert!(opened.iter().all(|opened| 4 < *opened) && opened[0] + opened[1] == 20, "{opened:?}");
    wires[0].set_down(true);
    for n in 20..40 {
        let user = Principal::new(format!("user {n}"));
        assert_eq!(said(called_by(&whoami, user, 0).await), "other");
    }
}
