//! A server at the other end of two streams of lines: its stdout and stdin, or a socket.
//!
//! Reading never waits for writing, so that a server that writes before it reads on is not waited for by a client that does
//! the same.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Sleep, timeout};
use tokio_util::io::poll_read_buf;
use toolpost_protocol::{Line, LineBuffer};

use crate::questions::Ask;
use crate::session;
use crate::shared::Shared;
use crate::{ClientError, clock};

/// Messages are written together up to so many bytes.
const BATCH: usize = 64 << 10;
/// After so many lines others of the task get their turn.
const TURN: usize = 128;
/// How long a server that no longer reads may still answer, and one that is left may take to end its output.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much it may write until then.
const FAREWELL: u64 = 64 << 10;

/// Starts the task that moves the messages of a connection, for as long as it is open.
pub(crate) fn spawn<R, W>(shared: &Arc<Shared>, asks: mpsc::Receiver<Ask>, reader: R, writer: W)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let shared = Arc::clone(shared);
    let end = End(Arc::clone(&shared));
    let run = async move {
        let mut front = Front::new(Arc::clone(&shared), reader, writer);
        tokio::select! {
            why = poll_fn(|cx| front.poll(cx)) => shared.close(&why),
            () = session::run(Arc::clone(&shared), asks) => {}
        }
        // Whoever waits for an answer has it; whoever waits for the end waits for this too.
        let _late = timeout(LAST_WORDS, front.leave()).await;
        drop(end);
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the client, whose `closed` waits for it")]
    drop(tokio::spawn(run));
}

/// Says that the task has ended, however it did: a runtime that shuts down drops it.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended();
    }
}

struct Front<R, W> {
    shared: Arc<Shared>,
    reader: R,
    writer: W,
    lines: LineBuffer,
    out: BytesMut,
    /// Something was written and not flushed.
    unflushed: bool,
    /// The server has closed its output.
    ended: bool,
    /// The server no longer reads, for this reason, and may answer until then.
    deaf: Option<(ClientError, Pin<Box<Sleep>>)>,
}

impl<R, W> Front<R, W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    fn new(shared: Arc<Shared>, reader: R, writer: W) -> Self {
        let lines = LineBuffer::new(shared.options.message_limit);
        Self {
            shared,
            reader,
            writer,
            lines,
            out: BytesMut::new(),
            unflushed: false,
            ended: false,
            deaf: None,
        }
    }

    /// Ends the server's input, and lets it end its output by itself: one that is cut off may call that an error.
    async fn leave(mut self) {
        let _ended = self.writer.shutdown().await;
        drop(self.writer);
        let mut said = (&mut self.reader).take(if self.ended { 0 } else { FAREWELL });
        while said.read_buf(self.lines.room()).await.is_ok_and(|read| read != 0) {
            while self.lines.next().is_some() {}
        }
    }

    /// Moves what can be moved; ready, with the reason, when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ClientError> {
        self.shared.watch(cx);
        let mut turn = TURN;
        loop {
            self.write(cx);
            while let Some(line) = self.lines.next() {
                self.take(line);
                turn = turn.saturating_sub(1);
            }
            if let Some(why) = self.shared.closed() {
                return Poll::Ready(why);
            }
            if turn == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match poll_read_buf(Pin::new(&mut self.reader), cx, self.lines.room()) {
                Poll::Ready(Ok(0)) => {
                    self.ended = true;
                    if let Some(line) = self.lines.last() {
                        self.take(line);
                    }
                    let why = self.deaf.take().map(|(why, _)| why);
                    return Poll::Ready(why.unwrap_or_else(|| lost("the server closed its output")));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(lost(&format!("reading failed: {error}")));
                }
                Poll::Pending => break,
            }
        }
        // What the lines were answered with goes out before the task sleeps.
        self.write(cx);
        match &mut self.deaf {
            Some((why, patience)) => patience.as_mut().poll(cx).map(|()| why.clone()),
            None => Poll::Pending,
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Whole(line) => self.shared.receive(&line, None),
            Line::TooLong(meant) => {
                let limit = self.shared.options.message_limit;
                self.shared.with(|core| core.too_large(&meant, limit));
            }
        }
    }

    /// Writes until nothing is left or the server takes no more.
    fn write(&mut self, cx: &mut Context<'_>) {
        if self.deaf.is_some() {
            // Whatever is queued now was not sent.
            return;
        }
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            let why = lost(&format!("the server no longer reads: {error}"));
            self.deaf = Some((why, Box::pin(clock::sleep(LAST_WORDS))));
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.out.len() < BATCH
                && let Poll::Ready(message) = self.shared.poll_outgoing(cx)
            {
                self.out.extend_from_slice(&message.body);
                self.out.extend_from_slice(b"\n");
            }
            if self.out.is_empty() {
                break;
            }
            match std::task::ready!(Pin::new(&mut self.writer).poll_write(cx, &self.out)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.out.advance(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            std::task::ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

fn lost(why: &str) -> ClientError {
    ClientError::ConnectionLost(why.into())
}
