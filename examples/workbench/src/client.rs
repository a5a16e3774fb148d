//! A client that is not ours: rmcp's, in either era, over either transport.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use jsonschema::Validator;
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion, RequestMetaObject, Tool};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::Value;
use tokio::process::{Child, Command};
use toolpost_tool::Priority;

use crate::serve::Failure;

/// How a client and a server get to know each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Era {
    /// `server/discover`, then requests that each stand alone: 2026-07-28.
    Discover,
    /// `initialize`, then a session: 2025-11-25.
    Initialize,
}

/// A client that is connected to a server.
#[derive(Debug)]
pub struct Client {
    service: RunningService<RoleClient, ()>,
    /// What the tools promise of their results, by their names, once they were listed.
    promises: OnceLock<HashMap<String, Validator>>,
    /// The server, if it runs for this client alone; ends with it.
    child: Option<Child>,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Discover, Self::Initialize];

    /// The revision that is spoken.
    #[must_use]
    pub const fn revision(self) -> &'static str {
        match self {
            Self::Discover => "2026-07-28",
            Self::Initialize => "2025-11-25",
        }
    }

    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Discover => {
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
            }
            Self::Initialize => ClientLifecycleMode::Initialize,
        }
    }
}

impl Client {
    /// Connects to the server at `url`.
    ///
    /// # Errors
    ///
    /// If it does not answer, or not in this era.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened.
    pub async fn over_http(url: &str, era: Era) -> Result<Self, Failure> {
        let transport = StreamableHttpClientTransport::from_uri(url);
        let service = ().serve_with_lifecycle(transport, era.lifecycle()).await?;
        Self { service, promises: OnceLock::new(), child: None }.speaking(era)
    }

    /// Starts `program serve --root root` and speaks with it over its stdin and stdout.
    ///
    /// # Errors
    ///
    /// If it cannot be started, does not answer, or not in this era.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the program.
    pub async fn over_stdio(program: &Path, root: &Path, era: Era) -> Result<Self, Failure> {
        Self::over_stdio_with(program, root, &[], era).await
    }

    /// As [`over_stdio`](Self::over_stdio), with more arguments.
    ///
    /// # Errors
    ///
    /// As `over_stdio`.
    ///
    /// # Cancel safety
    ///
    /// As `over_stdio`.
    pub async fn over_stdio_with(
        program: &Path,
        root: &Path,
        more: &[String],
        era: Era,
    ) -> Result<Self, Failure> {
        let mut child = Command::new(program)
            .args([OsStr::new("serve"), OsStr::new("--root"), root.as_os_str()])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
            return Err("the server has no stdin or stdout".into());
        };
        let service = ().serve_with_lifecycle((stdout, stdin), era.lifecycle()).await?;
        Self { service, promises: OnceLock::new(), child: Some(child) }.speaking(era)
    }

    /// Every tool that the server lists. From now on [`keeps`](Self::keeps) knows what they promise.
    ///
    /// # Errors
    ///
    /// If the server does not list them, or a promise is no JSON Schema.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the request.
    pub async fn list(&self) -> Result<Vec<Tool>, Failure> {
        let tools = self.service.list_all_tools().await?;
        let mut promises = HashMap::new();
        for tool in &tools {
            if let Some(schema) = &tool.output_schema {
                let validator = jsonschema::validator_for(&Value::Object((**schema).clone()))
                    .map_err(|error| format!("the output schema of {}: {error}", tool.name))?;
                promises.insert(tool.name.to_string(), validator);
            }
        }
        let _first = self.promises.set(promises);
        Ok(tools)
    }

    /// Whether the structured content of a result is what its tool promises, as a client that checks would ask; true of
    /// tools that were not listed or promise nothing.
    ///
    /// # Errors
    ///
    /// What does not fit, and where.
    pub fn keeps(&self, tool: &str, content: &Value) -> Result<(), String> {
        match self.promises.get().and_then(|promises| promises.get(tool)) {
            None => Ok(()),
            Some(promise) => promise
                .validate(content)
                .map_err(|error| format!("breaks its output schema at `{}`: {error}", error.instance_path())),
        }
    }

    /// Calls a tool; `arguments` is an object.
    ///
    /// # Errors
    ///
    /// If the server answers with a JSON-RPC error, or not at all.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<CallToolResult, Failure> {
        self.call_at(tool, arguments, None).await
    }

    /// Calls a tool with this priority in the request's `_meta`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call.
    pub async fn call_at(
        &self,
        tool: &str,
        arguments: &Value,
        priority: Option<Priority>,
    ) -> Result<CallToolResult, Failure> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        if let Some(priority) = priority {
            let mut meta = RequestMetaObject::new();
            meta.0.0.insert("dev.toolpost/priority".into(), priority.as_str().into());
            params.meta = Some(meta);
        }
        Ok(self.service.call_tool(params).await?)
    }

    /// Says goodbye; a server that runs for this client alone must end by itself.
    ///
    /// # Errors
    ///
    /// If the connection or the server ends badly.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server by force.
    pub async fn close(self) -> Result<(), Failure> {
        let Self { service, child, .. } = self;
        service.cancel().await?;
        match child {
            None => Ok(()),
            Some(mut child) => match child.wait().await? {
                status if status.success() => Ok(()),
                status => Err(format!("the server ended with {status}").into()),
            },
        }
    }

    fn speaking(self, era: Era) -> Result<Self, Failure> {
        let spoken = self.service.peer_info().map(|server| server.protocol_version.to_string());
        match spoken.as_deref() {
            Some(spoken) if spoken == era.revision() => Ok(self),
            spoken => Err(format!("asked for {}, and the server speaks {spoken:?}", era.revision()).into()),
        }
    }
}
