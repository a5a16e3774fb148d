//! Measures a step of a workflow beside dagx, dagrs and bare futures.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock and spawns")]

mod graphs;
mod peers;

use std::future::Future;

use harness::{Cases, Counting, Goals};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let one = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let many = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (chain, fan, random) = (graphs::chain(100), graphs::fan(100), graphs::random(1_000));
    let (chain_plan, fan_plan, random_plan) =
        (graphs::plan(&chain), graphs::plan(&fan), graphs::plan(&random));
    let (fan_waiting, random_waiting) = (graphs::waiting(&fan), graphs::waiting(&random));
    let depth = graphs::depth(&random);

    let figures = Cases::new()
        .batch("chain 100, toolpost", each(&one, || async { drop(chain_plan.run(0).await) }))
        .batch(
            "chain 100, toolpost timed",
            each(&one, || async { drop(chain_plan.start(0).timed().run().await) }),
        )
        .batch("chain 100, dagx inline", each(&one, || peers::dagx_inline(&chain)))
        .batch("chain 100, dagrs", each(&many, || peers::dagrs(&chain)))
        .batch("fan 1-100-1, toolpost", each(&one, || async { drop(fan_plan.run(0).await) }))
        .batch("fan 1-100-1, toolpost, two workers", each(&many, || async { drop(fan_plan.run(0).await) }))
        .batch("fan 1-100, dagx inline", each(&one, || peers::dagx_inline(&fan)))
        .batch("fan 1-100, dagx spawned", each(&many, || peers::dagx_spawned(&fan)))
        .batch("fan 1-100-1, dagrs", each(&many, || peers::dagrs(&fan)))
        .batch(
            "100 bare, FuturesUnordered",
            each(&one, || async {
                peers::futures_unordered(100).await;
            }),
        )
        .batch(
            "100 bare, tokio::spawn",
            each(&many, || async {
                peers::spawned(100).await;
            }),
        )
        .batch("random 1000, toolpost", each(&one, || async { drop(random_plan.run(0).await) }))
        .batch("random 1000, dagx inline", each(&one, || peers::dagx_inline(&random)))
        .batch("random 1000, dagx spawned", each(&many, || peers::dagx_spawned(&random)))
        .batch("1 ms steps, fan 1-100-1, toolpost", each(&one, || async { drop(fan_waiting.run(0).await) }))
        .batch(
            "1 ms steps, random 1000, toolpost",
            each(&one, || async { drop(random_waiting.run(0).await) }),
        )
        .batch("1 ms steps, 3 x 100 bare, tokio::spawn", each(&many, three_waits))
        .case("compile chain 100", || graphs::plan(&chain))
        .case("compile fan 1-100-1", || graphs::plan(&fan))
        .case("compile random 1000", || graphs::plan(&random))
        .main();

    let per_step = |case: &str, steps: f64| figures.get(case).map_or(f64::NAN, |f| f.ns / steps);
    let ours = per_step("chain 100, toolpost", 100.0);
    let fan_ours = per_step("fan 1-100-1, toolpost", 102.0);
    println!();
    for (what, ns) in [
        ("chain, toolpost", ours),
        ("chain, toolpost timed", per_step("chain 100, toolpost timed", 100.0)),
        ("chain, dagx inline", per_step("chain 100, dagx inline", 100.0)),
        ("chain, dagrs", per_step("chain 100, dagrs", 100.0)),
        ("fan, toolpost", fan_ours),
        ("fan, dagx inline", per_step("fan 1-100, dagx inline", 101.0)),
        ("fan, dagx spawned", per_step("fan 1-100, dagx spawned", 101.0)),
        ("fan, dagrs", per_step("fan 1-100-1, dagrs", 102.0)),
        ("random, toolpost", per_step("random 1000, toolpost", 1_000.0)),
        ("random, dagx inline", per_step("random 1000, dagx inline", 1_000.0)),
        ("random, dagx spawned", per_step("random 1000, dagx spawned", 1_000.0)),
        ("compile, chain", per_step("compile chain 100", 100.0)),
        ("compile, fan", per_step("compile fan 1-100-1", 102.0)),
        ("compile, random", per_step("compile random 1000", 1_000.0)),
    ] {
        println!("{what:28} {ns:>10.1} ns per step");
    }

    // What a busy machine does not blur.
    let instructions = |case: &str| figures.get(case).and_then(|f| f.instructions).unwrap_or(f64::NAN);
    println!(
        "instructions, as many times: chain, dagx inline {:.2}, dagrs {:.1}; fan, dagx spawned {:.2}, dagrs {:.1}",
        instructions("chain 100, dagx inline") / instructions("chain 100, toolpost"),
        instructions("chain 100, dagrs") / instructions("chain 100, toolpost"),
        instructions("fan 1-100, dagx spawned") / instructions("fan 1-100-1, toolpost"),
        instructions("fan 1-100-1, dagrs") / instructions("fan 1-100-1, toolpost"),
    );

    println!();
    let mut goals = Goals::new();
    goals.time("a ready step of a chain", ours, 150.0);
    goals.time("a ready step of a fan", fan_ours, 150.0);
    goals.at_least(
        "times cheaper than dagx inline on a chain",
        per_step("chain 100, dagx inline", 100.0) / ours,
        2.0,
    );
    goals.at_least(
        "times cheaper than dagx's spawned fan-out",
        per_step("fan 1-100, dagx spawned", 101.0) / fan_ours,
        8.0,
    );
    goals.at_least("times cheaper than dagrs on a chain", per_step("chain 100, dagrs", 100.0) / ours, 30.0);
    goals.at_least(
        "times cheaper than dagrs on a fan",
        per_step("fan 1-100-1, dagrs", 102.0) / fan_ours,
        30.0,
    );
    let waits = per_step("1 ms steps, fan 1-100-1, toolpost", 1.0);
    let bare = per_step("1 ms steps, 3 x 100 bare, tokio::spawn", 1.0);
    goals.at_most("1 ms steps: time of a fan, of that of bare tasks in three waves", waits / bare, 1.1);
    let random_waits = per_step("1 ms steps, random 1000, toolpost", depth as f64);
    goals.at_most(
        "1 ms steps: time of a random graph, of that of its longest path",
        random_waits / (bare / 3.0),
        1.1,
    );
    std::process::exit(i32::from(!goals.finish()));
}

async fn three_waits() {
    peers::spawned_waiting(1).await;
    peers::spawned_waiting(100).await;
    peers::spawned_waiting(1).await;
}

/// A batch that blocks once on all of its runs, so that entering the runtime is not part of the figure.
fn each<'a, F: Future<Output = ()>>(runtime: &'a Runtime, run: impl Fn() -> F + 'a) -> impl FnMut(u64) + 'a {
    move |n| {
        runtime.block_on(async {
            for _ in 0..n {
                run().await;
            }
        });
    }
}
