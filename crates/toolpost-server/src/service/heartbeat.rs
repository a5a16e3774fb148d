//! Tells who asked for progress that a call still runs, while its tool says nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;

use super::outbox::CallSink;
use crate::clock;

/// Runs `call`; after each silence of so long, the sink beats. The timer is made when the call waits.
pub(super) async fn beating<T>(
    beats: Option<&(Arc<CallSink>, Duration)>,
    mut call: Pin<Box<impl Future<Output = T>>>,
) -> T {
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = call.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        if let Some((sink, silence)) = beats {
            let timer = timer.get_or_insert_with(|| Box::pin(clock::sleep(*silence)));
            while timer.as_mut().poll(cx).is_ready() {
                timer.as_mut().reset((clock::now() + sink.beat(*silence)).into());
            }
        }
        Poll::Pending
    })
    .await
}
