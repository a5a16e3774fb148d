//! `tools/list` and `tools/call` of an rmcp server, answered by a runtime.

use std::fmt;
use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::handler::server::tool::{ToolCallContext, ToolRoute, ToolRouter};
use rmcp::model::{CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams, Tool};
use rmcp::service::RequestContext;
use toolpost::Runtime;
use toolpost_dispatch::{Answer, CallRequest};
use toolpost_protocol::Era;
use toolpost_tool::{Principal, Priority};

use crate::answer;
use crate::listed::Listed;
use crate::notices::Notices;
use crate::received;
use crate::sealed::Seal;

/// Reads who calls out of rmcp's context of a request.
type Identify = dyn Fn(&RequestContext<RoleServer>) -> Principal + Send + Sync;

/// Lowers the priority that a principal asks for to what the host grants it.
type Clamp = dyn Fn(&Principal, Priority) -> Priority + Send + Sync;

/// The tools of a runtime, as an rmcp server offers them. Cheap to clone.
///
/// A server whose handler is written by hand keeps one of these and forwards to
/// [`list_tools`](Self::list_tools), [`call_tool`](Self::call_tool) and [`get_tool`](Self::get_tool).
/// A server whose handler comes from `#[tool_handler(router = self.tool_router)]` takes
/// [`router`](Self::router) instead, and its handler does not change.
///
/// # What passes
///
/// Arguments, `_meta`, the trace context, `dev.toolpost/priority` and `dev.toolpost/deadlineMs` go to
/// the tool; progress and log lines, if the request asks for them, go back through the peer. When rmcp
/// cancels a request, its call is dropped.
///
/// A tool that asks its client for input ([`Call::input`](toolpost_tool::Call::input)) does so for
/// clients of revision 2026-07-28; older ones are told that the tool needs it. State that such a tool
/// wants back travels through the client signed, bound to the principal, the tool and the arguments,
/// for ten minutes; it is readable, so it must hold no secret. A client whose answers are none, three rounds in a row, is
/// asked no more: the call fails. Content that a client's revision does not have (audio, resource links) reaches it as text.
#[derive(Clone)]
pub struct Tools {
    runtime: Runtime,
    identify: Option<Arc<Identify>>,
    clamp: Option<Arc<Clamp>>,
    seal: Arc<Seal>,
    listed: Arc<Listed>,
}

impl Tools {
    /// The tools of `runtime`, for callers that are all anonymous.
    ///
    /// Behind any authentication, say who calls with [`identified_by`](Self::identified_by): results
    /// are cached, rates are limited and permits are shared per principal.
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            identify: None,
            clamp: None,
            seal: Arc::new(Seal::random()),
            listed: Arc::new(Listed::default()),
        }
    }

    /// Asks `identify` who calls. Over HTTP the context's `extensions` hold the request's
    /// `http::request::Parts`, and in theirs whatever the authentication put there.
    #[must_use]
    pub fn identified_by(
        mut self,
        identify: impl Fn(&RequestContext<RoleServer>) -> Principal + Send + Sync + 'static,
    ) -> Self {
        self.identify = Some(Arc::new(identify));
        self
    }

    /// Decides how urgent a principal's call may be, from how urgent it says it is.
    #[must_use]
    pub fn clamp_priority(
        mut self,
        clamp: impl Fn(&Principal, Priority) -> Priority + Send + Sync + 'static,
    ) -> Self {
        self.clamp = Some(Arc::new(clamp));
        self
    }

    /// Signs state with `key`, so that another process with the same key accepts it; without this, the
    /// key is random.
    ///
    /// # Errors
    ///
    /// If `key` has fewer than 32 bytes.
    pub fn with_state_key(mut self, key: impl Into<Vec<u8>>) -> Result<Self, InvalidStateKey> {
        self.seal = Arc::new(Seal::new(key.into()).ok_or(InvalidStateKey)?);
        Ok(self)
    }

    /// The runtime.
    #[must_use]
    pub const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Answers `tools/list`: all tools that the caller may use, in one page, by name.
    ///
    /// # Errors
    ///
    /// Invalid parameters, if the request has a cursor: none was ever given out.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    #[expect(clippy::unused_async, reason = "as rmcp's method of that name")]
    pub async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("the list has one page, and no cursor", None));
        }
        let principal = self.principal(&context);
        let era = answer::version(&context).era();
        let tools = self.listed.visible(self.runtime.dispatcher(), &principal, era);
        let mut result = ListToolsResult::with_all_items(tools);
        if !self.runtime.dispatcher().is_open() && era == Era::Modern {
            result.cache_scope = Some(rmcp::model::CacheScope::Private);
        }
        Ok(result)
    }

    /// Answers `tools/call`. Failures and refusals of the tool are results with `isError` set.
    ///
    /// # Errors
    ///
    /// If the call breaks the protocol: an unknown tool, a message over the limits, foreign state. For
    /// a call that rmcp cancelled there is an error too, which rmcp does not send.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the tool's future.
    pub async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let context = Arc::new(context);
        let (mut parts, round) =
            received::parts(request, &context, &self.seal, |context| self.principal(context))?;
        if let Some(clamp) = &self.clamp {
            parts.priority = clamp(&parts.principal, parts.priority).min(Priority::Urgent);
        }
        let notices = Notices::wanted(&context);
        parts.set_sink(notices.as_ref().map(Notices::sink));
        let call = self.runtime.dispatcher().call(CallRequest::from_parts(parts));
        let result = tokio::select! {
            biased;
            () = context.ct.cancelled() => return Err(cancelled()),
            result = Notices::during(notices, &context, call) => result,
        };
        let version = answer::version(&context);
        match Answer::of(result) {
            Answer::Result(output) => Ok(answer::result(&output, version)?.into()),
            Answer::InputRequired(suspended) => {
                answer::input_required(&suspended, version.era(), || round.next(&suspended, &self.seal))
            }
            Answer::Error(error) => answer::error(&error, version.era()),
            _ => Err(cancelled()),
        }
    }

    /// The tool called `name`, whoever may use it: what rmcp checks a request's headers against, before it is known who
    /// sent them. So a tool with mirrored headers that is [hidden](toolpost_dispatch::Decision::Hide) from a caller is
    /// found out by it over rmcp's HTTP.
    #[must_use]
    pub fn get_tool(&self, name: &str) -> Option<Tool> {
        self.listed.find(self.runtime.dispatcher(), name)
    }

    /// The tools as a router of rmcp's, for a server of type `S` whose handler the macros make.
    ///
    /// The router has the tools of this moment, and shows all of them to everyone: a runtime whose
    /// tools are reloaded, or that hides tools from some principals, wants the methods of this type
    /// instead. (A call is authorized either way.)
    #[must_use]
    pub fn router<S: Send + Sync + 'static>(&self) -> ToolRouter<S> {
        let mut router = ToolRouter::new();
        for tool in self.listed.all(self.runtime.dispatcher(), Era::Legacy) {
            let tools = self.clone();
            router.add_route(ToolRoute::new_dyn(tool, move |context: ToolCallContext<'_, S>| {
                let tools = tools.clone();
                let mut request = CallToolRequestParams::new(context.name);
                request.arguments = context.arguments;
                request.input_responses = context.input_responses;
                request.request_state = context.request_state;
                let context = context.request_context;
                Box::pin(async move { tools.call_tool(request, context).await })
            }));
        }
        router
    }

    fn principal(&self, context: &RequestContext<RoleServer>) -> Principal {
        self.identify.as_ref().map_or_else(Principal::anonymous, |identify| identify(context))
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tools").field("runtime", &self.runtime).finish_non_exhaustive()
    }
}

/// A key of fewer than 32 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key that signs state has at least 32 bytes")]
pub struct InvalidStateKey;

fn cancelled() -> ErrorData {
    ErrorData::internal_error("the call was cancelled", None)
}
