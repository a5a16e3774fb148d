//! Connections that end, servers that are down, and those that come again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use toolpost_tool::{AnyTool, ErrorKind, NoArgs, Tool as _, ToolError, tool_fn};
use toolpost_upstream::{Upstream, UpstreamOptions, UpstreamState};

use crate::common::{Wire, called, dispatcher, is_down, scripted, serving, start, tool, until};

fn hanging() -> [AnyTool; 3] {
    let hang = |_: NoArgs, _| std::future::pending::<Result<String, ToolError>>();
    let order = tool_fn("order", hang);
    let look = tool_fn("look", hang).with_spec(|spec| spec.read_only());
    let quick = tool_fn("quick", |_: NoArgs, _| async { Ok("done") });
    [AnyTool::new(order), AnyTool::new(look), AnyTool::new(quick)]
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_unknown_unless_they_may_be_repeated() {
    let wire = Wire::default();
    let upstream = start("shop", serving(&wire, &dispatcher(hanging())), UpstreamOptions::new()).await;
    let (order, look) = (called(&upstream, "order", json!({})), called(&upstream, "look", json!({})));
    let cut = async {
        sleep(Duration::from_secs(1)).await;
        wire.cut();
        Instant::now()
    };
    let ended = async {
        let (order, look) = tokio::join!(order, look);
        (order.unwrap_err(), look.unwrap_err(), Instant::now())
    };
    let ((order, look, ended), cut) = tokio::join!(ended, cut);
    assert!(ended - cut <= Duration::from_millis(50), "{:?}", ended - cut);
    assert_eq!(order.kind(), ErrorKind::OutcomeUnknown, "{order}");
    assert_eq!(look.kind(), ErrorKind::Unavailable, "{look}");

    until(&upstream, |status| status.handshakes == 2).await;
    assert!(cut.elapsed() <= Duration::from_millis(100), "{:?}", cut.elapsed());
    called(&upstream, "quick", json!({})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_half_an_hour_of_outage_a_call_has_the_server_back_at_once() {
    let wire = Wire::default();
    let upstream = start("shop", serving(&wire, &dispatcher(hanging())), UpstreamOptions::new()).await;
    let quick = tool(&upstream, "quick");
    let call = || quick.call_boxed(toolpost_tool::Call::new(&NoArgs {}).unwrap());
    call().await.unwrap();
    wire.set_down(true);
    wire.cut();
    sleep(Duration::from_secs(30 * 60)).await;
    let tried = wire.opened();
    assert!((60..400).contains(&tried), "ever more slowly, and for ever: {tried}");
    let status = upstream.status();
    assert!(is_down(&status) && !status.is_healthy(), "{status:?}");

    wire.set_down(false);
    let before = Instant::now();
    let error = call().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.retry_after().is_some() && error.to_string().contains("cannot be reached"), "{error}");
    assert_eq!(before.elapsed(), Duration::ZERO, "no call waits for a server");
    until(&upstream, |status| status.state == UpstreamState::Ready).await;
    assert!(before.elapsed() <= Duration::from_millis(100), "{:?}", before.elapsed());
    call().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_shows_its_tools_as_unavailable_or_hides_them() {
    for hidden in [false, true] {
        let wire = Wire::default();
        let options = if hidden { UpstreamOptions::new().hidden_when_down() } else { UpstreamOptions::new() };
        let upstream = start("shop", serving(&wire, &dispatcher(hanging())), options).await;
        let before = tool(&upstream, "quick");
        wire.set_down(true);
        wire.cut();
        sleep(Duration::from_secs(1)).await;
        assert!(
            is_down(&upstream.status()) && tool(&upstream, "quick").ptr_eq(&before),
            "not for a short while"
        );
        sleep(Duration::from_secs(10)).await;
        match hidden {
            true => assert_eq!(upstream.tools().len(), 0),
            false => {
                let shown = tool(&upstream, "quick");
                assert!(
                    shown.spec().description().starts_with("[Unavailable now: "),
                    "{}",
                    shown.spec().description()
                );
                assert!(shown.spec().meta().unwrap()["dev.toolpost/unavailable"].is_string());
                sleep(Duration::from_secs(600)).await;
                assert!(
                    tool(&upstream, "quick").ptr_eq(&shown),
                    "one change of the list, however often it is tried"
                );
            }
        }
        wire.set_down(false);
        until(&upstream, |status| status.state == UpstreamState::Ready).await;
        until(&upstream, |status| status.tools.len() == 3).await;
        assert!(tool(&upstream, "quick").ptr_eq(&before));
    }
}

#[tokio::test(start_paused = true)]
async fn tools_are_handed_to_whoever_takes_them_over_and_a_refusal_is_told() {
    let wire = Wire::default();
    let upstream = Upstream::start(
        "shop",
        serving(&wire, &dispatcher(hanging())),
        UpstreamOptions::new().hidden_when_down(),
    );
    let taken = Arc::new(Mutex::new(Vec::new()));
    let takes = Arc::clone(&taken);
    upstream.publish(move |tools| {
        takes.lock().unwrap().push(tools.len());
        let refused = takes.lock().unwrap().len() == 2;
        Box::pin(async move { if refused { Err("no room".to_owned()) } else { Ok(()) } })
    });
    until(&upstream, |status| status.tools.len() == 3).await;
    wire.set_down(true);
    wire.cut();
    until(&upstream, |status| status.faults == ["no room"]).await;
    wire.set_down(false);
    until(&upstream, |status| status.is_healthy()).await;
    let counts = taken.lock().unwrap().clone();
    assert_eq!((counts.first(), counts.last()), (Some(&3), Some(&3)), "{counts:?}");
    upstream.publish(|_| panic!("planted"));
    wire.cut();
    // Nobody had called over this connection, so that it is not begun anew at once.
    sleep(Duration::from_secs(60)).await;
    called(&upstream, "quick", json!({})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_never_there_takes_no_tools_away_and_who_comes_later_is_told_all() {
    let wire = Wire::default();
    wire.set_down(true);
    let upstream = Upstream::start(
        "shop",
        serving(&wire, &dispatcher(hanging())),
        UpstreamOptions::new().hidden_when_down(),
    );
    let taken = [Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new()))];
    let take = |taken: &Arc<Mutex<Vec<usize>>>| {
        let taken = Arc::clone(taken);
        upstream.publish(move |tools| {
            taken.lock().unwrap().push(tools.len());
            Box::pin(std::future::ready(Ok(())))
        });
    };
    take(&taken[0]);
    sleep(Duration::from_secs(60)).await;
    assert!(is_down(&upstream.status()));
    assert!(taken[0].lock().unwrap().is_empty(), "those of a server whose place it takes stay");
    wire.set_down(false);
    until(&upstream, |status| status.tools.len() == 3).await;
    sleep(Duration::from_millis(1)).await;
    take(&taken[1]);
    sleep(Duration::from_secs(1)).await;
    let taken = taken.map(|taken| taken.lock().unwrap().clone());
    assert_eq!(taken, [vec![3], vec![3]]);
}

#[tokio::test(start_paused = true)]
async fn garbage_silence_and_endless_lists_are_down_and_nothing_worse() {
    let silent = Wire::default();
    let silent = silent.endpoint(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let garbage = Wire::default().endpoint(|mut stream| async move {
        use tokio::io::AsyncWriteExt as _;
        while stream.write_all(b"Segmentation fault\n").await.is_ok() {}
    });
    let endless = scripted(&Wire::default(), |method, params| {
        let page = params["cursor"].as_str().map_or(0, |page| page.parse::<u64>().unwrap());
        (method == "tools/list").then(|| json!({ "tools": [], "nextCursor": (page + 1).to_string() }))
    });
    for (name, endpoint) in [("silent", silent), ("garbage", garbage), ("endless", endless)] {
        let upstream = Upstream::start(name, endpoint, UpstreamOptions::new());
        until(&upstream, is_down).await;
        let UpstreamState::Down { reason, .. } = upstream.status().state else { panic!("it is not down") };
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
        assert_eq!(upstream.tools().len(), 0);
        timeout(Duration::from_secs(5), upstream.stop()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_the_last_handle_and_a_tool_that_is_left_says_so() {
    let wire = Wire::default();
    let upstream = start("shop", serving(&wire, &dispatcher(hanging())), UpstreamOptions::new()).await;
    let quick = tool(&upstream, "quick");
    let mut changes = upstream.changes();
    drop(upstream);
    while changes.changed().await.is_ok() && *changes.borrow() < 1_000 {
        let error = quick.call_boxed(toolpost_tool::Call::new(&NoArgs {}).unwrap()).await;
        if error.is_err_and(|error| error.to_string() == "`shop` cannot be reached: it was stopped") {
            return;
        }
    }
    panic!("it goes on");
}
