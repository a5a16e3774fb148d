//! A client in memory.

use std::fmt;
use std::future::poll_fn;

use serde::Serialize;
use serde_json::{Map, Value, json};
use toolpost_dispatch::Dispatcher;
use toolpost_protocol::{Code, Error as RpcError, Version};
use toolpost_server::{Connection, Server};
use toolpost_tool::Principal;

/// A client that speaks MCP to the tools of `dispatcher` over a connection in memory: no socket, no process, no task, and the paused
/// clock of [`run`](crate::run) works. (Of a runtime it is `runtime.dispatcher()`.)
///
/// What it says and hears is what a real client would over stdio, so schemas, lists, errors and the differences of the
/// revisions are those that users meet. Results are JSON as they came.
///
/// ```
/// use serde_json::json;
/// use toolpost_dispatch::{Dispatcher, Registry};
/// use toolpost_test::{Version, client, run};
/// use toolpost_tool::{Call, NoArgs, tool_fn};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Confirmation {
///     sure: bool,
/// }
///
/// let scrap = tool_fn("scrap", |_: NoArgs, call: Call| async move {
///     let answer = call.elicit::<Confirmation>("sure", "Really?")?.accepted();
///     Ok(if answer.is_some_and(|answer| answer.sure) { "scrapped" } else { "kept" })
/// });
/// let dispatcher = Dispatcher::builder(Registry::builder().tool(scrap).build().unwrap()).build();
///
/// run(async {
///     for version in [Version::V2025_11_25, Version::V2026_07_28] {
///         let client = client(&dispatcher).version(version);
///         let mut client = client.person(|_form| Some(json!({ "sure": true }))).connect().await;
///         assert_eq!(client.list_tools().await[0]["name"], "scrap");
///         let result = client.call("scrap", &json!({})).await.unwrap();
///         assert_eq!(result["content"][0]["text"], "scrapped");
///     }
/// });
/// ```
#[must_use]
pub fn client(dispatcher: &Dispatcher) -> ClientBuilder {
    ClientBuilder::of(&Server::builder(dispatcher.clone()).build())
}

/// A client in the making; made by [`client`].
pub struct ClientBuilder {
    server: Server,
    version: Version,
    person: Option<Box<Person>>,
    model: Option<Box<Model>>,
}

type Person = dyn FnMut(&Value) -> Option<Value> + Send;
type Model = dyn FnMut(&Value) -> String + Send;

impl ClientBuilder {
    /// Of a server that was set up by hand.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        Self { server: server.clone(), version: Version::LATEST, person: None, model: None }
    }

    /// Speaks this revision; the newest, unless told otherwise.
    #[must_use]
    pub const fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Has a person that fills in forms, given the parameters of the question (`message`, `requestedSchema`); `None`
    /// declines. Without one the client says that it cannot ask.
    #[must_use]
    pub fn person(mut self, person: impl FnMut(&Value) -> Option<Value> + Send + 'static) -> Self {
        self.person = Some(Box::new(person));
        self
    }

    /// Has a model that answers with a text, given the parameters of the question (`messages`). Without one the client
    /// says that it has none.
    #[must_use]
    pub fn model(mut self, model: impl FnMut(&Value) -> String + Send + 'static) -> Self {
        self.model = Some(Box::new(model));
        self
    }

    /// Opens the connection and, for a revision with sessions, introduces itself.
    ///
    /// # Panics
    ///
    /// If the server does not take the introduction.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(self) -> Client {
        let Self { server, version, person, model } = self;
        let connection = server.connection(Principal::anonymous());
        let mut client = Client { connection, version, person, model, next: 1, notifications: Vec::new() };
        if !version.is_modern() {
            let params = json!({
                "protocolVersion": version.as_str(),
                "capabilities": client.capabilities(),
                "clientInfo": { "name": "toolpost-test", "version": env!("CARGO_PKG_VERSION") },
            });
            #[expect(clippy::expect_used, reason = "documented; a test cannot go on without")]
            client.request("initialize", params).await.expect("the server takes the introduction");
            client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        }
        client
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A client in memory; see [`client`]. Calls run while it is awaited, and are dropped with it.
///
/// Methods panic if the server ends the connection or writes what is no message.
pub struct Client {
    connection: Connection,
    version: Version,
    person: Option<Box<Person>>,
    model: Option<Box<Model>>,
    next: i64,
    notifications: Vec<Value>,
}

/// A question is answered so many times before the test is given up on.
const ROUNDS: usize = 16;

impl Client {
    /// Every tool, through all pages.
    ///
    /// # Panics
    ///
    /// If the server answers with an error.
    ///
    /// # Cancel safety
    ///
    /// A request that was sent is answered to nobody.
    pub async fn list_tools(&mut self) -> Vec<Value> {
        self.list("tools/list", "tools").await
    }

    /// Every item of one kind of list, through all pages: of `resources/list` its `resources`, and so on.
    ///
    /// # Panics
    ///
    /// If the server answers with an error.
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn list(&mut self, method: &str, member: &str) -> Vec<Value> {
        let (mut items, mut params) = (Vec::new(), json!({}));
        loop {
            #[expect(clippy::expect_used, reason = "documented; a test cannot go on without")]
            let mut page = self.request(method, params).await.expect("a list");
            items.extend(page[member].as_array_mut().map(std::mem::take).unwrap_or_default());
            match page["nextCursor"].take() {
                Value::Null => return items,
                cursor => params = json!({ "cursor": cursor }),
            }
        }
    }

    /// Calls a tool; the result may say that it is an error.
    ///
    /// # Errors
    ///
    /// If the call broke the protocol: an unknown tool, a question that the client cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools); the call goes on with the next request, until the client is dropped.
    pub async fn call<T: Serialize + ?Sized>(
        &mut self,
        tool: &str,
        arguments: &T,
    ) -> Result<Value, RpcError> {
        self.request("tools/call", json!({ "name": tool, "arguments": json!(arguments) })).await
    }

    /// Reads a resource.
    ///
    /// # Errors
    ///
    /// The server's error.
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn read_resource(&mut self, uri: &str) -> Result<Value, RpcError> {
        self.request("resources/read", json!({ "uri": uri })).await
    }

    /// Makes a prompt.
    ///
    /// # Errors
    ///
    /// The server's error.
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn get_prompt<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        arguments: &T,
    ) -> Result<Value, RpcError> {
        self.request("prompts/get", json!({ "name": name, "arguments": json!(arguments) })).await
    }

    /// Makes any request, and answers what the server asks on the way, in the manner of the revision: within the request
    /// where it has sessions, by a further round where it has none.
    ///
    /// # Errors
    ///
    /// The server's error.
    ///
    /// # Panics
    ///
    /// If the server asks for a seventeenth round; if it ends the connection, or writes what is no message.
    ///
    /// # Cancel safety
    ///
    /// As [`list_tools`](Self::list_tools).
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        let mut asked = params.clone();
        for _round in 0..ROUNDS {
            let mut result = self.once(method, asked).await?;
            if result["resultType"] != "input_required" {
                return Ok(result);
            }
            asked = params.clone();
            let mut answers = Map::new();
            for (key, question) in result["inputRequests"].as_object().into_iter().flatten() {
                let method = question["method"].as_str().unwrap_or_default();
                answers.insert(key.clone(), self.answer(method, &question["params"])?);
            }
            asked["inputResponses"] = answers.into();
            if let state @ Value::String(_) = result["requestState"].take() {
                asked["requestState"] = state;
            }
        }
        panic(&format!("`{method}` asks for more than {ROUNDS} rounds"))
    }

    /// What the server told without being asked, oldest first; it is told once.
    pub fn notifications(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.notifications)
    }

    /// One request and its answer.
    async fn once(&mut self, method: &str, mut params: Value) -> Result<Value, RpcError> {
        if self.version.is_modern() {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(self.version.as_str());
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities();
        }
        let id = self.next;
        self.next += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut message = self.receive().await;
            match (message["method"].as_str().map(ToOwned::to_owned), message["id"].take()) {
                (Some(_), Value::Null) => self.notifications.push(message),
                (Some(method), asked) => {
                    let answer = match self.answer(&method, &message["params"]) {
                        Ok(answer) => json!({ "jsonrpc": "2.0", "id": asked, "result": answer }),
                        Err(error) => {
                            let error = json!({ "code": error.code(), "message": error.message() });
                            json!({ "jsonrpc": "2.0", "id": asked, "error": error })
                        }
                    };
                    self.send(&answer);
                }
                (None, answered) if answered == id => {
                    return match message["error"].take() {
                        Value::Null => Ok(message["result"].take()),
                        error => Err(read(&error)),
                    };
                }
                // The answer to a request whose future was dropped.
                (None, _) => {}
            }
        }
    }

    /// What the client answers to a question of the server.
    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, RpcError> {
        match (method, &mut self.person, &mut self.model) {
            ("ping", ..) => Ok(json!({})),
            ("elicitation/create", Some(person), _) => Ok(match person(params) {
                Some(content) => json!({ "action": "accept", "content": content }),
                None => json!({ "action": "decline" }),
            }),
            ("sampling/createMessage", _, Some(model)) => {
                let content = json!({ "type": "text", "text": model(params) });
                Ok(
                    json!({ "role": "assistant", "content": content, "model": "test", "stopReason": "endTurn" }),
                )
            }
            _ => {
                let message = format!("this client does not answer `{method}`");
                Err(RpcError::new(Code::METHOD_NOT_FOUND, message))
            }
        }
    }

    fn capabilities(&self) -> Value {
        let mut capabilities = Map::new();
        if self.person.is_some() {
            capabilities.insert("elicitation".into(), json!({}));
        }
        if self.model.is_some() {
            capabilities.insert("sampling".into(), json!({}));
        }
        capabilities.into()
    }

    fn send(&mut self, message: &Value) {
        self.connection.receive(message.to_string());
    }

    async fn receive(&mut self) -> Value {
        let Some(message) = poll_fn(|cx| self.connection.poll_send(cx)).await else {
            panic("the server has closed the connection")
        };
        serde_json::from_slice(&message)
            .unwrap_or_else(|error| panic(&format!("{error}: {}", String::from_utf8_lossy(&message))))
    }
}

/// The error of an answer.
fn read(error: &Value) -> RpcError {
    let code = Code(error["code"].as_i64().unwrap_or_default());
    let read = RpcError::new(code, error["message"].as_str().unwrap_or_default().to_owned());
    match &error["data"] {
        Value::Null => read,
        data => read.with_data(data),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("version", &self.version).finish_non_exhaustive()
    }
}

#[expect(clippy::panic, reason = "documented; a test cannot go on without")]
fn panic(message: &str) -> ! {
    panic!("{message}")
}
