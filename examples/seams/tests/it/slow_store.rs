//! Two runtimes over one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use seams::slow_store::Shared;
use toolpost::Runtime;
use toolpost::cache::{Cache, Capacity, Memory};
use toolpost::layers::ResultCache;
use toolpost::tool::{CachePolicy, Call, NoArgs, tool_fn};

fn runtime(shared: &Shared, runs: &Arc<AtomicUsize>) -> Runtime {
    let runs = Arc::clone(runs);
    let stock = tool_fn("stock", move |_: NoArgs, _: Call| {
        let run = 1 + runs.fetch_add(1, Ordering::SeqCst);
        async move { Ok(format!("as of run {run}")) }
    });
    let policy = CachePolicy::new(Duration::from_secs(60)).tagged("shelf").public();
    let stock = stock.with_spec(|spec| spec.read_only().with_cache(policy));
    let memory = Cache::new(Memory::new(Capacity::entries(100)));
    Runtime::builder()
        .tool(stock)
        .cache(ResultCache::with_slow_store(memory, shared.clone()))
        .build()
        .unwrap()
}

async fn ask(runtime: &Runtime) -> String {
    let answer = runtime.call("stock", &NoArgs {}).await.unwrap().as_text().unwrap().to_owned();
    // What is written behind the answer is written.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    answer
}

#[tokio::test(start_paused = true)]
async fn what_one_runtime_remembers_the_other_finds_and_what_one_forgets_no_other_serves() {
    let (shared, runs) = (Shared::default(), Arc::default());
    let (one, other) = (runtime(&shared, &runs), runtime(&shared, &runs));
    for run in 1..=3 {
        let expected = format!("as of run {run}");
        assert_eq!([ask(&one).await, ask(&other).await, ask(&one).await], [(); 3].map(|()| expected.clone()));
        match run {
            1 => one.cache().invalidate("shelf").await,
            2 => other.cache().invalidate_tool("stock").await,
            _ => assert_eq!(one.cache().clear().await, 1),
        }
    }
    assert_eq!(ask(&other).await, "as of run 4");
}
