//! The dynamic map: one async function over a list whose length only the run knows.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::error::StepError;
use crate::pool::{Pool, Started};

/// Items started or finished in one poll before the others get their turn.
const BUDGET: usize = 256;

/// How a list is worked through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapOptions {
    concurrency: usize,
    tolerance: Tolerance,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tolerance {
    Count(usize),
    Share(f64),
}

impl MapOptions {
    /// At most so many items at once, and not one failure. All of them take the one permit of their step.
    ///
    /// # Panics
    ///
    /// When `concurrency` is zero.
    #[must_use]
    pub const fn new(concurrency: usize) -> Self {
        assert!(0 < concurrency, "no item would ever start");
        Self { concurrency, tolerance: Tolerance::Count(0) }
    }

    /// Fails, and drops what runs, only after more than `count` items have failed.
    #[must_use]
    pub const fn tolerate(mut self, count: usize) -> Self {
        self.tolerance = Tolerance::Count(count);
        self
    }

    /// Fails, and drops what runs, only after more than this share of the items, `0.0..=1.0`, has failed.
    #[must_use]
    pub const fn tolerate_share(mut self, share: f64) -> Self {
        self.tolerance = Tolerance::Share(share);
        self
    }

    /// Runs an async function for every item of a list, as [`Step::map`](crate::Step::map) does, within a step that is
    /// declared otherwise: the results in the order of the items, tolerated failures among them.
    ///
    /// # Errors
    ///
    /// When more items fail than are tolerated.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what runs.
    pub fn run<T, U, F, Fut>(
        self,
        items: Arc<Vec<T>>,
        function: F,
    ) -> impl Future<Output = Result<Vec<Result<U, StepError>>, StepError>>
    where
        T: Clone,
        U: Send,
        F: Fn(usize, T) -> Fut,
        Fut: Future<Output = Result<U, StepError>> + Send + 'static,
    {
        each(self, items, function)
    }

    fn tolerated(self, items: usize) -> usize {
        match self.tolerance {
            Tolerance::Count(count) => count,
            Tolerance::Share(share) => (items as f64 * share.clamp(0.0, 1.0)) as usize,
        }
    }
}

/// Why a list was given up: too many of its items failed.
#[derive(Debug)]
struct ItemsFailed {
    failed: usize,
    of: usize,
    /// The item whose failure was one too many.
    item: usize,
    last: StepError,
}

impl fmt::Display for ItemsFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failed, of, item, last } = self;
        write!(f, "{failed} of {of} items failed, the last (item {item}) with: {last}")
    }
}

impl Error for ItemsFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.last.as_error())
    }
}

pub(crate) fn each<T, U, F, Fut>(
    rule: MapOptions,
    items: Arc<Vec<T>>,
    function: F,
) -> impl Future<Output = Result<Vec<Result<U, StepError>>, StepError>>
where
    T: Clone,
    U: Send,
    F: Fn(usize, T) -> Fut,
    Fut: Future<Output = Result<U, StepError>> + Send + 'static,
{
    let mut map = Map {
        tolerated: rule.tolerated(items.len()),
        rule,
        results: (0..items.len()).map(|_| None).collect(),
        items,
        function,
        pool: Pool::new(),
        next: 0,
        running: 0,
        failed: 0,
        hopeless: 0,
    };
    poll_fn(move |context| map.poll(context))
}

struct Map<T, U, F> {
    rule: MapOptions,
    tolerated: usize,
    items: Arc<Vec<T>>,
    function: F,
    pool: Pool<usize, Result<U, StepError>>,
    results: Vec<Option<Result<U, StepError>>>,
    next: usize,
    running: usize,
    failed: usize,
    /// How many of them failed for good.
    hopeless: usize,
}

impl<T, U, F, Fut> Map<T, U, F>
where
    T: Clone,
    U: Send,
    F: Fn(usize, T) -> Fut,
    Fut: Future<Output = Result<U, StepError>> + Send + 'static,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Vec<Result<U, StepError>>, StepError>> {
        self.pool.register(context.waker());
        for _ in 0..BUDGET {
            let ended = match self.pool.next_ended() {
                Some((item, result)) => {
                    self.running -= 1;
                    Some((item, result))
                }
                None if self.next < self.items.len() && self.running < self.rule.concurrency => self.start(),
                None if self.running == 0 => {
                    return Poll::Ready(Ok(self.results.drain(..).flatten().collect()));
                }
                None => return Poll::Pending,
            };
            if let Some((item, result)) = ended {
                let result = result.unwrap_or_else(|panic| resume_unwind(panic));
                if let Err(error) = &result {
                    self.failed += 1;
                    self.hopeless += usize::from(error.is_permanent());
                    if self.tolerated < self.failed {
                        return Poll::Ready(Err(self.given_up(item, error.clone())));
                    }
                }
                self.results[item] = Some(result);
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn given_up(&self, item: usize, last: StepError) -> StepError {
        let (failed, of) = (self.failed, self.items.len());
        let error = StepError::from(ItemsFailed { failed, of, item, last });
        if self.tolerated < self.hopeless { error.permanent() } else { error }
    }

    /// Starts the next item; what it came to if it ended at once.
    fn start(&mut self) -> Option<(usize, std::thread::Result<Result<U, StepError>>)> {
        let item = self.next;
        self.next += 1;
        let (function, items) = (&self.function, &self.items);
        match self.pool.start(item, |context| Started::polled(function(item, items[item].clone()), context)) {
            Ok(result) => Some((item, result)),
            Err(_) => {
                self.running += 1;
                None
            }
        }
    }
}
