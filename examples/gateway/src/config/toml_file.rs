//! Reads `gateway.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use toml::Table;
use toolpost::Settings;
use toolpost::plan::TemplateRegistry;
use toolpost::process::Programs;

use super::tables::{PlansTable, Tables, UpstreamTable};
use super::{Config, Hidden, Plans, Reached, Upstream, Watched, unreadable};
use crate::access;
use crate::expand::{Env, expand};
use crate::faults::Faults;
use crate::lenient;
use crate::upstreams::targets;

/// The tables that others read.
const OF_SETTINGS: [&str; 2] = ["defaults", "tools"];
const OF_PROGRAMS: [&str; 2] = ["programs", "workers"];
const OWN: [&str; 5] = ["serve", "limits", "pins", "plans", "upstreams"];

/// Reads `file` into `config`, with the variables of `env`.
pub(super) fn read(file: &Path, config: &mut Config, env: Env<'_>, faults: &mut Faults) {
    config.watched.add(file);
    config.base = file.parent().unwrap_or(Path::new("")).to_owned();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return faults.add(file, "", unreadable(&error)),
    };
    let mut table: Table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => return faults.add(file, "", error.to_string().trim_end()),
    };
    let mut part = |names: &[&str]| -> Table {
        names.iter().filter_map(|name| Some(((*name).to_owned(), table.remove(*name)?))).collect()
    };
    let (policies, programs, own) = (part(&OF_SETTINGS), part(&OF_PROGRAMS), part(&OWN));
    let all: Vec<&str> = OWN.into_iter().chain(OF_PROGRAMS).chain(OF_SETTINGS).collect();
    for unknown in table.keys() {
        faults.add(file, unknown, lenient::no_such_key(unknown, &all));
    }

    config.settings = settings(&policies, file, faults);
    read_programs(programs, file, config, faults);
    let own = serde_json::to_value(own).unwrap_or_default();
    let own: Tables = lenient::read(own, file, "", faults);
    let base = config.base.clone();
    let mut reader =
        Reader { file, base: &base, env, faults, watched: &mut config.watched, texts: &mut config.texts };
    reader.limits(&own);
    access::read(&own.serve, &mut reader, &mut config.tokens, &mut config.state_key);
    let upstreams = own.upstreams.into_iter().filter(|(_, table)| !table.disabled);
    config.upstreams =
        upstreams.filter_map(|(name, table)| reader.upstream(&name, table).map(|one| (name, one))).collect();
    config.plans = reader.plans(&own.plans);
    config.pins_path = own.pins.map(|pins| base.join(pins));
    config.serve = own.serve;
    config.limits = own.limits;
}

/// The policies, each tool's by itself, so that a fault in one hides none in another.
fn settings(table: &Table, file: &Path, faults: &mut Faults) -> Settings {
    let whole = serde_json::to_value(table).unwrap_or_default();
    if let Ok(settings) = Settings::from_json(&whole.to_string()) {
        return settings;
    }
    let mut parts = Vec::new();
    if let Some(defaults) = whole.get("defaults") {
        parts.push(json!({ "defaults": defaults }));
    }
    match whole.get("tools") {
        Some(Value::Object(tools)) => {
            parts.extend(tools.iter().map(|(name, tool)| json!({ "tools": { name: tool } })));
        }
        Some(tools) => parts.push(json!({ "tools": tools })),
        None => {}
    }
    for part in parts {
        if let Err(error) = Settings::from_json(&part.to_string()) {
            error.faults().for_each(|fault| faults.add(file, "", fault));
        }
    }
    Settings::default()
}

fn read_programs(programs: Table, file: &Path, config: &mut Config, faults: &mut Faults) {
    if let Err(error) = Programs::from_toml_at(&programs.to_string(), &config.base) {
        error.faults().iter().for_each(|fault| faults.add(file, "", fault));
        return;
    }
    for (kind, tables) in programs {
        match tables {
            toml::Value::Table(tables) if kind == "workers" => {
                config.workers = tables
                    .into_iter()
                    .map(|(name, table)| (name.clone(), one("workers", name, table)))
                    .collect();
            }
            toml::Value::Table(tables) if !tables.is_empty() => {
                config.commands = tables.len();
                let whole = Table::from_iter([(kind, toml::Value::Table(tables))]);
                config.programs = whole.to_string();
            }
            _ => {}
        }
    }
}

/// The TOML of one table of this kind.
fn one(kind: &str, name: String, table: toml::Value) -> String {
    let named = Table::from_iter([(name, table)]);
    Table::from_iter([(kind.to_owned(), toml::Value::Table(named))]).to_string()
}

/// What reading needs of the file around what is read.
pub(crate) struct Reader<'a> {
    pub(crate) file: &'a Path,
    base: &'a Path,
    env: Env<'a>,
    faults: &'a mut Faults,
    watched: &'a mut Watched,
    texts: &'a mut Vec<Hidden>,
}

impl Reader<'_> {
    pub(crate) fn fault(&mut self, at: &str, fault: impl std::fmt::Display) {
        self.faults.add(self.file, at, fault);
    }

    /// The text of another file, which is named at `at`; a change of it is a change of the configuration.
    pub(crate) fn text(&mut self, at: &str, path: &Path) -> Option<String> {
        let path = self.base.join(path);
        self.watched.add(&path);
        let text = std::fs::read_to_string(&path);
        if let Err(error) = &text {
            let fault = format!("{}: {}", path.display(), unreadable(error));
            self.fault(at, fault);
        }
        let text = text.ok()?;
        self.texts.push(Hidden(text.clone()));
        Some(text)
    }

    fn plans(&mut self, table: &PlansTable) -> Plans {
        const AT: &str = "plans.templates";
        let templates = table.templates.as_deref().and_then(|file| self.text(AT, file));
        // Told apart by what becomes of it.
        let _text = templates.as_ref().and_then(|_| self.texts.pop());
        if let Some(Err(refused)) = templates.as_ref().map(TemplateRegistry::from_json) {
            refused.faults().iter().for_each(|fault| self.fault(AT, fault));
        }
        Plans { run_workflow: table.run_workflow, read_only: table.read_only, templates }
    }

    fn limits(&mut self, tables: &Tables) {
        let limits = tables.limits;
        let mut least = |key: &str, value: Option<u64>, least: u64, most: u64| {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                self.fault(key, format!("is {value}, and must be {least} to {most}"));
            }
        };
        least("limits.permits", limits.permits.map(u64::from), 1, 100_000);
        least("limits.queue", limits.queue.map(u64::from), 0, 100_000);
        least("limits.calls-per-principal", limits.calls_per_principal.map(u64::from), 1, 100_000);
        least("limits.time-limit-ms", limits.time_limit_ms, 1, u64::MAX);
        least("serve.connections", tables.serve.connections.map(u64::from), 1, 65_536);
        for (name, table) in &tables.upstreams {
            let at = |key: &str| format!("upstreams.{name}.{key}");
            least(&at("at-once"), table.at_once.map(u64::from), 1, 100_000);
            least(&at("connect-limit-ms"), table.connect_limit_ms, 1, u64::MAX);
        }
        if let Some(path) = tables.serve.path.as_ref().filter(|path| !path.starts_with('/')) {
            self.fault("serve.path", format!("is `{path}`, and must begin with `/`"));
        }
    }

    fn upstream(&mut self, name: &str, table: UpstreamTable) -> Option<Upstream> {
        let at = format!("upstreams.{name}");
        let mut urls: Vec<String> = table.url.iter().chain(&table.urls).cloned().collect();
        let of_program = [
            ("cwd", table.cwd.is_some()),
            ("env", !table.env.is_empty()),
            ("env-values", !table.env_values.is_empty()),
        ];
        let of_http = [
            ("headers", !table.headers.is_empty()),
            ("bearer-token-env", table.bearer_token_env.is_some()),
            ("bearer-token-file", table.bearer_token_file.is_some()),
        ];
        let stray = |keys: &[(&'static str, bool)]| -> Vec<&'static str> {
            keys.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect()
        };
        let reached = match (table.argv.is_empty(), urls.is_empty()) {
            (true, true) => {
                self.fault(&at, "give `argv`, the program to start, or `url`, the address of a server");
                return None;
            }
            (false, false) => {
                self.fault(
                    &at,
                    "has `argv` and a URL; one upstream is a program or an address, so make two of it",
                );
                return None;
            }
            (false, true) => {
                for key in stray(&of_http) {
                    self.fault(
                        &format!("{at}.{key}"),
                        "is for a server with a URL, and this one is a program",
                    );
                }
                Reached::Program {
                    argv: self.argv(table.argv),
                    cwd: table.cwd.map(|cwd| self.base.join(cwd)),
                    env: table.env,
                    values: self.expanded(&format!("{at}.env-values"), table.env_values),
                }
            }
            (true, false) => {
                for key in stray(&of_program) {
                    self.fault(&format!("{at}.{key}"), "is for a program, and this server has a URL");
                }
                for url in &mut urls {
                    let expanded = self.expand(&format!("{at}.url"), url);
                    *url = expanded;
                    if let Some(fault) = url_fault(url) {
                        self.fault(&format!("{at}.url"), fault);
                    }
                }
                let headers = self.expanded(&format!("{at}.headers"), table.headers);
                for (header, value) in &headers {
                    if let Some(fault) = header_fault(header, value) {
                        self.fault(&format!("{at}.headers.{header}"), fault);
                    }
                }
                let token = self.token(&at, table.bearer_token_env, table.bearer_token_file.as_deref());
                if let Err(fault) = targets(&urls, &headers, token.as_ref())
                    && self.faults.is_empty()
                {
                    self.fault(&at, fault);
                }
                Reached::Http { urls, headers, token }
            }
        };
        Some(Upstream {
            reached,
            prefix: table.prefix.unwrap_or_else(|| format!("{name}_")),
            when_down: table.when_down,
            per_user: table.per_user,
            at_once: table.at_once,
            connect_limit_ms: table.connect_limit_ms,
        })
    }

    /// A program with a `/` in its name starts at the file's directory.
    fn argv(&self, mut argv: Vec<String>) -> Vec<String> {
        if let Some(program) = argv.first_mut().filter(|program| program.contains('/')) {
            *program = self.base.join(&*program).display().to_string();
        }
        argv
    }

    fn token(&mut self, at: &str, variable: Option<String>, file: Option<&Path>) -> Option<Hidden> {
        match (variable, file) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                self.fault(at, "has `bearer-token-env` and `bearer-token-file`; leave one of them out");
                None
            }
            (Some(variable), None) => {
                let value = (self.env)(&variable);
                if value.is_none() {
                    self.fault(
                        &format!("{at}.bearer-token-env"),
                        format!("the variable `{variable}` is not set"),
                    );
                }
                value.map(Hidden)
            }
            (None, Some(file)) => {
                let text = self.text(&format!("{at}.bearer-token-file"), file)?;
                Some(Hidden(text.trim().to_owned()))
            }
        }
    }

    fn expanded(&mut self, at: &str, texts: BTreeMap<String, String>) -> BTreeMap<String, Hidden> {
        let one = |(name, text): (String, String)| {
            let text = self.expand(&format!("{at}.{name}"), &text);
            (name, Hidden(text))
        };
        texts.into_iter().map(one).collect()
    }

    fn expand(&mut self, at: &str, text: &str) -> String {
        expand(text, self.env).unwrap_or_else(|faults| {
            faults.iter().for_each(|fault| self.fault(at, fault));
            String::new()
        })
    }
}

/// Why a URL cannot be one of a server.
pub(super) fn url_fault(url: &str) -> Option<&'static str> {
    let fault = match url.parse::<http::Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => return None,
            (Some("http" | "https"), _) => "has no host",
            _ => "must begin with http:// or https://",
        },
        Err(_) if url.is_empty() => return None,
        Err(_) => "is no URL; give one such as https://example.org/mcp",
    };
    Some(fault)
}

/// Why a header cannot be sent.
pub(super) fn header_fault(name: &str, value: &Hidden) -> Option<&'static str> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some("is no name of a header");
    }
    http::HeaderValue::from_str(&value.0).is_err().then_some("has a value that no header can have")
}
