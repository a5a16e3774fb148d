//! Tools by category.

mod in_front;
mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use toolpost_dispatch::{Entry, Target};
use toolpost_tool::{AnyTool, Principal, ToolError};

use crate::{Runtime, Surface};

/// Shows four tools: they list the categories, list the tools in one, show a tool's schema, and call a tool. They cost a
/// model four entries of its attention, and behind them every policy is enforced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Categories;

impl Surface for Categories {
    fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>> {
        Some(in_front::tools(behind))
    }
}

/// A category, as it is listed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Category {
    /// Its name.
    pub name: String,
    /// How many of its tools the principal may call; `None` while it is not loaded.
    pub tools: Option<usize>,
    /// Whether it is loaded only on first use, and has not been.
    pub lazy: bool,
}

/// The category of tools that name none.
const OTHER: &str = "other";

/// Tools by category, whatever clients see of them. What is shown to a principal is what it may call. Of a category that
/// is not loaded nothing is known but its name: whether a principal sees it, and may have it loaded, is asked of the host's
/// rule as [`Target::Category`].
impl Runtime {
    /// The categories that `principal` may see, in the order of their names. Loads none.
    #[must_use]
    pub fn categories(&self, principal: &Principal) -> Vec<Category> {
        let loadable = |name: &&str| self.may_load(name, principal);
        let mut counts: BTreeMap<String, Option<usize>> =
            self.behind().unloaded().filter(loadable).map(|name| (name.to_owned(), None)).collect();
        for entry in self.visible(principal) {
            let count = counts.entry(category(&entry).to_owned()).or_default();
            *count = Some(count.unwrap_or(0) + 1);
        }
        let lazy = |name: &str| self.behind().is_unloaded(name) && self.may_load(name, principal);
        counts.into_iter().map(|(name, tools)| Category { lazy: lazy(&name), name, tools }).collect()
    }

    /// The tools in one category that `principal` may call, in the order of their names. Loads the category if need be.
    ///
    /// # Errors
    ///
    /// If there is no such category with a tool that the principal may call, with those there are; or if loading it
    /// fails, and then the next use loads again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the loading to whoever else waits for it.
    pub async fn tools_in(
        &self,
        category: &str,
        principal: &Principal,
    ) -> Result<Vec<Arc<Entry>>, ToolError> {
        self.load_known(category, principal).await?;
        Ok(self.visible_in(category, principal))
    }

    /// Loads a [lazy category](crate::RuntimeBuilder::lazy_category) that is not loaded yet; a name that is none of
    /// those needs nothing.
    ///
    /// # Errors
    ///
    /// If its loader fails, or takes longer than the [limit](crate::RuntimeBuilder::time_limit) of a call without one; if
    /// its tools cannot be registered; or if it is the last category to be loaded, and the settings name a tool that no
    /// category has. The next use tries again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the loading to whoever else waits for it.
    pub async fn load_category(&self, name: &str) -> Result<(), ToolError> {
        self.behind().load(name).await
    }

    /// Loads a category as [`load_category`](Self::load_category) does; one that is not there for `principal` is an error
    /// that names those that are.
    async fn load_known(&self, name: &str, principal: &Principal) -> Result<(), ToolError> {
        if self.behind().is_unloaded(name) && self.may_load(name, principal) {
            self.behind().load(name).await?;
        }
        if !self.visible_in(name, principal).is_empty() {
            return Ok(());
        }
        let (name, known) = (cut(name, 80), self.category_names(principal));
        Err(ToolError::invalid_arguments(format!("there is no category `{name}`; there are: {known}")))
    }

    /// Whether `principal` may see a category that is not loaded, and so have it loaded.
    fn may_load(&self, name: &str, principal: &Principal) -> bool {
        self.behind().dispatcher().allows(principal, Target::Category(name))
    }

    fn category_names(&self, principal: &Principal) -> String {
        let names: Vec<String> =
            self.categories(principal).into_iter().map(|category| format!("`{}`", category.name)).collect();
        names.join(", ")
    }

    fn visible(&self, principal: &Principal) -> Vec<Arc<Entry>> {
        let all = self.behind().dispatcher();
        all.visible(&all.catalog(), principal)
    }

    fn visible_in(&self, name: &str, principal: &Principal) -> Vec<Arc<Entry>> {
        let mut visible = self.visible(principal);
        visible.retain(|entry| category(entry) == name);
        visible
    }
}

fn category(entry: &Entry) -> &str {
    entry.spec().category().unwrap_or(OTHER)
}

/// The first `most` characters.
fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}
