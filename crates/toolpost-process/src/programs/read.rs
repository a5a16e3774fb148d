//! Reads the file, and goes on after a fault.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use toml::{Table, Value};
use toolpost_dispatch::nearest;
use toolpost_tool::{ErrorKind, ToolSpec};

use super::keys::{self, EXITS, Of, Takes};
use super::{Programs, Warm};
use crate::command::{CommandOutput, CommandTool, CommandToolBuilder};
use crate::{Program, Redactor, WorkersOptions};

/// The server's environment.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The most tables of each kind.
const TABLES_MAX: usize = 1_000;

/// Reads the text of a file; its relative paths start at `base`.
pub(super) fn file(text: &str, base: &Path, env: Env<'_>) -> Result<Programs, Vec<String>> {
    let table: Table =
        text.parse().map_err(|error: toml::de::Error| vec![error.to_string().trim_end().to_owned()])?;
    let mut faults = Vec::new();
    let mut programs = Programs::default();
    let mut names = HashSet::new();
    for (key, value) in &table {
        let of = match &**key {
            "programs" => Of::Programs,
            "workers" => Of::Workers,
            _ => {
                faults.push(unknown(key, &["programs", "workers"], ""));
                continue;
            }
        };
        let Some(tables) = value.as_table() else {
            faults.push(format!("{key}: expected tables such as [{key}.NAME], got {}", value.type_str()));
            continue;
        };
        if TABLES_MAX < tables.len() {
            faults.push(format!("{key}: has {} tables, and {TABLES_MAX} at most are read", tables.len()));
        }
        for (name, value) in tables.iter().take(TABLES_MAX) {
            let at = format!("{key}.{name}");
            if !names.insert(name) {
                faults.push(format!("{at}: has the name of another table; a name is for one of them"));
            }
            let Some(table) = value.as_table() else {
                faults.push(format!("{at}: expected a table, got {}", value.type_str()));
                continue;
            };
            let section = Section { at: &at, table, base, env, faults: &mut faults };
            match of {
                Of::Workers => programs.workers.extend(section.workers(name)),
                _ => programs.commands.extend(section.command(name)),
            }
        }
    }
    if faults.is_empty() { Ok(programs) } else { Err(faults) }
}

/// One table.
struct Section<'a> {
    at: &'a str,
    table: &'a Table,
    base: &'a Path,
    env: Env<'a>,
    faults: &'a mut Vec<String>,
}

impl Section<'_> {
    fn command(mut self, name: &str) -> Option<crate::command::Declared> {
        self.known(Of::Programs);
        let argv = self.argv();
        let is_there = argv.is_some();
        let (program, arguments) = argv.unwrap_or_default();
        let program = self.started(&program);
        let mut builder = CommandTool::builder(name, program);
        for argument in arguments {
            builder = match argument {
                Value::Array(group) => {
                    builder.group(group.iter().filter_map(Value::as_str).map(str::to_owned))
                }
                one => builder.arg(one.as_str().unwrap_or_default()),
            };
        }
        if let Some(stdin) = self.text("stdin") {
            builder = builder.stdin(stdin);
        }
        for (secret, value) in self.secrets() {
            builder = builder.secret(secret, value);
        }
        builder = match self.text("output") {
            Some("json") => builder.output(CommandOutput::Json),
            Some("json-lines") => builder.output(CommandOutput::JsonLines),
            _ => builder.output(CommandOutput::Text),
        };
        if let Some(bytes) = self.number("output-limit") {
            builder = builder.output_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        builder = self.exits(builder);
        let spec = self.spec();
        if !is_there {
            return None;
        }
        match builder.with_spec(spec).declared() {
            Ok(declared) => Some(declared),
            Err(faults) => {
                let at = self.at;
                self.faults.extend(faults.into_iter().map(|fault| format!("{at}.{fault}")));
                None
            }
        }
    }

    fn workers(mut self, name: &str) -> Option<Warm> {
        self.known(Of::Workers);
        let (program, arguments) = self.argv().unwrap_or_default();
        let mut program = self.started(&program);
        for (at, argument) in arguments.iter().enumerate() {
            match argument.as_str() {
                Some(argument) => program = program.arg(argument),
                None => self.fault(
                    &format!("argv[{}]", at + 1),
                    "is a list; a worker is started without values of callers, so it has no groups",
                ),
            }
        }
        let mut options = WorkersOptions::new();
        let secrets = self.secrets();
        for (secret, value) in &secrets {
            program = program.env(secret, value);
        }
        let named: Vec<(String, &String)> =
            secrets.iter().map(|(name, value)| (format!("{}.secrets: `{name}`", self.at), value)).collect();
        let redactor = Redactor::named(&named, self.faults);
        if let Some(processes) = self.number("processes") {
            options = options.processes(processes as usize);
        }
        if let Some(calls) = self.number("recycle-after") {
            options = options.recycle_after(calls);
        }
        Some(Warm { name: name.to_owned(), program, options, redactor })
    }

    /// What the tool says of itself.
    fn spec(&self) -> impl FnOnce(ToolSpec) -> ToolSpec + use<> {
        let description = self.text("description").map(str::to_owned);
        let time = self.number("time-limit-ms").map(Duration::from_millis);
        let concurrency = self.number("concurrency").and_then(|most| u32::try_from(most).ok());
        let reads = self.table.get("read-only").and_then(Value::as_bool) == Some(true);
        let (input, output) = (self.schema("input-schema"), self.schema("output-schema"));
        move |mut spec| {
            if let Some(description) = description {
                spec = spec.with_description(description);
            }
            if let Some(time) = time {
                spec = spec.with_time_limit(time);
            }
            if let Some(most) = concurrency {
                spec = spec.with_concurrency(most);
            }
            if reads {
                spec = spec.read_only();
            }
            if let Some(schema) = input {
                spec = spec.with_input_schema(schema);
            }
            if let Some(schema) = output {
                spec = spec.with_output_schema(schema);
            }
            spec
        }
    }

    /// The environment and the directory of the program.
    fn started(&mut self, executable: &str) -> Program {
        let path = match executable.contains('/') {
            true => self.base.join(executable),
            false => PathBuf::from(executable),
        };
        let mut program = Program::new(path).pass_env("PATH");
        for name in self.names("env") {
            program = program.pass_env(name);
        }
        match self.text("cwd") {
            Some(dir) => program.dir(self.base.join(dir)),
            None => program,
        }
    }

    /// The program and what comes after it.
    fn argv(&mut self) -> Option<(String, Vec<Value>)> {
        let table = self.table;
        match table.get("argv").map(|argv| (argv, argv.as_array())) {
            None => {
                self.fault(
                    "argv",
                    "is missing; give the program and its arguments, such as [\"date\", \"-u\"]",
                );
                None
            }
            Some((_, Some(argv))) => match argv.split_first() {
                Some((Value::String(program), rest)) => Some((program.clone(), rest.to_vec())),
                Some((other, _)) => {
                    let got = other.type_str();
                    self.fault("argv[0]", &format!("expected the name of the program, got {got}"));
                    None
                }
                None => {
                    self.fault("argv", "is empty; its first item names the program");
                    None
                }
            },
            // Told with the types of all keys.
            Some((_, None)) => None,
        }
    }

    /// Keys that do not exist, and values of other types.
    fn known(&mut self, of: Of) {
        let table = self.table;
        for (name, value) in table {
            let Some(key) = keys::keys_of(of).find(|key| key.name == name) else {
                let all: Vec<&str> = keys::keys_of(of).map(|key| key.name).collect();
                let elsewhere = match keys::KEYS.iter().any(|key| key.name == name) {
                    true if of == Of::Workers => "; it is for [programs]",
                    true => "; it is for [workers]",
                    false => "",
                };
                let fault = unknown(&format!("{}.{name}", self.at), &all, elsewhere);
                self.faults.push(fault);
                continue;
            };
            if let Some(fault) = misfit(value, key.takes) {
                self.fault(name, &fault);
            }
        }
    }

    fn exits(&mut self, mut builder: CommandToolBuilder) -> CommandToolBuilder {
        let Some(exits) = self.table.get("exit-codes").and_then(Value::as_table) else { return builder };
        for (status, meaning) in exits {
            let Ok(status) = status.parse::<u8>() else {
                self.fault("exit-codes", &format!("`{status}` is no exit status: those are 0 to 255"));
                continue;
            };
            builder = match meaning.as_str() {
                Some("ok") => builder.exit_ok(status),
                Some("failed") => builder.exit_kind(status, ErrorKind::Failed),
                Some("invalid-arguments") => builder.exit_kind(status, ErrorKind::InvalidArguments),
                Some("timed-out") => builder.exit_kind(status, ErrorKind::TimedOut),
                Some("unavailable") => builder.exit_kind(status, ErrorKind::Unavailable),
                // Told with the types of all keys.
                _ => builder,
            };
        }
        builder
    }

    /// The secrets that are named, with the values that the server has.
    fn secrets(&mut self) -> Vec<(String, String)> {
        let mut secrets = Vec::new();
        for name in self.names("secrets") {
            match (self.env)(&name).map(OsString::into_string) {
                Some(Ok(value)) => secrets.push((name, value)),
                Some(Err(_)) => {
                    self.fault("secrets", &format!("`{name}` is no text in the server's environment"))
                }
                None => self.fault(
                    "secrets",
                    &format!("`{name}` is not set in the server's environment; set it, or take it away here"),
                ),
            }
        }
        secrets
    }

    fn names(&mut self, key: &str) -> Vec<String> {
        let names = self.table.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut valid = Vec::new();
        for name in names.filter_map(Value::as_str) {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.fault(key, &format!("`{}` is no name of a variable", name.escape_debug()));
            } else {
                valid.push(name.to_owned());
            }
        }
        valid
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.table.get(key)?.as_str()
    }

    fn number(&self, key: &str) -> Option<u64> {
        u64::try_from(self.table.get(key)?.as_integer()?).ok()
    }

    fn schema(&self, key: &str) -> Option<Json> {
        serde_json::to_value(self.table.get(key)?.as_table()?).ok()
    }

    fn fault(&mut self, key: &str, fault: &str) {
        self.faults.push(format!("{}.{key}: {fault}", self.at));
    }
}

/// Why a key cannot have that value.
fn misfit(value: &Value, takes: Takes) -> Option<String> {
    let expected = |what: &str| Some(format!("expected {what}, got {}", value.type_str()));
    let is_texts = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(Value::is_str));
    match takes {
        Takes::Arguments => match value.as_array() {
            Some(all) if all.iter().all(|one| one.is_str() || is_texts(one)) => None,
            Some(_) => Some("expected texts, or lists of texts, in the list".into()),
            None => expected("a list of texts"),
        },
        Takes::Boolean if value.is_bool() => None,
        Takes::Boolean => expected("true or false"),
        Takes::Names if is_texts(value) => None,
        Takes::Names => expected("a list of texts"),
        Takes::Number(least, most) => match value.as_integer() {
            Some(number) if (least..=most).contains(&number) => None,
            Some(number) => Some(format!("expected {least} to {most}, got {number}")),
            None => expected("a whole number"),
        },
        Takes::OneOf(all) => match value.as_str() {
            Some(one) if all.contains(&one) => None,
            Some(one) => Some(not_among(one, all)),
            None => expected("a text"),
        },
        Takes::Exits => match value.as_table() {
            Some(exits) => exits.iter().find_map(|(status, meaning)| match meaning.as_str() {
                Some(one) if EXITS.contains(&one) => None,
                Some(one) => Some(format!("{status}: {}", not_among(one, &EXITS))),
                None => Some(format!("{status}: expected a text, got {}", meaning.type_str())),
            }),
            None => expected("a table"),
        },
        Takes::Schema if value.is_table() => None,
        Takes::Schema => expected("a JSON Schema, as a table"),
        Takes::Text if value.is_str() => None,
        Takes::Text => expected("a text"),
    }
}

fn not_among(one: &str, all: &[&str]) -> String {
    let near = nearest(one, all.iter().copied());
    let near = near.first().map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
    let all: Vec<String> = all.iter().map(|one| format!("\"{one}\"")).collect();
    format!("there is no \"{one}\", but {}{near}", all.join(", "))
}

fn unknown(path: &str, known: &[&str], elsewhere: &str) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    match nearest(name, known.iter().copied()).first() {
        Some(near) if elsewhere.is_empty() => format!("{path}: there is no such key; did you mean `{near}`?"),
        _ if !elsewhere.is_empty() => format!("{path}: there is no such key here{elsewhere}"),
        _ => format!("{path}: there is no such key; there are {}", known.join(", ")),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
