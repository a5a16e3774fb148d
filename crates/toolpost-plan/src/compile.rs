//! From a document to a plan, or to everything that is wrong with it.

mod assemble;
mod composite;
mod options;
mod resolve;
mod scope;

use std::sync::Arc;

use toolpost_json::{Kind, Node};
use toolpost_workflow::StepPolicy;

use crate::cel::Program;
use crate::document::PlanDocument;
use crate::expression::{Expression, Room};
use crate::fault::{Faults, PlanFaultKind, RefusedPlan};
use crate::limits::PlanLimits;
use crate::path::Path;
use crate::plan::CompiledPlan;
use crate::run::{MapWork, ToolWork};
use crate::shape::Effort;
use crate::tools::PlanTools;
use composite::Composite;

pub(crate) use assemble::Steps;

impl PlanDocument {
    /// Checks the document whole against the tools that its caller may use, and makes a plan of it. Nothing is called.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the document, each with its place and how to mend it. What asks for more than a
    /// limit is refused for that alone.
    pub fn compile(&self, tools: &dyn PlanTools, limits: &PlanLimits) -> Result<CompiledPlan, RefusedPlan> {
        let mut compiler = Compiler::new(tools, limits);
        let root = self.root();
        compiler.count(root);
        if !compiler.faults.is_empty() {
            return Err(compiler.faults.refused());
        }
        let name = compiler.text_member(root, "name", &Path::Root);
        let durable = compiler.run_name(root);
        let steps = compiler.unit(root, &Path::Root, name.as_deref().unwrap_or("plan"), 0);
        if limits.calls < compiler.calls {
            let got = format!("a run could make {} calls of tools", compiler.calls);
            compiler.faults.limit("", "calls", limits.calls, &got);
        }
        match (compiler.faults.is_empty(), steps) {
            (true, Some(steps)) => Ok(CompiledPlan {
                steps,
                document: self.clone(),
                annotations: compiler.composite.annotations(),
                calls: compiler.calls,
                durable,
            }),
            _ => Err(compiler.faults.refused()),
        }
    }
}

/// Whether a run may be called so.
pub(crate) fn is_run_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=128).contains(&name.len()) && name.chars().all(fits)
}

/// One pass over a document.
struct Compiler<'a> {
    tools: &'a dyn PlanTools,
    limits: &'a PlanLimits,
    faults: Faults,
    /// Calls that a run can make at most.
    calls: u64,
    /// How often what is compiled runs in one run: the items of lists around it.
    times: u64,
    composite: Composite,
    effort: Effort,
}

/// The steps that run in one go, as they are collected.
#[derive(Default)]
struct Unit {
    drafts: Vec<Draft>,
}

/// A step before it is assembled.
struct Draft {
    name: String,
    dependencies: Dependencies,
    policy: StepPolicy,
    when: Option<Program>,
    work: Work,
}

/// What a step waits for, and whether that must succeed. Its place in the list is where a reference finds its value.
#[derive(Debug, Default)]
struct Dependencies(Vec<(usize, bool)>);

enum Work {
    /// Not known yet, or wrong.
    Nothing,
    /// A value is put together: the input or the output of a plan.
    Value(Expression),
    Tool(ToolWork),
    Map(MapWork),
}

impl<'a> Compiler<'a> {
    fn new(tools: &'a dyn PlanTools, limits: &'a PlanLimits) -> Self {
        let faults = Faults::default();
        Self {
            tools,
            limits,
            faults,
            calls: 0,
            times: 1,
            composite: Composite::default(),
            effort: Effort::new(),
        }
    }

    /// Compiles steps that run in one go: those of the document, or of a plan that runs for each item of a list.
    fn unit(&mut self, node: Node<'a>, path: &Path<'_>, name: &str, nesting: usize) -> Option<Arc<Steps>> {
        let mut unit = Unit::default();
        let output = unit.add("(output)".to_owned());
        self.plan(&mut unit, node, path, &scope::Place::of_unit(output, nesting));
        assemble::assemble(unit, name, (node, path), &self.room(), &mut self.faults)
    }

    fn room(&self) -> Room {
        Room { bytes: self.limits.value_bytes, cel_steps: self.limits.cel_steps }
    }

    /// Counts steps, and how deep plans stand within plans, before anything is made of them.
    fn count(&mut self, root: Node<'_>) {
        let (mut steps, mut nesting) = (0, 0);
        let mut left = vec![(root, 1)];
        while let Some((plan, depth)) = left.pop() {
            let members = plan.member("steps").filter(|steps| steps.kind() == Kind::Object);
            let Some(members) = members else { continue };
            steps += members.len();
            nesting = nesting.max(depth);
            if self.limits.steps < steps || self.limits.nesting < nesting {
                break;
            }
            left.extend(members.members().filter_map(|(_, step)| Some((step.member("plan")?, depth + 1))));
        }
        if self.limits.steps < steps {
            self.faults.limit(
                "/steps",
                "steps",
                self.limits.steps,
                &format!("there are {steps} steps or more"),
            );
        }
        if self.limits.nesting < nesting {
            let got = format!("plans stand {nesting} deep within plans");
            self.faults.limit("/steps", "nesting", self.limits.nesting, &got);
        }
    }

    /// The name that runs of the document have, if it asks to be durable.
    fn run_name(&mut self, root: Node<'_>) -> Option<Arc<str>> {
        let name = self.text_member(root, "durable", &Path::Root)?;
        match is_run_name(&name) {
            true => Some(name.into()),
            false => {
                let message = "the name of a run has 1 to 128 letters, digits, `-`, `_` and `.`";
                self.faults.add(PlanFaultKind::Shape, "/durable", message);
                None
            }
        }
    }

    fn text_member(&mut self, node: Node<'_>, name: &str, path: &Path<'_>) -> Option<String> {
        let member = node.member(name)?;
        let text = member.as_str();
        if text.is_none() {
            let message = format!("expected a string, got {}", member.kind());
            self.faults.add(PlanFaultKind::Shape, path.member(name), message);
        }
        text.map(String::from)
    }
}

impl Unit {
    /// Adds a step of which only the name is known.
    fn add(&mut self, name: String) -> usize {
        self.drafts.push(Draft {
            name,
            dependencies: Dependencies::default(),
            policy: StepPolicy::new(),
            when: None,
            work: Work::Nothing,
        });
        self.drafts.len() - 1
    }
}

impl Dependencies {
    /// The place of a dependency, which is added if it is new.
    fn on(&mut self, draft: usize, required: bool) -> usize {
        match self.0.iter().position(|(known, _)| *known == draft) {
            Some(place) => {
                self.0[place].1 |= required;
                place
            }
            None => {
                self.0.push((draft, required));
                self.0.len() - 1
            }
        }
    }
}
