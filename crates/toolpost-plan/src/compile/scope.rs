//! The steps of one plan, as the document has them.

use std::collections::HashMap;

use toolpost_json::{Frame, Kind, Node};
use toolpost_tool::ToolSpec;
use toolpost_workflow::StepPolicy;

use super::resolve::{Resolver, Scope, Step};
use super::{Compiler, Unit, Work};
use crate::expression::{Expression, Resolve as _, read};
use crate::fault::PlanFaultKind::{Arguments, Denied, Shape as WrongShape, UnknownTool};
use crate::limits::NAME_LEN;
use crate::path::{Path, shown};
use crate::run::{ItemWork, MapWork, ToolArguments, ToolWork};
use crate::shape::{Schema, Shape, hold, types};

/// Where the steps of a plan go.
pub(super) struct Place {
    /// Before the names of its steps.
    prefix: String,
    /// The step that holds its output.
    output: usize,
    /// The step that holds its input; none if the run does.
    input: Option<usize>,
    /// Names of the steps of plans around it.
    outer: Vec<String>,
    nesting: usize,
}

impl Place {
    pub(super) const fn of_unit(output: usize, nesting: usize) -> Self {
        Self { prefix: String::new(), output, input: None, outer: Vec::new(), nesting }
    }
}

const PLAN: [&str; 7] = ["$schema", "name", "description", "steps", "output", "durable", "input"];
const TOOL_STEP: [&str; 11] = [
    "tool",
    "arguments",
    "after",
    "when",
    "retry",
    "timeoutMs",
    "priority",
    "onFailure",
    "map",
    "needsApproval",
    "description",
];
const PLAN_STEP: [&str; 6] = ["plan", "input", "after", "when", "map", "description"];
const MAP: [&str; 4] = ["over", "concurrency", "tolerate", "atMost"];

impl<'a> Compiler<'a> {
    /// Compiles the steps and the output of one plan.
    pub(super) fn plan(&mut self, unit: &mut Unit, node: Node<'a>, path: &Path<'_>, place: &Place) {
        if !self.is_object(node, path) {
            return;
        }
        self.only(node, &PLAN[..PLAN.len() - 1], path);
        if 0 < place.nesting && node.member("durable").is_some() {
            let message = "only the outermost plan says whether its run is durable";
            self.faults.add(WrongShape, path.member("durable"), message);
        }
        let steps_path = path.member("steps");
        let Some(steps) = node.member("steps") else {
            self.faults.add(WrongShape, path, "`steps` is missing");
            return;
        };
        if !self.is_object(steps, &steps_path) {
            return;
        }
        let mut scope = Scope { steps: HashMap::new(), input: place.input, outer: place.outer.clone() };
        let mut found = Vec::with_capacity(steps.len());
        for (key, step) in steps.members() {
            let name = key.name();
            let step_path = steps_path.member(&name);
            self.name(&name, &step_path);
            let tool = self.tool(step, &step_path);
            let draft = unit.add(format!("{}{name}", place.prefix));
            let shape = Shape::of(tool.and_then(ToolSpec::output_schema));
            let shape = match step.member("map") {
                Some(_) => Shape::List(Box::new(shape)),
                None => shape,
            };
            found.push((name.clone(), step, tool, draft));
            scope.steps.insert(name, Step { draft, shape });
        }
        for (name, step, tool, draft) in found {
            if self.faults.is_full() {
                return;
            }
            let step_path = steps_path.member(&name);
            if let Some(input) = place.input {
                unit.drafts[draft].dependencies.on(input, true);
            }
            match (step.member("plan"), tool) {
                (Some(plan), _) => {
                    self.plan_step(unit, &scope, place, (&name, step, plan, draft), &step_path)
                }
                (None, Some(tool)) => self.tool_step(unit, &scope, step, tool, draft, &step_path),
                (None, None) => {}
            }
        }
        let output_path = path.member("output");
        match node.member("output") {
            Some(output) => {
                let expression = self.value(unit, &scope, output, place.output, None, &output_path);
                let draft = &mut unit.drafts[place.output];
                if let Some(input) = place.input {
                    draft.dependencies.on(input, true);
                }
                draft.work = Work::Value(expression);
                draft.policy = StepPolicy::new().repeatable();
            }
            None => {
                let hint = "say what comes back, as in `{\"$ref\": \"/steps/NAME/output\"}`";
                self.faults.hinted(WrongShape, path, "`output` is missing", hint);
            }
        }
    }

    fn name(&mut self, name: &str, path: &Path<'_>) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || NAME_LEN < name.len() || !name.chars().all(fits) {
            let message = format!("the name of a step has 1 to {NAME_LEN} letters, digits, `_` and `-`");
            self.faults.add(WrongShape, path, message);
        }
    }

    /// The tool of a step, if it has one that there is.
    fn tool(&mut self, step: Node<'_>, path: &Path<'_>) -> Option<&'a ToolSpec> {
        if !self.is_object(step, path) {
            return None;
        }
        let Some(tool) = step.member("tool") else {
            if step.member("plan").is_none() {
                let hint = "name a tool by `tool`, or put a whole plan in by `plan`";
                self.faults.hinted(WrongShape, path, "the step does nothing", hint);
            }
            return None;
        };
        if step.member("plan").is_some() {
            self.faults.add(WrongShape, path, "a step has either a `tool` or a `plan`");
        }
        let path = path.member("tool");
        let Some(name) = tool.as_str() else {
            self.faults.add(WrongShape, path, format!("expected a string, got {}", tool.kind()));
            return None;
        };
        match self.tools.find(&name) {
            None => {
                let near: Vec<String> =
                    self.tools.near(&name).iter().map(|near| format!("`{near}`")).collect();
                let message = format!("there is no tool `{}`", shown(&name));
                match near.is_empty() {
                    true => self.faults.add(UnknownTool, path, message),
                    false => {
                        let hint = format!("did you mean {}?", near.join(" or "));
                        self.faults.hinted(UnknownTool, path, message, hint);
                    }
                }
                None
            }
            Some(tool) => {
                if let Some(reason) = &tool.denied {
                    let message = format!("the caller may not use `{}`: {reason}", shown(&name));
                    self.faults.hinted(
                        Denied,
                        path,
                        message,
                        "leave the step out, or ask for the right to use it",
                    );
                }
                self.composite.add(tool.spec.annotations());
                Some(tool.spec)
            }
        }
    }

    fn tool_step(
        &mut self,
        unit: &mut Unit,
        scope: &Scope<'a>,
        step: Node<'_>,
        tool: &'a ToolSpec,
        draft: usize,
        path: &Path<'_>,
    ) {
        self.only(step, &TOOL_STEP, path);
        let policy = self.policy(step, tool.policy().repeatable, path);
        let priority = self.priority(step, path);
        let needs_approval = self.flag(step, "needsApproval", path);
        self.waits(unit, scope, step, draft, path);
        let map = self.list(unit, scope, step, draft, path);
        let item = map.as_ref().map(|map| &map.item);
        let arguments_path = path.member("arguments");
        let arguments = step.member("arguments").unwrap_or(Frame::empty().root());
        let expression = self.value(unit, scope, arguments, draft, item, &arguments_path);
        self.hold_arguments(scope, arguments, &expression, tool, draft, item, &arguments_path);
        let items = map.as_ref().map_or(1, |map| map.at_most as u64);
        let calls = items.saturating_mul(u64::from(policy.attempts())).saturating_mul(self.times);
        self.calls = self.calls.saturating_add(calls);
        let arguments =
            match expression.as_literal().map(|text| Frame::from_text(text.clone(), &Default::default())) {
                Some(Ok(frame)) => ToolArguments::Ready(frame),
                _ => ToolArguments::Made(expression),
            };
        let name = unit.drafts[draft].name.as_str().into();
        let work = ToolWork { step: name, tool: tool.name().into(), arguments, priority, needs_approval };
        let draft = &mut unit.drafts[draft];
        draft.policy = policy;
        draft.work = match map {
            Some(List { over, at_most, options, .. }) => {
                Work::Map(MapWork { over, at_most, options, each: ItemWork::Tool(work) })
            }
            None => Work::Tool(work),
        };
    }

    /// A plan within a plan: its steps are steps of this one, unless it runs for each item of a list.
    fn plan_step(
        &mut self,
        unit: &mut Unit,
        scope: &Scope<'a>,
        place: &Place,
        (name, step, plan, draft): (&str, Node<'a>, Node<'a>, usize),
        path: &Path<'_>,
    ) {
        self.only(step, &PLAN_STEP, path);
        let (plan_path, input_path) = (path.member("plan"), path.member("input"));
        let nesting = place.nesting + 1;
        let null = Frame::empty().root();
        let input = step.member("input").unwrap_or(null);
        if step.member("map").is_none() {
            let prefix = format!("{}{name}/", place.prefix);
            let holds = unit.add(format!("{prefix}(input)"));
            self.waits(unit, scope, step, holds, path);
            let expression = self.value(unit, scope, input, holds, None, &input_path);
            let outer =
                place.outer.iter().cloned().chain(scope.steps.keys().map(|name| name.to_string())).collect();
            let held = &mut unit.drafts[holds];
            if let Some(input) = place.input {
                held.dependencies.on(input, true);
            }
            held.work = Work::Value(expression);
            held.policy = StepPolicy::new().repeatable();
            let inner = Place { prefix, output: draft, input: Some(holds), outer, nesting };
            return self.plan(unit, plan, &plan_path, &inner);
        }
        self.waits(unit, scope, step, draft, path);
        let Some(List { over, at_most, options, item }) = self.list(unit, scope, step, draft, path) else {
            return;
        };
        let expression = self.value(unit, scope, input, draft, Some(&item), &input_path);
        let before = self.times;
        self.times = before.saturating_mul(at_most as u64);
        let steps = self.unit(plan, &plan_path, name, nesting);
        self.times = before;
        if let Some(steps) = steps {
            let each = ItemWork::Plan { input: expression, steps };
            unit.drafts[draft].work = Work::Map(MapWork { over, at_most, options, each });
        }
    }

    /// What a step waits for besides what it refers to, and its condition.
    fn waits(&mut self, unit: &mut Unit, scope: &Scope<'a>, step: Node<'_>, draft: usize, path: &Path<'_>) {
        let after_path = path.member("after");
        if let Some(after) = step.member("after") {
            let names: Vec<_> = after.items().map(|item| item.as_str()).collect();
            if after.kind() != Kind::Array || names.iter().any(Option::is_none) {
                self.faults.add(WrongShape, after_path, "expected a list of names of steps");
            }
            for (n, name) in names.into_iter().enumerate() {
                if let Some(name) = name {
                    let dependencies = &mut unit.drafts[draft].dependencies;
                    let faults = &mut self.faults;
                    let mut resolver = Resolver { scope, faults, dependencies, own: draft, item: None };
                    resolver.after(&name, &after_path.item(n));
                }
            }
        }
        if let Some(text) = self.text_member(step, "when", path) {
            let dependencies = &mut unit.drafts[draft].dependencies;
            let mut resolver =
                Resolver { scope, faults: &mut self.faults, dependencies, own: draft, item: None };
            unit.drafts[draft].when = resolver.program(&text, &path.member("when"));
        }
    }

    fn list(
        &mut self,
        unit: &mut Unit,
        scope: &Scope<'a>,
        step: Node<'_>,
        draft: usize,
        path: &Path<'_>,
    ) -> Option<List<'a>> {
        let map = step.member("map")?;
        let path = path.member("map");
        if !self.is_object(map, &path) {
            return None;
        }
        self.only(map, &MAP, &path);
        let (options, at_most) = self.map(map, &path);
        let over_path = path.member("over");
        let Some(over) = map.member("over") else {
            let hint = "say which list, as in `{\"$ref\": \"/steps/NAME/output/files\"}`";
            self.faults.hinted(WrongShape, path, "`over` is missing", hint);
            return None;
        };
        let expression = self.value(unit, scope, over, draft, None, &over_path);
        let shape = scope.shape_of_value(over, draft);
        let is_list = match (over.kind(), expression.as_literal()) {
            (Kind::Object, Some(_)) if over.member("$literal").is_some() => true,
            (kind, Some(_)) => kind == Kind::Array,
            (_, None) => shape.types() & types::ARRAY != 0,
        };
        if !is_list {
            self.faults.add(
                Arguments,
                over_path,
                "is no list, so that there are no items to run the step for",
            );
        } else if over.kind() == Kind::Array && at_most < over.len() {
            let got = format!("the list has {} items", over.len());
            self.faults.limit(over_path, "items", at_most, &got);
        }
        Some(List { over: expression, at_most, options, item: shape.items() })
    }

    fn value(
        &mut self,
        unit: &mut Unit,
        scope: &Scope<'a>,
        node: Node<'_>,
        draft: usize,
        item: Option<&Shape<'a>>,
        path: &Path<'_>,
    ) -> Expression {
        let dependencies = &mut unit.drafts[draft].dependencies;
        let mut resolver = Resolver { scope, faults: &mut self.faults, dependencies, own: draft, item };
        read(node, path, &mut resolver)
    }

    #[expect(clippy::too_many_arguments, reason = "what is held, against what, and how it is seen")]
    fn hold_arguments(
        &mut self,
        scope: &Scope<'a>,
        node: Node<'_>,
        expression: &Expression,
        tool: &'a ToolSpec,
        draft: usize,
        item: Option<&Shape<'a>>,
        path: &Path<'_>,
    ) {
        if let Some(text) = expression.as_literal()
            && let Ok(frame) = Frame::from_text(text.clone(), &Default::default())
            && let Err(why) = self.tools.check(tool, frame.root())
        {
            return self.faults.add(Arguments, path, format!("do not fit `{}`: {why}", tool.name()));
        }
        if self.faults.is_full() {
            return;
        }
        let schema = Schema { root: tool.input_schema(), at: tool.input_schema() };
        let shapes = |pointer: &str| scope.shape_of(pointer, draft, item);
        for held in hold(node, schema, path, &shapes, tool.derives_input_schema(), &self.effort) {
            let message = format!("cannot satisfy `{}`: {}", tool.name(), held.message);
            let path = Path::Written(&held.path);
            match held.hint {
                Some(hint) => self.faults.hinted(Arguments, path, message, hint),
                None => self.faults.add(Arguments, path, message),
            }
        }
    }
}

/// A list that a step runs for.
struct List<'a> {
    over: Expression,
    at_most: usize,
    options: toolpost_workflow::MapOptions,
    item: Shape<'a>,
}
