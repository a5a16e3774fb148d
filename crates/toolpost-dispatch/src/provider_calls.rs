//! Lists, reads and completes what is offered besides tools.

use std::collections::BTreeMap;
use std::fmt;

use bytestring::ByteString;
use serde_json::json;
use toolpost_protocol::model::{
    CompletionReference, GetPromptResult, Prompt, Resource, ResourceContents, ResourceTemplate,
};
use toolpost_protocol::{Code, Error};
use toolpost_tool::{Call, CallParts, Principal, ToolError};

use crate::authorize::AccessDenied;
use crate::providers::{AnyCompletions, AnyPrompts, AnyResources, Completing};
use crate::run::Run;
use crate::{CallKey, Changes, Dispatcher, Target};

/// What is offered besides tools; `None` means that the server has no such thing.
#[derive(Clone, Default)]
pub(crate) struct Providers {
    pub(crate) resources: Option<AnyResources>,
    pub(crate) prompts: Option<AnyPrompts>,
    pub(crate) completions: Option<AnyCompletions>,
    pub(crate) changes: Option<Changes>,
}

impl Dispatcher {
    /// Whether there are resources.
    #[must_use]
    pub fn has_resources(&self) -> bool {
        self.0.providers.resources.is_some()
    }

    /// Whether there are prompts.
    #[must_use]
    pub fn has_prompts(&self) -> bool {
        self.0.providers.prompts.is_some()
    }

    /// Whether there are completions.
    #[must_use]
    pub fn has_completions(&self) -> bool {
        self.0.providers.completions.is_some()
    }

    /// Whether everyone is shown the same resources and templates.
    #[must_use]
    pub fn resources_are_shared(&self) -> bool {
        self.is_open()
            && self.0.providers.resources.as_ref().is_none_or(|resources| resources.is_shared_erased())
    }

    /// Whether everyone is shown the same prompts.
    #[must_use]
    pub fn prompts_are_shared(&self) -> bool {
        self.is_open() && self.0.providers.prompts.as_ref().is_none_or(|prompts| prompts.is_shared_erased())
    }

    /// Whether `principal` may see and read the resource at `uri`, if there is one.
    #[must_use]
    pub fn may_read(&self, principal: &Principal, uri: &str) -> bool {
        self.allows(principal, Target::Resource(uri))
    }

    /// Whether `principal` may ask to be told of changes of the resource at `uri`. It may of what is
    /// [hidden](crate::Decision::Hide), as of what does not exist, and is told of neither.
    #[must_use]
    pub fn may_watch(&self, principal: &Principal, uri: &str) -> bool {
        let target = Target::Resource(uri);
        !matches!(self.0.decide(principal, target, uri), Err(AccessDenied::Denied(_)))
    }

    /// Where changes of resources and prompts are signaled, if they are.
    #[must_use]
    pub fn changes(&self) -> Option<&Changes> {
        self.0.providers.changes.as_ref()
    }

    /// The resources that `principal` may see, in a stable order.
    #[must_use]
    pub fn resources(&self, principal: &Principal) -> Vec<Resource> {
        let Some(resources) = &self.0.providers.resources else { return Vec::new() };
        let mut seen = resources.list_erased(principal);
        seen.retain(|resource| self.0.shows(principal, Target::Resource(&resource.uri)));
        seen
    }

    /// The resource templates that `principal` may see, in a stable order.
    #[must_use]
    pub fn resource_templates(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        let Some(resources) = &self.0.providers.resources else { return Vec::new() };
        let mut seen = resources.templates_erased(principal);
        seen.retain(|template| self.0.shows(principal, Target::Resource(&template.uri_template)));
        seen
    }

    /// The prompts that `principal` may see, in a stable order.
    #[must_use]
    pub fn prompts(&self, principal: &Principal) -> Vec<Prompt> {
        let Some(prompts) = &self.0.providers.prompts else { return Vec::new() };
        let mut seen = prompts.list_erased(principal);
        seen.retain(|prompt| self.0.shows(principal, Target::Prompt(&prompt.name)));
        seen
    }

    /// Reads the resource at `uri`, in flight from here on as a [`call`](Self::call) is.
    ///
    /// # Errors
    ///
    /// Of kind `Protocol` if there is no such resource or it is [hidden](crate::Decision::Hide), with the URI in its data; `Refused` if the
    /// principal may not read it or the dispatcher drains; and whatever the reading itself answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the reading.
    pub fn read_resource(
        &self,
        uri: ByteString,
        parts: CallParts,
        key: Option<CallKey>,
    ) -> impl Future<Output = Result<Vec<ResourceContents>, ToolError>> + Send + 'static {
        let inner = self.0.clone();
        let flight = inner.in_flight.enter(key, &parts.principal, parts.origin());
        async move {
            let (flight, deadline) = (flight?, parts.deadline);
            let unknown = || {
                let error = Error::new(Code::INVALID_PARAMS, "there is no resource with this URI");
                ToolError::protocol(error.with_data(&json!({ "uri": &*uri })))
            };
            let resources = inner.providers.resources.as_ref().ok_or_else(unknown)?;
            inner
                .decide(&parts.principal, Target::Resource(&uri), &uri)
                .map_err(|closed| closed.told(unknown))?;
            let mut run = Run::new(&flight, || resources.read_erased(&uri, Call::from_parts(parts)));
            run.in_time(deadline, Some(inner.time_limit)).await?.ok_or_else(unknown)
        }
    }

    /// Makes the messages of the prompt called `name`, in flight from here on as a [`call`](Self::call) is.
    ///
    /// # Errors
    ///
    /// As [`read_resource`](Self::read_resource), for the prompt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the making.
    pub fn prompt(
        &self,
        name: ByteString,
        arguments: BTreeMap<String, String>,
        parts: CallParts,
        key: Option<CallKey>,
    ) -> impl Future<Output = Result<GetPromptResult, ToolError>> + Send + 'static {
        let inner = self.0.clone();
        let flight = inner.in_flight.enter(key, &parts.principal, parts.origin());
        async move {
            let (flight, deadline) = (flight?, parts.deadline);
            let unknown = || {
                let shown: String = name.chars().take(80).collect();
                let message = format!("unknown prompt `{shown}`; prompts/list names those there are");
                ToolError::protocol(Error::new(Code::INVALID_PARAMS, message))
            };
            let prompts = inner.providers.prompts.as_ref().ok_or_else(unknown)?;
            inner
                .decide(&parts.principal, Target::Prompt(&name), &name)
                .map_err(|closed| closed.told(unknown))?;
            let mut run = Run::new(&flight, || prompts.get_erased(&name, arguments, Call::from_parts(parts)));
            run.in_time(deadline, Some(inner.time_limit)).await?.ok_or_else(unknown)
        }
    }

    /// Suggests values for what is being typed, in flight from here on as a [`call`](Self::call) is. For what is
    /// [hidden](crate::Decision::Hide) there are none, and the [`Completions`](crate::Completions) are not asked: let them have none for what does
    /// not exist either.
    ///
    /// # Errors
    ///
    /// `Refused` if the principal may not use what it completes, or the dispatcher drains; and
    /// whatever the completing itself answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the completing.
    pub fn complete(
        &self,
        completing: Completing,
        key: Option<CallKey>,
    ) -> impl Future<Output = Result<Vec<String>, ToolError>> + Send + 'static {
        let inner = self.0.clone();
        let flight = inner.in_flight.enter(key, &completing.principal, None);
        async move {
            let flight = flight?;
            let Some(completions) = &inner.providers.completions else { return Ok(Vec::new()) };
            let target = match &completing.reference {
                CompletionReference::Prompt { name, .. } => Some(Target::Prompt(name)),
                CompletionReference::ResourceTemplate { uri, .. } => Some(Target::Resource(uri)),
                _ => None,
            };
            match target.map(|target| inner.decide(&completing.principal, target, target.name())) {
                Some(Err(AccessDenied::Denied(error))) => return Err(error),
                Some(Err(AccessDenied::Hidden)) => return Ok(Vec::new()),
                Some(Ok(())) | None => {}
            }
            let mut run = Run::new(&flight, || completions.complete_erased(completing));
            run.in_time(None, Some(inner.time_limit)).await
        }
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers")
            .field("resources", &self.resources.is_some())
            .field("prompts", &self.prompts.is_some())
            .field("completions", &self.completions.is_some())
            .finish_non_exhaustive()
    }
}
