//! Several calls at once, within one scope.

use std::fmt;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

/// Makes `calls` at once, at most `limit` at a time, within the scope of the future that this becomes.
///
/// Nothing is spawned: the calls are part of whoever awaits them, and go when it goes. Results come in the order of the
/// calls, whichever ends first.
///
/// ```
/// use toolpost::parallel;
/// use toolpost::tool::{Output, ToolError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let word = |word: &'static str| async move { Ok::<_, ToolError>(Output::text(word)) };
/// let all = parallel([word("one"), word("two"), word("three")], 2).all().await;
/// let words: Vec<_> = all.iter().map(|word| word.as_ref().unwrap().as_text().unwrap()).collect();
/// assert_eq!(words, ["one", "two", "three"]);
/// # });
/// ```
///
/// # Panics
///
/// When `limit` is zero.
pub fn parallel<I>(calls: I, limit: usize) -> Parallel<I::IntoIter>
where
    I: IntoIterator<Item: Future>,
{
    assert!(0 < limit, "a limit of zero runs nothing");
    Parallel { calls: calls.into_iter(), limit }
}

/// Calls to be made at once; see [`parallel`].
#[must_use = "nothing is called until `all` or `until_error` is awaited"]
pub struct Parallel<I> {
    calls: I,
    limit: usize,
}

impl<T, E, F, I> Parallel<I>
where
    I: Iterator<Item = F>,
    F: Future<Output = Result<T, E>>,
{
    /// Makes every call, and collects every result: a failure is a value like any other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls that run, and makes no more.
    pub async fn all(self) -> Vec<Result<T, E>> {
        let mut results = Vec::new();
        let never = self.run(|index, result| {
            place(&mut results, index, result);
            None::<()>
        });
        let _none_stopped_it = never.await;
        results.into_iter().flatten().collect()
    }

    /// Makes the calls until one fails; then drops all others, and makes no more.
    ///
    /// # Errors
    ///
    /// The first failure in time, behind its place among the calls, from zero.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the calls that run, and makes no more.
    pub async fn until_error(self) -> Result<Vec<T>, (usize, E)> {
        let mut results = Vec::new();
        let first = self.run(|index, result| match result {
            Ok(value) => {
                place(&mut results, index, value);
                None
            }
            Err(error) => Some((index, error)),
        });
        match first.await {
            Some(first) => Err(first),
            None => Ok(results.into_iter().flatten().collect()),
        }
    }

    /// Runs until `ended` says stop; what runs then is dropped with this future.
    async fn run<S>(mut self, mut ended: impl FnMut(usize, Result<T, E>) -> Option<S>) -> Option<S> {
        let mut running = FuturesUnordered::new();
        let mut calls = self.calls.by_ref().enumerate().fuse();
        loop {
            while running.len() < self.limit
                && let Some((index, call)) = calls.next()
            {
                running.push(async move { (index, call.await) });
            }
            let (index, result) = running.next().await?;
            if let Some(stop) = ended(index, result) {
                return Some(stop);
            }
        }
    }
}

fn place<V>(results: &mut Vec<Option<V>>, index: usize, value: V) {
    if results.len() <= index {
        results.resize_with(index + 1, || None);
    }
    results[index] = Some(value);
}

impl<I> fmt::Debug for Parallel<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parallel").field("limit", &self.limit).finish_non_exhaustive()
    }
}
