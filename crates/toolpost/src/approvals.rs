//! Calls that run only when a person has said yes.

mod directory;
mod memory;
mod round;
mod store;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toolpost_json::Node;
use toolpost_tool::{Call, InputRequest, InputRequired, Output, Refusal, ToolError};

pub use store::{ApprovalRequest, ApprovalState, ApprovalStore};

use crate::clock;
use directory::ApprovalDirectory;
use memory::MemoryApprovals;
use round::Round;

/// Asks a person before a tool runs that [needs an approval](toolpost_tool::ToolSpec::needs_approval).
///
/// An approval is of one call: of this tool, with these arguments (in whatever order they are written), by this principal. It
/// is used up by the call, and is of no use after [it expires](Self::expiring). Nothing else passes: not the approval of
/// other arguments, of another person, one that was used, and none that a client claims to have without having been asked.
///
/// There are three ways to ask, the first of which that is allowed and possible is taken:
///
/// 1. **A page** ([`by_page`](Self::by_page)): the client sends its user to a URL (elicitation in URL mode), where the host
///    knows who decides.
/// 2. **A form** that the client shows (elicitation). The client's word is taken for its user's.
/// 3. **Out of band** ([`out_of_band`](Self::out_of_band)): the request waits in the [store](ApprovalStore) until somebody
///    [decides](Self::decide), `workbench approve` say.
///
/// A page and out of band a call waits a little for the decision; one that has not come then is told to its caller, who calls
/// again: the request is still there. A call ends in one of three errors without having run: of kind
/// [`Refused`](toolpost_tool::ErrorKind::Refused) with [`ApprovalUnavailable`](Refusal::ApprovalUnavailable) if nobody can be asked,
/// [`ApprovalDeclined`](Refusal::ApprovalDeclined) if the answer is no, and [`ApprovalPending`](Refusal::ApprovalPending) if there
/// is none.
///
/// A tool that needs input of its own after it was approved is not asked about again for the same call; each of its rounds
/// goes on once.
///
/// ```
/// use toolpost::tool::{Call, ErrorKind, NoArgs, Refusal, tool_fn};
/// use toolpost::{Approvals, Runtime};
///
/// let scrap = tool_fn("scrap", |_: NoArgs, _: Call| async { Ok("scrapped") })
///     .with_spec(|spec| spec.needs_approval());
/// let approvals = Approvals::new().out_of_band(std::time::Duration::ZERO);
/// let runtime = Runtime::builder().tool(scrap).approvals(approvals.clone()).build().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let error = runtime.call("scrap", &NoArgs {}).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Refused(Refusal::ApprovalPending));
///
/// let waiting = approvals.waiting().await.unwrap();
/// assert!(approvals.decide(&waiting[0].id, true).await.unwrap());
/// assert_eq!(runtime.call("scrap", &NoArgs {}).await.unwrap().as_text(), Some("scrapped"));
/// assert!(runtime.call("scrap", &NoArgs {}).await.is_err(), "it was of one call");
/// # });
/// ```
#[derive(Clone)]
pub struct Approvals {
    store: Arc<dyn ApprovalStore>,
    expires: Duration,
    page: Option<Page>,
    forms: bool,
    /// How long a call waits for a decision from outside, if there may be one.
    out_of_band: Option<Duration>,
}

type Page = Arc<dyn Fn(&ApprovalRequest) -> String + Send + Sync>;

/// The key of the question.
const QUESTION: &str = "dev.toolpost/approval";

/// How often a store is looked at while a call waits.
const LOOK: Duration = Duration::from_millis(250);

/// How long a call waits for a page, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most bytes of arguments that a person is shown.
const SHOWN_MAX: usize = 2_000;

impl Approvals {
    /// Asks by forms alone, and remembers in memory which approvals were used: those of one process.
    #[must_use]
    pub fn new() -> Self {
        Self::with_store(MemoryApprovals::default())
    }

    /// Keeps what waits, and what was used, in `store`, which other servers may share; otherwise as [`new`](Self::new).
    #[must_use]
    pub fn with_store(store: impl ApprovalStore) -> Self {
        Self {
            store: Arc::new(store),
            expires: Duration::from_secs(600),
            page: None,
            forms: true,
            out_of_band: None,
        }
    }

    /// Keeps what waits in the directory `path`, one file for each, which is made if it is not there: processes that share
    /// it decide for each other. Otherwise as [`new`](Self::new). Call it where blocking is allowed.
    ///
    /// Whoever can write there can approve; on Unix it is made for its owner alone.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made.
    pub fn in_directory(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::with_store(ApprovalDirectory::open(path.as_ref())?))
    }

    /// Sets how long a request waits, and within which time it has to be used; ten minutes unless told otherwise.
    #[must_use]
    pub const fn expiring(mut self, after: Duration) -> Self {
        self.expires = after;
        self
    }

    /// Sends the users of clients that can do that to the URL that `page` gives, where the host asks them, and
    /// [decides](Self::decide) as they say. The id in it names the request, and proves nothing: the page has to know who is there.
    #[must_use]
    pub fn by_page(mut self, page: impl Fn(&ApprovalRequest) -> String + Send + Sync + 'static) -> Self {
        self.page = Some(Arc::new(page));
        self
    }

    /// Takes no client's word for that of its user.
    #[must_use]
    pub const fn without_forms(mut self) -> Self {
        self.forms = false;
        self
    }

    /// Lets requests of clients that cannot ask wait in the store. A call waits so long for a decision, and is then told that
    /// there is none yet; zero is not at all.
    #[must_use]
    pub const fn out_of_band(mut self, patience: Duration) -> Self {
        self.out_of_band = Some(patience);
        self
    }

    /// The requests that wait for a decision.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Reads alone.
    pub async fn waiting(&self) -> Result<Vec<ApprovalRequest>, ToolError> {
        self.store.waiting(clock::unix()).await
    }

    /// Approves the request with this id, or declines it; false if none of this id waits.
    ///
    /// # Errors
    ///
    /// If the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// After a drop it may be decided or not.
    pub async fn decide(&self, id: &str, is_approved: bool) -> Result<bool, ToolError> {
        self.store.decide(id, is_approved, clock::unix()).await
    }

    /// Runs `next` once a person has approved the call.
    ///
    /// # Errors
    ///
    /// The three ends without an approval, that input is required, and whatever `next` answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves a request that waits where it is; an approval that it has taken is used up.
    pub(crate) async fn around<F>(
        &self,
        tool: &str,
        call: Call,
        next: impl FnOnce(Call) -> F,
    ) -> Result<Output, ToolError>
    where
        F: Future<Output = Result<Output, ToolError>>,
    {
        let now = clock::unix();
        let request = ApprovalRequest::of(tool, &call, now.saturating_add(self.expires.as_secs()));
        let round = Round::of(&call).filter(|round| round.id == request.id && now < round.expires);
        let state = match round {
            Some(round) => {
                self.go_on(&request, &round, &call).await?;
                round.state
            }
            None => {
                self.begin(&request, &call).await?;
                None
            }
        };
        let call = if call.has_input_responses() {
            call.with_state(state.map(|state| String::from(Box::<str>::from(state)).into()))
        } else {
            call
        };
        let result = next(call).await;
        match result.as_ref().err().and_then(ToolError::as_input_required) {
            // It comes back with an approval that is of one round.
            Some(suspended) => {
                let round = Round::granted(&request, suspended.state());
                Err(ToolError::input_required(suspended.clone().with_state(&round)?))
            }
            None => result,
        }
    }

    /// The first time that a call comes.
    async fn begin(&self, request: &ApprovalRequest, call: &Call) -> Result<(), ToolError> {
        let page = self.page.as_ref().filter(|_| call.client().elicitation_url);
        if self.page.is_some() || self.out_of_band.is_some() {
            match self.store.take(&request.id, clock::unix()).await? {
                ApprovalState::Approved => return Ok(()),
                ApprovalState::Declined => return Err(declined(request)),
                ApprovalState::Waiting | ApprovalState::Unknown => {}
            }
        }
        if let Some(page) = page {
            self.store.ask(request).await?;
            return Err(visit(request, page, &Round::sent(request))?);
        }
        if self.forms && call.client().elicitation {
            return Err(form(request, &Round::asked(request))?);
        }
        match self.out_of_band {
            Some(patience) => {
                self.store.ask(request).await?;
                self.decided(request, call, patience).await
            }
            None => Err(ToolError::refused(
                Refusal::ApprovalUnavailable,
                format!(
                    "`{}` runs only with the approval of a person, and nobody can be asked: the client does not offer \
                     elicitation",
                    request.tool
                ),
                None,
            )),
        }
    }

    /// What has become of what was asked in an earlier round.
    async fn go_on(&self, request: &ApprovalRequest, round: &Round, call: &Call) -> Result<(), ToolError> {
        let now = clock::unix();
        let used = || {
            let text =
                format!("the approval of `{}` was used already; call again to be asked anew", request.tool);
            ToolError::refused(Refusal::ApprovalDeclined, text, None)
        };
        let spend = async || match self.store.spend(&round.once, round.expires, now).await? {
            true => Ok(()),
            false => Err(used()),
        };
        if round.is_granted {
            return spend().await;
        }
        let action = call.answer(QUESTION).and_then(|answer| answer.member("action")).and_then(Node::as_str);
        let Some(action) = action else {
            // An answer that is missing is asked for again.
            return self.ask_again(request, round);
        };
        match &*action {
            "accept" if round.by_page => self.decided(request, call, PATIENCE).await,
            "accept" if !self.forms => Err(pending(request)),
            "accept" => {
                let answer =
                    call.answer(QUESTION).and_then(|answer| answer.member("content")?.member("approve"));
                spend().await?;
                match answer.and_then(Node::as_bool) {
                    Some(true) => Ok(()),
                    _ => Err(declined(request)),
                }
            }
            "decline" => {
                spend().await?;
                Err(declined(request))
            }
            _ => Err(pending(request)),
        }
    }

    fn ask_again(&self, request: &ApprovalRequest, round: &Round) -> Result<(), ToolError> {
        match (&self.page, round.by_page) {
            (Some(page), true) => Err(visit(request, page, round)?),
            (None, true) => Err(pending(request)),
            (_, false) => Err(form(request, round)?),
        }
    }

    /// Waits a little for the decision of what is in the store.
    async fn decided(
        &self,
        request: &ApprovalRequest,
        call: &Call,
        patience: Duration,
    ) -> Result<(), ToolError> {
        let begun = clock::now();
        let patience = call.remaining(begun).map_or(patience, |left| left.min(patience));
        loop {
            match self.store.take(&request.id, clock::unix()).await? {
                ApprovalState::Approved => return Ok(()),
                ApprovalState::Declined => return Err(declined(request)),
                ApprovalState::Waiting | ApprovalState::Unknown => {}
            }
            let left = patience.saturating_sub(clock::now().saturating_duration_since(begun));
            if left.is_zero() {
                return Err(pending(request));
            }
            tokio::time::sleep_until(clock::after(left.min(LOOK)).into()).await;
        }
    }
}

impl Default for Approvals {
    /// As [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Approvals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approvals")
            .field("expires", &self.expires)
            .field("forms", &self.forms)
            .field("out_of_band", &self.out_of_band)
            .finish_non_exhaustive()
    }
}

/// The error that sends the user to a page.
fn visit(request: &ApprovalRequest, page: &Page, round: &Round) -> Result<ToolError, ToolError> {
    let visit = InputRequest::visit(&question(request), &page(request));
    Ok(ToolError::input_required(InputRequired::new().asking(QUESTION, visit).with_state(round)?))
}

/// The error that asks by a form.
fn form(request: &ApprovalRequest, round: &Round) -> Result<ToolError, ToolError> {
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "approve": { "type": "boolean", "title": "Approve this one call" } },
        "required": ["approve"],
    });
    let form = InputRequest::elicit(&question(request), &schema);
    Ok(ToolError::input_required(InputRequired::new().asking(QUESTION, form).with_state(round)?))
}

/// What a person is asked.
fn question(request: &ApprovalRequest) -> String {
    let arguments = &request.arguments;
    let mut end = arguments.len().min(SHOWN_MAX);
    while !arguments.is_char_boundary(end) {
        end -= 1;
    }
    let more = match arguments.len() - end {
        0 => String::new(),
        more => format!(" ... and {more} bytes more, which are not shown"),
    };
    format!("May `{}` run, this once, with {}{more}?", request.tool, &arguments[..end])
}

fn declined(request: &ApprovalRequest) -> ToolError {
    let text = format!("a person was asked whether `{}` may run, and said no", request.tool);
    ToolError::refused(Refusal::ApprovalDeclined, text, None)
}

fn pending(request: &ApprovalRequest) -> ToolError {
    let (tool, id) = (&request.tool, &request.id);
    let text = format!(
        "a person was asked whether `{tool}` may run, and has not answered; call again with the same arguments once \
         request {id} is decided"
    );
    ToolError::refused(Refusal::ApprovalPending, text, None)
}
