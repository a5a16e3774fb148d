//! What a server offers besides tools: resources, prompts, and completions of their arguments.
//!
//! Each is a small trait for those who have something behind it, and a set or a closure for those
//! who do not: a server of ten lines stays ten lines.

mod changes;
mod completions;
mod prompts;
mod resource_set;
mod resources;
mod template;

pub use changes::{Change, Changes};
pub(crate) use completions::AnyCompletions;
pub use completions::{Completing, Completions};
pub(crate) use prompts::AnyPrompts;
pub use prompts::{PromptSet, Prompts};
pub use resource_set::ResourceSet;
pub(crate) use resources::AnyResources;
pub use resources::Resources;
