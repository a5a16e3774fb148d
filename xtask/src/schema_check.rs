//! The model of the protocol, held against the specification's own JSON Schemas and examples.
//!
//! The directory holds, for each revision, a `schema.json`, and for some an `examples/<type>/<name>.json`. Three things
//! must hold, and each example or sample for which one does not is a line of its own:
//!
//! - Every example decodes as the type that its folder names, without a field left over, and encodes to equal JSON.
//! - So does, for every type of every schema, a sample with all of its fields, made from the schema.
//! - What the model's constructors build is valid by the schema of its revision.

mod messages;
mod schema;
mod types;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::messages::messages;
use self::schema::Schema;
use self::types::round_trip;
use crate::Done;

const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// The extension of tasks, and the types that it has beside those of its revision.
const TASKS: &str = "ext-tasks-draft";
const OF_TASKS: [&str; 15] = [
    "CancelTaskRequest",
    "CancelTaskResult",
    "CancelledTask",
    "CompletedTask",
    "CreateTaskResult",
    "DetailedTask",
    "FailedTask",
    "GetTaskRequest",
    "GetTaskResult",
    "InputRequiredTask",
    "TaskStatusNotification",
    "TaskStatusNotificationParams",
    "UpdateTaskRequest",
    "UpdateTaskResult",
    "WorkingTask",
];

/// Fields of examples that the schema itself does not know.
const STRAY: [(&str, &str); 1] = [("ListRootsRequest", r#"extra: {"id": "list-roots-example"}"#)];

/// Types of the schemas that never stand in a message by themselves: unions, and what other types extend.
const ABSTRACT: [&str; 25] = [
    "BaseMetadata",
    "CacheableResult",
    "ClientNotification",
    "ClientRequest",
    "ClientResult",
    "Cursor",
    "EnumSchema",
    "Icons",
    "JSONArray",
    "JSONObject",
    "JSONRPCMessage",
    "JSONRPCResponse",
    "JSONValue",
    "MetaObject",
    "MultiSelectEnumSchema",
    "Notification",
    "PaginatedRequest",
    "PaginatedResult",
    "Request",
    "ServerNotification",
    "ServerRequest",
    "ServerResult",
    "SingleSelectEnumSchema",
    "TaskAugmentedRequestParams",
    "InputResponseRequestParams",
];

/// Checks the schemas and examples under `dir`.
pub(crate) fn run(dir: &Path) -> Done {
    let mut tally = Tally::default();
    for revision in REVISIONS {
        let schema = Schema::load(&dir.join(revision).join("schema.json"))?;
        let before = tally;
        samples(revision, &schema, &mut tally)?;
        println!("schema-check {} samples of {revision}", tally.since(before));
        let before = tally;
        constructed(revision, &schema, &mut tally)?;
        println!("schema-check {} constructed messages of {revision}", tally.since(before));
    }
    let tasks = dir.join(TASKS).join("schema.json");
    if tasks.is_file() {
        let (schema, before) = (Schema::load(&tasks)?, tally);
        extension(&schema, &mut tally)?;
        println!("schema-check {} samples of {TASKS}", tally.since(before));
    }
    let before = tally;
    for revision in REVISIONS {
        examples(revision, &dir.join(revision).join("examples"), &mut tally)?;
    }
    let examples = tally.since(before);
    println!("schema-check {examples} examples");
    match examples.total {
        0 => Err(format!("no examples under {}", dir.display())),
        _ if tally.passed < tally.total => Err(format!("{} failed", tally.total - tally.passed)),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Default)]
struct Tally {
    passed: usize,
    total: usize,
}

impl Tally {
    fn count(&mut self, what: &str, result: Result<(), String>) {
        self.total += 1;
        match result {
            Ok(()) => self.passed += 1,
            Err(error) => println!("schema-check {what}: {error}"),
        }
    }

    fn since(self, before: Self) -> Self {
        Self { passed: self.passed - before.passed, total: self.total - before.total }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.passed, self.total)
    }
}

fn examples(revision: &str, dir: &Path, tally: &mut Tally) -> Done {
    if !dir.is_dir() {
        return Ok(());
    }
    for folder in entries(dir)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in entries(&folder)? {
            let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let shown = file.file_name().unwrap_or_default().to_string_lossy();
            tally.count(&format!("{revision} {name}/{shown}"), check(&name, &text));
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let read = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut paths = read
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    paths.sort();
    Ok(paths)
}

fn samples(revision: &str, schema: &Schema, tally: &mut Tally) -> Done {
    for name in schema.names().filter(|name| !ABSTRACT.contains(name)) {
        let validator = schema.validator(name)?;
        for (at, sample) in schema.samples(name).iter().enumerate() {
            let result = match validator.validate(sample) {
                Ok(()) => check(name, &sample.to_string()),
                Err(error) => Err(format!("the sample itself is not valid: {error}: {sample}")),
            };
            tally.count(&format!("{revision} {name} sample {at}"), result);
        }
    }
    Ok(())
}

/// The samples of the extension's own types, each by the name that the model's type of it has here.
fn extension(schema: &Schema, tally: &mut Tally) -> Done {
    for name in OF_TASKS {
        let validator = schema.validator(name)?;
        for (at, sample) in schema.samples(name).iter().enumerate() {
            let result = match validator.validate(sample) {
                Ok(()) => check(&format!("{TASKS} {name}"), &sample.to_string()),
                Err(error) => Err(format!("the sample itself is not valid: {error}: {sample}")),
            };
            tally.count(&format!("{TASKS} {name} sample {at}"), result);
        }
    }
    Ok(())
}

fn constructed(revision: &str, schema: &Schema, tally: &mut Tally) -> Done {
    for (name, message) in messages(revision).map_err(|error| error.to_string())? {
        let valid = schema.validator(name)?.validate(&message).map_err(|error| format!("{error}: {message}"));
        tally.count(&format!("{revision} {name} as constructed"), valid);
    }
    Ok(())
}

/// Decodes `text` as the type called `name`, and holds what it encodes to against it.
fn check(name: &str, text: &str) -> Done {
    let given: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let (encoded, debug) = round_trip(name, text)?;
    if encoded != given {
        return Err(format!("encodes to {encoded}"));
    }
    let known =
        STRAY.iter().filter(|(of, _)| *of == name).fold(debug, |debug, (_, stray)| debug.replace(stray, ""));
    match known.split("extra: {").skip(1).find(|rest| !rest.starts_with('}')) {
        Some(rest) => Err(format!("has a field that the model does not know: {rest}")),
        None => Ok(()),
    }
}
