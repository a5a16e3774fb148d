//! The tools of a runtime as they were given, and the settings they run under.

use std::collections::HashMap;

use toolpost_dispatch::Catalog;
use toolpost_tool::{AnyTool, Tool as _, ToolSpec};

use crate::pipeline::{Pipeline, Shared};
use crate::{BuildError, Settings, warnings};

/// What is registered. It is never changed: what follows it is made from it, whole or not at all, and takes over what
/// the tools of the same names remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    settings: Settings,
    /// Those that were there from the start.
    eager: Vec<AnyTool>,
    /// Those of the lazy categories that are loaded, in the order of loading.
    loaded: Vec<(String, Vec<AnyTool>)>,
    pipelines: HashMap<String, Pipeline>,
    /// What is declared to no effect.
    warnings: Vec<String>,
}

impl Inventory {
    /// With these settings and these tools in place of those that were there from the start. Where `all` tools there
    /// will ever be are there, settings for another are a fault.
    pub(crate) fn replaced(
        &self,
        settings: &Settings,
        eager: Vec<AnyTool>,
        all: bool,
        shared: &Shared,
    ) -> Result<(Self, Catalog), BuildError> {
        let next = Self { settings: settings.clone(), eager, ..self.clone() };
        next.registered(all, shared)
    }

    /// With the tools of one more category.
    pub(crate) fn joined(
        &self,
        category: &str,
        tools: Vec<AnyTool>,
        all: bool,
        shared: &Shared,
    ) -> Result<(Self, Catalog), BuildError> {
        let mut next = self.clone();
        next.loaded.push((category.to_owned(), tools));
        next.registered(all, shared)
    }

    pub(crate) fn eager(&self) -> &[AnyTool] {
        &self.eager
    }

    /// The pipeline of the tool called `name`.
    pub(crate) fn pipeline(&self, name: &str) -> Option<&Pipeline> {
        self.pipelines.get(name)
    }

    /// What is declared to no effect.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
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

    /// Every tool behind a pipeline of its own; `self.pipelines` are still those from before.
    fn registered(mut self, all: bool, shared: &Shared) -> Result<(Self, Catalog), BuildError> {
        let mut faults = self.settings.faults();
        let of_categories = self.loaded.iter().map(|(category, tools)| (Some(category.as_str()), tools));
        let given = std::iter::once((None, &self.eager)).chain(of_categories);
        let (mut tools, mut warnings) = (Vec::new(), Vec::new());
        for (category, tool) in
            given.flat_map(|(category, tools)| tools.iter().map(move |tool| (category, tool)))
        {
            let spec = tool.spec();
            if let (Some(category), Some(own)) =
                (category, spec.category().filter(|own| Some(*own) != category))
            {
                let name = spec.name();
                faults.push(format!(
                    "`{name}` declares the category `{own}`, and is loaded as one of `{category}`"
                ));
            }
            let policy = self.settings.apply(spec, &mut faults);
            warnings.extend(warnings::of(spec, &policy));
            let former = self.pipelines.get(spec.name());
            tools.push(Pipeline::new(tool.clone(), category, policy, shared, former));
        }
        let specs: Vec<&ToolSpec> = tools.iter().map(Pipeline::spec).collect();
        faults.extend(self.settings.strangers(all, &specs));
        let catalog = Catalog::new(tools.iter().cloned().map(AnyTool::new));
        match catalog {
            Ok(catalog) if faults.is_empty() => {
                tools.iter().for_each(Pipeline::take_effect);
                self.warn(warnings, &catalog);
                self.pipelines =
                    tools.into_iter().map(|tool| (tool.spec().name().to_owned(), tool)).collect();
                Ok((self, catalog))
            }
            Ok(_) => Err(BuildError::new(faults)),
            Err(error) => Err(BuildError::new(error.faults().chain(faults).collect())),
        }
    }
}
