//! One stream of lines, from its first byte to its last: reads, runs and writes in one task.
//!
//! What the lines mean is the [`Connection`]'s; here are bytes and time. Replies that are ready together go out in one
//! write.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::WaitForCancellationFutureOwned;
use toolpost_protocol::{Line, LineBuffer};

use crate::{Connection, clock};

/// After the end of the input, this often it is asked whether the client still reads.
const PROBE: Duration = Duration::from_millis(50);

/// Replies are written once there are this many bytes of them, or nothing else to do.
const BATCH: usize = 64 << 10;

/// This often it is asked whether the client still reads what calls that run will be answered with.
const WATCH: Duration = Duration::from_secs(1);

/// How long a client may read nothing once the server stops and no call goes on.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long what is ready may take to be written when there is no grace.
const FLUSH: Duration = Duration::from_millis(250);

/// A stream of lines being served.
pub(crate) struct LineStream<R, W> {
    connection: Connection,
    message_limit: usize,
    /// How long what runs may go on when the server stops.
    grace: Duration,
    reader: R,
    writer: W,
    lines: LineBuffer,
    /// There is no more input than `lines` has.
    ended: bool,
    /// Something was written and not flushed.
    unflushed: bool,
    /// When the client will have read too little for too long, while calls do not go on for it.
    patience: Option<Pin<Box<Sleep>>>,
    /// When to ask next whether the client still reads.
    probe: Pin<Box<Sleep>>,
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    state: State,
}

enum State {
    Reading,
    /// Nothing more is read; what runs may finish until the time is up, if anyone reads the answers.
    Draining(Drain),
}

struct Drain {
    grace: Pin<Box<Sleep>>,
    /// How long the client may read nothing once no call goes on.
    patience: Duration,
    unread: Pin<Box<Sleep>>,
    /// Whether no call went on when that was asked last.
    halted: bool,
}

impl<R, W> LineStream<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(crate) fn new(
        connection: Connection,
        (message_limit, grace): (usize, Duration),
        (reader, writer): (R, W),
        stop: WaitForCancellationFutureOwned,
    ) -> Self {
        Self {
            connection,
            message_limit,
            grace,
            reader,
            writer,
            lines: LineBuffer::new(message_limit),
            ended: false,
            unflushed: false,
            patience: None,
            probe: Box::pin(clock::sleep(WATCH)),
            stop: Some(Box::pin(stop)),
            state: State::Reading,
        }
    }

    /// Serves the stream to its end.
    pub(crate) async fn serve(mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
            self.stop = None;
            self.connection.finish(cx);
            let grace = self.connection.limits().grace;
            match self.state {
                State::Reading => self.end(self.grace, grace.min(LAST_WORDS)),
                // Asked to end after its input has: whoever asks will not wait for long.
                State::Draining(_) if self.grace <= grace => self.end(Duration::ZERO, FLUSH),
                State::Draining(_) => {}
            }
        }
        loop {
            self.connection.drive(cx);
            let read = self.read(cx)?;
            if read.is_ready() && self.unread() < BATCH {
                continue;
            }
            self.connection.gather(cx);
            let unread = self.unread();
            let wrote = self.write(cx)?;
            let progress = self.unread() < unread;
            if progress {
                self.patience = None;
            }
            if read.is_ready()
                || wrote.is_ready() && self.connection.has_said()
                || progress && self.connection.is_held_back()
            {
                continue;
            }
            if self.drained(cx, wrote.is_ready(), progress) {
                return Poll::Ready(Ok(()));
            }
            self.probe(cx)?;
            return Poll::Pending;
        }
    }

    /// Whether nothing is left to be done, or no time to do it in.
    fn drained(&mut self, cx: &mut Context<'_>, wrote: bool, progress: bool) -> bool {
        let State::Draining(drain) = &mut self.state else { return false };
        if drain.grace.as_mut().poll(cx).is_ready() {
            self.connection.abandon();
        }
        // What waits for the client to read does not go on either: who reads nothing is not waited for.
        let halted = !self.connection.is_running() || self.connection.is_unread();
        let patient = tokio::time::Instant::from_std(clock::now() + drain.patience);
        if progress {
            drain.unread.as_mut().reset(patient);
        } else if halted && !drain.halted {
            let until = patient.min(drain.grace.deadline()).max(drain.unread.deadline());
            drain.unread.as_mut().reset(until);
        }
        drain.halted = halted;
        self.connection.is_idle() && wrote || halted && drain.unread.as_mut().poll(cx).is_ready()
    }

    /// Deals with the whole lines that there are, while there is room for what comes of them; then reads once.
    /// Ready if there may be more to deal with.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !matches!(self.state, State::Reading) {
            return Ok(Poll::Pending);
        }
        let mut taken = false;
        loop {
            if self.connection.is_full() {
                self.connection.hold_back();
                return Ok(Poll::Pending);
            }
            if taken && BATCH <= self.unread() {
                return Ok(Poll::Ready(()));
            }
            let Some(line) = self.lines.next() else { break };
            self.take(line, cx);
            taken = true;
        }
        if self.ended {
            if let Some(line) = self.lines.last() {
                self.take(line, cx);
            }
            let grace = self.connection.limits().grace;
            self.end(grace, grace);
            return Ok(Poll::Ready(()));
        }
        match poll_read_buf(Pin::new(&mut self.reader), cx, self.lines.room()) {
            Poll::Ready(read) => self.ended = read? == 0,
            Poll::Pending => return Ok(Poll::Pending),
        }
        Ok(Poll::Ready(()))
    }

    fn take(&mut self, line: Line, cx: &mut Context<'_>) {
        match line {
            Line::Whole(line) => self.connection.message(&line, false),
            Line::TooLong(meant) => self.connection.too_large(&meant, self.message_limit),
        }
        self.connection.start(cx);
    }

    /// How many bytes the client has yet to read.
    fn unread(&self) -> usize {
        self.connection.unsent().len()
    }

    /// Writes what there is. Ready once all is written and flushed.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        while !self.connection.unsent().is_empty() {
            match Pin::new(&mut self.writer).poll_write(cx, self.connection.unsent()) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(wrote) => self.connection.advance(wrote?),
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match Pin::new(&mut self.writer).poll_flush(cx) {
                Poll::Ready(flushed) => flushed?,
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    /// Fails if nobody reads the answers any more. A write of nothing asks; pipes are made to answer it.
    fn probe(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.connection.is_unread() {
            let timeout = self.connection.limits().write_timeout;
            let patience = self.patience.get_or_insert_with(|| Box::pin(clock::sleep(timeout)));
            if patience.as_mut().poll(cx).is_ready() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers"));
            }
        }
        let every = match self.state {
            State::Draining(_) => PROBE,
            State::Reading if self.connection.calls() == 0 => return Ok(()),
            State::Reading => WATCH,
        };
        while self.probe.as_mut().poll(cx).is_ready() {
            self.probe.as_mut().reset((clock::now() + every).into());
            if let Poll::Ready(asked) = Pin::new(&mut self.writer).poll_write(cx, &[]) {
                asked?;
            }
        }
        Ok(())
    }

    /// Reads nothing more; what runs may go on for `grace`, and then, or once nothing runs, the client may read nothing
    /// for `patience`.
    fn end(&mut self, grace: Duration, patience: Duration) {
        self.connection.close();
        if grace.is_zero() {
            self.connection.abandon();
        }
        let patience = if grace.is_zero() { FLUSH } else { patience };
        let (grace, unread) = (Box::pin(clock::sleep(grace)), Box::pin(clock::sleep(patience)));
        self.probe.as_mut().reset(clock::now().into());
        self.state = State::Draining(Drain { grace, patience, unread, halted: false });
    }
}
