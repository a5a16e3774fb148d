//! Resources made of closures.

use std::collections::BTreeMap;
use std::fmt;

use toolpost_protocol::model::{Resource, ResourceContents, ResourceTemplate};
use toolpost_tool::{BoxFuture, Call, Principal, ToolError};

use super::Resources;
use super::template::{Template, Variables};

/// [`Resources`] made of closures, listed in the order of their URIs.
///
/// ```
/// use toolpost_dispatch::{ResourceSet, Resources};
/// use toolpost_protocol::model::{Resource, ResourceContents, ResourceTemplate};
/// use toolpost_tool::{Call, Principal};
///
/// let set = ResourceSet::new()
///     .text(Resource::new("notes://today", "today"), "buy oil")
///     .template(ResourceTemplate::new("notes://{day}", "any day"), |uri, day, _| async move {
///         let text = format!("nothing on {}", day["day"]);
///         Ok(Some(vec![ResourceContents::text(uri, text)]))
///     });
/// assert_eq!(set.list(&Principal::anonymous()).len(), 1);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let call = || Call::new(&serde_json::json!({})).unwrap();
/// assert!(set.read("notes://today", call()).await.unwrap().is_some());
/// assert!(set.read("notes://friday", call()).await.unwrap().is_some());
/// assert!(set.read("files://today", call()).await.unwrap().is_none());
/// # });
/// ```
#[derive(Default)]
pub struct ResourceSet {
    /// Sorted by URI.
    listed: Vec<(Resource, Read)>,
    templates: Vec<(ResourceTemplate, Template, ReadTemplate)>,
}

type Read = Box<dyn Fn(Call) -> BoxFuture<'static, Result<Vec<ResourceContents>, ToolError>> + Send + Sync>;
type ReadTemplate = Box<
    dyn Fn(String, Variables, Call) -> BoxFuture<'static, Result<Option<Vec<ResourceContents>>, ToolError>>
        + Send
        + Sync,
>;

impl ResourceSet {
    /// No resources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource that `read` reads. A second one at the same URI replaces the first.
    #[must_use]
    pub fn resource<F, Fut>(mut self, resource: Resource, read: F) -> Self
    where
        F: Fn(Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<ResourceContents>, ToolError>> + Send + 'static,
    {
        let read: Read = Box::new(move |call| Box::pin(read(call)));
        match self.listed.binary_search_by(|(known, _)| known.uri.cmp(&resource.uri)) {
            Ok(at) => self.listed[at] = (resource, read),
            Err(at) => self.listed.insert(at, (resource, read)),
        }
        self
    }

    /// Adds a resource that is this text.
    #[must_use]
    pub fn text(self, resource: Resource, text: impl Into<String>) -> Self {
        let contents = ResourceContents::text(&resource.uri, text).with_mime_type(resource.mime_type.clone());
        self.contents(resource, contents)
    }

    /// Adds a resource that is always the same.
    #[must_use]
    pub fn contents(self, resource: Resource, contents: impl Into<ResourceContents>) -> Self {
        let contents = contents.into();
        self.resource(resource, move |_| std::future::ready(Ok(vec![contents.clone()])))
    }

    /// Adds a template of URIs that `read` reads, given the URI and its variables by name, percent-decoded; templates are tried
    /// in the order they were added, after the listed resources. Level 1 of RFC 6570: `{name}`.
    #[must_use]
    pub fn template<F, Fut>(mut self, template: ResourceTemplate, read: F) -> Self
    where
        F: Fn(String, BTreeMap<String, String>, Call) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Vec<ResourceContents>>, ToolError>> + Send + 'static,
    {
        let parsed = Template::parse(&template.uri_template);
        self.templates.push((
            template,
            parsed,
            Box::new(move |uri, vars, call| Box::pin(read(uri, vars, call))),
        ));
        self
    }
}

impl Resources for ResourceSet {
    fn list(&self, _: &Principal) -> Vec<Resource> {
        self.listed.iter().map(|(resource, _)| resource.clone()).collect()
    }

    fn templates(&self, _: &Principal) -> Vec<ResourceTemplate> {
        self.templates.iter().map(|(template, ..)| template.clone()).collect()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn read(&self, uri: &str, call: Call) -> Result<Option<Vec<ResourceContents>>, ToolError> {
        if let Ok(at) = self.listed.binary_search_by(|(known, _)| known.uri.as_str().cmp(uri)) {
            return (self.listed[at].1)(call).await.map(Some);
        }
        for (_, template, read) in &self.templates {
            if let Some(variables) = template.matches(uri) {
                return read(uri.to_owned(), variables, call).await;
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uris = self.listed.iter().map(|(resource, _)| &resource.uri);
        f.debug_set().entries(uris.chain(self.templates.iter().map(|(t, ..)| &t.uri_template))).finish()
    }
}
