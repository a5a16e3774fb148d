//! An order in seven steps, looked up in parallel, charged once, finished after a crash:
//! `cargo run -p workflow_without_mcp`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example prints, and pretends to work"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use toolpost_runs::FileJournal;
use toolpost_workflow::{
    InvalidPlan, MapOptions, OnFailure, OnUnknown, Plan, StepError, StepPolicy, Workflow,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let plan = plan()?;
    println!("{}", plan.graph().to_mermaid());

    let directory = tempfile::tempdir()?;
    let path = directory.path().join("orders");

    // The first life of the run ends after 90 ms: dropping a run is how to cancel it, and as good as a crash.
    let journal = Arc::new(FileJournal::open(&path)?);
    let cut_short = timeout(Duration::from_millis(90), plan.start(42).journal(journal, "order 42").run());
    println!("first life: {}", if cut_short.await.is_err() { "cut short" } else { "finished" });

    // The second runs only what is missing. Whether the card was charged, nobody but its owner can say.
    let journal = Arc::new(FileJournal::open(&path)?);
    let report = plan
        .start(42)
        .timed()
        .journal(journal, "order 42")
        .decide_unknown(|step| {
            println!("`{step}` was started before the crash: run it again");
            OnUnknown::Retry
        })
        .listen(|event| println!("{:>2}/{} {:?}", event.completed, event.total, event.kind))
        .run()
        .await;
    println!("{}", report.run().timeline(Instant::now(), 60));
    println!("receipt: {}", report.into_result()?);
    Ok(())
}

fn plan() -> Result<Plan<u64, String>, InvalidPlan> {
    let reads = StepPolicy::new().repeatable().time_limit(Duration::from_secs(1));

    let mut w = Workflow::<u64>::new("order");
    let order = w.input();
    let customer = w.step("customer").policy(reads.clone()).run(order, |order| async move {
        sleep(Duration::from_millis(40)).await;
        Ok(format!("customer of order {order}"))
    });
    let items = w.step("items").policy(reads.clone()).run(order, |_| async {
        sleep(Duration::from_millis(20)).await;
        Ok(vec![3_u64, 5, 8, 13, 21])
    });
    // One failure in five is tolerated: four prices are better than none.
    let prices = w.step("prices").policy(reads.clone()).map(
        MapOptions::new(4).tolerate_share(0.2),
        items,
        |item| async move {
            sleep(Duration::from_millis(10)).await;
            if item == 13 { Err(StepError::message("item 13 has no price")) } else { Ok(item * 100) }
        },
    );
    let total = w.step("total").compute(prices, |prices| prices.iter().flatten().sum::<u64>());
    // Not declared repeatable: its start is on disk before it begins, and nobody repeats it unasked.
    let retry = StepPolicy::new().retry(3, Duration::from_millis(10)).retry_jitter();
    let charged = w.step("charge").policy(retry).when(total, |total| 0 < *total).run_with(
        total,
        |step, _, total| async move {
            sleep(Duration::from_millis(100)).await;
            let key = step.idempotency_key().ok_or("a run that charges needs a name")?;
            Ok(format!("{total} cents under the key `{key}`"))
        },
    );
    // A courtesy: the order stands without it.
    let greeting = w
        .step("greeting")
        .policy(reads.on_failure(OnFailure::Allow))
        .run(customer, |customer| async move { Ok(format!("dear {customer}")) });
    let receipt = w.step("receipt").compute((greeting.optional(), charged), |(greeting, charged)| {
        format!("{}: {charged}", greeting.as_deref().map_or("hello", String::as_str))
    });
    w.record(customer);
    w.record(total);
    w.record(charged);
    w.record(greeting);
    w.record(receipt);
    w.build(receipt)
}
