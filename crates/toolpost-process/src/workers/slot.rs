//! The task that keeps one worker running: starts it, hears it, replaces it.

use std::future::pending;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use toolpost_json::{Frame, Limits};
use toolpost_retry::{Backoff, Jitter};
use toolpost_tool::{BoxFuture, ToolError};

use super::link::{Calls, Link};
use super::message::{self, Told};
use super::pool::{self, Pool};
use crate::keeper::memory_of;
use crate::{Lines, Process, ProcessError, command};

/// The waits between starts that come to nothing.
const BACKOFF: Backoff =
    Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30)).jitter(Jitter::Full);
/// After how many of those in a row calls fail at once.
const FAILURES_MAX: u32 = 3;
/// How long a worker that has closed its stdout has to end by itself, so that the error can say how it ended.
const LAST: Duration = Duration::from_millis(50);
/// How much of a line that is no answer the error shows, in bytes.
const SHOWN: usize = 200;
/// How long what a process has said is read after its end, if others hold its stdout and go on.
const REST: Duration = Duration::from_millis(500);

/// Runs until nobody can call any more.
pub(super) async fn run(pool: Arc<Pool>) {
    let mut stopped = pool.stopped.subscribe();
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = keep(&pool) => {}
    }
}

async fn keep(pool: &Arc<Pool>) {
    let closed = pool.supervisor.closed();
    let seed = random();
    let mut failures = 0;
    let mut successor = None;
    loop {
        pool.wanted(&closed).await;
        let started = match successor.take() {
            Some(worker) => Ok(worker),
            None => start(pool).await,
        };
        let why = match started {
            Ok(worker) => {
                pool.add(&worker.link);
                let served = Serving::new(pool, worker).run(closed.clone()).await;
                successor = served.successor;
                failures = if served.answered == 0 && successor.is_none() && !served.is_due {
                    failures + 1
                } else {
                    0
                };
                served.why
            }
            Err(why) => {
                failures += 1;
                why
            }
        };
        if 0 < failures {
            let wait = BACKOFF.delay(failures - 1, seed);
            if FAILURES_MAX <= failures {
                pool.give_up(&why, wait);
            }
            sleep_until((pool::now() + wait).into()).await;
        }
    }
}

/// A process that has told its tools.
struct Worker {
    process: Process,
    link: Arc<Link>,
    lines: Lines<pipe::Receiver>,
}

async fn start(pool: &Pool) -> Result<Worker, String> {
    let limit = pool.options.start_limit;
    let calls = Arc::<Calls>::default();
    let listener = Arc::clone(&calls);
    let redactor = Arc::clone(&pool.redactor);
    let spawned = pool.supervisor.spawn(&pool.program, move |line| {
        let redactor = redactor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        listener.hear(&command::line(line, &redactor));
    });
    let mut process = spawned.map_err(|error| error.to_string())?;
    let (Some(mut stdin), Some(stdout)) = (process.take_stdin(), process.take_stdout()) else {
        return Err("it has no pipes".to_owned());
    };
    let mut lines = Lines::new(stdout, pool.options.line_limit);
    let told = async {
        // Who does not read this does not answer either.
        drop(stdin.write_all(message::HELLO.as_bytes()).await);
        lines.next().await
    };
    let told = match timeout(limit, told).await {
        Ok(Ok(Some(line))) => parsed(&line, pool).and_then(Told::read),
        Ok(Ok(None)) => Err(ended(&mut process, pool).await),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it did not tell its tools within {limit:?}{}", last(&process, pool))),
    };
    let told = told?;
    if !pool.agrees(told) {
        return Err("it tells other tools than the workers before it".to_owned());
    }
    let link = Arc::new(Link::new(process.generation(), calls, stdin));
    Ok(Worker { process, link, lines })
}

/// How the serving of one worker ended.
struct Served {
    answered: u64,
    /// Ended because it was time, not because something was wrong.
    is_due: bool,
    successor: Option<Worker>,
    why: String,
}

struct Serving<'a> {
    pool: &'a Arc<Pool>,
    worker: Worker,
    answered: u64,
    recycle_at: u64,
    old_at: Instant,
    /// Starts of a successor that came to nothing in a row, and until when none is started.
    failed: u32,
    not_before: Instant,
    /// The one that takes its place, while it starts.
    successor: Option<BoxFuture<'a, Result<Worker, String>>>,
}

impl<'a> Serving<'a> {
    fn new(pool: &'a Arc<Pool>, worker: Worker) -> Self {
        let options = &pool.options;
        let recycle_at = about(options.recycle_after).max(1);
        let old_at = pool::now() + Duration::from_millis(about(options.max_age.as_millis() as u64));
        Self {
            pool,
            worker,
            answered: 0,
            recycle_at,
            old_at,
            failed: 0,
            not_before: pool::now(),
            successor: None,
        }
    }

    async fn run(mut self, mut closed: watch::Receiver<bool>) -> Served {
        let mut waiting = self.pool.waiting();
        let why = loop {
            if self.worker.link.is_broken() {
                break Some(ended(&mut self.worker.process, self.pool).await);
            }
            let is_closed = *closed.borrow_and_update();
            let is_wanted = *waiting.borrow_and_update() != 0;
            if is_closed && !is_wanted && self.pool.remove_idle(&self.worker.link) {
                break None;
            }
            let overdue = self.overdue();
            if overdue.is_some_and(|at| at <= pool::now()) {
                let grace = self.pool.options.cancel_grace;
                break Some(format!("it went on with a call for {grace:?} after that was cancelled"));
            }
            if self.successor.is_none() && !is_closed && self.is_due() {
                let pool = self.pool;
                self.successor = Some(Box::pin(async move { start(pool).await }));
            }
            let is_due_at =
                (self.successor.is_none() && !is_closed).then(|| self.old_at.max(self.not_before));
            let next = overdue.into_iter().chain(is_due_at).min();
            let Self { worker: Worker { link, lines, process }, successor, .. } = &mut self;
            tokio::select! {
                biased;
                line = lines.next() => match self.heard(line).await {
                    Ok(()) => {}
                    Err(why) => break Some(why),
                },
                _ = process.wait() => break Some(self.last_words().await),
                () = link.write() => {}
                () = link.woken.notified() => {}
                started = polled(successor) => match started {
                    Ok(successor) => return self.replaced(successor),
                    Err(_) => {
                        // The one that serves goes on, and is due again later.
                        self.successor = None;
                        self.not_before = pool::now() + BACKOFF.delay(self.failed, random());
                        self.failed = self.failed.saturating_add(1);
                    }
                },
                () = until(next) => {}
                _ = closed.changed() => {}
                _ = waiting.changed(), if is_closed => {}
            }
        };
        let Self { pool, worker, answered, .. } = self;
        pool.remove(&worker.link);
        let is_due = why.is_none();
        let why = why.unwrap_or_else(|| "it was ended".to_owned());
        let shown =
            format!("the worker that ran this call is gone, and what it had done is not known: {why}");
        worker.link.calls.fail(&ToolError::unavailable(shown));
        Served { answered, is_due, successor: None, why }
    }

    /// Takes a line. An error is the end of the worker.
    async fn heard(&mut self, line: Result<Option<bytes::Bytes>, ProcessError>) -> Result<(), String> {
        let Self { pool, worker: Worker { process, link, .. }, .. } = self;
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Err(ended(process, pool).await),
            Err(error) => return Err(format!("{error}{}", last(process, pool))),
        };
        let said = parsed(&line, pool).and_then(|frame| {
            let (id, said) = message::read(&frame)?;
            link.calls.hear_of(id, said, || pool.release(link))
        });
        match said {
            Ok(ended) => self.answered += u64::from(ended),
            Err(why) => {
                let shown = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]);
                let redactor = pool.redactor();
                let shown = match line.len() {
                    ..=SHOWN => redactor.redact(&shown),
                    _ => redactor.redact_cut(&shown),
                };
                return Err(format!("it said what is no answer, {why}: {shown}"));
            }
        }
        Ok(())
    }

    /// Hears what a process said before it ended, and says how it did.
    async fn last_words(&mut self) -> String {
        // Whoever else holds its stdout is not waited for.
        let end = pool::now() + REST;
        while pool::now() < end
            && let Ok(line) = timeout(LAST, self.worker.lines.next()).await
        {
            if let Err(why) = self.heard(line).await {
                return why;
            }
        }
        ended(&mut self.worker.process, self.pool).await
    }

    /// When the worker has gone on for too long with a call that was cancelled.
    fn overdue(&self) -> Option<Instant> {
        self.worker.link.calls.cancelled_at()?.checked_add(self.pool.options.cancel_grace)
    }

    fn is_due(&self) -> bool {
        if pool::now() < self.not_before {
            return false;
        }
        let has_grown = || {
            // One that is too large from its start on is no better for being replaced before it has served.
            let most = self.pool.options.max_memory.filter(|_| 0 < self.answered)?;
            Some(most < memory_of(self.worker.process.id())?)
        };
        self.recycle_at <= self.answered || self.old_at <= pool::now() || has_grown().unwrap_or(false)
    }

    /// Gives no more calls to this worker, and leaves those that it has to a task of their own.
    fn replaced(self, successor: Worker) -> Served {
        self.pool.remove(&self.worker.link);
        let answered = self.answered;
        let pool = Arc::clone(self.pool);
        let worker = self.worker;
        if !worker.link.calls.is_idle() {
            let mut stopped = pool.stopped.subscribe();
            let last = async move {
                let mut tail = pin!(Serving::new(&pool, worker).last_calls());
                tokio::select! {
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                    () = &mut tail => {}
                }
            };
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with the calls of a process that is counted"
            )]
            drop(tokio::spawn(last));
        }
        Served { answered, is_due: true, successor: Some(successor), why: String::new() }
    }

    async fn last_calls(mut self) {
        let mut why = None;
        while why.is_none() && !self.worker.link.calls.is_idle() {
            let overdue = self.overdue();
            if overdue.is_some_and(|at| at <= pool::now()) {
                break;
            }
            let Worker { link, lines, process } = &mut self.worker;
            tokio::select! {
                biased;
                line = lines.next() => why = self.heard(line).await.err(),
                _ = process.wait() => why = Some(self.last_words().await),
                () = link.write() => {}
                () = link.woken.notified() => {}
                () = until(overdue) => {}
            }
        }
        let why = why.unwrap_or_else(|| "it was ended".to_owned());
        self.worker
            .link
            .calls
            .fail(&ToolError::unavailable(format!("the worker that ran this call is gone: {why}")));
    }
}

fn parsed(line: &bytes::Bytes, pool: &Pool) -> Result<Frame, String> {
    let limits = Limits::new().bytes(pool.options.line_limit);
    Frame::parse_lenient(line, &limits).map_err(|error| error.to_string())
}

/// How a worker ended that has closed its stdout, and the last it said.
async fn ended(process: &mut Process, pool: &Pool) -> String {
    match timeout(LAST, process.wait()).await {
        Ok(Ok(status)) => format!("it ended ({status}){}", last(process, pool)),
        Ok(Err(error)) => format!("{error}{}", last(process, pool)),
        Err(_) => format!("it closed its stdout and stayed{}", last(process, pool)),
    }
}

/// The last lines of its stderr, for an error.
fn last(process: &Process, pool: &Pool) -> String {
    let (lines, redactor) = (process.stderr(), pool.redactor());
    let last = lines[lines.len().saturating_sub(3)..].iter().map(|line| command::line(line, &redactor));
    match lines.len() {
        0 => String::new(),
        _ => format!("; its stderr ends in: {}", last.collect::<Vec<_>>().join(" | ")),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

async fn polled<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// `middle`, up to a tenth less or more.
fn about(middle: u64) -> u64 {
    let tenth = middle / 10;
    (middle - tenth).saturating_add(random().checked_rem(tenth * 2 + 1).unwrap_or(0))
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}
