//! An audit as a layer around every tool.

use std::sync::atomic::{AtomicBool, Ordering};

use seams::layer::Audit;
use toolpost::tool::{Call, NoArgs, RetryPolicy, ToolError, tool_fn};
use toolpost::{Position, Runtime};

#[tokio::test(start_paused = true)]
async fn each_attempt_leaves_a_line() {
    let (audit, first) = (Audit::default(), AtomicBool::new(true));
    let flaky = tool_fn("flaky", move |_: NoArgs, _: Call| {
        let fails = first.swap(false, Ordering::SeqCst);
        async move { if fails { Err(ToolError::unavailable("later")) } else { Ok("there") } }
    });
    let flaky = flaky.with_spec(|spec| spec.repeatable().with_retry(RetryPolicy::new(2)));
    let builder = Runtime::builder().tool(flaky).layer(Position::AroundAttempt, audit.layer());
    let runtime = builder.build().unwrap();
    assert_eq!(runtime.call("flaky", &NoArgs {}).await.unwrap().as_text(), Some("there"));
    assert_eq!(audit.lines(), ["flaky attempt 1: Unavailable", "flaky attempt 2: Ok"]);
}
