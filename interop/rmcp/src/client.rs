//! rmcp's client over either transport and in either era, with everything it hears kept.

use std::error::Error;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ErrorData, RoleClient};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Client = RunningService<RoleClient, Handler>;

/// What the server told, by method, and how the client answers questions.
#[derive(Clone)]
pub struct Handler {
    pub heard: Arc<Mutex<Vec<(&'static str, Value)>>>,
    pub declines: Arc<Mutex<bool>>,
    news: watch::Sender<usize>,
    offers: Offers,
}

/// What the client says that it can do.
#[derive(Clone, Copy, PartialEq)]
pub enum Offers {
    Nothing,
    /// To answer questions.
    Answers,
    /// That, and to wait for tasks.
    Tasks,
}

impl Handler {
    fn hears(&self, what: &'static str, params: &impl Serialize) {
        let value = json_of(params);
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push((what, value));
        self.news.send_modify(|count| *count += 1);
    }

    /// What was heard of this kind since `forget`.
    pub fn of(&self, what: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().filter(|(kind, _)| *kind == what).map(|(_, params)| params.clone()).collect()
    }

    pub fn forget(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Waits until something of this kind was heard.
    pub async fn hear(&self, what: &str) {
        let mut news = self.news.subscribe();
        while self.of(what).is_empty() {
            let _closed = news.changed().await;
        }
    }
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = match self.offers {
            Offers::Nothing => json!({}),
            _ => json!({ "elicitation": { "form": {} }, "sampling": {}, "roots": {} }),
        };
        if self.offers == Offers::Tasks {
            capabilities["extensions"] = json!({ TASKS_EXTENSION_ID: {} });
        }
        let capabilities = serde_json::from_value(capabilities).unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("interop-rmcp", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if *self.declines.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        let request = serde_json::to_value(&request).unwrap_or_default();
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(filled(&request["requestedSchema"])))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let said = SamplingMessage::new(Role::Assistant, SamplingMessageContentBlock::text("Paris"));
        Ok(CreateMessageResult::new(said, "a-model".into()))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///lathe/a"), Root::new("file:///lathe/b")]))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.hears("progress", &params);
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hears("log", &params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hears("updated", &params);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hears("tools", &());
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hears("prompts", &());
    }
}

/// Connects to the server that the configuration describes.
pub async fn connect(server: &Value, modern: bool, offers: Offers) -> Result<Client, Failure> {
    let handler =
        Handler { heard: Arc::default(), declines: Arc::default(), news: watch::Sender::new(0), offers };
    let lifecycle = match modern {
        true => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        },
        false => ClientLifecycleMode::Initialize,
    };
    if let Some(url) = server["url"].as_str() {
        let transport = StreamableHttpClientTransport::from_uri(url);
        return Ok(handler.serve_with_lifecycle(transport, lifecycle).await?);
    }
    let mut command = tokio::process::Command::new(server["command"].as_str().unwrap_or_default());
    command.args(server["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn()?;
    Ok(handler.serve_with_lifecycle(transport, lifecycle).await?)
}

/// A form as a user would fill it in.
pub fn filled(schema: &Value) -> Value {
    fn value(of: &Value) -> Value {
        let choices = of["oneOf"].as_array().or(of["anyOf"].as_array());
        match (of.get("default"), of["enum"].get(0), choices.and_then(|of| of.first())) {
            (Some(default), ..) => default.clone(),
            (_, Some(first), _) => first.clone(),
            (_, _, Some(first)) => first["const"].clone(),
            _ => match of["type"].as_str() {
                Some("array") => json!([value(&of["items"])]),
                Some("boolean") => json!(true),
                Some("integer") => json!(30),
                Some("number") => json!(1.5),
                _ => json!("Ada"),
            },
        }
    }
    let properties = schema["properties"].as_object().into_iter().flatten();
    Value::Object(properties.map(|(name, of)| (name.clone(), value(of))).collect::<Map<_, _>>())
}

/// Anything as JSON.
pub fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
