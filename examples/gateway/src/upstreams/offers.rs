//! What other servers offer besides tools: resources, prompts and completions, each asked of the server that has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use toolpost::dispatch::{Completing, Completions, Prompts, Resources};
use toolpost::protocol::model::{
    CompletionReference, GetPromptResult, Prompt, Resource, ResourceContents, ResourceTemplate,
};
use toolpost::tool::{Call, Principal, ToolError};
use toolpost_upstream::Upstream;

/// The servers that are asked now. Where two have a name, the first by its own name is asked.
#[derive(Clone, Default)]
pub(crate) struct Offers(Arc<RwLock<Arc<[Upstream]>>>);

impl Offers {
    /// Asks these from now on.
    pub(super) fn set(&self, upstreams: impl IntoIterator<Item = Upstream>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = upstreams.into_iter().collect();
    }

    fn all(&self) -> Arc<[Upstream]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What all of them list, each name once.
    fn listed<T>(&self, list: impl Fn(&Upstream) -> Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
        let mut names = BTreeSet::new();
        let mut all: Vec<T> = self.all().iter().flat_map(list).collect();
        all.retain(|item| names.insert(name(item).to_owned()));
        all
    }
}

impl Resources for Offers {
    fn list(&self, principal: &Principal) -> Vec<Resource> {
        self.listed(|upstream| Resources::list(upstream, principal), |resource| &resource.uri)
    }

    fn templates(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        self.listed(|upstream| upstream.templates(principal), |template| &template.uri_template)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn read(&self, uri: &str, call: Call) -> Result<Option<Vec<ResourceContents>>, ToolError> {
        match self.all().iter().find(|upstream| upstream.has_resource(uri)) {
            Some(upstream) => upstream.read(uri, call).await,
            None => Ok(None),
        }
    }
}

impl Prompts for Offers {
    fn list(&self, principal: &Principal) -> Vec<Prompt> {
        self.listed(|upstream| Prompts::list(upstream, principal), |prompt| &prompt.name)
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
        match self.all().iter().find(|upstream| upstream.has_prompt(name)) {
            Some(upstream) => upstream.get(name, arguments, call).await,
            None => Ok(None),
        }
    }
}

impl Completions for Offers {
    async fn complete(&self, completing: Completing) -> Result<Vec<String>, ToolError> {
        let all = self.all();
        let has = |upstream: &&Upstream| match &completing.reference {
            CompletionReference::Prompt { name, .. } => upstream.has_prompt(name),
            CompletionReference::ResourceTemplate { uri, .. } => {
                upstream.templates(&completing.principal).iter().any(|template| template.uri_template == *uri)
            }
            _ => false,
        };
        match all.iter().find(has) {
            Some(upstream) => upstream.complete(completing).await,
            None => Ok(Vec::new()),
        }
    }
}
