//! What no request waits for: notifications, cancellations, answers, the session's own stream, its end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use toolpost_protocol::Version;

use super::HttpTarget;
use super::answer::Answer;
use super::carrier::{Carrier, Unanswered};
use super::wire::{ASIDE, Ask, Head};
use crate::core::{Outgoing, What};
use crate::shared::Shared;
use crate::{ClientError, ClientOptions, clock, session};

/// So many messages that nobody waits for are under way at once.
const UNDER_WAY: usize = 16;

/// The wait before the session's stream is opened again: at first, and at most.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// A stream that says nothing for so long is opened anew: its other end may be gone without a word.
const SILENCE: Duration = Duration::from_secs(300);

/// How long the end of a session may take.
const END: Duration = Duration::from_secs(2);

/// Starts the task of a client: the handshake, and what no request waits for.
///
/// # Errors
///
/// [`ClientError::InvalidTarget`].
pub(crate) fn connect(target: HttpTarget, options: ClientOptions) -> Result<Arc<Shared>, ClientError> {
    let carrier = Arc::new(Carrier::new(target, options.message_limit)?);
    let (shared, asks) = Shared::new(options);
    let own = Arc::clone(&carrier);
    shared.carry_by(move |shared, message| Box::pin(Arc::clone(&own).carry(shared, message)));
    let end = End(Arc::clone(&shared));
    let task = Arc::clone(&shared);
    let run = async move {
        tokio::select! {
            () = drive(&carrier, &task) => {}
            () = session::run(Arc::clone(&task), asks) => {}
        }
        end_session(&carrier, &task).await;
        drop(end);
    };
    #[expect(clippy::disallowed_methods, reason = "ends with the client, whose `closed` waits for it")]
    drop(tokio::spawn(run));
    Ok(shared)
}

/// Says that the task has ended, however it did: a runtime that shuts down drops it.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// Carries what no request waits for, until the client is closed.
async fn drive(carrier: &Arc<Carrier>, shared: &Arc<Shared>) {
    let mut under_way = FuturesUnordered::new();
    let mut stream = pin!(listen(carrier, shared));
    let mut expiring = pin!(carrier.wire.connections().expire());
    let mut listening = true;
    loop {
        let room = under_way.len() < UNDER_WAY;
        tokio::select! {
            next = poll_fn(|cx| next(shared, room, cx)) => match next {
                Some(message) => under_way.push(aside(carrier, shared, message)),
                None => return,
            },
            Some(()) = under_way.next() => {}
            () = &mut stream, if listening => listening = false,
            () = &mut expiring => {}
        }
    }
}

/// The next message, if there is room for it; none once the client is closed.
fn next(shared: &Shared, room: bool, cx: &Context<'_>) -> Poll<Option<Outgoing>> {
    shared.watch(cx);
    if shared.closed().is_some() {
        return Poll::Ready(None);
    }
    match room {
        true => shared.poll_outgoing(cx).map(Some),
        false => Poll::Pending,
    }
}

async fn end_session(carrier: &Carrier, shared: &Shared) {
    let session = carrier.sessions.session();
    if session.id.is_some() {
        let head = Head { version: shared.version(), session: session.id.as_ref(), ..Head::default() };
        // Whether the server wants to hear it or not.
        let _ended = tokio::time::timeout(END, carrier.wire.send(Ask::Delete, head)).await;
    }
    carrier.wire.connections().close();
}

/// Carries one message.
async fn aside(carrier: &Arc<Carrier>, shared: &Arc<Shared>, message: Outgoing) {
    let modern = shared.version().is_some_and(Version::is_modern);
    match message.what {
        What::Request { .. } => {
            // Nobody waits for it who would limit that.
            let carrying = Arc::clone(carrier).carry(Arc::clone(shared), message);
            let _late = tokio::time::timeout(ASIDE, carrying).await;
        }
        // Its stream is closed.
        What::Cancel { .. } if modern => {}
        What::Cancel { .. } | What::Answer { .. } | What::Notification => {
            let opening = !carrier.sessions.is_ready();
            let session = carrier.sessions.session();
            let told = carrier.post(message.body, shared.version(), session.id.as_ref(), ASIDE).await;
            if opening {
                // The first thing told is that the client is ready. If that did not come through, requests will say why.
                carrier.sessions.confirmed();
            }
            if let (Err(Unanswered::SessionGone), Some(version)) = (told, shared.version()) {
                // What it was about went with the session.
                let _remade = carrier.remake(session.number, version).await;
            }
        }
    }
}

/// Hears what the server of a session says beside its answers, for as long as it says anything.
async fn listen(carrier: &Arc<Carrier>, shared: &Arc<Shared>) {
    let Ok(agreed) = shared.ready().await else { return };
    let version = agreed.profile.version;
    if version.is_modern() {
        return;
    }
    let mut last: Option<Bytes> = None;
    let mut wait = FIRST;
    // Whether a stream has ended, since when something may have changed unheard.
    let mut has_gap = false;
    loop {
        let session = carrier.sessions.ready().await;
        let head = Head { version: Some(version), session: session.id.as_ref(), ..Head::default() };
        match carrier.wire.send(Ask::Get(last.as_ref()), head).await {
            Ok((Answer::Messages(mut messages), _)) if messages.stream().is_some() => {
                if std::mem::replace(&mut has_gap, true) && last.is_none() {
                    shared.tell_lists_changed();
                }
                let opened = clock::now();
                while let Ok(Ok(Some(message))) = tokio::time::timeout(SILENCE, messages.next()).await {
                    wait = FIRST;
                    shared.receive(&message, None);
                }
                if LAST <= clock::now().saturating_duration_since(opened) {
                    wait = FIRST;
                }
                if let Some(stream) = messages.stream() {
                    last = stream.last_id().cloned().or(last);
                    wait = stream.retry().unwrap_or(wait).clamp(Duration::from_millis(10), LAST);
                }
            }
            Ok((Answer::Refused(refused), _)) => match carrier.refused(&refused, session.id.is_some()) {
                Unanswered::SessionGone => {
                    last = None;
                    if matches!(carrier.remake(session.number, version).await, Ok(true)) {
                        shared.tell_lists_changed();
                        has_gap = false;
                        continue;
                    }
                }
                // The server has no such stream.
                _ if matches!(refused.status.as_u16(), 400 | 405 | 406 | 501) => return,
                _ => {}
            },
            // It says something else, or nothing: it has no such stream either.
            Ok(_) => return,
            Err(_broken) => {}
        }
        clock::sleep(wait).await;
        wait = (wait * 2).min(LAST);
    }
}
