//! The acceptance cases of a workflow executor, one test each, on a paused clock.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests wait on the paused clock, and fail by panic"
)]

use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use toolpost_workflow::rt::{RunReport, StepLimit};
use toolpost_workflow::{
    AfterFailure, Cause, EventKind, Fault, Graph, MapOptions, OnFailure, Plan, Run, RunOptions, RunOutcome,
    StepError, StepHandle, StepPolicy, StepState, Workflow, all, any,
};

fn n(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn state<O: Send + Sync + 'static>(report: &RunReport<O>, step: &str) -> StepState {
    let run = report.run();
    run.state(run.graph().find(step).unwrap())
}

/// Reads `"a; b <- a; c <- a b"`, each step waiting `10 ms`, failing when its name ends with `!`.
fn graph(text: &str) -> Graph<(), u64> {
    let mut graph = Graph::new("test");
    for step in text.split(';') {
        let (name, needs) = step.split_once("<-").unwrap_or((step, ""));
        let name = name.trim().to_owned();
        let fails = name.ends_with('!');
        graph.step(&name).needs(needs.split_whitespace()).run(move |_| async move {
            sleep(ms(10)).await;
            if fails { Err(StepError::message("told to fail")) } else { Ok(1) }
        });
    }
    graph
}

/// The names in order of their end, and the makespan in milliseconds.
async fn order(text: &str) -> (String, u128) {
    let last = text.rsplit(';').next().unwrap().split("<-").next().unwrap().trim();
    let plan = graph(text).build(last).unwrap();
    let start = Instant::now();
    let report = plan.run(()).await;
    let names: Vec<&str> = report.run().ended().iter().map(|&s| plan.graph().step_name(s)).collect();
    (names.join(" "), start.elapsed().as_millis())
}

#[tokio::test(start_paused = true)]
async fn linear_parallel_diamond_and_eight_steps() {
    assert_eq!(order("a; b <- a; c <- b").await, ("a b c".to_owned(), 30));
    assert_eq!(order("a; b; c").await, ("a b c".to_owned(), 10));
    assert_eq!(order("a; b <- a; c <- a; d <- b c").await, ("a b c d".to_owned(), 30));
    let eight = "a; b; c <- a; d <- a b; e <- b; f <- c d; g <- d e; h <- f g";
    assert_eq!(order(eight).await, ("a b c d e f g h".to_owned(), 40));
}

#[test]
fn roots_and_what_a_completion_readies() {
    let now = std::time::Instant::now();
    let plan = graph("a; b; c <- a; d <- a b").build("d").unwrap();
    let shape = plan.graph();
    let roots: Vec<_> = shape.steps().filter(|&s| shape.dependencies(s).len() == 0).collect();
    let step = |name| shape.find(name).unwrap();
    assert_eq!(roots, [step("a"), step("b")]);
    let mut run = Run::new(Arc::clone(shape), RunOptions::default());
    assert_eq!(run.start_next(now), Some(step("a")));
    assert_eq!(run.start_next(now), Some(step("b")));
    assert_eq!(run.start_next(now), None);
    run.succeed(step("a"), now);
    assert_eq!((run.state(step("c")), run.state(step("d"))), (StepState::Ready, StepState::Waiting));
    run.succeed(step("b"), now);
    assert_eq!(run.state(step("d")), StepState::Ready);
}

#[test]
fn cycles_and_missing_dependencies_are_named() {
    let faults = |text| graph(text).build("a").unwrap_err().faults().to_vec();
    let cycle = |path: &str| Fault::Cycle { path: path.split(' ').map(str::to_owned).collect() };
    assert_eq!(faults("a <- c; b <- a; c <- b"), [cycle("a b c a")]);
    assert_eq!(faults("a <- a"), [cycle("a a")]);
    assert_eq!(faults("a <- x"), [Fault::Missing { step: "a".to_owned(), dependency: "x".to_owned() }]);
}

#[test]
fn all_faults_at_once_and_a_dependency_twice_is_one() {
    let error = graph("a <- b x; b <- a y; a; c <- d; d <- c").build("z").unwrap_err();
    let text = error.to_string();
    for part in ["declared twice", "`x`", "`y`", "a -> b -> a", "c -> d -> c", "the output is no step"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    assert_eq!(error.faults().len(), 6);
    let plan = graph("a; b <- a a a").build("b").unwrap();
    assert_eq!(plan.graph().dependencies(plan.graph().find("b").unwrap()).len(), 1);
}

#[tokio::test]
async fn a_chain_and_a_fan_of_100_000_steps() {
    let count = 100_000;
    let mut w = Workflow::<u64>::new("chain");
    let mut last = w.input();
    for i in 0..count {
        last = w.step(&i.to_string()).run(last, |x: Arc<u64>| async move { Ok(*x + 1) });
    }
    let report = w.build(last).unwrap().run(0).await;
    assert_eq!(*report.into_result().unwrap(), count);

    let mut w = Workflow::<u64>::new("fan");
    let input = w.input();
    let wide: Vec<StepHandle<u64>> =
        (0..count).map(|i| w.step(&i.to_string()).compute(input, move |x| *x + i)).collect();
    let sum = w.step("sum").compute(all(wide), |all| all.iter().map(|x| **x).sum::<u64>());
    let report = w.build(sum).unwrap().run(0).await;
    assert_eq!(*report.into_result().unwrap(), count * (count - 1) / 2);

    // The same chain by name and back to front, which takes petgraph; and as a cycle.
    let mut g = Graph::<(), u64>::new("names");
    for i in 0..count {
        g.step(&i.to_string()).needs((i + 1 < count).then(|| (i + 1).to_string())).compute(|_| 1);
    }
    assert_eq!(g.build("0").unwrap().run(()).await.outcome(), RunOutcome::Succeeded);
    let mut g = Graph::<(), u64>::new("ring");
    for i in 0..count {
        g.step(&i.to_string()).needs([((i + 1) % count).to_string()]).compute(|_| 1);
    }
    assert!(matches!(g.build("0").unwrap_err().faults(), [Fault::Cycle { path }] if path.len() == 100_001));
}

// When the first of so many fails.
#[tokio::test]
async fn a_failure_skips_100_000_descendants_without_a_stack() {
    let mut w = Workflow::<u64>::new("chain");
    let input = w.input();
    let mut last = w.step("first").run(input, |_| async { Err::<u64, _>(StepError::message("no")) });
    for i in 0..100_000 {
        last = w.step(&i.to_string()).compute(last, |x| *x);
    }
    let report = w.build(last).unwrap().run(0).await;
    assert_eq!(report.outcome(), RunOutcome::Failed);
    assert_eq!(state(&report, "99999"), StepState::Skipped);
    let run = report.run();
    assert_eq!(run.causes(run.graph().find("99999").unwrap()).count(), 100_001);
}

#[tokio::test(start_paused = true)]
async fn a_failure_skips_descendants_and_nothing_else() {
    let text = "a; bad! <- a; child <- bad!; grandchild <- child; free <- a; freer <- free";
    let plan = graph(text).build("freer").unwrap();
    let report = plan.run(()).await;
    assert_eq!(report.outcome(), RunOutcome::Failed);
    assert_eq!(state(&report, "bad!"), StepState::Failed);
    assert_eq!(state(&report, "child"), StepState::Skipped);
    assert_eq!(state(&report, "grandchild"), StepState::Skipped);
    assert_eq!(state(&report, "freer"), StepState::Succeeded);
    assert_eq!(report.output().as_deref(), Some(&1), "a partial result");
    let run = report.run();
    let chain: Vec<String> =
        run.causes(plan.graph().find("grandchild").unwrap()).map(|(_, cause)| cause.to_string()).collect();
    assert_eq!(chain.last().unwrap(), "told to fail");
    assert_eq!(chain.len(), 3);
}

// Fail-fast.
#[tokio::test(start_paused = true)]
async fn a_failure_may_end_the_run() {
    let plan = graph("bad!; child <- bad!; slow; slower <- slow").build("slower").unwrap();
    let start = Instant::now();
    let report = plan.start(()).on_failure(OnFailure::FailFast).run().await;
    assert_eq!(start.elapsed(), ms(10));
    assert_eq!(state(&report, "child"), StepState::Skipped);
    assert_eq!(state(&report, "slower"), StepState::Cancelled);
    assert!(report.run().is_finished(), "no step is left pending");
    let error = report.into_result().unwrap_err();
    assert_eq!(error.to_string(), "step `bad!` of workflow `test` failed: told to fail");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "told to fail");
}

// Fail-fast by one step: running siblings are dropped.
#[tokio::test(start_paused = true)]
async fn fail_fast_drops_running_siblings() {
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let mut w = Workflow::<()>::new("w");
    let counter = Arc::clone(&dropped);
    let long = w.step("long").run((), move |()| {
        let guard = Dropped(Arc::clone(&counter));
        async move {
            sleep(ms(1_000)).await;
            drop(guard);
            Ok(())
        }
    });
    w.step("bad").policy(StepPolicy::new().on_failure(OnFailure::FailFast)).run((), |()| async {
        sleep(ms(5)).await;
        Err::<(), _>(StepError::message("no"))
    });
    let start = Instant::now();
    let report = w.build(long).unwrap().run(()).await;
    assert_eq!((start.elapsed(), dropped.load(Ordering::Relaxed)), (ms(5), 1));
    let run = report.run();
    let long = run.graph().find("long").unwrap();
    assert!(matches!(run.causes(long).last(), Some((_, Cause::Error(_)))));
    assert_eq!(state(&report, "long"), StepState::Cancelled);
}

// Allowed.
#[tokio::test(start_paused = true)]
async fn a_failure_may_be_allowed() {
    let mut w = Workflow::<()>::new("w");
    let geo = w
        .step("geo")
        .policy(StepPolicy::new().on_failure(OnFailure::Allow))
        .run((), |()| async { Err::<u64, _>(StepError::message("no")) });
    let out = w.step("out").compute(geo.optional(), |geo| geo.map_or(0, |g| *g));
    let report = w.build(out).unwrap().run(()).await;
    assert_eq!(*report.into_result().unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_run_and_of_runs_together() {
    let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut w = Workflow::<()>::new("w");
    let handles: Vec<StepHandle<()>> = (0..20)
        .map(|i| {
            let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
            w.step(&i.to_string()).run((), move |()| {
                let (running, peak) = (Arc::clone(&running), Arc::clone(&peak));
                async move {
                    peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sleep(ms(10)).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                }
            })
        })
        .collect();
    let plan = w.build(handles[0]).unwrap();
    let start = Instant::now();
    assert_eq!(plan.start(()).limit(2).run().await.outcome(), RunOutcome::Succeeded);
    assert_eq!((peak.swap(0, Ordering::SeqCst), start.elapsed()), (2, ms(100)));

    let (start, limit) = (Instant::now(), StepLimit::new(3));
    let runs = [0; 3].map(|_| plan.start(()).shared_limit(&limit).limit(2).run());
    let [a, b, c] = runs;
    let (a, b, c) = tokio::join!(a, b, c);
    assert!([a, b, c].iter().all(|report| report.outcome() == RunOutcome::Succeeded));
    assert_eq!((peak.load(Ordering::SeqCst), start.elapsed()), (3, ms(200)));
}

// A shared permit goes round among runs, and comes back from one that is dropped.
#[tokio::test(start_paused = true)]
async fn a_shared_permit_is_fair_and_never_lost() {
    let plan = graph("a; b <- a; c <- b").build("c").unwrap();
    let limit = StepLimit::new(1);
    let one = || -> Pin<Box<dyn Future<Output = RunReport<u64>>>> {
        Box::pin(plan.start(()).shared_limit(&limit).run())
    };
    let (first, second) = (one(), one());
    let done = Arc::new(Mutex::new(Vec::new()));
    let at = |name: &'static str,
              run: Pin<Box<dyn Future<Output = RunReport<u64>>>>,
              done: Arc<Mutex<Vec<&'static str>>>| async move {
        run.await;
        done.lock().unwrap().push(name);
    };
    let start = Instant::now();
    tokio::join!(at("first", first, Arc::clone(&done)), at("second", second, Arc::clone(&done)));
    assert_eq!((start.elapsed(), done.lock().unwrap().clone()), (ms(60), vec!["first", "second"]));

    let mut holder = Box::pin(plan.start(()).shared_limit(&limit).run());
    let mut waiter = Box::pin(plan.start(()).shared_limit(&limit).run());
    assert!(futures(&mut holder).await.is_pending());
    assert!(futures(&mut waiter).await.is_pending());
    drop(holder);
    assert!(futures(&mut waiter).await.is_pending());
    drop(waiter);
    // Given to a run that nobody polls any more, it is back when that is dropped.
    let mut holder = Box::pin(plan.start(()).shared_limit(&limit).run());
    let mut waiter = Box::pin(plan.start(()).shared_limit(&limit).run());
    assert!(futures(&mut holder).await.is_pending());
    assert!(futures(&mut waiter).await.is_pending());
    drop(holder);
    drop(waiter);
    assert_eq!(plan.start(()).shared_limit(&limit).run().await.outcome(), RunOutcome::Succeeded);
}

async fn futures<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn no_barrier_between_levels() {
    let mut w = Workflow::<()>::new("w");
    let fast = w.step("fast").run((), |()| async {
        sleep(ms(10)).await;
        Ok(())
    });
    w.step("slow").run((), |()| async {
        sleep(ms(300)).await;
        Ok(())
    });
    let started = Instant::now();
    let after = w.step("after_fast").run(fast, move |_| async move { Ok(started.elapsed()) });
    let report = w.build(after).unwrap().run(()).await;
    assert_eq!(*report.into_result().unwrap(), ms(10));
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_in_order_and_may_panic() {
    let plan = graph("a; b <- a; bad!; c <- bad!").build("b").unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let start = plan.start(()).listen(|_| panic!("a bad listener")).listen(move |event| {
        log.lock().unwrap().push(match &event.kind {
            EventKind::Started { name, .. } => format!("+{name}"),
            EventKind::Ended { name, state, .. } => {
                format!("{name} {state} {}/{}", event.completed, event.total)
            }
            other => format!("{other:?}"),
        });
    });
    let report = start.run().await;
    assert_eq!(state(&report, "b"), StepState::Succeeded);
    let wanted = [
        "+a",
        "+bad!",
        "a succeeded 1/4",
        "bad! failed 2/4",
        "c skipped 3/4",
        "+b",
        "b succeeded 4/4",
        "Finished(Failed)",
    ];
    assert_eq!(*heard.lock().unwrap(), wanted);
}

#[tokio::test(start_paused = true)]
async fn drawings_show_nodes_edges_and_the_run() {
    let mut g = graph("a; \"b\" <- a");
    g.step("late").after(["a"]).needs_any(["\"b\""]).policy(StepPolicy::new().retry(2, ms(7))).run(
        |inputs| async move {
            if inputs.context.attempt() == 1 { Err(StepError::message("once")) } else { Ok(2) }
        },
    );
    let plan = g.build("late").unwrap();
    let mermaid = plan.graph().to_mermaid();
    assert!(mermaid.starts_with("flowchart LR\n    s0[\"a\"]\n    s1[\"&quot;b&quot;\"]\n"), "{mermaid}");
    assert!(mermaid.contains("s0 --> s1\n    s0 -.-> s2\n    s1 -- any --> s2"), "{mermaid}");
    assert!(plan.graph().to_dot().contains("s1 [label=\"\\\"b\\\"\""));
    let report = plan.start(()).timed().run().await;
    assert!(
        report.run().to_mermaid().contains("late<br/>succeeded, 0ns, 2 attempts\"]:::succeeded"),
        "{}",
        report.run().to_mermaid()
    );
    assert!(report.run().to_dot().contains("a\\nsucceeded, 10ms"));
    let text = report.run().timeline(std::time::Instant::now(), 27);
    assert!(
        text.starts_with("a    |##########                 | 10ms succeeded\n")
            && text.contains("                          #| 0ns"),
        "{text}"
    );
    let svg = report.run().timeline_svg(std::time::Instant::now());
    assert!(svg.contains("(27ms)") && svg.contains("<rect") && svg.ends_with("</svg>\n"), "{svg}");
}

#[tokio::test(start_paused = true)]
async fn time_limits_and_retries_with_backoff() {
    let mut w = Workflow::<()>::new("w");
    let policy = StepPolicy::new().retry(4, ms(10)).time_limit(ms(50)).repeatable();
    let third = w.step("third").policy(policy.clone()).run_with((), |cx, _, ()| async move {
        match cx.attempt() {
            1 => Err(StepError::message("first")),
            2 => {
                sleep(ms(1_000)).await;
                Ok(0)
            }
            attempt => Ok(attempt),
        }
    });
    w.step("never").policy(policy).run((), |()| async { Err::<(), _>(StepError::message("always")) });
    let start = Instant::now();
    let report = w.build(third).unwrap().start(()).timed().run().await;
    assert_eq!(report.output().as_deref(), Some(&3));
    let run = report.run();
    let never = run.graph().find("never").unwrap();
    assert_eq!((run.attempts(never), run.state(never)), (4, StepState::Failed));
    // third: 10 ms of backoff, 50 ms until overrun, 20 ms of backoff; never: 10 + 20 + 40.
    let third = run.graph().find("third").unwrap();
    assert_eq!(run.ended_at(third).unwrap() - start.into_std(), ms(80));
    assert_eq!(run.ended_at(never).unwrap() - start.into_std(), ms(70));
}

/// Elsewhere the wait overflows at the 32nd or the 64th attempt, before the cap is applied: a panic, or no wait at all.
#[test]
fn no_attempt_is_one_too_many() {
    let policy = StepPolicy::new().retry(u32::MAX, ms(1_000));
    for made in (7..70).chain([1_000, u32::MAX - 1]) {
        assert_eq!(policy.retry_delay(made, 0), Some(ms(60_000)), "{made}");
    }
    assert_eq!(policy.longest_retry_wait(ms(10)).retry_delay(1, 0), Some(ms(10)), "shorter than the first");
    let endless = StepPolicy::new().retry(u32::MAX, Duration::MAX).longest_retry_wait(Duration::MAX);
    assert_eq!(endless.retry_delay(5, 0), Some(Duration::MAX));
    for entropy in 0..1_000 {
        assert!(endless.clone().retry_jitter().retry_delay(5, entropy).is_some());
    }
}

/// Elsewhere what is under way is cancelled in whatever order, so that no two runs end alike.
#[test]
fn a_run_is_driven_by_hand_and_ends_the_same_each_time() {
    let start = std::time::Instant::now();
    let mut g = Graph::<(), u64>::new("g");
    g.step("slow").policy(StepPolicy::new().time_limit(ms(10)).retry(2, ms(5)).repeatable()).compute(|_| 1);
    g.step("bad")
        .policy(StepPolicy::new().retry(2, Duration::MAX).longest_retry_wait(Duration::MAX))
        .compute(|_| 1);
    for name in ["c", "d", "e"] {
        g.step(name).needs(["slow"]).compute(|_| 1);
    }
    let plan = g.build("e").unwrap();
    let step = |name| plan.graph().find(name).unwrap();
    let (slow, bad) = (step("slow"), step("bad"));
    for _ in 0..2 {
        let deadline = Some(start + ms(100));
        let mut run = Run::new(Arc::clone(plan.graph()), RunOptions { deadline, ..RunOptions::default() });
        assert_eq!((run.start_next(start), run.start_next(start)), (Some(slow), Some(bad)));
        run.start_time_limit(slow, start);
        assert_eq!(
            run.fail(bad, "no".into(), start),
            AfterFailure::Failed,
            "no clock shows the end of its wait"
        );
        assert_eq!(run.next_wake(), Some(start + ms(10)));
        assert_eq!(run.due(start + ms(9)), None);
        assert_eq!(run.due(start + ms(10)), Some((slow, AfterFailure::Retry(start + ms(15)))));
        assert_eq!(run.start_next(start + ms(14)), None);
        assert_eq!(run.due(start + ms(15)), None);
        assert_eq!(run.start_next(start + ms(15)), Some(slow));
        // Its first attempt is heard of too late.
        run.succeed(bad, start + ms(16));
        assert_eq!(run.state(bad), StepState::Failed);
        assert!(!run.expire(start + ms(99)) && run.expire(start + ms(100)) && !run.expire(start + ms(101)));
        let ended: Vec<_> = run.ended().iter().map(|&step| plan.graph().step_name(step)).collect();
        assert_eq!(ended, ["bad", "slow", "c", "d", "e"], "cancelled in the order of declaration");
        assert_eq!((run.outcome(), run.next_wake()), (Some(RunOutcome::Failed), None));
        run.succeed(slow, start + ms(102));
        assert_eq!((run.state(slow), run.running()), (StepState::Cancelled, 0), "each ends once");
    }
}

// What is not safe to repeat is not retried when nobody knows what it did.
#[tokio::test(start_paused = true)]
async fn overruns_and_panics_of_unrepeatable_steps_are_final() {
    let retry = StepPolicy::new().retry(5, ms(1));
    let mut w = Workflow::<()>::new("w");
    let over = w.step("over").policy(retry.clone().time_limit(ms(20))).run((), |()| async {
        sleep(ms(500)).await;
        Ok(())
    });
    w.step("panics").policy(retry.clone()).run((), |()| async { panic!("oh no") as Result<(), _> });
    w.step("panics at once").run((), |()| -> std::future::Ready<Result<(), StepError>> { panic!("oh dear") });
    w.step("permanent")
        .policy(retry)
        .run((), |()| async { Err::<(), _>(StepError::message("no").permanent()) });
    let report = w.build(over).unwrap().run(()).await;
    let run = report.run();
    for step in ["over", "panics", "panics at once", "permanent"] {
        assert_eq!(
            (state(&report, step), run.attempts(run.graph().find(step).unwrap())),
            (StepState::Failed, 1),
            "{step}"
        );
    }
    let cause = |step| run.cause(run.graph().find(step).unwrap()).unwrap().to_string();
    assert_eq!(
        (cause("over"), cause("panics")),
        ("ran longer than 20ms".to_owned(), "panicked: oh no".to_owned())
    );
    assert_eq!(cause("panics at once"), "panicked: oh dear");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_cancels_what_runs_and_marks_the_rest() {
    let mut w = Workflow::<()>::new("w");
    let slow =
        w.step("slow").policy(StepPolicy::new().time_limit(ms(90))).run_with((), |cx, _, ()| async move {
            assert_eq!(cx.deadline(), Some((Instant::now() + ms(30)).into_std()), "what is left flows down");
            sleep(ms(80)).await;
            Ok(())
        });
    let after = w.step("after").run(slow, |_| async { Ok(()) });
    w.step("quick").run((), |()| async { Ok(()) });
    let start = Instant::now();
    let report = w.build(after).unwrap().start(()).deadline((start + ms(30)).into_std()).run().await;
    assert_eq!((start.elapsed(), report.outcome()), (ms(30), RunOutcome::Cancelled));
    assert_eq!([state(&report, "slow"), state(&report, "after")], [StepState::Cancelled; 2]);
    assert_eq!(state(&report, "quick"), StepState::Succeeded);
    assert!(report.into_result().unwrap_err().to_string().contains("deadline"));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_cancels_it_and_each_step_ends_once() {
    let plan = graph("a; b; c <- a; d <- c b").build("d").unwrap();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ends);
    let run = plan.start(()).listen(move |event| match &event.kind {
        EventKind::Ended { name, state, .. } => log.lock().unwrap().push(format!("{name} {state}")),
        EventKind::Finished(outcome) => log.lock().unwrap().push(format!("{outcome:?}")),
        _ => {}
    });
    let _ = tokio::time::timeout(ms(15), run.run()).await;
    let wanted = ["a succeeded", "b succeeded", "c cancelled", "d cancelled", "Cancelled"];
    assert_eq!(*ends.lock().unwrap(), wanted);
}

// Pause and progress.
#[tokio::test(start_paused = true)]
async fn a_run_pauses_and_goes_on() {
    let plan = graph("a; b <- a; c <- b").build("c").unwrap();
    let (start, control) = plan.start(()).control();
    let begun = Instant::now();
    let (report, ()) = tokio::join!(start.run(), async {
        sleep(ms(5)).await;
        control.pause();
        sleep(ms(100)).await;
        assert_eq!(control.progress(), (1, 3));
        control.resume();
    });
    assert_eq!((report.outcome(), begun.elapsed()), (RunOutcome::Succeeded, ms(125)));
    assert_eq!(control.progress(), (3, 3));
}

#[tokio::test]
async fn a_value_of_no_dependency_is_refused_by_name() {
    let mut g = Graph::<(), u64>::new("g");
    g.step("a").compute(|_| 1);
    g.step("b").run(|inputs| async move { Ok(**inputs.need("a")?) });
    let report = g.build("b").unwrap().run(()).await;
    let error = report.into_result().unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "`a` is no dependency of step `b`");

    let mut one = Workflow::<u64>::new("one");
    let foreign = Workflow::<u64>::new("other").input();
    let own = one.step("s").compute(foreign, |x| *x);
    assert_eq!(one.build(own).unwrap_err().faults(), [Fault::Foreign { step: "s".to_owned() }]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_runs_of_one_plan_share_nothing() {
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let a = w.step("a").run(input, |x| async move {
        sleep(ms(*x % 7)).await;
        Ok(*x * 2)
    });
    let b = w.step("b").run((a, input), |(a, x)| async move { Ok(*a + *x) });
    let plan: Plan<u64, u64> = w.build(b).unwrap();
    let runs: Vec<_> = (0..100).map(|i| (i, tokio::spawn(plan.run(i)))).collect();
    for (i, run) in runs {
        assert_eq!(*run.await.unwrap().into_result().unwrap(), 3 * i);
    }
}

/// The memory of a run is handed on; what was in it is not.
#[tokio::test]
async fn a_run_finds_nothing_of_the_one_before() {
    let mut w = Workflow::<bool>::new("w");
    let input = w.input();
    let first = w.step("first").run(input, |fails| async move {
        if *fails { Err(StepError::message("told to")) } else { Ok(String::from("a value")) }
    });
    let then = w.step("then").compute(first, |first| first.len());
    let plan = w.build(then).unwrap();
    let value = Arc::downgrade(&plan.run(false).await.value(first).unwrap());
    assert!(value.upgrade().is_none(), "the values went with the report");
    for _ in 0..3 {
        let good = plan.run(false).await;
        assert_eq!((good.outcome(), good.output().as_deref()), (RunOutcome::Succeeded, Some(&7)));
        drop(good);
        let bad = plan.run(true).await;
        assert_eq!((bad.outcome(), bad.value(first), bad.output()), (RunOutcome::Failed, None, None));
        assert_eq!(
            (state(&bad, "then"), bad.run().attempts(bad.run().graph().find("then").unwrap())),
            (StepState::Skipped, 0)
        );
    }
}

#[tokio::test]
async fn conditions_skip_and_dependents_see_it() {
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let mail = w.step("mail").when(input, |x| 10 < *x).run(input, |x| async move { Ok(*x) });
    w.step("needs it").compute(mail, |x| *x);
    let out = w.step("copes").compute(mail.optional(), |mail| mail.map(|m| *m));
    let plan = w.build(out).unwrap();
    assert_eq!(*plan.run(11).await.into_result().unwrap(), Some(11));
    let report = plan.run(3).await;
    assert_eq!([state(&report, "mail"), state(&report, "needs it")], [StepState::Skipped; 2]);
    assert_eq!(report.outcome(), RunOutcome::Succeeded);
    let run = report.run();
    assert!(matches!(run.causes(run.graph().find("needs it").unwrap()).last(), Some((_, Cause::Condition))));
    assert_eq!(*report.into_result().unwrap(), None);
}

// Joining on any.
#[tokio::test(start_paused = true)]
async fn the_first_success_of_several_is_enough() {
    let after = |time: u64, works: bool| {
        move |()| async move {
            sleep(ms(time)).await;
            if works { Ok(time) } else { Err(StepError::message("no")) }
        }
    };
    let mut w = Workflow::<()>::new("w");
    let allow = StepPolicy::new().on_failure(OnFailure::Allow);
    let a = w.step("a").policy(allow.clone()).run((), after(10, false));
    let b = w.step("b").run((), after(20, true));
    let c = w.step("c").run((), after(30, true));
    let begun = Instant::now();
    let first = w.step("first").run(any([a, b, c]), move |x| async move { Ok((*x, begun.elapsed())) });
    let none = w.step("none").compute(any([a]), |x| *x);
    let report = w.build(first).unwrap().run(()).await;
    assert_eq!(report.output().as_deref(), Some(&(20, ms(20))));
    assert_eq!(report.value(none), None);
    assert_eq!((state(&report, "none"), report.outcome()), (StepState::Skipped, RunOutcome::Succeeded));
}

#[tokio::test]
async fn an_empty_workflow_succeeds() {
    let w = Workflow::<u64>::new("empty");
    let input = w.input();
    assert_eq!(*w.build(input).unwrap().run(7).await.into_result().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_mapped_with_concurrency_and_tolerance() {
    let plan = |rule: MapOptions| {
        let mut w = Workflow::<Vec<u64>>::new("w");
        let input = w.input();
        let each = w.step("each").map(rule, input, |x| async move {
            sleep(ms(10)).await;
            if x % 5 == 0 { Err(StepError::message(format!("bad {x}"))) } else { Ok(x * 2) }
        });
        w.build(each).unwrap()
    };
    let start = Instant::now();
    let report = plan(MapOptions::new(4).tolerate(2)).run((0..10).collect()).await;
    assert_eq!(start.elapsed(), ms(30));
    let out = report.into_result().unwrap();
    let shown: Vec<String> =
        out.iter().map(|r| r.as_ref().map_or_else(ToString::to_string, ToString::to_string)).collect();
    assert_eq!(shown, ["bad 0", "2", "4", "6", "8", "bad 5", "12", "14", "16", "18"]);

    let start = Instant::now();
    let report = plan(MapOptions::new(2).tolerate_share(0.19)).run((0..10).collect()).await;
    assert_eq!(start.elapsed(), ms(30), "the rest is dropped");
    let error = std::error::Error::source(&report.into_result().unwrap_err()).unwrap().to_string();
    assert_eq!(error, "2 of 10 items failed, the last (item 5) with: bad 5");
    assert!(plan(MapOptions::new(1)).run(Vec::new()).await.into_result().unwrap().is_empty());
}

#[tokio::test]
async fn a_plan_inside_a_plan() {
    let mut w = Workflow::<u64>::new("inner");
    let input = w.input();
    let double = w.step("double").compute(input, |x| *x * 2);
    let sum = w.step("sum").compute((double, input), |(a, b)| *a + *b);
    let inner = w.build(sum).unwrap();

    let mut w = Workflow::<u64>::new("middle");
    let ten = w.step("ten").compute((), |()| 10_u64);
    let input = w.input();
    let first = w.embed("first", ten, &inner);
    let second = w.embed("second", input, &inner);
    let both = w.step("both").compute((first, second), |(a, b)| *a + *b);
    let middle = w.build(both).unwrap();

    let mut w = Workflow::<()>::new("outer");
    let one = w.step("one").compute((), |()| 1_u64);
    let out = w.embed("middle", one, &middle);
    let plan = w.build(out).unwrap();
    let report = plan.run(()).await;
    assert!(plan.graph().find("middle/first/double").is_some());
    assert_eq!(*report.into_result().unwrap(), 30 + 3);
}

#[tokio::test]
async fn a_spawned_step_is_a_task_of_its_own() {
    let mut w = Workflow::<()>::new("w");
    let spawned = StepPolicy::new().spawned();
    let own = w.step("own").policy(spawned.clone()).run((), |()| async { Ok(tokio::task::try_id()) });
    let here = w.step("here").run((), |()| async { Ok(tokio::task::try_id()) });
    w.step("panics").policy(spawned).run((), |()| async { panic!("in a task") as Result<(), _> });
    let both = w.step("both").compute((own, here), |(a, b)| (*a, *b));
    let report = w.build(both).unwrap().run(()).await;
    let (own, here) = *report.output().unwrap();
    assert_ne!(own, here);
    assert_eq!(state(&report, "panics"), StepState::Failed);
}

#[test]
fn the_longest_remaining_path_goes_first_then_the_order_of_declaration() {
    let plan = graph("a; b; b2 <- b; c; c2 <- c; c3 <- c2").build("a").unwrap();
    let now = std::time::Instant::now();
    let rules = RunOptions { limit: Some(n(1)), ..Default::default() };
    let mut run = Run::new(Arc::clone(plan.graph()), rules);
    let mut order = Vec::new();
    while let Some(step) = run.start_next(now) {
        order.push(plan.graph().step_name(step));
        run.succeed(step, now);
    }
    assert_eq!(order, ["c", "b", "c2", "a", "b2", "c3"]);
}

#[test]
fn the_version_tells_plans_apart() {
    let version = |text| graph(text).build("a").unwrap().graph().version();
    assert_eq!(version("a; b <- a"), version("a; b <- a"));
    assert_ne!(version("a; b <- a"), version("a; b"));
    assert_ne!(version("a; b <- a"), version("a; c <- a"));
    let mut other = graph("a; b <- a");
    other.revision("2");
    assert_ne!(version("a; b <- a"), other.build("a").unwrap().graph().version());
}

/// A graph of steps that end at a time, well or not: `"a 10; b 5!"`.
fn timed(text: &str) -> Graph<(), u64> {
    let mut graph = Graph::new("test");
    for step in text.split("; ") {
        let (name, time) = step.split_once(' ').unwrap();
        let fails = time.ends_with('!');
        let time: u64 = time.trim_end_matches('!').parse().unwrap();
        graph.step(name).run(move |_| async move {
            sleep(ms(time)).await;
            if fails { Err("told to fail".into()) } else { Ok(time) }
        });
    }
    graph
}

/// When `c` started, in milliseconds, if it ran.
async fn started(graph: Graph<(), u64>) -> Option<u128> {
    let start = Instant::now();
    let report = graph.build("c").unwrap().start(()).timed().run().await;
    let run = report.run();
    let at = run.started_at(run.graph().find("c").unwrap())?;
    Some(at.duration_since(start.into_std()).as_millis())
}

#[tokio::test(start_paused = true)]
async fn needs_of_one_step_are_merged_by_what_they_mean() {
    // To need `a` meets a group that `a` is in: neither the failure nor the hour of `b` matters.
    for b in ["b 0!", "b 3600000"] {
        let mut g = timed(&format!("a 10; {b}"));
        g.step("c").needs(["a"]).needs_any(["a", "b"]).compute(|_| 1);
        assert_eq!(started(g).await, Some(10));
    }
    // To wait for the end of `a` does not, whatever else is enough of it.
    for a in ["a 10", "a 10!"] {
        let mut g = timed(&format!("{a}; b 0"));
        g.step("c").after(["a"]).needs_any(["a", "b"]).compute(|_| 1);
        assert_eq!(started(g).await, Some(10));
    }
    let mut g = timed("a 10!; b 20!");
    g.step("c").after(["a"]).needs_any(["a", "b"]).compute(|_| 1);
    assert_eq!(started(g).await, None);
    // Every group is one of its own.
    let mut g = timed("a 10; b 20; d 30!; e 40");
    g.step("c").needs_any(["a", "b"]).needs_any(["d", "e"]).compute(|_| 1);
    assert_eq!(started(g).await, Some(40));

    // In the typed builder: a condition on the one, a value of whichever is there.
    let mut w = Workflow::<u64>::new("w");
    let input = w.input();
    let a = w.step("a").run((), |()| async { Ok(1_u64) });
    let b = w.step("b").run((), |()| async { Err::<u64, _>("down".into()) });
    let c = w.step("c").run((), |()| async {
        sleep(ms(50)).await;
        Ok(5_u64)
    });
    let first = w.step("first").when(a, |a| *a == 1).run(any([a, b]), |x| async move { Ok(*x) });
    let two = w
        .step("two")
        .when(any([a, b]), |a| *a == 1)
        .run((any([b, c]), any([b, input])), |(x, y)| async move { Ok(*x + *y) });
    let both = w.step("both").compute((first, two), |(first, two)| (*first, *two));
    let report = w.build(both).unwrap().run(2).await;
    assert_eq!(report.output().as_deref(), Some(&(1, 7)));
}

#[tokio::test]
async fn the_error_of_a_run_names_the_step_that_decided() {
    let fails = |text: &'static str| move |()| async move { Err::<u64, _>(StepError::message(text)) };
    let mut w = Workflow::<()>::new("w");
    let allowed = StepPolicy::new().on_failure(OnFailure::Allow);
    let extra = w.step("optional extra").policy(allowed.clone()).run((), fails("weather is down"));
    let main = w.step("main").run(extra.optional(), |_| async { Err::<u64, _>("no such table".into()) });
    let error = w.build(main).unwrap().run(()).await.into_result().unwrap_err();
    assert_eq!(error.step(), Some("main"));
    assert_eq!(error.to_string(), "step `main` of workflow `w` failed: no such table");

    // The output was skipped: because of what it needs, not because something else was.
    let mut w = Workflow::<()>::new("w");
    w.step("unrelated").when((), |()| false).run((), |()| async { Ok(()) });
    let a = w.step("a").policy(allowed).run((), fails("down"));
    let b = w.step("b").compute(a, |a| *a);
    let plan = w.build(b).unwrap();
    let report = plan.run(()).await;
    assert_eq!(report.outcome(), RunOutcome::Succeeded);
    let cause = report.run().cause(plan.graph().find("b").unwrap()).unwrap().to_string();
    assert_eq!(cause, "needs step `a`, which did not succeed");
    let error = report.into_result().unwrap_err();
    assert_eq!((error.step(), error.outcome()), (Some("a"), RunOutcome::Succeeded));
    assert_eq!(error.to_string(), "step `a` of workflow `w` failed: down");
}

#[tokio::test(start_paused = true)]
async fn a_list_keeps_what_the_errors_of_its_items_say() {
    let lists = Arc::new(AtomicUsize::new(0));
    let plan = |permanent: bool, rule: MapOptions| {
        let lists = Arc::clone(&lists);
        let mut w = Workflow::<()>::new("w");
        let items = w.step("items").compute((), |()| vec![0, 1, 2]);
        let list = w.step("list").policy(StepPolicy::new().retry(5, ms(1))).map(rule, items, move |item| {
            lists.fetch_add(usize::from(item == 0), Ordering::Relaxed);
            async move {
                let error = StepError::from(std::io::Error::other(format!("no account {item}")));
                let error = if permanent { error.permanent() } else { error };
                if item == 0 { Ok(()) } else { Err::<(), _>(error) }
            }
        });
        w.build(list).unwrap()
    };
    for (permanent, rule, wanted, failed) in [
        (true, MapOptions::new(1), 1, 1),
        (false, MapOptions::new(1), 5, 1),
        (true, MapOptions::new(1).tolerate(1), 1, 2),
    ] {
        lists.store(0, Ordering::Relaxed);
        let error = plan(permanent, rule).run(()).await.into_result().unwrap_err();
        assert_eq!(lists.load(Ordering::Relaxed), wanted, "attempts at the list");
        let Some(Cause::Error(cause)) = error.cause() else { panic!("{error}") };
        let source = std::error::Error::source(cause.as_error());
        assert!(source.is_some_and(|source| source.is::<std::io::Error>()), "{error}");
        assert!(
            error.to_string().contains(&format!("{failed} of 3 items failed, the last (item {failed})")),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn runs_that_fail_together_do_not_come_back_together() {
    let mut w = Workflow::<()>::new("w");
    let retry = StepPolicy::new().retry(2, Duration::from_secs(10)).retry_jitter();
    let a = w.step("a").policy(retry).run((), |()| async { Err::<(), _>("busy".into()) });
    let plan = w.build(a).unwrap();
    let waits = async |seed: Option<u64>| {
        let mut waits = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let start = Instant::now();
            let run = plan.start(());
            seed.into_iter().fold(run, |run, seed| run.seed(seed)).run().await;
            waits.insert(start.elapsed());
        }
        waits.len()
    };
    assert!(40 < waits(None).await);
    assert_eq!(waits(Some(7)).await, 1, "with a seed, they do what they did");
}

#[test]
fn the_text_of_many_faults_is_short() {
    let count = 100_000;
    let mut graph = Graph::<(), u64>::new("ring");
    for i in 0..count {
        graph.step(&format!("step {i}")).needs([format!("step {}", (i + 1) % count)]).compute(|_| 1);
    }
    let error = graph.build("step 0").unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 300 && text.contains("more) -> step 1 -> step 0"), "{}: {text:.300}", text.len());
    assert!(matches!(&error.faults()[0], Fault::Cycle { path } if path.len() == count + 1));
    let mut graph = Graph::<(), u64>::new("missing");
    (0..1_000).for_each(|i| graph.step(&i.to_string()).needs([format!("x{i}")]).compute(|_| 1));
    let text = graph.build("nowhere").unwrap_err().to_string();
    assert!(text.len() < 2_000 && text.ends_with("; and 981 more"), "{text}");
    let mut graph = Graph::<(), u64>::new("output");
    graph.step("a").compute(|_| 1);
    assert!(graph.build("nowhere").unwrap_err().to_string().contains("there is no `nowhere`"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_reports() {
    let (start, control) = graph("a; b <- a; c <- b").build("c").unwrap().start(()).control();
    let run = tokio::spawn(start.run());
    sleep(ms(15)).await;
    control.cancel();
    let report = run.await.unwrap();
    assert_eq!((report.outcome(), report.value_of::<u64>("a").as_deref()), (RunOutcome::Cancelled, Some(&1)));
    assert_eq!(report.into_result().unwrap_err().to_string(), "workflow `test`: the run was cancelled");
    // One that is over stays as it is, and one that has not begun never does.
    let plan = graph("a").build("a").unwrap();
    let (start, control) = plan.start(()).control();
    control.cancel();
    let report = start.run().await;
    assert_eq!(
        (report.outcome(), report.run().attempts(plan.graph().steps().next().unwrap())),
        (RunOutcome::Cancelled, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_may_ask_for_a_longer_wait() {
    let mut w = Workflow::<()>::new("w");
    let retry = StepPolicy::new().retry(3, ms(1)).longest_retry_wait(ms(1));
    let a = w.step("a").policy(retry).run_with((), |cx, _, ()| async move {
        match cx.attempt() {
            1 => Err(StepError::message("429").with_retry_after(Duration::from_secs(5))),
            2 => Err("503".into()),
            _ => Ok(()),
        }
    });
    let plan = w.build(a).unwrap();
    let start = Instant::now();
    plan.run(()).await.into_result().unwrap();
    assert_eq!(start.elapsed(), ms(5_001));
    // Not in vain: what would come after the deadline fails at once.
    let start = Instant::now();
    let report = plan.start(()).deadline((start + ms(4_000)).into_std()).run().await;
    assert_eq!((report.outcome(), start.elapsed()), (RunOutcome::Failed, ms(0)));
}
