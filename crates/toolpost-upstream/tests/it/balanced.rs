//! Several endpoints of one server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use toolpost_tool::{AnyTool, Call, ErrorKind, NoArgs, tool_fn};
use toolpost_upstream::{Endpoint, UpstreamOptions, UpstreamState};

use crate::common::{Wire, called, dispatcher, is_down, serving, start, tool, until};

const MILLI: Duration = Duration::from_millis(1);

/// A server that takes its time, counts its calls, and says which it is.
#[derive(Clone, Default)]
struct Server {
    wire: Wire,
    calls: Arc<AtomicUsize>,
}

impl Server {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn endpoint(&self, time: Duration) -> Endpoint {
        let named = |name: &'static str, repeatable: bool| {
            let calls = Arc::clone(&self.calls);
            let works = tool_fn(name, move |_: NoArgs, _| {
                calls.fetch_add(1, Ordering::Relaxed);
                async move {
                    sleep(time).await;
                    Ok("done")
                }
            });
            AnyTool::new(works.with_spec(|spec| if repeatable { spec.read_only() } else { spec }))
        };
        serving(&self.wire, &dispatcher([named("reads", true), named("writes", false)]))
    }
}

fn several(times: &[Duration]) -> (Vec<Server>, Endpoint) {
    let servers: Vec<Server> = times.iter().map(|_| Server::default()).collect();
    let endpoint = Endpoint::several(servers.iter().zip(times).map(|(server, time)| server.endpoint(*time)));
    (servers, endpoint)
}

#[tokio::test(start_paused = true)]
async fn calls_go_where_they_are_answered_soonest() {
    let (servers, endpoint) = several(&[MILLI * 10, MILLI * 10, MILLI * 500]);
    let upstream = start("sums", endpoint, UpstreamOptions::new()).await;
    until(&upstream, |status| status.handshakes == 3).await;
    let mut calls = JoinSet::new();
    for _ in 0..300 {
        let reads = tool(&upstream, "reads");
        calls.spawn(async move { reads.call_boxed(Call::new(&json!({})).unwrap()).await });
        sleep(MILLI * 2).await;
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap().unwrap();
    }
    let counts: Vec<usize> = servers.iter().map(Server::calls).collect();
    assert_eq!(counts.iter().sum::<usize>(), 300, "none twice");
    assert!(counts[2] < 20 && 100 < counts[0] && 100 < counts[1], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_takes_no_calls_and_the_server_is_up_while_any_is() {
    let (servers, endpoint) = several(&[MILLI, MILLI]);
    let upstream = start("sums", endpoint, UpstreamOptions::new()).await;
    until(&upstream, |status| status.handshakes == 2).await;
    servers[0].wire.set_down(true);
    servers[0].wire.cut();
    sleep(MILLI * 100).await;
    assert_eq!(upstream.status().state, UpstreamState::Ready);
    for _ in 0..20 {
        called(&upstream, "writes", json!({})).await.unwrap();
    }
    assert_eq!((servers[0].calls(), servers[1].calls()), (0, 20));
    servers[1].wire.set_down(true);
    servers[1].wire.cut();
    until(&upstream, is_down).await;
    let error = called(&upstream, "reads", json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    servers[0].wire.set_down(false);
    until(&upstream, |status| status.state == UpstreamState::Ready).await;
    called(&upstream, "reads", json!({})).await.unwrap();
    assert_eq!(servers[0].calls(), 1);
    upstream.stop().await;
}

/// Its connection ends in the middle of a call: one that may run twice goes to the other, one that may not is told so.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_off_goes_elsewhere_only_if_it_may_run_twice() {
    for (name, may_run_twice) in [("reads", true), ("writes", false)] {
        let (servers, endpoint) = several(&[MILLI * 100, MILLI * 100]);
        let upstream = start("sums", endpoint, UpstreamOptions::new()).await;
        until(&upstream, |status| status.handshakes == 2).await;
        let named = tool(&upstream, name);
        let call = tokio::spawn(async move { named.call_boxed(Call::new(&json!({})).unwrap()).await });
        sleep(MILLI * 50).await;
        let [one, other] = [&servers[0], &servers[1]];
        let (hit, spared) = if one.calls() == 1 { (one, other) } else { (other, one) };
        assert_eq!((hit.calls(), spared.calls()), (1, 0));
        hit.wire.cut();
        let ended = call.await.unwrap();
        assert_eq!(spared.calls(), usize::from(may_run_twice));
        match may_run_twice {
            true => assert!(!ended.unwrap().is_error()),
            false => assert_eq!(ended.unwrap_err().kind(), ErrorKind::OutcomeUnknown),
        }
    }
}

/// Each of them fails: the call goes to two at the most.
#[tokio::test(start_paused = true)]
async fn a_call_does_not_wander_through_all() {
    let (servers, endpoint) = several(&[MILLI * 100; 4]);
    let upstream = start("sums", endpoint, UpstreamOptions::new()).await;
    until(&upstream, |status| status.handshakes == 4).await;
    let reads = tool(&upstream, "reads");
    let call = tokio::spawn(async move { reads.call_boxed(Call::new(&json!({})).unwrap()).await });
    for _ in 0..10 {
        sleep(MILLI * 20).await;
        for server in servers.iter().filter(|server| 0 < server.calls()) {
            server.wire.set_down(true);
            server.wire.cut();
        }
    }
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(servers.iter().map(Server::calls).sum::<usize>(), 2);
}
