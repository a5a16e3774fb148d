//! Cancels a future at each of its await points.

use std::pin::Pin;
use std::task::Poll;

/// Polls a future once and says whether it was ready.
///
/// # Cancel safety
///
/// Nothing is lost: the polled future belongs to the caller.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(move |cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// Drops a future before its first poll, after one poll, after two, and so on until it finishes, and
/// calls `check` after each drop with the number of polls. Returns how many polls it takes to finish.
///
/// `make` makes the future anew each time; between two polls, everything else that can run does.
///
/// ```
/// use toolpost_test::{cancel_at_each_await, run};
///
/// let points = run(cancel_at_each_await(
///     || async {
///         tokio::task::yield_now().await;
///         tokio::task::yield_now().await;
///     },
///     |_polls| {},
/// ));
/// assert_eq!(points, 3);
/// ```
///
/// # Panics
///
/// If the future is not done after ten thousand polls.
///
/// # Cancel safety
///
/// Dropping it drops the future under test.
pub async fn cancel_at_each_await<F: Future>(
    mut make: impl FnMut() -> F,
    mut check: impl FnMut(usize),
) -> usize {
    const MOST: usize = 10_000;
    for point in 0..MOST {
        let mut future = Box::pin(make());
        let mut polls = 0;
        while polls < point {
            polls += 1;
            if poll_once(future.as_mut()).await.is_ready() {
                return polls;
            }
            let_others_run().await;
        }
        drop(future);
        let_others_run().await;
        check(polls);
    }
    #[expect(clippy::panic, reason = "documented; a test that never ends tells less")]
    {
        panic!("the future is not done after {MOST} polls")
    }
}

/// A timer of no length lets a paused clock go on to what is due.
async fn let_others_run() {
    tokio::task::yield_now().await;
    tokio::time::advance(std::time::Duration::from_millis(1)).await;
}
