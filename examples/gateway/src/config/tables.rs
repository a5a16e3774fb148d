//! The tables of `gateway.toml` that are the gateway's own, and what its schema says of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What is read here; policies and programs are read by those that enforce them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Tables {
    /// How clients reach the gateway; on stdin and stdout, unless told otherwise.
    pub(super) serve: Serve,
    /// What holds for all calls together.
    pub(super) limits: Limits,
    /// The lock file of `gateway pin`, relative to this file: tools that are not as it says are refused. Without it,
    /// tools are taken as they come.
    pub(super) pins: Option<PathBuf>,
    /// Workflows of the tools that are served here, as tools.
    pub(super) plans: PlansTable,
    /// Other MCP servers, whose tools are served here, by a name of your own.
    pub(super) upstreams: BTreeMap<String, UpstreamTable>,
}

/// Workflows of the tools that are served here, as tools.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct PlansTable {
    /// Whether there is a tool `run_workflow`, whose argument is a plan: a workflow of tools as a JSON document. False, unless
    /// told otherwise.
    pub(super) run_workflow: bool,
    /// Whether plans may use tools alone that only read; false, unless told otherwise.
    pub(super) read_only: bool,
    /// A file with templates of plans, relative to this file: each is a tool of its name.
    pub(super) templates: Option<PathBuf>,
}

/// How clients reach the gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Serve {
    /// Serves Streamable HTTP here, and not on stdin and stdout: `8080`, `127.0.0.1:8080` or `localhost:8080`; port 0
    /// takes a free one.
    pub(crate) http: Option<String>,
    /// The path of the URL; `/mcp`, unless told otherwise.
    pub(crate) path: Option<String>,
    /// The server's name; `gateway`, unless told otherwise.
    pub(crate) name: Option<String>,
    /// Tells the model how to use the tools.
    pub(crate) instructions: Option<String>,
    /// Names and addresses that clients may reach the gateway under, as their Host header says; loopback always.
    pub(crate) allow_hosts: Vec<String>,
    /// Origins whose pages may call the gateway, such as `https://example.org`; loopback always.
    pub(crate) allow_origins: Vec<String>,
    /// Whether it may serve on an address that others can reach, though nobody is asked who they are.
    pub(crate) allow_public: bool,
    /// A file with bearer tokens, relative to this file: a line for each, with the name of whoever has it, a space and the
    /// token. Nobody else is let in.
    pub(crate) token_file: Option<PathBuf>,
    /// Lets in whoever has an access token of this issuer.
    pub(crate) jwt: Option<JwtTable>,
    /// OAuth scopes that a token must have.
    pub(crate) scopes: Scopes,
    /// A file with 32 bytes in hexadecimal, relative to this file, that protect sessions, cursors and states: gateways that
    /// share it, and one after a restart, take what another gave out.
    pub(crate) state_key_file: Option<PathBuf>,
    /// Connections at once; 896, unless told otherwise.
    #[schemars(range(min = 1, max = 65536))]
    pub(crate) connections: Option<u32>,
    /// How long calls may go on when the gateway is asked to end, in milliseconds; 30000, unless told otherwise.
    pub(crate) grace_ms: Option<u64>,
}

/// Access tokens that are JWTs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct JwtTable {
    /// Who must have issued the token (`iss`).
    pub(crate) issuer: String,
    /// The URL under which clients reach the gateway, for which the token must be (`aud`).
    pub(crate) audience: String,
    /// Where the issuer's keys are, by HTTPS.
    pub(crate) jwks_url: Option<String>,
    /// A file with the issuer's keys instead, relative to this file.
    pub(crate) jwks_file: Option<PathBuf>,
    /// The claim that names the principal; `sub`, unless told otherwise.
    pub(crate) principal_claim: Option<String>,
    /// By how much the issuer's clock may differ, in seconds; 60, unless told otherwise.
    #[schemars(range(max = 300))]
    pub(crate) leeway_s: Option<u64>,
}

/// OAuth scopes that a token must have.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Scopes {
    /// Those that every caller needs.
    pub(crate) everywhere: Vec<String>,
    /// Those that callers of a tool need besides, by the tool's name.
    pub(crate) tools: BTreeMap<String, Vec<String>>,
}

/// What holds for all calls together.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Limits {
    /// Calls that run at once; 256, unless told otherwise.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) permits: Option<u32>,
    /// Calls that may wait for a permit; 512, unless told otherwise.
    #[schemars(range(max = 100_000))]
    pub(crate) queue: Option<u32>,
    /// Calls that one principal may have at once; 32, unless told otherwise.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) calls_per_principal: Option<u32>,
    /// The longest that a call may take whose tool has no time limit, in milliseconds; 60000, unless told otherwise.
    #[schemars(range(min = 1))]
    pub(crate) time_limit_ms: Option<u64>,
}

/// What becomes of tools whose server cannot be reached.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenDown {
    /// They are listed as unavailable, and calls of them say why.
    #[default]
    Show,
    /// They are not listed.
    Hide,
}

/// Another MCP server: a program with `argv`, or one that is reached by `url` or `urls`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct UpstreamTable {
    /// The program to start and its arguments; it speaks MCP on its stdin and stdout.
    pub(super) argv: Vec<String>,
    /// The directory that the program runs in, relative to this file; the gateway's, unless told otherwise.
    pub(super) cwd: Option<PathBuf>,
    /// Variables of the gateway's environment that are passed on to the program; PATH always is, nothing else.
    pub(super) env: Vec<String>,
    /// Variables that are set for the program; `${NAME}` stands for one of the gateway's environment.
    pub(super) env_values: BTreeMap<String, String>,
    /// The URL of a server that speaks Streamable HTTP; `${NAME}` stands for a variable of the environment.
    pub(super) url: Option<String>,
    /// Several URLs of the same server: calls go to the one that answers best.
    pub(super) urls: Vec<String>,
    /// Headers of each request; `${NAME}` in a value stands for a variable of the environment. Callers' own tokens are never
    /// passed on.
    pub(super) headers: BTreeMap<String, String>,
    /// The variable of the environment with the bearer token for this server.
    pub(super) bearer_token_env: Option<String>,
    /// A file with the bearer token for this server, relative to this file.
    pub(super) bearer_token_file: Option<PathBuf>,
    /// Stands before the name of each tool; the upstream's name and `_`, unless told otherwise. `""` leaves names as they
    /// are.
    pub(super) prefix: Option<String>,
    /// What becomes of the tools while the server cannot be reached; `show`, unless told otherwise.
    pub(super) when_down: WhenDown,
    /// Whether each user has a connection, or a process, of their own: for a server that keeps something for its user. Who calls
    /// without a token is refused then. False, unless told otherwise.
    pub(super) per_user: bool,
    /// Calls that this server has at once; more are refused. 1024, unless told otherwise. (`concurrency` of a tool has calls
    /// wait.)
    #[schemars(range(min = 1, max = 100_000))]
    pub(super) at_once: Option<u32>,
    /// How long it may take from the start until its lists are read, in milliseconds; 30000, unless told otherwise.
    #[schemars(range(min = 1))]
    pub(super) connect_limit_ms: Option<u64>,
    /// Whether it is left out; false, unless told otherwise.
    pub(super) disabled: bool,
}
