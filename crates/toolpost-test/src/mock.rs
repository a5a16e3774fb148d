//! A tool whose every call waits for the test to answer it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use toolpost_tool::{Call, ErrorKind, Output, Tool, ToolError, ToolSpec};

/// Makes a mock tool called `name`, and the handle that answers its calls.
///
/// The test decides when a call ends, and sees what becomes of it until then:
///
/// ```
/// use toolpost_test::{assert_text, call, mock, poll_once, run};
/// use toolpost_tool::{NoArgs, Output, Tool};
///
/// run(async {
///     let (tool, mut handle) = mock("search");
///     let (first, mut second) = (tool.call(call(NoArgs {}).build()), Box::pin(tool.call(call(NoArgs {}).build())));
///     let (answer, ()) = tokio::join!(first, async { handle.next().await.respond(Output::text("found")) });
///     assert_text(&answer, "found");
///
///     assert!(poll_once(second.as_mut()).await.is_pending());
///     let waiting = handle.next().await;
///     drop(second);
///     assert!(waiting.is_cancelled());
///     assert_eq!(handle.calls(), 2);
/// });
/// ```
///
/// # Panics
///
/// If `name` is not a tool name.
#[must_use]
pub fn mock(name: &str) -> (Mock, Handle) {
    #[expect(clippy::expect_used, reason = "documented; the name is a literal of the test")]
    let spec = ToolSpec::new(name).expect("a tool name");
    let (sender, receiver) = mpsc::unbounded_channel();
    let calls = Arc::new(AtomicUsize::new(0));
    (Mock { spec, sender, calls: Arc::clone(&calls) }, Handle { receiver, calls })
}

/// A tool whose every call waits for its [`Handle`]; made by [`mock`].
#[derive(Clone, Debug)]
pub struct Mock {
    spec: ToolSpec,
    sender: mpsc::UnboundedSender<Received>,
    calls: Arc<AtomicUsize>,
}

impl Mock {
    /// Changes the description, for what a layer or a runtime reads from it.
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

impl Tool for Mock {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (respond, answer) = oneshot::channel();
        let gone = || ToolError::with_kind(ErrorKind::Unavailable, "the handle of this mock is gone");
        self.sender.send(Received { call, respond }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Answers the calls of a [`Mock`].
#[derive(Debug)]
pub struct Handle {
    receiver: mpsc::UnboundedReceiver<Received>,
    calls: Arc<AtomicUsize>,
}

impl Handle {
    /// The next call. Waits for it; for ever, if every clone of the mock is gone.
    ///
    /// # Cancel safety
    ///
    /// No call is lost.
    pub async fn next(&mut self) -> Received {
        match self.receiver.recv().await {
            Some(received) => received,
            None => std::future::pending().await,
        }
    }

    /// A call that has already come.
    pub fn try_next(&mut self) -> Option<Received> {
        self.receiver.try_recv().ok()
    }

    /// How often the mock was called, answered or not.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// One call of a [`Mock`], to be answered. Dropped unanswered, the call fails as unavailable.
#[derive(Debug)]
pub struct Received {
    call: Call,
    respond: oneshot::Sender<Result<Output, ToolError>>,
}

impl Received {
    /// The call.
    #[must_use]
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// Whether the caller has dropped the call.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.respond.is_closed()
    }

    /// Resolves when the caller drops the call.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn cancelled(&mut self) {
        self.respond.closed().await;
    }

    /// Ends the call with a result.
    pub fn respond(self, output: Output) {
        self.end(Ok(output));
    }

    /// Ends the call with an error.
    pub fn fail(self, error: ToolError) {
        self.end(Err(error));
    }

    fn end(self, result: Result<Output, ToolError>) {
        // A caller that is gone needs no answer.
        let _gone = self.respond.send(result);
    }
}
