//! One stream of lines, from its first byte to its last: reads, runs and writes in one task.
//!
//! Requests are answered as they finish, in whatever order. A request that is ready at once costs
//! no task and no wake-up; replies that are ready together go out in one write.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::WaitForCancellationFutureOwned;
use toolpost_protocol::{Frame, Id};

use super::StdioLimits;
use super::lines::{Line, Lines};
use crate::clock;
use crate::service::session::Session;
use crate::service::{Incoming, Intake, Outbox, Service, listen};
use crate::{Origin, Reply};

/// After the end of the input, this often it is asked whether the client still reads.
const PROBE: Duration = Duration::from_millis(50);

/// Replies are written once there are this many bytes of them, or nothing else to do.
const BATCH: usize = 64 << 10;

type Running = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A stream of lines being served.
pub(crate) struct Connection<R, W> {
    service: Arc<Service>,
    origin: Origin,
    limits: StdioLimits,
    message_limit: usize,
    grace: Duration,
    reader: R,
    writer: W,
    lines: Lines,
    waiting: VecDeque<Intake>,
    running: FuturesUnordered<Running>,
    outbox: Arc<Outbox>,
    /// Whether the session is told of changes already.
    telling: bool,
    /// What is to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    state: State,
}

enum State {
    Reading,
    /// Nothing more is read; what runs may finish until the time is up, if anyone reads the answers.
    Draining(Drain),
}

struct Drain {
    grace: Pin<Box<Sleep>>,
    probe: Pin<Box<Sleep>>,
}

impl<R, W> Connection<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    pub(crate) fn new(
        service: Arc<Service>,
        origin: Origin,
        (limits, message_limit, grace): (StdioLimits, usize, Duration),
        (reader, writer): (R, W),
        stop: WaitForCancellationFutureOwned,
    ) -> Self {
        Self {
            origin: Origin {
                session: Some(Arc::new(Session::new(origin.connection, origin.principal.clone()))),
                ..origin
            },
            service,
            limits,
            message_limit,
            grace,
            reader,
            writer,
            lines: Lines::new(message_limit),
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            outbox: Arc::new(Outbox::default()),
            telling: false,
            out: Vec::new(),
            written: 0,
            stop: Box::pin(stop),
            state: State::Reading,
        }
    }

    /// Serves the stream to its end.
    pub(crate) async fn serve(mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.state, State::Reading) && self.stop.as_mut().poll(cx).is_ready() {
            self.end();
        }
        loop {
            self.finish(cx);
            self.start(cx);
            let read = self.read(cx)?;
            if read.is_ready() && self.out.len() - self.written < BATCH {
                continue;
            }
            // What a client does not read stays where it is bounded.
            if self.out.len() - self.written < self.limits.unread && !self.outbox.poll_empty(cx.waker()) {
                self.outbox.take(&mut self.out);
            }
            let wrote = self.write(cx)?;
            if wrote.is_ready() && !self.outbox.is_empty() {
                continue;
            }
            let State::Draining(drain) = &mut self.state else {
                match read.is_ready() || wrote.is_ready() && !self.waiting.is_empty() && self.has_room() {
                    true => continue,
                    false => return Poll::Pending,
                }
            };
            let idle = self.running.is_empty() && self.waiting.is_empty();
            if idle && wrote.is_ready() || drain.grace.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.probe(cx)?;
            if wrote.is_ready() && !self.waiting.is_empty() && self.has_room() {
                continue;
            }
            return Poll::Pending;
        }
    }

    /// Takes the replies of requests that have finished.
    fn finish(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(reply)) = Pin::new(&mut self.running).poll_next(cx) {
            self.send(reply);
        }
    }

    /// Starts waiting requests while there is room.
    fn start(&mut self, cx: &mut Context<'_>) {
        while self.has_room()
            && let Some(intake) = self.waiting.pop_front()
        {
            self.run(intake, cx);
        }
    }

    /// Runs a request; one that is ready at once is answered at once.
    fn run(&mut self, intake: Intake, cx: &mut Context<'_>) {
        if let Some(reply) = self.service.at_once(&intake, &self.origin) {
            return self.send(reply);
        }
        let outbox = intake.wants_events(&self.origin).then(|| Arc::clone(&self.outbox));
        let mut running: Running = Box::pin(self.service.run(intake, self.origin.clone(), outbox));
        match running.as_mut().poll(cx) {
            Poll::Ready(reply) => self.send(reply),
            Poll::Pending => self.running.push(running),
        }
    }

    /// Reads once, and deals with every whole line. Ready if there may be more to read.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !matches!(self.state, State::Reading) || self.limits.waiting <= self.waiting.len() {
            return Ok(Poll::Pending);
        }
        let read = match poll_read_buf(Pin::new(&mut self.reader), cx, self.lines.room()) {
            Poll::Ready(read) => read?,
            Poll::Pending => return Ok(Poll::Pending),
        };
        while let Some(line) = self.lines.next() {
            self.take(line, cx);
        }
        if read == 0 {
            if let Some(line) = self.lines.last() {
                self.take(line, cx);
            }
            self.end();
        }
        Ok(Poll::Ready(()))
    }

    fn take(&mut self, line: Line, cx: &mut Context<'_>) {
        match line {
            Line::Whole(line) => self.message(line, cx),
            Line::TooLong => self.send(Reply::too_large(self.message_limit)),
        }
    }

    fn message(&mut self, line: Bytes, cx: &mut Context<'_>) {
        let frame = match Frame::parse(line, &self.service.limits) {
            Ok(frame) => frame,
            Err(violation) => return self.send(Reply::violation(violation)),
        };
        match self.service.read(frame, &self.origin) {
            Incoming::Request(intake) if self.waiting.is_empty() && self.has_room() => self.run(intake, cx),
            Incoming::Request(intake) => self.waiting.push_back(intake),
            Incoming::Cancel(id) => self.cancel(&id),
            Incoming::Done(reply) => self.send(reply),
        }
        self.tell_of_changes();
    }

    /// A session hears of changes from its first message on.
    fn tell_of_changes(&mut self) {
        let Some(session) = self.origin.session.as_ref().filter(|session| session.agreed().is_some()) else {
            return;
        };
        if std::mem::replace(&mut self.telling, true) {
            return;
        }
        let (service, session) = (Arc::clone(&self.service), Arc::clone(session));
        let outbox = Arc::clone(&self.outbox);
        self.running.push(Box::pin(async move { listen::tell_session(&service, &session, &outbox).await }));
    }

    fn cancel(&mut self, id: &Id) {
        // One that has not started is simply forgotten.
        self.waiting.retain(|intake| intake.id != *id);
        self.service.cancel(&self.origin, id);
    }

    fn has_room(&self) -> bool {
        self.running.len() < self.limits.in_flight && self.out.len() - self.written < self.limits.unread
    }

    fn send(&mut self, reply: Reply) {
        let Some(bytes) = reply.joined().bytes else { return };
        // What a call said goes out before its answer.
        if !self.outbox.is_empty() {
            self.outbox.take(&mut self.out);
        }
        self.out.extend_from_slice(&bytes);
        self.out.push(b'\n');
    }

    /// Writes what there is. Ready once all is written and flushed.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if self.out.is_empty() {
            return Ok(Poll::Ready(()));
        }
        while self.written < self.out.len() {
            match Pin::new(&mut self.writer).poll_write(cx, &self.out[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(wrote) => self.written += wrote?,
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        match Pin::new(&mut self.writer).poll_flush(cx) {
            Poll::Ready(flushed) => flushed?,
            Poll::Pending => return Ok(Poll::Pending),
        }
        self.written = 0;
        self.out.clear();
        self.out.shrink_to(BATCH * 2);
        Ok(Poll::Ready(()))
    }

    /// Fails if nobody reads the answers any more. A write of nothing asks; pipes are made to answer it.
    fn probe(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let State::Draining(drain) = &mut self.state else { return Ok(()) };
        while drain.probe.as_mut().poll(cx).is_ready() {
            drain.probe.as_mut().reset((clock::now() + PROBE).into());
            if let Poll::Ready(asked) = Pin::new(&mut self.writer).poll_write(cx, &[]) {
                asked?;
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        if let Some(session) = &self.origin.session {
            session.closed.cancel();
        }
        let (grace, probe) = (Box::pin(clock::sleep(self.grace)), Box::pin(clock::sleep(Duration::ZERO)));
        self.state = State::Draining(Drain { grace, probe });
    }
}
