//! Connections that are kept for the next request, and what is received over one.

use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::{Origin, Stream};
use crate::clock;

/// The head of an answer has at most so many bytes.
const HEAD: usize = 64 << 10;

/// So many connections are kept while nobody uses them.
const KEPT: usize = 32;

/// How often those are looked for that are kept for too long, at most.
const SELDOM: Duration = Duration::from_millis(100);

/// Connections to one origin. Each carries one request at a time, and is driven by whoever waits for its answer: nothing is
/// spawned, and to drop what waits is to close the connection.
pub(super) struct Connections {
    origin: Origin,
    connect: Duration,
    keep: Duration,
    /// Those that nobody uses; the one used last at the end.
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>,
    ended: bool,
    used: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nothing of the request was sent.
    Before(String),
    /// Some of it was: what became of it is unknown.
    After(String),
}

impl Connections {
    /// At most `most` at a time; those that are not used for `keep` are closed.
    pub(super) fn new(origin: Origin, connect: Duration, keep: Duration, most: usize) -> Self {
        Self { origin, connect, keep, idle: Mutex::default(), places: Arc::new(Semaphore::new(most)) }
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Closes those that nobody uses, and has none kept any more.
    pub(super) fn close(&self) {
        self.places.close();
        self.idle().clear();
    }

    /// Sends `request` over a connection that is kept, or a new one, and receives the head of the answer. What is `aside` (a
    /// stream that is there as long as its client, an answer that a request waits for) does not count among the connections.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Bytes>,
        aside: bool,
    ) -> Result<Response<Body>, Broken> {
        let place = match aside {
            true => None,
            false => {
                let place = Arc::clone(&self.places).acquire_owned().await;
                Some(place.map_err(|_closed| Broken::Before("the client is closed".into()))?)
            }
        };
        let mut request = request.map(Full::new);
        while let Some(mut connection) = self.kept() {
            if poll_fn(|cx| Poll::Ready(connection.is_gone(cx))).await {
                continue;
            }
            match connection.send(request).await {
                Ok(answer) => return Ok(self.body(answer, connection, place)),
                // The other side has closed it, and nothing was written.
                Err((_, Some(unsent))) => request = unsent,
                Err((why, None)) => return Err(Broken::After(why)),
            }
        }
        let mut connection = self.connect().await.map_err(Broken::Before)?;
        match connection.send(request).await {
            Ok(answer) => Ok(self.body(answer, connection, place)),
            Err((why, Some(_unsent))) => Err(Broken::Before(why)),
            Err((why, None)) => Err(Broken::After(why)),
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = self.origin.connect(self.connect).await.map_err(|error| error.to_string())?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| causes(&e))?;
        Ok(Connection { sender, driver: Box::new(driver), ended: false, used: clock::now() })
    }

    /// The connection that was used last, if it is not too old.
    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let last = idle.pop()?;
        if self.is_late(&last, clock::now()) {
            // The others are older still.
            idle.clear();
            return None;
        }
        Some(last)
    }

    /// Closes those that are not used for too long, for as long as it is polled.
    pub(super) async fn expire(&self) {
        loop {
            // Now and then, so that no request has to wake this.
            clock::sleep(self.keep.max(SELDOM)).await;
            let late: Vec<Connection> = {
                let (mut idle, now) = (self.idle(), clock::now());
                let late = idle.iter().take_while(|connection| self.is_late(connection, now)).count();
                idle.drain(..late).collect()
            };
            drop(late);
        }
    }

    fn is_late(&self, connection: &Connection, now: Instant) -> bool {
        self.keep <= now.saturating_duration_since(connection.used)
    }

    fn keep(&self, mut connection: Connection) {
        connection.used = clock::now();
        let mut idle = self.idle();
        if self.places.is_closed() {
            return;
        }
        if idle.len() == KEPT {
            drop(idle.remove(0));
        }
        idle.push(connection);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn body(
        self: &Arc<Self>,
        answer: Response<Incoming>,
        connection: Connection,
        place: Option<OwnedSemaphorePermit>,
    ) -> Response<Body> {
        answer.map(|incoming| Body {
            incoming,
            lease: Some(Lease { connection, connections: Arc::clone(self), _place: place }),
        })
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("origin", &self.origin).finish_non_exhaustive()
    }
}

type Unsent = Option<Request<Full<Bytes>>>;

impl Connection {
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, (String, Unsent)> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, ended) = (&mut self.driver, &mut self.ended);
        let answer = poll_fn(|cx| {
            if !*ended && Pin::new(&mut **driver).poll(cx).is_ready() {
                // What it has received is still to be read.
                *ended = true;
            }
            answer.as_mut().poll(cx)
        });
        answer.await.map_err(|mut error| {
            let unsent = error.take_message();
            (causes(error.error()), unsent)
        })
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended && Pin::new(&mut *self.driver).poll(cx).is_ready() {
            self.ended = true;
        }
    }

    fn is_gone(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.ended || !self.sender.is_ready()
    }
}

/// The body of an answer. Read to its end, its connection is kept; dropped before, it is closed.
pub(super) struct Body {
    incoming: Incoming,
    lease: Option<Lease>,
}

struct Lease {
    connection: Connection,
    connections: Arc<Connections>,
    _place: Option<OwnedSemaphorePermit>,
}

/// What is wrong with a body.
#[derive(Debug)]
pub(super) enum BadBody {
    TooLarge,
    Broken(String),
}

impl Body {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the connection breaks.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, String>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`BadBody`].
    ///
    /// # Cancel safety
    ///
    /// What was received is lost with the future.
    pub(super) async fn collect(mut self, limit: usize) -> Result<Bytes, BadBody> {
        if u64::try_from(limit).is_ok_and(|limit| limit < self.incoming.size_hint().lower()) {
            return Err(BadBody::TooLarge);
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece.map_err(BadBody::Broken)?;
            if limit < first.len() + rest.len() + piece.len() {
                return Err(BadBody::TooLarge);
            }
            match first.is_empty() && rest.is_empty() {
                // Most bodies come in one piece, which is not copied.
                true => first = piece,
                false => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&std::mem::take(&mut first));
                    }
                    rest.extend_from_slice(&piece);
                }
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        loop {
            if self.incoming.is_end_stream() {
                self.end(cx);
                return Poll::Ready(None);
            }
            // To ask for the next piece is what has the connection read it.
            let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
            if frame.is_pending()
                && let Some(lease) = &mut self.lease
            {
                lease.connection.drive(cx);
                frame = Pin::new(&mut self.incoming).poll_frame(cx);
            }
            match frame {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are nobody's.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.lease = None;
                    return Poll::Ready(Some(Err(causes(&error))));
                }
                Poll::Ready(None) => {
                    self.end(cx);
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// Gives the connection back, if it can be used again.
    fn end(&mut self, cx: &mut Context<'_>) {
        let Some(mut lease) = self.lease.take() else { return };
        if !lease.connection.is_gone(cx) {
            lease.connections.keep(lease.connection);
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// An error and what it came from, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
