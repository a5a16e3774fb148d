//! How a call can fail.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use toolpost_protocol as protocol;

use crate::InputRequired;

/// Why a call did not end in a result.
///
/// Any `std` error converts into one, so `?` works in a tool; and it converts into `Box<dyn Error>`
/// (and, with the feature `anyhow`, into `anyhow::Error`), so `?` works around a call. Cheap to clone, one word wide.
///
/// # Design
///
/// Opaque on purpose: layers decide by [`kind`](Self::kind), people read the `Display` text, and
/// the [`source`](Self::source) chain keeps the cause. The type does not itself implement
/// [`Error`], because that would forbid the conversion from every other error;
/// [`into_std`](Self::into_std) gives one that does.
///
/// Errors that are no `std` error themselves cannot have a conversion of their own beside that. A boxed one becomes a
/// `ToolError` by [`from_boxed`](Self::from_boxed), one of `anyhow` by `from_anyhow` (feature `anyhow`); a function
/// whose error is such a type is a tool by [`fallible_fn`](crate::fallible_fn).
///
/// ```
/// use toolpost_tool::{ErrorKind, ToolError};
///
/// fn parse(text: &str) -> Result<u16, ToolError> {
///     Ok(text.parse::<u16>()?)
/// }
///
/// let error = parse("x").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Failed);
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// ```
#[derive(Clone)]
pub struct ToolError(Arc<Inner>);

/// What kind of failure a [`ToolError`] is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller went away.
    Cancelled,
    /// The tool tried and failed.
    Failed,
    /// The caller sent arguments the tool cannot work with.
    InvalidArguments,
    /// The tool panicked.
    Panicked,
    /// The call broke the protocol, and is answered by a JSON-RPC error rather than a result.
    Protocol,
    /// The runtime refused to run the tool.
    Refused(Refusal),
    /// The tool needs input before it can go on; see [`Call::input`](crate::Call::input).
    InputRequired,
    /// The tool may have done its work, and nobody knows how that ended: it is not run again, so that nothing is done
    /// twice. Whoever calls looks at what there is, and calls again under another
    /// [idempotency key](crate::IdempotencyPolicy).
    OutcomeUnknown,
    /// The tool took longer than it may.
    TimedOut,
    /// What the tool depends on cannot be reached now.
    Unavailable,
}

impl ErrorKind {
    /// A short name, stable, for a metric label or a log field; of a refusal it is its reason.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::InvalidArguments => "invalid_arguments",
            Self::Panicked => "panicked",
            Self::Protocol => "protocol",
            Self::Refused(refusal) => refusal.as_str(),
            Self::InputRequired => "input_required",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Why the runtime refused to run a tool.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The tool needs the approval of a person, who said no, or whose yes was used already.
    ApprovalDeclined,
    /// The tool needs the approval of a person, who was asked and has not answered.
    ApprovalPending,
    /// The tool needs the approval of a person, and nobody can be asked.
    ApprovalUnavailable,
    /// The circuit breaker is open.
    BreakerOpen,
    /// The deadline would pass before the call could end.
    DeadlineUnmet,
    /// The principal may not call this tool.
    Denied,
    /// The server is shutting down.
    Draining,
    /// The queue for permits is full, or waiting in it took too long.
    QueueFull,
    /// The principal called too often.
    RateLimited,
    /// As many calls of the principal run as may run at once.
    TooManyAtOnce,
}

impl Refusal {
    /// The reason on the wire (`_meta["dev.toolpost/rejection"].reason`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalDeclined => "approval_declined",
            Self::ApprovalPending => "approval_pending",
            Self::ApprovalUnavailable => "approval_unavailable",
            Self::BreakerOpen => "breaker_open",
            Self::DeadlineUnmet => "deadline_unmet",
            Self::Denied => "denied",
            Self::Draining => "draining",
            Self::QueueFull => "queue_full",
            Self::RateLimited => "rate_limited",
            Self::TooManyAtOnce => "too_many_at_once",
        }
    }
}

impl ToolError {
    /// A failure described by `message`, written for whoever has to act on it.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_kind(ErrorKind::Failed, message)
    }

    /// A failure of the given kind.
    #[must_use]
    pub fn with_kind(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner::new(kind, message.into())))
    }

    /// The caller's mistake: say which argument, what was expected and what came.
    #[must_use]
    pub fn invalid_arguments(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_kind(ErrorKind::InvalidArguments, message)
    }

    /// A dependency that cannot be reached now; worth trying again.
    #[must_use]
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_kind(ErrorKind::Unavailable, message)
    }

    /// A time limit of `limit` that passed.
    #[must_use]
    pub fn timed_out(limit: Duration) -> Self {
        Self::with_kind(ErrorKind::TimedOut, format!("the call took longer than its limit of {limit:?}"))
    }

    /// A refusal by the runtime, and when to come back.
    #[must_use]
    pub fn refused(
        reason: Refusal,
        message: impl Into<Cow<'static, str>>,
        retry_after: Option<Duration>,
    ) -> Self {
        let mut inner = Inner::new(ErrorKind::Refused(reason), message.into());
        inner.retry_after = retry_after;
        Self(Arc::new(inner))
    }

    /// A refusal because the caller's token lacks a scope: `scopes`, separated by spaces, are those that the call needs.
    ///
    /// Over HTTP a call that is refused so before it says anything is answered with 403 and a challenge that names the
    /// scopes, so that the client can ask for them; elsewhere, and later, it is an error as others are.
    ///
    /// ```
    /// use toolpost_tool::{Call, NoArgs, ToolError, tool_fn};
    ///
    /// let scrap = tool_fn("scrap", |_: NoArgs, call: Call| async move {
    ///     if !call.principal().has_scope("stock:write") {
    ///         return Err(ToolError::insufficient_scope("scrapping takes more than reading", "stock:write"));
    ///     }
    ///     Ok("scrapped")
    /// });
    /// ```
    #[must_use]
    pub fn insufficient_scope(message: impl Into<Cow<'static, str>>, scopes: impl Into<Box<str>>) -> Self {
        let mut inner = Inner::new(ErrorKind::Refused(Refusal::Denied), message.into());
        inner.detail = Detail::Scopes(scopes.into());
        Self(Arc::new(inner))
    }

    /// Ends a call that waits for input: it runs again from the top when the answers have come.
    #[must_use]
    pub fn input_required(required: InputRequired) -> Self {
        let mut inner = Inner::new(ErrorKind::InputRequired, Cow::Borrowed("the call waits for input"));
        inner.detail = Detail::InputRequired(required);
        Self(Arc::new(inner))
    }

    /// A violation of the protocol, answered by this JSON-RPC error.
    #[must_use]
    pub fn protocol(error: protocol::Error) -> Self {
        let mut inner = Inner::new(ErrorKind::Protocol, Cow::Owned(error.message().to_owned()));
        inner.detail = Detail::Protocol(error);
        Self(Arc::new(inner))
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long to wait before trying again, if anyone knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The cause, if this error wraps one.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }

    /// What a suspended call waits for.
    #[must_use]
    pub fn as_input_required(&self) -> Option<&InputRequired> {
        match &self.0.detail {
            Detail::InputRequired(required) => Some(required),
            _ => None,
        }
    }

    /// The scopes, separated by spaces, that the call needs and the caller's token lacks.
    #[must_use]
    pub fn required_scopes(&self) -> Option<&str> {
        match &self.0.detail {
            Detail::Scopes(scopes) => Some(scopes),
            _ => None,
        }
    }

    /// The JSON-RPC error that answers a violation of the protocol.
    #[must_use]
    pub fn as_protocol(&self) -> Option<&protocol::Error> {
        match &self.0.detail {
            Detail::Protocol(error) => Some(error),
            _ => None,
        }
    }

    /// Sets the kind: for a wrapped error that is not simply a failure.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.edit().kind = kind;
        self
    }

    /// Sets what is said, and keeps everything else: kind, cause, when to try again.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.edit().message = message.into();
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.edit().source = Some(Arc::new(source));
        self
    }

    /// Sets how long to wait before trying again.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.edit().retry_after = Some(wait);
        self
    }

    /// This error as a [`std::error::Error`]. Turned into a `ToolError` again (by `?`, or
    /// [`from_boxed`](Self::from_boxed)) it is what it was, with its kind.
    ///
    /// ```
    /// use std::error::Error;
    /// use toolpost_tool::{ErrorKind, ToolError};
    ///
    /// let boxed: Box<dyn Error + Send + Sync> = ToolError::unavailable("try again").into_std().into();
    /// assert_eq!(ToolError::from_boxed(boxed).kind(), ErrorKind::Unavailable);
    /// ```
    #[must_use]
    pub const fn into_std(self) -> impl Error + Clone + Send + Sync + 'static {
        StdError(self)
    }

    /// A failure described by a boxed error, for `map_err(ToolError::from_boxed)?`. A `ToolError` that was boxed comes
    /// out as it went in, with its kind.
    #[must_use]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<StdError>() {
            Ok(error) => error.0,
            Err(error) => {
                let mut inner = Inner::new(ErrorKind::Failed, Cow::Owned(error.to_string()));
                inner.source = Some(Arc::from(error));
                Self(Arc::new(inner))
            }
        }
    }

    /// A failure described by an error of `anyhow`, for `map_err(ToolError::from_anyhow)?`; its causes stay. A
    /// `ToolError` that had become one comes out as it went in, with its kind, unless a context was put around it: then
    /// the text is the context's, and the kind stays.
    #[cfg(feature = "anyhow")]
    #[must_use]
    pub fn from_anyhow(error: anyhow::Error) -> Self {
        let within = error.downcast_ref::<StdError>().map(|error| error.0.clone());
        match within {
            Some(within) => within.with_message(error.to_string()),
            None => Self::from_boxed(error.into()),
        }
    }

    fn edit(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

/// A failure described by the error. A `ToolError` that had become one by [`into_std`](ToolError::into_std) comes out as it went in.
impl<E: Error + Send + Sync + 'static> From<E> for ToolError {
    fn from(error: E) -> Self {
        if let Some(StdError(error)) = (&error as &dyn Any).downcast_ref() {
            return error.clone();
        }
        let mut inner = Inner::new(ErrorKind::Failed, Cow::Owned(error.to_string()));
        inner.source = Some(Arc::new(error));
        Self(Arc::new(inner))
    }
}

impl From<ToolError> for Box<dyn Error + Send + Sync> {
    fn from(error: ToolError) -> Self {
        Box::new(error.into_std())
    }
}

impl From<ToolError> for Box<dyn Error> {
    fn from(error: ToolError) -> Self {
        Box::new(error.into_std())
    }
}

#[cfg(feature = "anyhow")]
impl From<ToolError> for anyhow::Error {
    fn from(error: ToolError) -> Self {
        Self::new(error.into_std())
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, source, retry_after, detail } = &*self.0;
        let mut debug = f.debug_struct("ToolError");
        debug.field("kind", kind).field("message", message);
        if let Some(source) = source {
            debug.field("source", source);
        }
        if let Some(wait) = retry_after {
            debug.field("retry_after", wait);
        }
        match detail {
            Detail::None => {}
            Detail::Protocol(error) => drop(debug.field("protocol", error)),
            Detail::InputRequired(required) => drop(debug.field("input_required", required)),
            Detail::Scopes(scopes) => drop(debug.field("required_scopes", scopes)),
        }
        debug.finish()
    }
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
    detail: Detail,
}

#[derive(Clone)]
enum Detail {
    None,
    Protocol(protocol::Error),
    InputRequired(InputRequired),
    Scopes(Box<str>),
}

impl Inner {
    const fn new(kind: ErrorKind, message: Cow<'static, str>) -> Self {
        Self { kind, message, source: None, retry_after: None, detail: Detail::None }
    }
}

/// A [`ToolError`] that is a [`std::error::Error`]; made by [`ToolError::into_std`].
#[derive(Clone, Debug)]
struct StdError(ToolError);

impl fmt::Display for StdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for StdError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
