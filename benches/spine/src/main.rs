//! One call from bytes to bytes, beside the limit and rmcp's model types; goals in instructions.

use bench_spine::{connections, limit, messages, ours, rmcp_types};
use harness::{Cases, Goals};

#[global_allocator]
static ALLOCATOR: harness::Counting = harness::Counting;

fn main() -> std::process::ExitCode {
    let (small, structured) = (messages::small(), messages::structured());
    for body in [&small, &structured] {
        let (ours, limit) = (parsed(&ours::server().answer(body)), parsed(&limit::answer(body)));
        assert_eq!(
            ours["result"]["structuredContent"], limit["result"]["structuredContent"],
            "all do the same work"
        );
        assert_eq!(ours["result"]["content"], limit["result"]["content"], "all do the same work");
        let rmcp = parsed(&rmcp_types::answer(body));
        assert_eq!(
            ours["result"]["structuredContent"], rmcp["result"]["structuredContent"],
            "all do the same work"
        );
    }
    println!("small: {} bytes, structured: {} bytes", small.len(), structured.len());
    let server = ours::server();
    let connected = connections::connected();
    let mut staying = connections::connected();
    let reply = parsed(&connected.without(&small));
    assert_eq!(reply["result"]["content"], parsed(&limit::answer(&small))["result"]["content"]);
    assert_eq!((parsed(&connected.own(&small)), parsed(&staying.staying(&small))), (reply.clone(), reply));
    let figures = Cases::new()
        .case("small: limit", || limit::answer(&small))
        .case("small: toolpost", || server.answer(&small))
        .case("small: rmcp types", || rmcp_types::answer(&small))
        .case("structured: limit", || limit::answer(&structured))
        .case("structured: toolpost", || server.answer(&structured))
        .case("structured: rmcp types", || rmcp_types::answer(&structured))
        .case("small: a message alone", || connected.without(&small))
        .case("small: over a connection that stays", || staying.staying(&small))
        .case("small: over a connection of its own", || connected.own(&small))
        .main();
    let cost = |case: &str| figures[case].instructions.unwrap_or(figures[case].ns);
    let mut goals = Goals::new();
    goals.at_most("small call / limit", cost("small: toolpost") / cost("small: limit"), 1.6);
    goals.at_most("structured call / limit", cost("structured: toolpost") / cost("structured: limit"), 1.6);
    goals.at_most(
        "structured call / rmcp",
        cost("structured: toolpost") / cost("structured: rmcp types"),
        1.0 / 3.0,
    );
    match goals.finish() {
        true => std::process::ExitCode::SUCCESS,
        false => std::process::ExitCode::FAILURE,
    }
}

fn parsed(reply: &[u8]) -> serde_json::Value {
    serde_json::from_slice(reply).expect("a reply is JSON")
}
