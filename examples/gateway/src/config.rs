//! What the gateway is told to do: read from its files, checked as a whole, and never half applied.

mod mcp_json;
mod schema;
mod tables;
mod toml_file;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toolpost::Settings;
use toolpost::upstream::Pins;

pub(crate) use schema::schema;
pub(crate) use tables::{JwtTable, Limits, Scopes, Serve, WhenDown};
pub(crate) use toml_file::Reader;
pub(crate) use watched::Watched;

use crate::access::Tokens;
use crate::expand;
use crate::faults::Faults;

/// Where the configuration stands.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Files {
    /// The gateway's own file: how to serve, upstreams, programs, policies. `gateway schema` prints its schema.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// A file of a desktop client: `mcpServers`, as it is. Beside `--config` its servers are upstreams more.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) mcp_config: Option<PathBuf>,
    /// The lock file of tools, in place of the one that the file names.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) pins: Option<PathBuf>,
}

/// A whole configuration, without a fault that can be found without starting anything.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) serve: Serve,
    /// Who is let in; everybody without it.
    pub(crate) tokens: Option<Tokens>,
    pub(crate) state_key: Option<[u8; 32]>,
    /// What the files say that are named here, so that one configuration is told from another.
    pub(crate) texts: Vec<Hidden>,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    /// The tables `[programs]`, as TOML.
    pub(crate) programs: String,
    /// How many these are.
    pub(crate) commands: usize,
    /// A table `[workers.NAME]` each, as TOML.
    pub(crate) workers: BTreeMap<String, String>,
    pub(crate) upstreams: BTreeMap<String, Upstream>,
    pub(crate) pins: Option<PinsFile>,
    pub(crate) plans: Plans,
    /// Where the file says that the lock file is.
    pins_path: Option<PathBuf>,
    /// The directory that relative paths of programs and workers start at.
    pub(crate) base: PathBuf,
    /// Files whose change may change the configuration.
    pub(crate) watched: Watched,
    /// What was passed over, and is no fault.
    pub(crate) notes: Vec<String>,
}

/// Workflows as tools.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Plans {
    pub(crate) run_workflow: bool,
    pub(crate) read_only: bool,
    /// The text of a file of templates.
    pub(crate) templates: Option<String>,
}

/// The lock file of tools.
pub(crate) struct PinsFile {
    pub(crate) path: PathBuf,
    /// What it says; nothing if it is not there yet.
    pub(crate) pins: Pins,
}

/// Another server, whose tools become ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Upstream {
    pub(crate) reached: Reached,
    /// Stands before the name of each tool.
    pub(crate) prefix: String,
    pub(crate) when_down: WhenDown,
    pub(crate) per_user: bool,
    pub(crate) at_once: Option<u32>,
    pub(crate) connect_limit_ms: Option<u64>,
}

/// How an upstream is reached.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reached {
    /// A program that is started here, and speaks on its stdin and stdout.
    Program {
        argv: Vec<String>,
        cwd: Option<PathBuf>,
        /// Variables that are passed on.
        env: Vec<String>,
        values: BTreeMap<String, Hidden>,
    },
    /// Streamable HTTP; of several addresses each is the same server.
    Http { urls: Vec<String>, headers: BTreeMap<String, Hidden>, token: Option<Hidden> },
}

/// A text that no log shows.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Config {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, and the files whose change may mend it.
    pub(crate) fn load(files: &Files) -> Result<Self, (Faults, Watched)> {
        let mut faults = Faults::default();
        let mut config = Self::default();
        let here = Path::new("gateway");
        if files.config.is_none() && files.mcp_config.is_none() {
            let faults = Faults::one(here, "give --config FILE, --mcp-config FILE, or both");
            return Err((faults, Watched::default()));
        }
        if let Some(file) = &files.config {
            toml_file::read(file, &mut config, &expand::own, &mut faults);
        }
        if let Some(file) = &files.mcp_config {
            mcp_json::read(file, &mut config, &expand::own, &mut faults);
        }
        let path = files.pins.clone().or_else(|| config.pins_path.take());
        config.pins = path.and_then(|path| pins(path, &mut config, &mut faults));
        if faults.is_empty() && config.is_empty() {
            let file = files.config.as_deref().or(files.mcp_config.as_deref()).unwrap_or(here);
            faults.add(
                file,
                "",
                "there is nothing to serve; give [upstreams.NAME], [programs.NAME] or [workers.NAME]",
            );
        }
        if faults.is_empty() { Ok(config) } else { Err((faults, config.watched)) }
    }

    fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.workers.is_empty() && self.upstreams.is_empty()
    }

    /// What this machine lacks of what the configuration names; it may come while the gateway runs.
    pub(crate) fn missing(&self) -> Vec<String> {
        let started = self.upstreams.iter().filter_map(|(name, upstream)| match &upstream.reached {
            Reached::Program { argv, cwd, .. } => Some((format!("upstreams.{name}"), argv.first()?, cwd)),
            Reached::Http { .. } => None,
        });
        let mut missing = Vec::new();
        for (at, program, cwd) in started {
            if !is_there(program) {
                missing.push(format!(
                    "{at}: there is no program `{program}`; install it, or give the path of another one"
                ));
            }
            if let Some(cwd) = cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
                missing.push(format!(
                    "{at}: there is no directory {}; create it, or name another",
                    cwd.display()
                ));
            }
        }
        missing
    }
}

/// Reads the lock file of tools. One that is not there is empty: `gateway pin` writes it.
fn pins(path: PathBuf, config: &mut Config, faults: &mut Faults) -> Option<PinsFile> {
    config.watched.add(&path);
    let pins = match std::fs::read_to_string(&path) {
        Ok(text) => Pins::read(&text).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            config.notes.push(format!(
                "{}: is not there yet, so that every tool of an upstream is refused; `gateway pin` writes it",
                path.display()
            ));
            Ok(Pins::new())
        }
        Err(error) => Err(unreadable(&error)),
    };
    match pins {
        Ok(pins) => Some(PinsFile { path, pins }),
        Err(fault) => {
            faults.add(&path, "", fault);
            None
        }
    }
}

/// Whether `program` could be started.
pub(crate) fn is_there(program: &str) -> bool {
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Why a file cannot be read, and what may help.
fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file; give the path of one that exists".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            format!("cannot be read: {error}; let the user of the gateway read it")
        }
        _ => format!("cannot be read: {error}"),
    }
}
