//! Resources, prompts and completions of an upstream.

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde_json::json;
use toolpost_client::RequestOptions;
use toolpost_dispatch::{Completing, Completions, Prompts, Resources};
use toolpost_json::Frame;
use toolpost_protocol::Code;
use toolpost_protocol::model::{
    CompleteResult, CompletionReference, GetPromptResult, Prompt, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use toolpost_tool::{Call, CallParts, Principal, ToolError};

use crate::Upstream;
use crate::ask::{Request, ask, tool_error};

impl Upstream {
    /// Whether it lists a resource at `uri`, or a template that may make it.
    #[must_use]
    pub fn has_resource(&self, uri: &str) -> bool {
        let lists = self.shared.lists();
        lists.resources.iter().any(|resource| resource.uri == uri)
            || lists.templates.iter().any(|template| may_make(&template.uri_template, uri))
    }

    /// Whether it lists any resource or template.
    #[must_use]
    pub fn has_resources(&self) -> bool {
        let lists = self.shared.lists();
        !lists.resources.is_empty() || !lists.templates.is_empty()
    }

    /// Whether it completes what is being typed: an argument of a prompt or a template that it lists.
    #[must_use]
    pub fn completes(&self, completing: &Completing) -> bool {
        self.shared.lists().completes
            && match &completing.reference {
                CompletionReference::Prompt { name, .. } => self.has_prompt(name),
                CompletionReference::ResourceTemplate { uri, .. } => self.has_template(uri),
                _ => false,
            }
    }

    /// Whether it lists the prompt, by its name with the [prefix](crate::UpstreamOptions::prefix).
    #[must_use]
    pub fn has_prompt(&self, name: &str) -> bool {
        let own = name.strip_prefix(&self.shared.options.prefix);
        own.is_some_and(|own| self.shared.lists().prompts.iter().any(|prompt| prompt.name == own))
    }

    fn has_template(&self, uri: &str) -> bool {
        let lists = self.shared.lists();
        lists.templates.iter().any(|template| template.uri_template == uri)
            || lists.resources.iter().any(|resource| resource.uri == uri)
    }

    fn own<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.shared.options.prefix).unwrap_or(name)
    }

    fn malformed(&self, error: impl std::fmt::Display) -> ToolError {
        let what = crate::clean::line(&error.to_string(), 300);
        ToolError::new(format!("`{}` answered what is malformed: {what}", self.shared.name))
    }
}

/// Resources under the URIs that they have there. Everyone is shown the same.
impl Resources for Upstream {
    fn list(&self, _: &Principal) -> Vec<Resource> {
        self.shared.lists().resources.clone()
    }

    fn templates(&self, _: &Principal) -> Vec<ResourceTemplate> {
        self.shared.lists().templates.clone()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn read(&self, uri: &str, call: Call) -> Result<Option<Vec<ResourceContents>>, ToolError> {
        let request = Request::Resource { uri: ByteString::from(uri) };
        match ask(&self.shared, &request, true, &call).await {
            Ok((result, _)) => {
                let read: ReadResourceResult = result.decode().map_err(|error| self.malformed(error))?;
                Ok(Some(read.contents))
            }
            Err(error) => match error.as_protocol().map(toolpost_protocol::Error::code) {
                Some(Code::INVALID_PARAMS) => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// Prompts under their names with the prefix. Everyone is shown the same.
impl Prompts for Upstream {
    fn list(&self, _: &Principal) -> Vec<Prompt> {
        let prefix = &self.shared.options.prefix;
        let mut prompts = self.shared.lists().prompts.clone();
        for prompt in &mut prompts {
            prompt.name.insert_str(0, prefix);
        }
        prompts
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn get(
        &self,
        name: &str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> Result<Option<GetPromptResult>, ToolError> {
        if !self.has_prompt(name) {
            return Ok(None);
        }
        let arguments = Frame::from_serialize(&arguments)?;
        let request = Request::Prompt { name: ByteString::from(self.own(name)), arguments };
        let (result, _) = ask(&self.shared, &request, true, &call).await?;
        result.decode().map(Some).map_err(|error| self.malformed(error))
    }
}

/// Completions of its prompts and templates; none of anything else.
impl Completions for Upstream {
    async fn complete(&self, completing: Completing) -> Result<Vec<String>, ToolError> {
        if !self.completes(&completing) {
            return Ok(Vec::new());
        }
        let reference = match completing.reference {
            CompletionReference::Prompt { name, .. } => CompletionReference::prompt(self.own(&name)),
            other => other,
        };
        let mut params = json!({ "ref": reference, "argument": completing.argument });
        if !completing.given.is_empty() {
            params["context"] = json!({ "arguments": completing.given });
        }
        let params = Frame::from_serialize(&params)?;
        let mut parts = CallParts::default();
        parts.principal = completing.principal;
        let lease = self.shared.lease(&Call::from_parts(parts), true, &[]).await?;
        let completed = lease.connection.client.complete(params.root(), RequestOptions::new()).await;
        let result = completed.map_err(|error| {
            lease.failed(&error);
            tool_error(&self.shared.name, error, true)
        })?;
        lease.answered();
        let completed: CompleteResult = result.decode().map_err(|error| self.malformed(error))?;
        Ok(completed.completion.values)
    }
}

/// Whether a template (RFC 6570, any level) may make the URI: its literal parts are there, in their order. Which resource there
/// is, its server decides.
fn may_make(template: &str, uri: &str) -> bool {
    let (mut rest, mut template) = (uri, template);
    let mut is_first = true;
    loop {
        let (literal, after) =
            template.split_once('{').map_or((template, None), |(literal, after)| (literal, Some(after)));
        let Some(after) = after.and_then(|after| after.split_once('}')).map(|(_, after)| after) else {
            return if is_first { rest == literal } else { rest.ends_with(literal) };
        };
        let found = if is_first { rest.starts_with(literal).then_some(0) } else { rest.find(literal) };
        let Some(at) = found else { return false };
        (rest, template, is_first) = (&rest[at + literal.len()..], after, false);
    }
}

#[cfg(test)]
mod tests {
    use super::may_make;

    #[test]
    fn a_template_may_make_what_has_its_literal_parts() {
        for (template, uri, is) in [
            ("file:///{+path}", "file:///a/b", true),
            ("file:///{+path}", "files:///a", false),
            ("db://{table}/{id}.json", "db://t/7.json", true),
            ("db://{table}/{id}.json", "db://t/7.txt", false),
            ("search://all{?q,limit}", "search://all?q=x", true),
            ("exact://a", "exact://a", true),
            ("exact://a", "exact://ab", false),
            ("odd://{a", "odd://{a", false),
        ] {
            assert_eq!(may_make(template, uri), is, "{template} {uri}");
        }
    }
}
