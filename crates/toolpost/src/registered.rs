//! The tools of a runtime by origin, the settings that they run under, and what stands around each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use toolpost_dispatch::Catalog;
use toolpost_tool::{AnyTool, Policy, Tool as _, ToolSpec};

use crate::host_layers::{HostLayers, Position};
use crate::pipeline::{Pipeline, Shared};
use crate::{BuildError, Settings, warnings};

/// What is registered. It is never changed: what follows it is made from it, whole or not at all, and takes over what
/// the tools of the same names remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    settings: Settings,
    /// The tools as they were given.
    origins: BTreeMap<Origin, Vec<AnyTool>>,
    /// By name.
    tools: HashMap<String, Wrapped>,
    /// What is declared to no effect.
    warnings: Vec<String>,
}

/// Where tools come from. What one origin gives is replaced as a whole, and without the others'.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Origin {
    /// The builder, or the latest reload.
    Builder,
    /// The loader of a lazy category.
    Category(String),
}

/// What stands around every tool.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) shared: Shared,
    pub(crate) layers: HostLayers,
}

/// What is to be different.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) settings: Option<Settings>,
    pub(crate) tools: Option<(Origin, Vec<AnyTool>)>,
}

/// What follows what is registered.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) registered: Registered,
    pub(crate) catalog: Catalog,
    /// Whether a client could tell it from what was there before.
    pub(crate) is_new: bool,
}

/// A tool with everything that stands around it.
#[derive(Clone, Debug)]
struct Wrapped {
    given: AnyTool,
    pipeline: Pipeline,
    /// With the host's own layers.
    whole: AnyTool,
    warnings: Vec<String>,
}

impl Registered {
    /// What follows when `change` is made. Where `all` tools there will ever be are there, settings for another are a
    /// fault.
    pub(crate) fn next(
        &self,
        change: Change,
        all: bool,
        around: &Around,
        former: Option<&Catalog>,
    ) -> Result<Next, BuildError> {
        let mut next = self.clone();
        if let Some(settings) = change.settings {
            next.settings = settings;
        }
        if let Some((origin, tools)) = change.tools {
            next.origins.insert(origin, tools);
        }
        next.wrapped(self, all, around, former)
    }

    /// The pipeline of the tool called `name`.
    pub(crate) fn pipeline(&self, name: &str) -> Option<&Pipeline> {
        self.tools.get(name).map(|tool| &tool.pipeline)
    }

    /// What is declared to no effect.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// With every tool behind a pipeline of its own, which remembers what that of the `former` tool of this name does.
    fn wrapped(
        mut self,
        before: &Self,
        all: bool,
        around: &Around,
        former: Option<&Catalog>,
    ) -> Result<Next, BuildError> {
        let mut faults = self.settings.faults();
        let mut claims: HashMap<String, &Origin> = HashMap::new();
        let (mut tools, mut kept) = (Vec::new(), 0);
        for (origin, tool) in
            self.origins.iter().flat_map(|(origin, tools)| tools.iter().map(move |t| (origin, t)))
        {
            let claimed = claim(&mut claims, tool.spec(), origin);
            if claimed.is_empty() {
                let policy = self.settings.apply(tool.spec(), &mut faults);
                let former = before.tools.get(tool.spec().name());
                let (tool, is_kept) = wrap(tool, origin, policy, around, former, &mut faults);
                tools.push(tool);
                kept += usize::from(is_kept);
            }
            faults.extend(claimed);
        }
        let specs: Vec<&ToolSpec> = tools.iter().map(|tool| tool.whole.spec()).collect();
        faults.extend(self.settings.unknown_tools(all, &specs));
        let all_tools = tools.iter().map(|tool| tool.whole.clone());
        let catalog = match former {
            Some(former) => former.following(all_tools),
            None => Catalog::new(all_tools),
        };
        match catalog {
            Ok(catalog) if faults.is_empty() => {
                tools.iter().for_each(|tool| tool.pipeline.take_effect());
                self.warn(tools.iter().flat_map(|tool| tool.warnings.iter().cloned()).collect(), &catalog);
                let is_new = kept != tools.len() || kept != before.tools.len();
                self.tools =
                    tools.into_iter().map(|tool| (tool.whole.spec().name().to_owned(), tool)).collect();
                Ok(Next { registered: self, catalog, is_new })
            }
            Ok(_) => Err(BuildError::new(faults)),
            Err(error) => Err(BuildError::new(error.faults().chain(faults).collect())),
        }
    }

    /// Keeps what is found now, and writes what was not found before. What the schemas say is not looked for unless
    /// somebody reads it: a server is started often.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is written"))]
    fn warn(&mut self, warnings: Vec<String>, catalog: &Catalog) {
        #[cfg(feature = "tracing")]
        if tracing::enabled!(target: "toolpost", tracing::Level::WARN) {
            let new = warnings.iter().filter(|warning| !self.warnings.contains(warning)).cloned();
            for warning in new.chain(catalog.warnings()) {
                tracing::warn!(target: "toolpost", "{warning}");
            }
        }
        self.warnings = warnings;
    }
}

/// Claims each name of a tool for its origin; the faults of those that another origin has claimed. Two tools of one
/// origin are the catalog's to find.
fn claim<'a>(claims: &mut HashMap<String, &'a Origin>, spec: &ToolSpec, origin: &'a Origin) -> Vec<String> {
    let names = std::iter::once(spec.name()).chain(spec.aliases().iter().map(String::as_str));
    let claimed = names.filter_map(|name| {
        let first = *claims.entry(name.to_owned()).or_insert(origin);
        (first != origin).then(|| format!("the name `{name}` is claimed by {first} and by {origin}"))
    });
    claimed.collect()
}

/// The tool with everything that stands around it, and whether that is what stood there before: the same tool, under
/// the same policy, keeps what it remembers, and so do the host's layers around it.
fn wrap(
    tool: &AnyTool,
    origin: &Origin,
    policy: Policy,
    around: &Around,
    former: Option<&Wrapped>,
    faults: &mut Vec<String>,
) -> (Wrapped, bool) {
    let spec = tool.spec();
    let category = origin.category();
    if let (Some(category), Some(own)) = (category, spec.category().filter(|own| Some(*own) != category)) {
        let name = spec.name();
        faults.push(format!("`{name}` declares the category `{own}`, and is loaded as one of `{category}`"));
    }
    let is_same = |former: &&Wrapped| {
        let enforced = former.pipeline.spec();
        former.given.ptr_eq(tool)
            && *enforced.policy() == policy
            && enforced.category() == spec.category().or(category)
    };
    if let Some(former) = former.filter(is_same) {
        return (former.clone(), true);
    }
    let mut layered = |position, tool: AnyTool| {
        around.layers.apply(position, tool.clone()).unwrap_or_else(|fault| {
            faults.push(fault);
            tool
        })
    };
    let inner = layered(Position::AroundAttempt, tool.clone());
    let mut warnings = warnings::of(inner.spec(), &policy);
    let pipeline =
        Pipeline::new(inner, category, policy, &around.shared, former.map(|former| &former.pipeline));
    let whole = layered(Position::OutsideCache, AnyTool::new(pipeline.clone()));
    let more = whole.spec().warnings().iter().filter(|warning| !warnings.contains(warning)).cloned();
    warnings.extend(more.collect::<Vec<_>>());
    (Wrapped { given: tool.clone(), pipeline, whole, warnings }, false)
}

impl Origin {
    /// The category of tools that declare none.
    fn category(&self) -> Option<&str> {
        match self {
            Self::Category(name) => Some(name),
            Self::Builder => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("the tools of the runtime itself"),
            Self::Category(name) => write!(f, "category `{name}`"),
        }
    }
}
