//! A drain waits for what outlives calls, whoever owns it.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test spawns, on a paused clock")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use toolpost::tool::{BoxFuture, Call, ErrorKind, NoArgs, Refusal, tool_fn};
use toolpost::{Background, Runtime, ToolExt as _};
use toolpost_test::{assert_kind, cancel_at_each_await, poll_once, run};

const SECOND: Duration = Duration::from_secs(1);

/// Work that is counted up and down by hand.
#[derive(Clone)]
struct Work(Arc<watch::Sender<usize>>);

impl Work {
    fn new(busy: usize) -> Self {
        Self(Arc::new(watch::Sender::new(busy)))
    }

    /// One piece less after this time.
    fn end_after(&self, wait: Duration) {
        let work = self.clone();
        tokio::spawn(async move {
            sleep(wait).await;
            work.0.send_modify(|busy| *busy -= 1);
        });
    }
}

impl Background for Work {
    fn busy(&self) -> usize {
        *self.0.borrow()
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        let mut busy = self.0.subscribe();
        Box::pin(async move {
            busy.wait_for(|busy| *busy == 0).await.unwrap();
        })
    }
}

/// Work whose owner panics when it is asked.
struct Panics {
    on_count: bool,
    on_making: bool,
    idle_calls: Arc<AtomicUsize>,
}

impl Background for Panics {
    fn busy(&self) -> usize {
        assert!(!self.on_count, "a count");
        0
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        self.idle_calls.fetch_add(1, Ordering::SeqCst);
        assert!(!self.on_making, "the making of a future");
        Box::pin(async {
            tokio::task::yield_now().await;
            panic!("a poll");
        })
    }
}

#[test]
fn a_drain_waits_for_all_background_work_and_names_what_remains() {
    run(async {
        let (workers, children, idle) = (Work::new(2), Work::new(1), Work::new(0));
        let builder = Runtime::builder().background("workers", workers.clone());
        let builder = builder.background("children", children.clone()).background("idle", idle);
        let runtime = builder.build().unwrap();
        workers.end_after(SECOND);
        workers.end_after(3 * SECOND);
        children.end_after(5 * SECOND);
        let begin = Instant::now();
        let remaining = runtime.drain(2 * SECOND).await.unwrap_err();
        assert_eq!(begin.elapsed(), 2 * SECOND);
        assert_eq!(remaining.background, BTreeMap::from([("workers".into(), 1), ("children".into(), 1)]));
        assert_eq!(
            remaining.to_string(),
            "0 calls, 0 refreshes, 0 threads, 1 of `children`, 1 of `workers` had not ended; 0 waited for a permit"
        );
        runtime.drain(60 * SECOND).await.unwrap();
        assert_eq!(begin.elapsed(), 5 * SECOND);
    });
}

/// The first wait for background work is over before the last call begins some.
#[test]
fn what_the_last_call_leaves_behind_is_waited_for() {
    run(async {
        let work = Work::new(0);
        let began = work.clone();
        let begins = tool_fn("begins", move |_: NoArgs, _: Call| {
            let began = began.clone();
            async move {
                sleep(SECOND).await;
                began.0.send_modify(|busy| *busy += 1);
                began.end_after(SECOND);
                Ok("begun")
            }
        });
        let runtime = Runtime::builder().tool(begins).background("work", work).build().unwrap();
        let begin = Instant::now();
        let (called, drained) = tokio::join!(runtime.call("begins", &NoArgs {}), runtime.drain(60 * SECOND));
        assert_eq!((called.unwrap().as_text(), drained), (Some("begun"), Ok(())));
        assert_eq!(begin.elapsed(), 2 * SECOND);
    });
}

#[test]
fn an_owner_that_panics_takes_no_drain_down() {
    run(async {
        for (on_count, on_making) in [(false, false), (false, true), (true, false), (true, true)] {
            let idle_calls = Arc::new(AtomicUsize::new(0));
            let (panics, work) =
                (Panics { on_count, on_making, idle_calls: Arc::clone(&idle_calls) }, Work::new(1));
            work.end_after(SECOND);
            let runtime =
                Runtime::builder().background("panics", panics).background("work", work).build().unwrap();
            let begin = Instant::now();
            let drained = runtime.drain(60 * SECOND).await;
            assert_eq!(begin.elapsed(), SECOND, "the others are waited for");
            assert!(0 < idle_calls.load(Ordering::SeqCst));
            match drained {
                Ok(()) => assert!(!on_count),
                Err(remaining) => {
                    assert!(on_count);
                    assert_eq!(remaining.background, BTreeMap::from([("panics".into(), 1)]));
                }
            }
        }
    });
}

#[test]
fn a_drain_that_is_dropped_at_any_await_refuses_calls_and_can_be_repeated() {
    run(async {
        let runtimes = RefCell::new(Vec::new());
        let polls = cancel_at_each_await(
            || {
                let work = Work::new(2);
                work.end_after(SECOND);
                work.end_after(2 * SECOND);
                let runtime = Runtime::builder().background("work", work).build().unwrap();
                runtimes.borrow_mut().push(runtime.clone());
                async move { runtime.drain(60 * SECOND).await }
            },
            |polls| {
                let dropped = runtimes.borrow().last().unwrap().clone();
                assert_eq!(dropped.dispatcher().is_draining(), 0 < polls);
            },
        )
        .await;
        assert!(1 < polls);
        for runtime in runtimes.take() {
            runtime.drain(60 * SECOND).await.unwrap();
        }
        let work = Work::new(1);
        let ready = tool_fn("ready", |_: NoArgs, _: Call| async { Ok("fine") });
        let runtime = Runtime::builder().tool(ready).background("work", work.clone()).build().unwrap();
        let mut draining = Box::pin(runtime.drain(60 * SECOND));
        assert!(poll_once(draining.as_mut()).await.is_pending());
        drop(draining);
        assert_kind(&runtime.call("ready", &NoArgs {}).await, ErrorKind::Refused(Refusal::Draining));
        work.end_after(SECOND);
        runtime.drain(60 * SECOND).await.unwrap();
    });
}

#[test]
fn what_ends_may_leave_more_behind_and_is_waited_for_all_the_same() {
    run(async {
        let (one, other) = (Work::new(1), Work::new(0));
        let (first, second) = (one.clone(), other.clone());
        tokio::spawn(async move {
            for (ends, begins) in [(&first, &second), (&second, &first)] {
                sleep(SECOND).await;
                begins.0.send_modify(|busy| *busy += 1);
                ends.0.send_modify(|busy| *busy -= 1);
            }
            first.end_after(SECOND);
        });
        let runtime = Runtime::builder().background("one", one).background("other", other).build().unwrap();
        runtime.drain(60 * SECOND).await.unwrap();
    });
}

#[test]
fn a_count_that_panics_is_waited_for_no_longer_than_it_says_itself() {
    struct Uncounted;
    impl Background for Uncounted {
        fn busy(&self) -> usize {
            panic!("a count");
        }

        fn idle(&self) -> BoxFuture<'_, ()> {
            Box::pin(sleep(SECOND))
        }
    }
    run(async {
        let runtime = Runtime::builder().background("uncounted", Uncounted).build().unwrap();
        let begin = Instant::now();
        assert_eq!(runtime.drain(60 * SECOND).await.unwrap_err().background["uncounted"], 1);
        assert_eq!(begin.elapsed(), 2 * SECOND, "it is asked twice");
    });
}

#[test]
fn an_owner_whose_waiting_panics_when_it_is_dropped_costs_the_drain_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "a drop");
        }
    }
    struct Panics;
    impl Background for Panics {
        fn busy(&self) -> usize {
            1
        }

        fn idle(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            })
        }
    }
    run(async {
        let runtime = Runtime::builder().background("bomb", Panics).build().unwrap();
        let remaining = runtime.drain(SECOND).await.unwrap_err();
        assert_eq!(remaining.background["bomb"], 1);
    });
}

#[test]
fn two_of_one_name_are_a_fault() {
    let builder = Runtime::builder().background("work", Work::new(0)).background("work", Work::new(0));
    let error = builder.background("other", Work::new(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "two kinds of background work are called `work`");
}

proptest! {
    /// Against a naive model: what ends after the grace remains, and a drain takes as long as the last that it waits for.
    #[test]
    fn what_remains_is_what_ends_after_the_grace(
        ends in proptest::collection::btree_map("[a-c]", proptest::collection::vec(1_u64..100, 0..4), 0..3),
        grace in 0_u64..100,
    ) {
        run(async move {
            let mut builder = Runtime::builder();
            for (name, ends) in &ends {
                let work = Work::new(ends.len());
                ends.iter().for_each(|end| work.end_after(Duration::from_millis(2 * end)));
                builder = builder.background(name, work);
            }
            let runtime = builder.build().unwrap();
            // Between two ends.
            let grace = Duration::from_millis(2 * grace + 1);
            let begin = Instant::now();
            let remaining = runtime.drain(grace).await.map_or_else(|remaining| remaining.background, |()| BTreeMap::new());
            let late = |ends: &Vec<u64>| ends.iter().filter(|end| grace < Duration::from_millis(2 * **end)).count();
            let model: BTreeMap<String, usize> =
                ends.iter().map(|(name, ends)| (name.clone(), late(ends))).filter(|(_, late)| 0 < *late).collect();
            assert_eq!(remaining, model);
            let last = Duration::from_millis(2 * ends.values().flatten().max().copied().unwrap_or(0));
            assert_eq!(begin.elapsed(), last.min(grace));
        });
    }
}

#[test]
fn threads_by_hand_are_waited_for_where_they_are_registered() {
    let executor =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    executor.block_on(async {
        let ((go, may_go), (begins, began)) = (mpsc::channel::<()>(), mpsc::channel());
        let may_go = Mutex::new(may_go);
        let tool = tool_fn("by_hand", move |_: NoArgs, _: Call| {
            begins.send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
            async { Ok("done") }
        });
        let tool = tool.threaded();
        let threads = tool.layer().clone();
        let runtime = Runtime::builder().tool(tool).background("threads", threads).build().unwrap();
        let mut call = Box::pin(runtime.call("by_hand", &NoArgs {}));
        assert!(poll_once(call.as_mut()).await.is_pending());
        // A thread that has not begun would be taken back.
        began.recv().unwrap();
        drop(call);
        assert_eq!(runtime.drain(Duration::ZERO).await.unwrap_err().background["threads"], 1);
        go.send(()).unwrap();
        runtime.drain(60 * SECOND).await.unwrap();
    });
}
