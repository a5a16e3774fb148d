//! Where whoever waits for a request finds what came of it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::core::Progress;
use crate::{ClientError, RawResult};

/// So many reports of progress are kept for who has not taken them; the newest matter.
const REPORTS: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    reports: VecDeque<Progress>,
    acknowledged: bool,
    outcome: Option<Result<RawResult, ClientError>>,
    waker: Option<Waker>,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Mail {
    Progress(Progress),
    Outcome(Result<RawResult, ClientError>),
}

impl Mailbox {
    pub(crate) fn progress(&self, progress: Progress) {
        self.put(|inner| {
            if inner.reports.len() == REPORTS {
                inner.reports.pop_front();
            }
            inner.reports.push_back(progress);
        });
    }

    pub(crate) fn acknowledge(&self) {
        self.put(|inner| inner.acknowledged = true);
    }

    pub(crate) fn finish(&self, outcome: Result<RawResult, ClientError>) {
        self.put(|inner| inner.outcome = Some(outcome));
    }

    /// The next thing that came of the request: its progress first.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Mail> {
        let mut inner = self.lock();
        if let Some(progress) = inner.reports.pop_front() {
            return Poll::Ready(Mail::Progress(progress));
        }
        match inner.outcome.take() {
            Some(outcome) => Poll::Ready(Mail::Outcome(outcome)),
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready once the request is acknowledged, or over.
    pub(crate) fn poll_acknowledged(&self, cx: &Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if inner.acknowledged || inner.outcome.is_some() {
            return Poll::Ready(());
        }
        inner.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn put(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        change(&mut inner);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_newest_reports_are_kept() {
        let mailbox = Mailbox::default();
        for done in 0..1_000 {
            mailbox.progress(Progress { done: f64::from(done), total: None, message: None });
        }
        let cx = Context::from_waker(Waker::noop());
        for done in 1_000 - REPORTS..1_000 {
            let Poll::Ready(Mail::Progress(progress)) = mailbox.poll(&cx) else { panic!("no report") };
            assert_eq!(progress.done, done as f64);
        }
        assert!(mailbox.poll(&cx).is_pending());
    }
}
