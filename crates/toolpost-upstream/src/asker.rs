//! What a server asks in the middle of a request, handed to whoever waits for the request.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use tokio::sync::oneshot;
use toolpost_client::{ClientCapabilities, ClientError, Question, RawJson, RawResult, Respond, RpcError};
use toolpost_protocol::Code;
use toolpost_tool::{BoxFuture, InputCapabilities, InputRequest};

use crate::connection::Lease;

/// How many questions of one request wait to be asked.
const QUESTIONS_MAX: usize = 16;

/// A request that is in flight, and may be asked about.
pub(crate) struct Running {
    pub(crate) lease: Lease,
    pub(crate) request: BoxFuture<'static, Result<RawResult, ClientError>>,
    pub(crate) asker: Arc<Asker>,
    /// The question that its user has been asked, and under which key.
    pub(crate) open: Option<Open>,
    /// How many questions its user was asked.
    pub(crate) asked: u32,
}

/// A question that waits for its answer.
pub(crate) struct Open {
    pub(crate) key: String,
    pub(crate) request: InputRequest,
    pub(crate) answer: oneshot::Sender<Result<RawJson, RpcError>>,
}

/// What comes next of a request.
pub(crate) enum Next {
    Ended(Result<RawResult, ClientError>),
    Asked(Asked),
}

/// A question, and where its answer goes.
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) answer: oneshot::Sender<Result<RawJson, RpcError>>,
}

impl Running {
    /// What comes next. Cancel safe.
    pub(crate) async fn next(&mut self) -> Next {
        let Self { request, asker, .. } = self;
        poll_fn(|cx| {
            // The answer goes first: what was asked before it is of no more use.
            if let Poll::Ready(ended) = request.as_mut().poll(cx) {
                return Poll::Ready(Next::Ended(ended));
            }
            let mut waiting = asker.waiting();
            match waiting.asked.pop_front() {
                Some(asked) => Poll::Ready(Next::Asked(asked)),
                None => {
                    waiting.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Takes the questions of one request for whoever waits for it.
pub(crate) struct Asker {
    offers: InputCapabilities,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    asked: VecDeque<Asked>,
    waker: Option<Waker>,
}

impl Asker {
    pub(crate) fn new(offers: InputCapabilities) -> Arc<Self> {
        Arc::new(Self { offers, waiting: Mutex::default() })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Respond for Asker {
    fn capabilities(&self) -> ClientCapabilities {
        capabilities(&self.offers)
    }

    fn respond<'a>(
        &'a self,
        question: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        let (answer, answered) = oneshot::channel();
        let waker = {
            let mut waiting = self.waiting();
            if waiting.asked.len() < QUESTIONS_MAX {
                waiting.asked.push_back(Asked { question, answer });
            }
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Box::pin(
            async move { answered.await.unwrap_or_else(|_gone| Err(declined("nobody answers any more"))) },
        )
    }
}

/// What a server of the older revisions is told that can be asked, at the handshake; what it asks of no known call is declined.
pub(crate) struct Offers(pub(crate) InputCapabilities);

impl Respond for Offers {
    fn capabilities(&self) -> ClientCapabilities {
        capabilities(&self.0)
    }

    fn respond<'a>(
        &'a self,
        _: Question,
    ) -> Pin<Box<dyn Future<Output = Result<RawJson, RpcError>> + Send + 'a>> {
        Box::pin(std::future::ready(Err(declined("it is not known which call this is about"))))
    }
}

/// Says what the client of a call can be asked, and answers nothing: the questions come in the result.
pub(crate) fn saying(client: &InputCapabilities) -> Arc<dyn Respond> {
    static ALL: LazyLock<[Arc<Offers>; 16]> = LazyLock::new(|| {
        std::array::from_fn(|bits| {
            let mut offers = InputCapabilities::default();
            offers.elicitation = bits & 1 != 0;
            offers.elicitation_url = bits & 2 != 0;
            offers.sampling = bits & 4 != 0;
            offers.roots = bits & 8 != 0;
            Arc::new(Offers(offers))
        })
    });
    let InputCapabilities { elicitation, elicitation_url, sampling, roots, .. } = *client;
    let bits = [elicitation, elicitation_url, sampling, roots];
    let at = bits.iter().enumerate().map(|(n, bit)| usize::from(*bit) << n).sum::<usize>();
    Arc::<Offers>::clone(&ALL[at])
}

pub(crate) fn declined(why: &'static str) -> RpcError {
    RpcError::new(Code::INVALID_REQUEST, why)
}

fn capabilities(offers: &InputCapabilities) -> ClientCapabilities {
    let mut said = serde_json::Map::new();
    let modes = [("form", offers.elicitation), ("url", offers.elicitation_url)];
    let modes = modes.into_iter().filter(|(_, is)| *is);
    let modes: serde_json::Map<_, _> =
        modes.map(|(mode, _)| (mode.to_owned(), serde_json::json!({}))).collect();
    if !modes.is_empty() {
        said.insert("elicitation".into(), modes.into());
    }
    for (name, is) in [("sampling", offers.sampling), ("roots", offers.roots)] {
        if is {
            said.insert(name.into(), serde_json::json!({}));
        }
    }
    // Of members that the type has.
    serde_json::from_value(said.into()).unwrap_or_default()
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("offers", &self.offers).finish_non_exhaustive()
    }
}
