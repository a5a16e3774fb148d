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

/// This often it is asked whether the client still reads what calls that run will be answered with.
const WATCH: Duration = Duration::from_secs(1);

/// How long a client may read nothing once the server stops and no call goes on.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long what is ready may take to be written when there is no grace.
const FLUSH: Duration = Duration::from_millis(250);

/// A request being answered.
struct Running {
    call: Pin<Box<dyn Future<Output = Reply> + Send>>,
    /// How many bytes it has.
    bytes: usize,
}

impl Future for Running {
    type Output = (Reply, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let bytes = self.bytes;
        self.call.as_mut().poll(cx).map(|reply| (reply, bytes))
    }
}

/// A stream of lines being served.
pub(crate) struct Connection<R, W> {
    service: Arc<Service>,
    origin: Origin,
    limits: StdioLimits,
    message_limit: usize,
    /// How long what runs may go on when the server stops.
    grace: Duration,
    reader: R,
    writer: W,
    lines: Lines,
    /// There is no more input than `lines` has.
    ended: bool,
    waiting: VecDeque<Intake>,
    running: FuturesUnordered<Running>,
    /// Bytes of the requests that wait or run.
    held: usize,
    outbox: Arc<Outbox>,
    /// Whether the session is told of changes already: that runs, and is no request.
    telling: bool,
    /// What is to be written, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// Something was left undone because too much is unread.
    held_back: bool,
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
            ended: false,
            waiting: VecDeque::new(),
            running: FuturesUnordered::new(),
            held: 0,
            outbox: Arc::new(Outbox::default()),
            telling: false,
            out: Vec::new(),
            written: 0,
            held_back: false,
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
            self.finish(cx);
            match self.state {
                State::Reading => self.end(self.grace, self.limits.grace.min(LAST_WORDS)),
                // Asked to end after its input has: whoever asks will not wait for long.
                State::Draining(_) if self.grace <= self.limits.grace => self.end(Duration::ZERO, FLUSH),
                State::Draining(_) => {}
            }
        }
        loop {
            self.held_back = false;
            self.finish(cx);
            self.start(cx);
            let read = self.read(cx)?;
            if read.is_ready() && self.unread() < BATCH {
                continue;
            }
            // What a client does not read stays where it is bounded.
            if self.unread() < self.limits.unread && !self.outbox.poll_empty(cx.waker()) {
                self.outbox.take(&mut self.out);
            }
            let unread = self.unread();
            let wrote = self.write(cx)?;
            let progress = self.unread() < unread;
            if progress {
                self.patience = None;
            }
            if read.is_ready() || wrote.is_ready() && !self.outbox.is_empty() || progress && self.held_back {
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
        let unread = self.unread();
        let State::Draining(drain) = &mut self.state else { return false };
        if drain.grace.as_mut().poll(cx).is_ready() {
            self.running = FuturesUnordered::new();
            self.waiting.clear();
        }
        // What waits for the client to read does not go on either: who reads nothing is not waited for.
        let halted = self.running.is_empty() || self.limits.bytes.max(1) <= unread;
        let patient = tokio::time::Instant::from_std(clock::now() + drain.patience);
        if progress {
            drain.unread.as_mut().reset(patient);
        } else if halted && !drain.halted {
            let until = patient.min(drain.grace.deadline()).max(drain.unread.deadline());
            drain.unread.as_mut().reset(until);
        }
        drain.halted = halted;
        let idle = self.running.is_empty() && self.waiting.is_empty();
        idle && wrote || halted && drain.unread.as_mut().poll(cx).is_ready()
    }

    /// Takes the replies of requests that have finished, while there is room for them.
    fn finish(&mut self, cx: &mut Context<'_>) {
        while self.unread() < self.limits.bytes.max(1) {
            let Poll::Ready(Some((reply, bytes))) = Pin::new(&mut self.running).poll_next(cx) else { return };
            self.held -= bytes;
            self.send(reply);
        }
        self.held_back = true;
    }

    /// Starts waiting requests while there is room.
    fn start(&mut self, cx: &mut Context<'_>) {
        while self.has_room()
            && let Some(intake) = self.waiting.pop_front()
        {
            self.held -= intake.frame.text().len();
            self.run(intake, cx);
        }
        self.held_back |= !self.waiting.is_empty();
    }

    /// Runs a request; one that is ready at once is answered at once.
    fn run(&mut self, intake: Intake, cx: &mut Context<'_>) {
        if let Some(reply) = self.service.at_once(&intake, &self.origin) {
            return self.send(reply);
        }
        let outbox = intake.wants_events(&self.origin).then(|| Arc::clone(&self.outbox));
        let bytes = intake.frame.text().len();
        let mut call: Pin<Box<dyn Future<Output = Reply> + Send>> =
            Box::pin(self.service.run(intake, self.origin.clone(), outbox));
        match call.as_mut().poll(cx) {
            Poll::Ready(reply) => self.send(reply),
            Poll::Pending => {
                self.held += bytes;
                self.running.push(Running { call, bytes });
            }
        }
    }

    /// Deals with the whole lines that there are, while there is room for what comes of them; then reads once.
    /// Ready if there may be more to deal with.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        if !matches!(self.state, State::Reading) {
            return Ok(Poll::Pending);
        }
        let mut taken = false;
        loop {
            if self.is_full() {
                self.held_back = true;
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
            self.end(self.limits.grace, self.limits.grace);
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
            Line::Whole(line) => self.message(line, cx),
            Line::TooLong(meant) => {
                self.send(self.service.too_large(&meant, self.message_limit, &self.origin));
            }
        }
    }

    fn message(&mut self, line: Bytes, cx: &mut Context<'_>) {
        match Frame::receive(line, &self.service.limits) {
            Ok(frame) => self.frame(frame, cx),
            Err(refused) => self.send(self.service.refused(&refused, &self.origin)),
        }
    }

    fn frame(&mut self, frame: Frame, cx: &mut Context<'_>) {
        match self.service.read(frame, &self.origin) {
            Incoming::Request(intake) if self.waiting.is_empty() && self.has_room() => self.run(intake, cx),
            Incoming::Request(intake) => {
                self.held += intake.frame.text().len();
                self.waiting.push_back(intake);
            }
            Incoming::Cancel(id) => self.cancel(&id),
            // Each answer is a line of its own: clients find them by their ids.
            Incoming::Batch(frames) => frames.into_iter().for_each(|frame| self.frame(frame, cx)),
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
        let call = Box::pin(async move {
            // There is no other stream: who has read nothing for long is told again once it does.
            while !session.closed.is_cancelled() && !service.stop.is_cancelled() {
                listen::tell_session(&service, &session, &outbox).await;
            }
            Reply::accepted()
        });
        self.running.push(Running { call, bytes: 0 });
    }

    fn cancel(&mut self, id: &Id) {
        // One that has not started is simply forgotten.
        let held = &mut self.held;
        self.waiting.retain(|intake| {
            let stays = intake.id != *id;
            *held -= if stays { 0 } else { intake.frame.text().len() };
            stays
        });
        self.service.cancel(&self.origin, id);
    }

    fn has_room(&self) -> bool {
        self.calls() < self.limits.in_flight.max(1) && self.unread() < self.limits.unread.max(1)
    }

    fn is_full(&self) -> bool {
        self.limits.waiting.max(1) <= self.waiting.len()
            || self.limits.unread.max(1) <= self.unread()
            || self.limits.bytes.max(1) <= self.held
    }

    /// How many requests run.
    fn calls(&self) -> usize {
        self.running.len() - usize::from(self.telling && !self.running.is_empty())
    }

    /// How many bytes the client has yet to read.
    const fn unread(&self) -> usize {
        self.out.len() - self.written
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
        if self.limits.bytes.max(1) <= self.unread() {
            let timeout = self.limits.write_timeout;
            let patience = self.patience.get_or_insert_with(|| Box::pin(clock::sleep(timeout)));
            if patience.as_mut().poll(cx).is_ready() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read its answers"));
            }
        }
        let every = match self.state {
            State::Draining(_) => PROBE,
            State::Reading if self.calls() == 0 => return Ok(()),
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
        if let Some(session) = &self.origin.session {
            session.closed.cancel();
        }
        let now = clock::now();
        if grace.is_zero() {
            self.running = FuturesUnordered::new();
            self.waiting.clear();
        }
        let patience = if grace.is_zero() { FLUSH } else { patience };
        let (grace, unread) = (Box::pin(clock::sleep(grace)), Box::pin(clock::sleep(patience)));
        self.probe.as_mut().reset(now.into());
        self.state = State::Draining(Drain { grace, patience, unread, halted: false });
    }
}
