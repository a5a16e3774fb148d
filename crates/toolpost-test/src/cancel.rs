//! Cancels a future at each of its await points.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Polls a future once and says whether it was ready.
///
/// # Cancel safety
///
/// Nothing is lost: the polled future belongs to the caller.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Drops a future before its first poll, after one poll, after two, and so on until it finishes, and
/// calls `check` after each drop with the number of polls. Returns how many polls it takes to finish.
///
/// `make` makes the future anew each time. It is polled when it is woken and not otherwise, so the polls count its await
/// points that have to wait; while it waits, everything else that can run does. The paused clock of [`run`](crate::run)
/// goes on to what is due.
///
/// ```
/// use std::time::Duration;
/// use toolpost_test::{cancel_at_each_await, run};
///
/// let points = run(cancel_at_each_await(
///     || async {
///         tokio::task::yield_now().await;
///         tokio::time::sleep(Duration::from_secs(3_600)).await;
///     },
///     |_polls| {},
/// ));
/// assert_eq!(points, 3);
/// ```
///
/// # Panics
///
/// If the future is not done after ten thousand polls, or waits for longer than a day of tokio's clock: most likely for
/// what never comes.
///
/// # Cancel safety
///
/// Dropping it drops the future under test.
pub async fn cancel_at_each_await<F: Future>(
    mut make: impl FnMut() -> F,
    mut check: impl FnMut(usize),
) -> usize {
    for point in 0..MOST {
        let mut future = Box::pin(make());
        if let Some(polls) = polled(future.as_mut(), point).await {
            return polls;
        }
        drop(future);
        let_others_run().await;
        check(point);
    }
    #[expect(clippy::panic, reason = "documented; a test that never ends tells less")]
    {
        panic!("the future is not done after {MOST} polls")
    }
}

/// More polls than a future under test has.
const MOST: usize = 10_000;

/// Longer than a test waits.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Polls the future when it is woken, `most` times at the most; how often, if it is done by then.
async fn polled<F: Future>(mut future: Pin<&mut F>, most: usize) -> Option<usize> {
    let woken = Arc::new(Woken { is_woken: AtomicBool::new(true), outer: Mutex::default() });
    let waker = Waker::from(Arc::clone(&woken));
    let mut polls = 0;
    let ended = poll_fn(|cx| {
        woken.outer.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&Some(cx.waker().clone()));
        if polls < most && woken.is_woken.swap(false, Ordering::AcqRel) {
            polls += 1;
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return Poll::Ready(Some(polls));
            }
        }
        if polls == most { Poll::Ready(None) } else { Poll::Pending }
    });
    match tokio::time::timeout(DAY, ended).await {
        Ok(ended) => ended,
        #[expect(clippy::panic, reason = "documented; a test that never ends tells less")]
        Err(_) => panic!("the future has waited for a day: it waits for what never comes"),
    }
}

/// Remembers that the future under test was woken, and wakes whoever polls it.
struct Woken {
    is_woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        if let Some(outer) = &*self.outer.lock().unwrap_or_else(PoisonError::into_inner) {
            outer.wake_by_ref();
        }
    }
}

/// A paused clock goes on only when nothing else can run.
async fn let_others_run() {
    tokio::task::yield_now().await;
    #[expect(clippy::disallowed_methods, reason = "a moment of tokio's clock, in a test")]
    tokio::time::sleep(Duration::from_millis(1)).await;
}
