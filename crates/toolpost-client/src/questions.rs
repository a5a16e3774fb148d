//! What a server of the older revisions asks, answered beside everything else that goes on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::{AbortRegistration, Abortable};
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::timeout;
use toolpost_protocol::model::RawJson;
use toolpost_protocol::{Code, Error as RpcError, Id};

use crate::respond::{Question, Respond, may_be_asked, unanswered};
use crate::shared::Shared;

/// How long an answer may take.
pub(crate) const LONGEST: Duration = Duration::from_secs(600);

/// A question that is open.
pub(crate) struct Ask {
    pub(crate) id: Id,
    pub(crate) question: Question,
    pub(crate) respond: Arc<dyn Respond>,
    pub(crate) aborted: AbortRegistration,
}

/// Answers questions for as long as it is polled.
pub(crate) async fn run(shared: &Shared, mut asks: mpsc::Receiver<Ask>) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            ask = asks.recv() => {
                let Some(Ask { id, question, respond, aborted }) = ask else { return };
                let answered = async move { answer(&*respond, question).await };
                open.push(async move { (id, Abortable::new(answered, aborted).await) });
            }
            Some((id, answer)) = open.next() => {
                shared.asking().remove(&id);
                if let Ok(answer) = answer {
                    shared.with(|core| core.answer(&id, &answer));
                }
            }
        }
    }
}

/// The host's answer, whatever the host does.
pub(crate) async fn answer(respond: &dyn Respond, question: Question) -> Result<RawJson, RpcError> {
    let method = question.method().to_owned();
    let asked = async {
        match may_be_asked(&respond.capabilities(), &method) {
            true => respond.respond(question).await,
            false => Err(unanswered(&method)),
        }
    };
    match timeout(LONGEST, AssertUnwindSafe(asked).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(RpcError::new(Code::INTERNAL_ERROR, "the client failed to answer")),
        Err(_) => Err(RpcError::new(Code::INTERNAL_ERROR, "nobody answered in time")),
    }
}
