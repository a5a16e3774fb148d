//! The tools of a runtime by origin, the settings that they run under, and what stands around each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use toolpost_dispatch::Catalog;
use toolpost_tool::{AnyTool, Policy, Tool as _, ToolSpec};

use crate::host_layers::{HostLayers, Position};
use crate::pipeline::{Pipeline, Shared};
use crate::prefixed::prefixed;
use crate::schema_rules::SchemaRules;
use crate::{BuildError, Settings, warnings};

/// What is registered. It is never changed: what follows it is made from it, whole or not at all, and takes over what
/// the tools of the same names remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    settings: Settings,
    /// The tools as they were given.
    origins: BTreeMap<Origin, Given>,
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
    /// A source of tools that come and go.
    Source(String),
}

/// The tools of one origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) tools: Vec<AnyTool>,
    /// Stands before the name and each alias of each.
    pub(crate) prefix: String,
}

/// What stands around every tool.
#[derive(Clone, Debug)]
pub(crate) struct Around {
    pub(crate) shared: Shared,
    pub(crate) layers: HostLayers,
    /// What the schemas of tools are held to.
    pub(crate) rules: SchemaRules,
}

/// What is to be different.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) settings: Option<Settings>,
    pub(crate) tools: Option<(Origin, Given)>,
}

/// What follows what is registered.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) registered: Registered,
    pub(crate) catalog: Catalog,
    /// Whether a client could tell it from what was there before.
    pub(crate) is_new: bool,
    /// The names of tools that are no more.
    pub(crate) gone: Vec<String>,
}

/// A tool with everything that stands around it.
#[derive(Clone, Debug)]
struct Wrapped {
    given: AnyTool,
    /// As it is given, under the name that it has here.
    named: AnyTool,
    pipeline: Pipeline,
    /// With the host's own layers.
    whole: AnyTool,
    warnings: Vec<String>,
}

impl Registered {
    /// Says that tools may come from `origin`.
    pub(crate) fn declare(&mut self, origin: Origin) {
        self.origins.entry(origin).or_default();
    }

    /// What follows when `change` is made. Where `all` tools there will ever be are there, settings for another are a
    /// fault; where a source may yet have it, a warning.
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
        let given = self.origins.iter().flat_map(|(origin, given)| {
            given.tools.iter().map(move |tool| (origin, given.prefix.as_str(), tool))
        });
        for (origin, prefix, tool) in given {
            let former = before.tools.get(&format!("{prefix}{}", tool.spec().name()));
            let former = former.filter(|former| former.given.ptr_eq(tool)).map(|former| &former.named);
            let named = match former {
                Some(named) => named.clone(),
                None => match prefixed(tool, prefix) {
                    Ok(named) => named,
                    Err(error) => {
                        faults.push(format!("{origin} has a tool that cannot be named: {error}"));
                        continue;
                    }
                },
            };
            let claimed = claim(&mut claims, named.spec(), origin);
            if claimed.is_empty() {
                let policy = self.settings.apply(named.spec(), &mut faults);
                let former = before.tools.get(named.spec().name());
                let (tool, is_kept) = wrap(tool, named, origin, policy, around, former, &mut faults);
                tools.push(tool);
                kept += usize::from(is_kept);
            }
            faults.extend(claimed);
        }
        let specs: Vec<&ToolSpec> = tools.iter().map(|tool| tool.whole.spec()).collect();
        faults.extend(self.settings.aliases(&specs));
        let unknown = self.settings.unknown_tools(all, &specs);
        let has_sources = self.origins.keys().any(|origin| matches!(origin, Origin::Source(_)));
        let (unknown_faults, mut warnings) =
            if has_sources { (Vec::new(), unknown) } else { (unknown, Vec::new()) };
        faults.extend(unknown_faults);
        faults.extend(specs.iter().flat_map(|spec| around.rules.faults(spec)));
        let all_tools = tools.iter().map(|tool| tool.whole.clone());
        let catalog = match former {
            Some(former) => former.following(all_tools),
            None => Catalog::new(all_tools),
        };
        match catalog {
            Ok(catalog) if faults.is_empty() => {
                tools.iter().for_each(|tool| tool.pipeline.take_effect());
                warnings.extend(tools.iter().flat_map(|tool| tool.warnings.iter().cloned()));
                self.warn(warnings, &catalog, &around.rules);
                let is_new = kept != tools.len() || kept != before.tools.len();
                self.tools =
                    tools.into_iter().map(|tool| (tool.whole.spec().name().to_owned(), tool)).collect();
                let is_gone = |name: &&String| !self.tools.contains_key(*name);
                let gone = before.tools.keys().filter(is_gone).cloned().collect();
                Ok(Next { registered: self, catalog, is_new, gone })
            }
            Ok(_) => Err(BuildError::new(faults)),
            Err(error) => Err(BuildError::new(error.faults().chain(faults).collect())),
        }
    }

    /// Keeps what is found now, and writes what was not found before. What the schemas say is not looked for unless
    /// somebody reads it: a server is started often.
    #[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "nothing is written"))]
    fn warn(&mut self, warnings: Vec<String>, catalog: &Catalog, rules: &SchemaRules) {
        #[cfg(feature = "tracing")]
        if tracing::enabled!(target: "toolpost", tracing::Level::WARN) {
            let new = warnings.iter().filter(|warning| !self.warnings.contains(warning)).cloned();
            for warning in new.chain(catalog.warnings()).chain(rules.warnings(catalog)) {
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
    given: &AnyTool,
    tool: AnyTool,
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
        former.given.ptr_eq(given)
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
    (Wrapped { given: given.clone(), named: tool, pipeline, whole, warnings }, false)
}

impl Given {
    pub(crate) const fn of(tools: Vec<AnyTool>) -> Self {
        Self { tools, prefix: String::new() }
    }
}

impl Origin {
    /// The category of tools that declare none.
    fn category(&self) -> Option<&str> {
        match self {
            Self::Category(name) => Some(name),
            Self::Builder | Self::Source(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builder => f.write_str("the tools of the runtime itself"),
            Self::Category(name) => write!(f, "category `{name}`"),
            Self::Source(name) => write!(f, "source `{name}`"),
        }
    }
}
