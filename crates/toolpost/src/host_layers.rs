//! The host's own layers around every tool.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use toolpost_tool::{AnyTool, Tool as _, ToolSpec};

/// Where a host's own [layer](crate::RuntimeBuilder::layer) stands around every tool.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Position {
    /// Outside of everything that the runtime puts around a tool. It sees each call that is allowed and whose arguments
    /// fit once, those that a cache answers and those that wait for another's run (single-flight) included.
    OutsideCache,
    /// Around each attempt: inside retry, permits, breaker and time limit, next to the tool. It sees each run of a tool,
    /// and no call that a cache answers or that the runtime refuses.
    AroundAttempt,
}

/// The host's own layers, in the order in which they were given.
#[derive(Clone, Default)]
pub(crate) struct HostLayers(Arc<[HostLayer]>);

pub(crate) struct HostLayer {
    pub(crate) position: Position,
    pub(crate) given_at: &'static Location<'static>,
    pub(crate) layer: Box<dyn Fn(AnyTool) -> AnyTool + Send + Sync>,
}

impl HostLayers {
    pub(crate) fn new(layers: Vec<HostLayer>) -> Self {
        Self(layers.into())
    }

    /// Puts every layer of this position around `tool`, each around those before it. A layer that panics, or changes
    /// what the runtime goes by, is a fault.
    pub(crate) fn apply(&self, position: Position, tool: AnyTool) -> Result<AnyTool, String> {
        let mut layers = self.0.iter().filter(|layer| layer.position == position);
        layers.try_fold(tool, |tool, layer| layer.apply(&tool))
    }
}

impl HostLayer {
    fn apply(&self, tool: &AnyTool) -> Result<AnyTool, String> {
        let name = tool.spec().name().to_owned();
        let layered = catch_unwind(AssertUnwindSafe(|| {
            let layered = (self.layer)(tool.clone());
            let changed = changed(tool.spec(), layered.spec());
            (layered, changed)
        }));
        match layered {
            Ok((layered, None)) => Ok(layered),
            Ok((_, Some(changed))) => {
                Err(format!("{self} changes {changed} of `{name}`, which a layer may not"))
            }
            Err(panic) => Err(format!("{self} panics around `{name}`: {}", message(&*panic))),
        }
    }
}

/// What is other in `after`, of what a runtime goes by.
fn changed(before: &ToolSpec, after: &ToolSpec) -> Option<&'static str> {
    if before.name() != after.name() {
        Some("the name")
    } else if before.aliases() != after.aliases() {
        Some("the aliases")
    } else if before.category() != after.category() {
        Some("the category")
    } else if before.annotations() != after.annotations() {
        Some("the annotations")
    } else if before.policy() != after.policy() {
        Some("the declared policy")
    } else {
        None
    }
}

/// What a panic says of itself.
pub(crate) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it does not say why")
}

impl fmt::Display for HostLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = match self.position {
            Position::OutsideCache => "outside the cache",
            Position::AroundAttempt => "around each attempt",
        };
        write!(f, "the layer {position} that {}:{} gives", self.given_at.file(), self.given_at.line())
    }
}

impl fmt::Debug for HostLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}
