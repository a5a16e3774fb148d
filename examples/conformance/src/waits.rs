//! Tools that other clients than the suite ask for: what is cancelled, and what changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use toolpost::dispatch::{Changes, RegistryBuilder};
use toolpost::tool::{Call, NoArgs, ToolError};

use crate::tools::described;

/// Longer than a check needs to cancel, and an end for whoever forgets a call.
const LONG: Duration = Duration::from_secs(45);

/// Long enough to lose a connection and to find back.
const A_WHILE: Duration = Duration::from_secs(2);

/// Calls of `test_wait`: how many run, and how many ended before their time.
#[derive(Debug, Default)]
struct Waits {
    running: AtomicUsize,
    cancelled: AtomicUsize,
}

/// A call of `test_wait` that runs; dropped before its time, it counts as cancelled.
struct Waiting {
    waits: Arc<Waits>,
    waited: bool,
}

impl Waiting {
    fn new(waits: Arc<Waits>) -> Self {
        waits.running.fetch_add(1, Ordering::SeqCst);
        Self { waits, waited: false }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.running.fetch_sub(1, Ordering::SeqCst);
        self.waits.cancelled.fetch_add(usize::from(!self.waited), Ordering::SeqCst);
    }
}

pub(crate) fn register(registry: RegistryBuilder, changes: &Changes) -> RegistryBuilder {
    let waits = Arc::new(Waits::default());
    let counted = Arc::clone(&waits);
    let changes = changes.clone();
    registry
        .tool(described(
            "test_wait",
            "Says that it waits, and does until it is cancelled",
            move |_: NoArgs, call: Call| {
                let waits = Arc::clone(&waits);
                async move {
                    let mut waiting = Waiting::new(waits);
                    call.progress(0.0, None, Some("waiting"));
                    sleep(LONG).await;
                    waiting.waited = true;
                    Err::<String, _>(ToolError::new("nobody cancelled the call"))
                }
            },
        ))
        .tool(described(
            "test_while",
            "Says that it has begun, and takes two seconds",
            |_: NoArgs, call: Call| async move {
                call.progress(0.0, None, Some("begun"));
                sleep(A_WHILE).await;
                Ok("two seconds")
            },
        ))
        .tool(described(
            "test_waits",
            "Counts the calls of test_wait that run and that were cancelled",
            move |_: NoArgs, _| {
                let (running, cancelled) =
                    (counted.running.load(Ordering::SeqCst), counted.cancelled.load(Ordering::SeqCst));
                async move { Ok(format!("running {running}, cancelled {cancelled}")) }
            },
        ))
        .tool(described(
            "test_trigger_resource_update",
            "Signals that the watched resource changed",
            move |_: NoArgs, _| {
                changes.resource_updated("test://watched-resource");
                async { Ok("resource updated") }
            },
        ))
}

#[expect(clippy::disallowed_methods, reason = "a call must last until somebody does something to it")]
async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}
