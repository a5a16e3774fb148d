//! What a running call says before it is answered, on its way to the client.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytestring::ByteString;
use tokio::sync::Notify;
use toolpost_json::write;
use toolpost_protocol::reply;
use toolpost_tool::{LogLevel, Sink};

use super::reply::unbroken;
use crate::clock;

/// The least time between two progress notifications of one call; what comes in between is
/// replaced by what comes after it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(20);

/// Messages that wait to be sent ahead of replies: one per stream of lines, or one per HTTP answer.
///
/// It never blocks whoever writes to it. A client that does not read costs [`LIMIT`](Self::LIMIT)
/// bytes; what comes after that is dropped.
#[derive(Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    drained: Notify,
}

#[derive(Default)]
struct Queue {
    /// Messages, each ended by a line feed.
    lines: Vec<u8>,
    waker: Option<Waker>,
    /// How many messages there ever were, and how many of them had been taken when last some were.
    pushed: u64,
    taken: u64,
}

impl Outbox {
    /// The most bytes that wait.
    pub(crate) const LIMIT: usize = 1 << 20;

    /// Adds the message that `write` appends; false if it was dropped for want of room.
    pub(crate) fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut queue = self.lock();
        let start = queue.lines.len();
        write(&mut queue.lines);
        if Self::LIMIT < queue.lines.len() {
            queue.lines.truncate(start);
            // Nor is the room kept that it took.
            queue.lines.shrink_to(Self::LIMIT);
            return false;
        }
        unbroken(&mut queue.lines[start..]);
        queue.lines.push(b'\n');
        queue.pushed += 1;
        let waker = queue.waker.take();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Moves all waiting lines to the end of `out`.
    pub(crate) fn take(&self, out: &mut Vec<u8>) {
        let mut queue = self.lock();
        out.append(&mut queue.lines);
        queue.taken = queue.pushed;
        drop(queue);
        self.drained.notify_waiters();
    }

    /// How many messages there ever were.
    pub(crate) fn pushed(&self) -> u64 {
        self.lock().pushed
    }

    /// How many of them have been taken.
    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Notified whenever messages are taken.
    pub(crate) const fn drained(&self) -> &Notify {
        &self.drained
    }

    /// Whether nothing waits; if so, `waker` is woken when something does.
    pub(crate) fn poll_empty(&self, waker: &Waker) -> bool {
        let mut queue = self.lock();
        if !queue.lines.is_empty() {
            return false;
        }
        if !queue.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
        true
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().lines.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("bytes", &self.lock().lines.len()).finish_non_exhaustive()
    }
}

/// The progress and log lines of one call.
pub(crate) struct CallSink {
    outbox: Arc<Outbox>,
    /// The client's token, as JSON; `None` if it wants no progress.
    token: Option<ByteString>,
    level: Option<LogLevel>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The greatest value reported by the tool so far.
    reached: Option<f64>,
    /// The value that was sent last, which a heartbeat makes greater than the tool's.
    last: Option<f64>,
    /// What the tool said last beside its value, which heartbeats repeat.
    total: Option<f64>,
    message: Option<String>,
    /// When the last notification went out.
    sent: Option<Instant>,
    /// A report that came too soon after that.
    held: Option<Report>,
    /// Nothing is sent once the call is answered.
    finished: bool,
}

struct Report {
    done: f64,
    total: Option<f64>,
    message: Option<String>,
}

impl CallSink {
    /// A sink for a client that wants progress under `token` and log lines from `level` on; `None` if
    /// it wants neither.
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        token: Option<ByteString>,
        level: Option<LogLevel>,
    ) -> Option<Arc<Self>> {
        (token.is_some() || level.is_some())
            .then(|| Arc::new(Self { outbox, token, level, state: Mutex::default() }))
    }

    /// Whether the client asked for progress.
    pub(crate) const fn wants_progress(&self) -> bool {
        self.token.is_some()
    }

    /// Sends what is held back, and nothing from then on.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        if let Some(report) = state.held.take() {
            self.send(&mut state, &report);
        }
        state.finished = true;
    }

    /// Says that the call still runs, if nothing was sent for as long as `silence`; for how long it may be silent then.
    pub(crate) fn beat(&self, silence: Duration) -> Duration {
        let (mut state, now) = (self.lock(), clock::now());
        let quiet = state.sent.map_or(silence, |sent| now.saturating_duration_since(sent));
        if state.finished || quiet < silence {
            return silence.saturating_sub(quiet).max(PROGRESS_INTERVAL);
        }
        let report = state.held.take().unwrap_or_else(|| Report {
            done: state.last.unwrap_or(0.0),
            total: state.total,
            message: Some(state.message.clone().unwrap_or_else(|| "still running".into())),
        });
        state.sent = Some(now);
        self.send(&mut state, &report);
        silence
    }

    fn send(&self, state: &mut State, report: &Report) {
        let Some(token) = &self.token else { return };
        let done = match state.last {
            Some(last) if report.done <= last => above(last),
            _ => report.done,
        };
        state.last = Some(done);
        // A heartbeat after the last step would be more than all.
        let total = report.total.filter(|total| done <= *total);
        self.outbox.push(|out| {
            reply::notification(out, "notifications/progress", |out| {
                out.extend_from_slice(br#"{"progressToken":"#);
                out.extend_from_slice(token.as_bytes());
                out.extend_from_slice(br#","progress":"#);
                number(out, done);
                if let Some(total) = total {
                    out.extend_from_slice(br#","total":"#);
                    number(out, total);
                }
                if let Some(message) = &report.message {
                    out.extend_from_slice(br#","message":"#);
                    write::string(out, message);
                }
                out.push(b'}');
            });
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for CallSink {
    fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let total = total.filter(|total| total.is_finite());
        let mut state = self.lock();
        let increases = state.reached.is_none_or(|reached| reached < done);
        if self.token.is_none() || state.finished || !done.is_finite() || !increases {
            return;
        }
        state.reached = Some(done);
        state.total = total;
        if let Some(message) = message {
            state.message = Some(message.to_owned());
        }
        let report = Report { done, total, message: message.map(str::to_owned) };
        let now = clock::now();
        if state.sent.is_some_and(|sent| now.saturating_duration_since(sent) < PROGRESS_INTERVAL) {
            state.held = Some(report);
            return;
        }
        state.held = None;
        state.sent = Some(now);
        // Under the lock, so that values stay in order on the wire.
        self.send(&mut state, &report);
    }

    fn log(&self, level: LogLevel, logger: Option<&str>, data: &str) {
        let state = self.lock();
        if state.finished || self.level.is_none_or(|least| level < least) {
            return;
        }
        self.outbox.push(|out| {
            reply::notification(out, "notifications/message", |out| {
                out.extend_from_slice(br#"{"level":""#);
                out.extend_from_slice(level.as_str().as_bytes());
                out.push(b'"');
                if let Some(logger) = logger {
                    out.extend_from_slice(br#","logger":"#);
                    write::string(out, logger);
                }
                out.extend_from_slice(br#","data":"#);
                out.extend_from_slice(data.as_bytes());
                out.push(b'}');
            });
        });
    }

    fn log_level(&self) -> Option<LogLevel> {
        self.level
    }
}

impl fmt::Debug for CallSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSink")
            .field("token", &self.token)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// A value that is a little more than `value`: so little that it is no progress to anybody.
fn above(value: f64) -> f64 {
    (value + (value.abs() * 1e-9).max(1e-9)).max(value.next_up()).min(f64::MAX)
}

fn number(out: &mut Vec<u8>, value: f64) {
    // Whole values go out without a fraction; `value` is finite, so neither can fail.
    if value.fract() == 0.0 && value.abs() < 9e15 {
        out.extend_from_slice((value as i64).to_string().as_bytes());
    } else {
        let _finite = write::value(out, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_dropped_with_the_room_it_took() {
        let outbox = Outbox::default();
        assert!(outbox.push(|out| out.extend_from_slice(b"{}")));
        assert!(!outbox.push(|out| out.resize(out.len() + 64 * Outbox::LIMIT, b'x')));
        assert!(outbox.lock().lines.capacity() <= Outbox::LIMIT);
        let mut lines = Vec::new();
        outbox.take(&mut lines);
        assert_eq!(lines, b"{}\n");
    }

    #[test]
    fn a_heartbeat_after_the_greatest_number_is_a_number() {
        let outbox = Arc::new(Outbox::default());
        let sink = CallSink::new(Arc::clone(&outbox), Some("1".into()), None).unwrap();
        sink.progress(f64::MAX, None, None);
        sink.beat(Duration::ZERO);
        let mut lines = Vec::new();
        outbox.take(&mut lines);
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.lines().count() == 2 && !lines.contains("null"), "{lines}");
    }
}
