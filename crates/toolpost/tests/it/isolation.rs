//! Fifty principals over pooled connections of their own, with cache and single-flight on: nobody gets what is another's.
//!
//! `TOOLPOST_ISOLATION` is the number of calls: 2,000 unless it says otherwise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]
#![expect(clippy::disallowed_methods, reason = "callers and servers in memory are tasks")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{duplex, split};
use tokio::task::{AbortHandle, JoinSet};
use toolpost::dispatch::{CallRequest, Dispatcher, Registry};
use toolpost::pool::PoolOptions;
use toolpost::tool::{AnyTool, ErrorKind, Principal, tool_fn};
use toolpost::upstream::{Endpoint, PerCaller, Upstream, UpstreamOptions};
use toolpost::{Runtime, Settings, Upstreams};
use toolpost_server::Server;

const PRINCIPALS: usize = 50;
const QUESTIONS: usize = 4;
const CALLERS: usize = 100;

#[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
struct Question {
    question: usize,
}

/// What is wrong on purpose, to see that it would be found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Planted {
    Nothing,
    /// The host says that what one is answered is everybody's.
    SharedResults,
    /// The host gives two principals the same key.
    SharedKey,
    /// The host makes one user's endpoint for another.
    WrongEndpoint,
}

/// The servers of all users.
#[derive(Clone, Default)]
struct Desks {
    runs: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
    serving: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Desks {
    /// A server that is one user's, and says whose in each answer.
    fn endpoint(&self, user: &str) -> Endpoint {
        let (user, runs) = (user.to_owned(), Arc::clone(&self.runs));
        let ask = tool_fn("ask", move |Question { question }: Question, _| {
            let (user, runs) = (user.clone(), Arc::clone(&runs));
            async move {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                for _ in 0..run % 8 {
                    tokio::task::yield_now().await;
                }
                Ok(format!("{user} asked {question}"))
            }
        });
        let registry = Registry::builder().any(AnyTool::new(ask.with_spec(|spec| spec.read_only())));
        let server = Server::builder(Dispatcher::builder(registry.build().unwrap()).build()).build();
        let desks = self.clone();
        Endpoint::streams(move || {
            desks.opened.fetch_add(1, Ordering::Relaxed);
            let ((ours, theirs), server) = (duplex(1 << 16), server.clone());
            let serving = tokio::spawn(async move {
                let (reader, writer) = split(theirs);
                drop(server.serve_io(reader, writer).await);
            });
            desks.serving.lock().unwrap().push(serving.abort_handle());
            std::future::ready(Ok(split(ours)))
        })
    }

    /// Cuts one of the connections, whoever's it is.
    fn cut(&self, nth: usize) {
        let mut serving = self.serving.lock().unwrap();
        serving.retain(|task| !task.is_finished());
        // The first is the one by which the lists are read.
        if 1 < serving.len() {
            serving[1 + nth % (serving.len() - 1)].abort();
        }
    }
}

#[derive(Debug, Default)]
struct Counted {
    wrong: usize,
    answered: usize,
    lost: usize,
    runs: usize,
    opened: usize,
}

async fn traffic(calls: usize, planted: Planted) -> Counted {
    let desks = Desks::default();
    let of_users = desks.clone();
    let per_caller = PerCaller::new(move |user| match (planted, user) {
        (Planted::WrongEndpoint, "user 7") => of_users.endpoint("user 8"),
        _ => of_users.endpoint(user),
    });
    let per_caller = per_caller.key(move |principal| match (planted, principal.as_str()) {
        (_, "") => None,
        (Planted::SharedKey, "user 7") => Some("user 8".to_owned()),
        (_, user) => Some(user.to_owned()),
    });
    // Fewer connections than users, so that they come and go all the time.
    let per_caller = per_caller.pool(PoolOptions::new().total(20).per_key(2).shared_by(4));
    let options = UpstreamOptions::new().per_caller(per_caller);
    let upstreams = Upstreams::new();
    let upstream = Upstream::start("desks", desks.endpoint("nobody"), options);
    upstreams.add(upstream.clone()).unwrap();
    let public = planted == Planted::SharedResults;
    let settings = format!(r#"{{"tools": {{"ask": {{"cache": {{"ttl-ms": 20, "public": {public}}}}}}}}}"#);
    let settings = Settings::from_json(&settings).unwrap();
    // All callers may meet at one principal.
    let runtime = Runtime::builder().calls_per_principal(CALLERS);
    let runtime = runtime.settings(settings).upstreams(&upstreams).build().unwrap();
    upstream.ready().await.unwrap();
    while runtime
        .call("ask", &Question { question: 0 })
        .await
        .is_err_and(|error| error.kind() != ErrorKind::Refused(toolpost::tool::Refusal::Denied))
    {
        tokio::task::yield_now().await;
    }
    let runtime = Arc::new(runtime);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (runtime, desks) = (Arc::clone(&runtime), desks.clone());
        callers.spawn(async move {
            let mut counted = Counted::default();
            for n in 0..calls / CALLERS {
                // Several callers are of one principal, and ask the same at about the same time.
                let user = format!("user {}", (caller + n / 4 * 7) % PRINCIPALS);
                let question = n / 2 % QUESTIONS;
                let request = CallRequest::new("ask").with_arguments(&Question { question }).unwrap();
                let call = runtime.dispatcher().call(request.by(Principal::new(&*user)));
                match call.await {
                    Ok(output) => {
                        counted.answered += 1;
                        let expected = format!("{user} asked {question}");
                        counted.wrong += usize::from(!output.encode().contains(&format!("\"{expected}\"")));
                    }
                    // Its connection was cut.
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                        counted.lost += 1;
                    }
                }
                if (caller, n % 16) == (0, 15) {
                    desks.cut(n);
                }
            }
            counted
        });
    }
    let mut counted = Counted::default();
    while let Some(of_caller) = callers.join_next().await {
        let of_caller = of_caller.unwrap();
        counted.wrong += of_caller.wrong;
        counted.answered += of_caller.answered;
        counted.lost += of_caller.lost;
    }
    counted.runs = desks.runs.load(Ordering::Relaxed);
    counted.opened = desks.opened.load(Ordering::Relaxed);
    runtime.drain(Duration::from_secs(30)).await.unwrap();
    counted
}

fn calls() -> usize {
    std::env::var("TOOLPOST_ISOLATION").ok().and_then(|calls| calls.parse().ok()).unwrap_or(2_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_principals_none_gets_what_is_anothers() {
    let calls = calls();
    let counted = traffic(calls, Planted::Nothing).await;
    println!("{calls} calls: {counted:?}");
    assert_eq!(counted.wrong, 0, "{counted:?}");
    assert_eq!(counted.answered + counted.lost, calls / CALLERS * CALLERS);
    assert!(counted.lost <= calls / 10, "{counted:?}");
    assert!(counted.runs < counted.answered, "cache and single-flight are on: {counted:?}");
    assert!(PRINCIPALS < counted.opened, "each has connections of its own, which come and go: {counted:?}");
}

/// The same traffic finds each fault that is planted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_planted_fault_of_isolation_is_found() {
    for planted in [Planted::SharedResults, Planted::SharedKey, Planted::WrongEndpoint] {
        let counted = traffic(2_000, planted).await;
        assert_ne!(counted.wrong, 0, "{planted:?}: {counted:?}");
    }
}
