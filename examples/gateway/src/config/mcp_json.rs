//! Reads the `mcpServers` that desktop clients have, as they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::toml_file::{header_fault, url_fault};
use super::{Config, Hidden, Reached, Upstream, WhenDown, unreadable};
use crate::expand::{Env, expand};
use crate::faults::Faults;
use crate::lenient;

/// What clients pass on to the servers that they start.
const PASSED: [&str; 7] = ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];

/// What is read of a server. Clients add keys of their own, which are passed over.
const KEYS: [&str; 9] =
    ["type", "command", "args", "env", "cwd", "url", "headers", "disabled", "description"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Server {
    r#type: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    disabled: bool,
}

/// Reads `file` into `config`, with the variables of `env`.
pub(super) fn read(file: &Path, config: &mut Config, env: Env<'_>, faults: &mut Faults) {
    config.watched.add(file);
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return faults.add(file, "", unreadable(&error)),
    };
    let whole: Value = match serde_json::from_str(&text) {
        Ok(whole) => whole,
        Err(error) => return faults.add(file, "", format!("is no JSON: {error}")),
    };
    let key = if whole.get("mcpServers").is_some() { "mcpServers" } else { "servers" };
    let Some(servers) = whole.get(key).and_then(Value::as_object) else {
        return faults.add(file, "", "has no object `mcpServers`, by name a server each");
    };
    for (name, server) in servers {
        let at = format!("{key}.{name}");
        if config.upstreams.contains_key(name) {
            faults.add(file, &at, format!("has the name of [upstreams.{name}]; rename one of them"));
            continue;
        }
        let Some(server) = server.as_object() else {
            faults.add(file, &at, "expected an object with `command` or `url`");
            continue;
        };
        let stray: Vec<&str> = server.keys().map(String::as_str).filter(|key| !KEYS.contains(key)).collect();
        if !stray.is_empty() {
            config.notes.push(format!("{}: {at}: passed over: {}", file.display(), stray.join(", ")));
        }
        let known: Map<String, Value> = server
            .iter()
            .filter(|(key, _)| KEYS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let server: Server = lenient::read(Value::Object(known), file, &at, faults);
        if server.disabled {
            continue;
        }
        let mut reader = Reader { file, at, env, faults };
        if let Some(reached) = reader.reached(server) {
            let upstream = Upstream {
                reached,
                prefix: format!("{name}_"),
                when_down: WhenDown::default(),
                per_user: false,
                at_once: None,
                connect_limit_ms: None,
            };
            config.upstreams.insert(name.clone(), upstream);
        }
    }
}

struct Reader<'a> {
    file: &'a Path,
    at: String,
    env: Env<'a>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn reached(&mut self, server: Server) -> Option<Reached> {
        let kind = server.r#type.as_deref();
        match (kind, server.command, server.url) {
            (Some("sse"), ..) => {
                self.fault("type", "`sse` is the transport of 2024-11-05, which is not spoken here; servers have had `http` since");
                None
            }
            (Some(kind), ..) if !["stdio", "http", "streamable-http", "streamableHttp"].contains(&kind) => {
                self.fault("type", format!("there is no `{kind}`, but `stdio` and `http`"));
                None
            }
            (None | Some("stdio"), Some(command), None) => {
                let command = self.expand("command", &command);
                let args = server.args.iter().enumerate().map(|(n, arg)| (format!("args.[{n}]"), arg));
                let args: Vec<String> = args.map(|(key, arg)| self.expand(&key, arg)).collect();
                let cwd = server.cwd.map(|cwd| self.expand("cwd", &cwd.to_string_lossy()));
                Some(Reached::Program {
                    argv: [command].into_iter().chain(args).collect(),
                    cwd: cwd.map(|cwd| self.file.parent().unwrap_or(Path::new("")).join(cwd)),
                    env: PASSED.map(ToOwned::to_owned).to_vec(),
                    values: self.expanded("env", server.env),
                })
            }
            (Some("stdio"), None, _) => {
                self.fault("command", "is missing; give the program to start");
                None
            }
            (_, None, Some(url)) => {
                let url = self.expand("url", &url);
                if let Some(fault) = url_fault(&url) {
                    self.fault("url", fault);
                }
                let headers = self.expanded("headers", server.headers);
                for (header, value) in &headers {
                    if let Some(fault) = header_fault(header, value) {
                        self.fault(&format!("headers.{header}"), fault);
                    }
                }
                Some(Reached::Http { urls: vec![url], headers, token: None })
            }
            (_, Some(_), Some(_)) => {
                self.fault("", "has `command` and `url`; a server is a program or an address");
                None
            }
            (Some(_), Some(_), None) => {
                self.fault("url", "is missing; give the address of the server, or leave `type` out");
                None
            }
            (_, None, None) => {
                self.fault("", "has neither `command` nor `url`");
                None
            }
        }
    }

    fn fault(&mut self, key: &str, fault: impl std::fmt::Display) {
        let at = if key.is_empty() { self.at.clone() } else { format!("{}.{key}", self.at) };
        self.faults.add(self.file, &at, fault);
    }

    fn expanded(&mut self, key: &str, texts: BTreeMap<String, String>) -> BTreeMap<String, Hidden> {
        let one = |(name, text): (String, String)| {
            let text = self.expand(&format!("{key}.{name}"), &text);
            (name, Hidden(text))
        };
        texts.into_iter().map(one).collect()
    }

    fn expand(&mut self, key: &str, text: &str) -> String {
        expand(text, self.env).unwrap_or_else(|faults| {
            faults.iter().for_each(|fault| self.fault(key, fault));
            String::new()
        })
    }
}
