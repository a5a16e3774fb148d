//! A tool that waits its turn, and one that may block its thread.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test unwraps, on a paused clock")]

use std::sync::{Arc, Barrier};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use toolpost::layers::{ConcurrencyLimit, Hedge, ResultCache, Retry, SharedWork};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, JobRequest, Limit, QueueLimits, Tenant};
use toolpost::tool::{
    CachePolicy, Call, CallParts, ErrorKind, NoArgs, Output, Principal, Priority, Refusal, Tool, ToolError,
    ToolSpec, blocking_fn, tool_fn,
};
use toolpost::{ToolExt, parallel};
use toolpost_test::{Script, assert_kind, assert_text, cancel_at_each_await, mock, poll_once, run};

const SECOND: Duration = Duration::from_secs(1);

fn call() -> Call {
    Call::new(&serde_json::json!({})).unwrap()
}

fn call_by(name: &str) -> Call {
    let mut parts = CallParts::default();
    parts.principal = Principal::new(name.to_owned());
    Call::from_parts(parts)
}

fn gate(permits: usize) -> Gate {
    Gate::new(Limit::fixed(permits))
}

/// A tool that takes a second.
struct Slow(ToolSpec);

impl Slow {
    fn new() -> Self {
        Self(ToolSpec::new("slow").unwrap())
    }
}

impl Tool for Slow {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    async fn call(&self, _call: Call) -> Result<Output, ToolError> {
        sleep(SECOND).await;
        Ok(Output::text("done"))
    }
}

#[test]
fn no_more_run_than_there_are_seats() {
    run(async {
        let (gate, start) = (gate(4), Instant::now());
        let tool = Slow::new().scheduled(&gate);
        let all = parallel((0..16).map(|_| tool.call(call())), 16).all().await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(start.elapsed(), 4 * SECOND);
        assert_eq!(gate.in_flight(), 0);
    });
}

// Whoever floods the queue does not shut others out.
#[test]
fn the_urgent_go_first_and_the_principal_is_the_tenant() {
    run(async {
        let gate = gate(1);
        let (tool, mut handle) = mock("m");
        let tool = Arc::new(tool.scheduled(&gate));
        let begin = |call: Call| {
            let tool = Arc::clone(&tool);
            tokio::spawn(async move { tool.call(call).await })
        };
        let mut tasks = vec![begin(call_by("holder"))];
        let held = handle.next().await;
        // One floods, one asks once, one is urgent; each is let into the queue before the next asks.
        for (who, priority) in [
            ("flooder", Priority::Normal),
            ("flooder", Priority::Normal),
            ("flooder", Priority::Normal),
            ("modest", Priority::Normal),
            ("modest", Priority::Urgent),
        ] {
            tasks.push(begin(call_by(who).with_priority(priority)));
            tokio::task::yield_now().await;
        }
        held.respond(Output::text(""));
        let mut order = Vec::new();
        for _ in 0..5 {
            let received = handle.next().await;
            order.push((received.call().principal().as_str().to_owned(), received.call().priority()));
            received.respond(Output::text(""));
        }
        assert_eq!(order[0], ("modest".to_owned(), Priority::Urgent));
        assert_eq!(order[1].0, "flooder");
        assert_eq!(order[2].0, "modest", "the second of the flooder's waits for the first of the other's");
        for task in tasks {
            assert!(task.await.unwrap().is_ok());
        }
        assert_eq!(gate.in_flight(), 0);
    });
}

// A full queue refuses at once, and waiting ends by the deadline.
#[test]
fn a_refusal_says_why_and_when_to_come_back() {
    run(async {
        let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(1));
        let tool = Script::new("s").answers("here").scheduled(&gate);
        let permit = gate.try_acquire().unwrap();
        let queued = gate.acquire(JobRequest::new(Tenant::new(7)));
        let full = tool.call(call()).await;
        assert_kind(&full, ErrorKind::Refused(Refusal::QueueFull));
        assert!(full.unwrap_err().retry_after().is_some_and(|wait| Duration::ZERO < wait));
        drop(queued);

        let start = Instant::now();
        let late = tool.call(call().due_by((start + SECOND).into_std())).await;
        assert_kind(&late, ErrorKind::Refused(Refusal::DeadlineUnmet));
        assert_eq!(start.elapsed(), SECOND);

        gate.close();
        assert_kind(&tool.call(call()).await, ErrorKind::Refused(Refusal::Draining));
        gate.reopen();
        drop(permit);
        assert_text(&tool.call(call()).await, "here");
    });
}

/// The last fifth of a queue is kept for others: whoever is alone and finds its own part full hears so, and loses nothing.
#[test]
fn one_principal_alone_has_four_fifths_of_the_queue() {
    run(async {
        let gate = Gate::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(20));
        let tool = Arc::new(Slow::new().scheduled(&gate));
        let begin = |who: &str| {
            let (tool, call) = (Arc::clone(&tool), call_by(who));
            tokio::spawn(async move { tool.call(call).await })
        };
        let all: Vec<_> = (0..20).map(|_| begin("one")).collect();
        tokio::task::yield_now().await;
        assert_eq!((gate.in_flight(), gate.waiting(), gate.stats().full), (1, 16, 3));
        let other = begin("other");
        tokio::task::yield_now().await;
        assert_eq!((gate.waiting(), gate.stats().full), (17, 3));
        assert!(other.await.unwrap().is_ok());
        let (mut done, mut refused) = (0, 0);
        for task in all {
            match task.await.unwrap() {
                Ok(_) => done += 1,
                full => {
                    assert_kind(&full, ErrorKind::Refused(Refusal::QueueFull));
                    refused += 1;
                }
            }
        }
        assert_eq!((done, refused), (17, 3));
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
    });
}

#[test]
fn each_attempt_takes_a_seat_of_its_own() {
    run(async {
        let gate = gate(1);
        let tool = Script::new("s").with_spec(ToolSpec::repeatable);
        let tool = tool.fails(ToolError::unavailable("down")).answers("up");
        let tool = Arc::new(tool.scheduled(&gate).retried(Retry::new(2)));
        let task = tokio::spawn(async move { tool.call(call()).await });
        tokio::task::yield_now().await;
        assert_eq!(gate.in_flight(), 0, "no permit is held between attempts");
        assert!(!task.is_finished());
        assert_text(&task.await.unwrap(), "up");
    });
}

#[test]
fn a_hedge_takes_a_seat_of_its_own_and_the_loser_gives_its_back() {
    run(async {
        let gate = gate(2);
        let (tool, mut handle) = mock("s");
        let tool = tool.with_spec(ToolSpec::read_only).scheduled(&gate).hedged(Hedge::new());
        for _ in 0..100 {
            let (_ok, ()) = tokio::join!(tool.call(call()), async {
                let received = handle.next().await;
                sleep(SECOND / 100).await;
                received.respond(Output::text("warm"));
            });
        }
        {
            // With no permit left, the second call queues; when the first answers, it leaves the queue.
            let _other = gate.try_acquire().unwrap();
            let (first, ()) = tokio::join!(tool.call(call()), async {
                let received = handle.next().await;
                sleep(SECOND).await;
                assert_eq!((gate.in_flight(), gate.waiting(), handle.calls()), (2, 1, 101));
                received.respond(Output::text("first"));
            });
            assert_text(&first, "first");
            assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));
        }
        let (second, ()) = tokio::join!(tool.call(call()), async {
            let _slow = handle.next().await;
            let second = handle.next().await;
            assert_eq!(gate.in_flight(), 2);
            second.respond(Output::text("second"));
        });
        assert_text(&second, "second");
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0), "the slow one was dropped, with its permit");
    });
}

/// The first to fail ends its siblings, those that run and those that wait for a permit.
#[test]
fn a_scope_that_fails_leaves_no_seat_and_no_place_behind() {
    run(async {
        let gate = gate(2);
        let (tool, mut handle) = mock("m");
        let tool = tool.scheduled(&gate);
        let (failed, ()) =
            tokio::join!(parallel((0..5).map(|_| tool.call(call())), 5).until_error(), async {
                let mut sibling = handle.next().await;
                let first = handle.next().await;
                assert_eq!(
                    (gate.in_flight(), gate.waiting()),
                    (2, 3),
                    "each call of the scope asks for a permit"
                );
                first.fail(ToolError::unavailable("down"));
                sibling.cancelled().await;
            });
        assert!(failed.is_err());
        assert_eq!((gate.in_flight(), gate.waiting(), handle.calls()), (0, 0, 2));
    });
}

/// Whoever leaves while a later attempt waits for its permit, or between two attempts.
#[test]
fn leaving_between_attempts_leaves_nothing_behind() {
    run(async {
        let gate = gate(1);
        let (tool, mut handle) = mock("m");
        let tool = tool.with_spec(ToolSpec::repeatable).scheduled(&gate).retried(Retry::new(3));
        for seat_is_free in [false, true] {
            let mut trying = Box::pin(tool.call(call()));
            assert!(poll_once(trying.as_mut()).await.is_pending());
            handle.next().await.fail(ToolError::unavailable("down"));
            assert!(poll_once(trying.as_mut()).await.is_pending());
            assert_eq!((gate.in_flight(), gate.waiting()), (0, 0), "no permit is held between attempts");
            let other = (!seat_is_free).then(|| gate.try_acquire().unwrap());
            if !seat_is_free {
                let waits = tokio::time::timeout(10 * SECOND, trying.as_mut()).await;
                assert!(waits.is_err());
                assert_eq!(
                    (gate.in_flight(), gate.waiting()),
                    (1, 1),
                    "the second attempt waits for a permit"
                );
            }
            drop(trying);
            drop(other);
            assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
        }
        assert_eq!(handle.calls(), 2);
    });
}

#[test]
fn whoever_leaves_leaves_nothing_behind() {
    run(async {
        let gate = gate(1);
        let tool = tool_fn("yields", |_: NoArgs, _| async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Ok("done")
        });
        let tool = tool.scheduled(&gate);
        let permit = gate.try_acquire().unwrap();
        {
            let mut queued = std::pin::pin!(tool.call(call()));
            assert!(poll_once(queued.as_mut()).await.is_pending());
            assert_eq!(gate.waiting(), 1);
        }
        assert_eq!(gate.waiting(), 0);
        drop(permit);
        let polls = cancel_at_each_await(|| tool.call(call()), |_| assert_eq!(gate.in_flight(), 0)).await;
        assert!(2 < polls, "{polls}");
        assert_eq!((gate.in_flight(), gate.waiting()), (0, 0));
    });
}

// None of them ends before all have started.
#[test]
fn blocking_tools_run_side_by_side() {
    run(async {
        let gate = gate(5);
        let together = Arc::new(Barrier::new(5));
        let tool = blocking_fn("meet", move |_: NoArgs, _| {
            together.wait();
            Ok::<_, ToolError>("met")
        });
        let tool = tool.threaded().scheduled(&gate);
        let all = parallel((0..5).map(|_| tool.call(call())), 5).all().await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
        gate.drained().await;
    });
}

#[test]
fn a_blocking_call_keeps_its_seat_when_its_caller_leaves() {
    run(async {
        let gate = gate(1);
        let (started, mut is_started) = tokio::sync::mpsc::unbounded_channel();
        let release = Arc::new(Barrier::new(2));
        let held = Arc::clone(&release);
        let tool = blocking_fn("stuck", move |_: NoArgs, _| {
            started.send(()).unwrap();
            held.wait();
            Ok::<_, ToolError>("free")
        });
        let tool = tool.threaded().timed(SECOND).scheduled(&gate);
        {
            let mut call = std::pin::pin!(tool.call(call()));
            tokio::select! {
                _ = &mut call => unreachable!("it is stuck"),
                _ = is_started.recv() => {}
            }
        }
        assert_eq!(gate.in_flight(), 1, "the thread is still busy");
        assert!(gate.try_acquire().is_none());
        tokio::task::spawn_blocking(move || release.wait()).await.unwrap();
        gate.drained().await;
        assert!(gate.try_acquire().is_some());
    });
}

#[test]
fn seats_are_shared_by_all_that_are_given_a_clone() {
    run(async {
        let gate = gate(1);
        let permits = ConcurrencyLimit::new(&gate);
        let (one, two) = (Slow::new().scheduled(permits.gate()), Slow::new().scheduled(&gate));
        let start = Instant::now();
        let (one, two) = tokio::join!(one.call(call()), two.call(call()));
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(start.elapsed(), 2 * SECOND);
    });
}

/// An urgent caller joins work that is queued in the background behind a backlog: it is done when a call of its own would be.
#[test]
fn whoever_joins_queued_work_lends_it_urgency() {
    fn one(join: bool) -> Duration {
        run(async move {
            let gate = gate(4);
            let tool = Arc::new(Slow::new().scheduled(&gate));
            for _ in 0..200 {
                let tool = Arc::clone(&tool);
                tokio::spawn(async move { tool.call(call()).await });
            }
            tokio::task::yield_now().await;
            let lead = call().with_priority(Priority::Background);
            let flight = SharedWork::new(&lead);
            let (led, work) = (Arc::clone(&tool), flight.clone());
            let led = tokio::spawn(async move { work.run(led.call(lead)).await });
            sleep(3 * SECOND).await;
            let (start, urgent) = (Instant::now(), call().with_priority(Priority::Urgent));
            if join {
                let _lent = flight.donate(&urgent);
                led.await.unwrap().unwrap();
            } else {
                tool.call(urgent).await.unwrap();
            }
            start.elapsed()
        })
    }
    let (joined, direct) = (one(true), one(false));
    assert!(joined.as_secs_f64() <= 1.05 * direct.as_secs_f64(), "{joined:?} joined, {direct:?} direct");
}

/// The same through the cache: an urgent caller asks what is queued in the background for another.
#[test]
fn whoever_asks_the_same_urgently_moves_the_run_forward() {
    fn one(join: bool) -> Duration {
        run(async move {
            let (gate, cache) = (gate(4), ResultCache::new(toolpost::cache::Capacity::entries(16)));
            let others = Arc::new(Slow::new().scheduled(&gate));
            let tool = Arc::new(Slow::new().scheduled(&gate).cached(&cache, CachePolicy::new(60 * SECOND)));
            for _ in 0..200 {
                let others = Arc::clone(&others);
                tokio::spawn(async move { others.call(call()).await });
            }
            tokio::task::yield_now().await;
            let first = Arc::clone(&tool);
            tokio::spawn(async move { first.call(call().with_priority(Priority::Background)).await });
            sleep(3 * SECOND).await;
            let (start, urgent) = (Instant::now(), call().with_priority(Priority::Urgent));
            match join {
                true => tool.call(urgent).await.unwrap(),
                false => others.call(urgent).await.unwrap(),
            };
            start.elapsed()
        })
    }
    let (joined, direct) = (one(true), one(false));
    assert!(joined.as_secs_f64() <= 1.05 * direct.as_secs_f64(), "{joined:?} joined, {direct:?} direct");
}
