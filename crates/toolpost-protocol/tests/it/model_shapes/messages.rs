//! Params, results and whole messages.

use super::{Field, Shapes, Text, boolean, literal, one_of, opt, req, string, word};

impl Shapes {
    pub fn request_params(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta())])
    }

    pub fn notification_params(self) -> Text {
        self.object(vec![opt("_meta", self.notification_meta())])
    }

    pub fn paginated(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta()), opt("cursor", string())])
    }

    fn with_answers(self, mut fields: Vec<Field>) -> Text {
        fields.extend([
            opt("_meta", self.request_meta()),
            opt("inputResponses", self.map(self.input_response())),
            opt("requestState", string()),
        ]);
        self.object(fields)
    }

    pub fn task_metadata(self) -> Text {
        self.object(vec![opt("ttl", self.count())])
    }

    pub fn call_params(self) -> Text {
        let mut fields = vec![req("name", string()), opt("arguments", self.any_object())];
        if self.wild {
            fields.push(opt("task", self.task_metadata()));
        }
        self.with_answers(fields)
    }

    pub fn read_params(self) -> Text {
        self.with_answers(vec![req("uri", string())])
    }

    pub fn prompt_params(self) -> Text {
        self.with_answers(vec![req("name", string()), opt("arguments", self.map(string()))])
    }

    pub fn resource_params(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta()), req("uri", string())])
    }

    pub fn listen_params(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta()), req("notifications", self.filter())])
    }

    pub fn prompt_reference(self) -> Text {
        self.object(vec![req("type", word("ref/prompt")), req("name", string()), opt("title", string())])
    }

    pub fn template_reference(self) -> Text {
        self.object(vec![req("type", word("ref/resource")), req("uri", string())])
    }

    pub fn completion_argument(self) -> Text {
        self.object(vec![req("name", string()), req("value", string())])
    }

    pub fn completion_context(self) -> Text {
        self.object(vec![opt("arguments", self.map(string()))])
    }

    pub fn completion_reference(self) -> Text {
        let mut kinds = vec![self.prompt_reference(), self.template_reference()];
        if self.wild {
            kinds.push(self.object(vec![req("type", word("ref/unheard-of"))]));
        }
        one_of(kinds)
    }

    pub fn complete_params(self) -> Text {
        self.object(vec![
            opt("_meta", self.request_meta()),
            req("ref", self.completion_reference()),
            req("argument", self.completion_argument()),
            opt("context", self.completion_context()),
        ])
    }

    pub fn level_params(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta()), req("level", self.level())])
    }

    pub fn initialize_params(self) -> Text {
        self.object(vec![
            opt("_meta", self.request_meta()),
            req("protocolVersion", string()),
            req("capabilities", self.client_capabilities()),
            req("clientInfo", self.implementation()),
        ])
    }

    pub fn task_params(self) -> Text {
        self.object(vec![opt("_meta", self.request_meta()), req("taskId", string())])
    }

    pub fn sampling_params(self) -> Text {
        let mut fields = vec![
            opt("_meta", self.request_meta()),
            req("messages", self.list(self.sampling_message())),
            req("maxTokens", self.count()),
            opt("modelPreferences", self.model_preferences()),
            opt("systemPrompt", string()),
            opt("includeContext", self.name(&["none", "thisServer", "allServers"])),
            opt("temperature", self.fraction()),
            opt("stopSequences", self.list(string())),
            opt("metadata", self.any_object()),
            opt("tools", self.list(self.tool())),
            opt("toolChoice", self.tool_choice()),
        ];
        if self.wild {
            fields.push(opt("task", self.task_metadata()));
        }
        self.object(fields)
    }

    pub fn form_params(self) -> Text {
        let mode = if self.wild { opt("mode", word("form")) } else { req("mode", word("form")) };
        let mut fields = vec![
            opt("_meta", self.request_meta()),
            mode,
            req("message", string()),
            req("requestedSchema", self.form()),
        ];
        if self.wild {
            fields.push(opt("task", self.task_metadata()));
        }
        self.object(fields)
    }

    pub fn url_params(self) -> Text {
        let mut fields = vec![
            opt("_meta", self.request_meta()),
            req("mode", word("url")),
            req("message", string()),
            req("url", string()),
        ];
        if self.wild {
            fields.extend([opt("elicitationId", string()), opt("task", self.task_metadata())]);
        } else {
            fields.push(req("elicitationId", string()));
        }
        self.object(fields)
    }

    pub fn elicit_params(self) -> Text {
        let mut kinds = vec![self.form_params(), self.url_params()];
        if self.wild {
            kinds.push(self.object(vec![req("mode", word("x-unheard-of"))]));
        }
        one_of(kinds)
    }

    pub fn cancelled_params(self) -> Text {
        let fields = vec![opt("_meta", self.notification_meta()), opt("reason", string())];
        let id = if self.wild { opt("requestId", self.id()) } else { req("requestId", self.id()) };
        self.object(fields.into_iter().chain([id]).collect())
    }

    pub fn progress_params(self) -> Text {
        self.object(vec![
            opt("_meta", self.notification_meta()),
            req("progressToken", self.id()),
            req("progress", self.number()),
            opt("total", self.number()),
            opt("message", string()),
        ])
    }

    pub fn log_params(self) -> Text {
        self.object(vec![
            opt("_meta", self.notification_meta()),
            req("level", self.level()),
            opt("logger", string()),
            req("data", self.any()),
        ])
    }

    pub fn updated_params(self) -> Text {
        self.object(vec![opt("_meta", self.notification_meta()), req("uri", string())])
    }

    pub fn acknowledged_params(self) -> Text {
        self.object(vec![opt("_meta", self.notification_meta()), req("notifications", self.filter())])
    }

    pub fn elicitation_complete_params(self) -> Text {
        self.object(vec![opt("_meta", self.meta()), req("elicitationId", string())])
    }

    pub fn task_status_params(self) -> Text {
        let mut fields = self.task_fields();
        fields.push(opt("_meta", self.notification_meta()));
        self.object(fields)
    }

    pub fn task(self) -> Text {
        self.object(self.task_fields())
    }

    pub fn task_result(self) -> Text {
        let mut fields = self.task_fields();
        fields.push(opt("_meta", self.result_meta()));
        self.object(fields)
    }

    /// A task of the extension, as a result of this type.
    pub fn detailed_task(self, result_type: &'static str) -> Text {
        self.object(vec![
            req("resultType", word(result_type)),
            req("taskId", string()),
            req("status", self.name(&["working", "input_required", "completed", "failed", "cancelled"])),
            opt("statusMessage", string()),
            req("createdAt", string()),
            req("lastUpdatedAt", string()),
            req("ttlMs", self.count()),
            opt("pollIntervalMs", self.count()),
            opt("inputRequests", self.map(self.input_request())),
            opt("result", self.any_object()),
            opt("error", self.error_object()),
            opt("_meta", self.result_meta()),
        ])
    }

    fn result(self, mut fields: Vec<Field>) -> Text {
        fields.extend([opt("_meta", self.result_meta()), opt("resultType", word("complete"))]);
        self.object(fields)
    }

    fn reusable(self, mut fields: Vec<Field>) -> Text {
        fields.extend([opt("ttlMs", self.count()), opt("cacheScope", self.name(&["public", "private"]))]);
        self.result(fields)
    }

    fn page(self, key: &'static str, item: Text) -> Text {
        self.reusable(vec![req(key, self.list(item)), opt("nextCursor", string())])
    }

    pub fn list_tools(self) -> Text {
        self.page("tools", self.tool())
    }

    pub fn list_prompts(self) -> Text {
        self.page("prompts", self.prompt())
    }

    pub fn list_resources(self) -> Text {
        self.page("resources", self.resource())
    }

    pub fn list_templates(self) -> Text {
        self.page("resourceTemplates", self.resource_template())
    }

    pub fn list_tasks(self) -> Text {
        self.object(vec![
            req("tasks", self.list(self.task())),
            opt("nextCursor", string()),
            opt("_meta", self.result_meta()),
        ])
    }

    pub fn read_result(self) -> Text {
        self.reusable(vec![req("contents", self.list(self.contents()))])
    }

    pub fn discover_result(self) -> Text {
        let mut fields = vec![
            req("supportedVersions", self.list(string())),
            req("capabilities", self.server_capabilities()),
            opt("instructions", string()),
        ];
        if self.wild {
            return self.reusable(fields);
        }
        fields.extend([
            opt("_meta", self.result_meta()),
            req("resultType", word("complete")),
            req("ttlMs", self.count()),
            req("cacheScope", self.name(&["public", "private"])),
        ]);
        self.object(fields)
    }

    pub fn call_result(self) -> Text {
        self.result(vec![
            req("content", self.list(self.block())),
            opt("structuredContent", self.structured()),
            opt("isError", boolean()),
        ])
    }

    pub fn prompt_result(self) -> Text {
        self.result(vec![opt("description", string()), req("messages", self.list(self.prompt_message()))])
    }

    pub fn completion(self) -> Text {
        self.object(vec![
            req("values", self.list(string())),
            opt("total", self.count()),
            opt("hasMore", boolean()),
        ])
    }

    pub fn complete_result(self) -> Text {
        self.result(vec![req("completion", self.completion())])
    }

    pub fn empty_result(self) -> Text {
        self.result(vec![])
    }

    pub fn listen_result(self) -> Text {
        let meta = self.object(vec![
            opt("io.modelcontextprotocol/serverInfo", self.implementation()),
            req("io.modelcontextprotocol/subscriptionId", self.id()),
        ]);
        let kind = if self.wild { opt } else { req };
        self.object(vec![req("_meta", meta), kind("resultType", word("complete"))])
    }

    pub fn initialize_result(self) -> Text {
        self.object(vec![
            opt("_meta", self.result_meta()),
            req("protocolVersion", string()),
            req("capabilities", self.server_capabilities()),
            req("serverInfo", self.implementation()),
            opt("instructions", string()),
        ])
    }

    pub fn sampling_result(self) -> Text {
        self.object(vec![
            opt("_meta", self.result_meta()),
            req("role", self.role()),
            req("content", self.sampling_content()),
            req("model", string()),
            opt("stopReason", string()),
        ])
    }

    pub fn elicit_result(self) -> Text {
        let mut fields = vec![
            req("action", self.name(&["accept", "decline", "cancel"])),
            opt("content", self.any_object()),
        ];
        if self.wild {
            fields.push(opt("_meta", self.result_meta()));
        }
        self.object(fields)
    }

    pub fn roots_result(self) -> Text {
        let mut fields = vec![req("roots", self.list(self.root()))];
        if self.wild {
            fields.push(opt("_meta", self.result_meta()));
        }
        self.object(fields)
    }

    pub fn create_task_result(self) -> Text {
        self.object(vec![opt("_meta", self.result_meta()), req("task", self.task())])
    }

    pub fn input_request(self) -> Text {
        let embedded = |method, params| self.object(vec![req("method", word(method)), params]);
        let mut kinds = vec![
            embedded("elicitation/create", req("params", self.elicit_params())),
            embedded("sampling/createMessage", req("params", self.sampling_params())),
            embedded("roots/list", opt("params", self.request_params())),
        ];
        if self.wild {
            kinds.push(embedded("x/unheard-of", opt("params", self.any_object())));
        }
        one_of(kinds)
    }

    pub fn input_response(self) -> Text {
        one_of(vec![self.elicit_result(), self.sampling_result(), self.roots_result()])
    }

    pub fn input_required(self) -> Text {
        self.object(vec![
            opt("_meta", self.result_meta()),
            req("resultType", word("input_required")),
            opt("inputRequests", self.map(self.input_request())),
            if self.wild { opt("requestState", string()) } else { req("requestState", string()) },
        ])
    }

    /// A result of a request that need not end in one go.
    pub fn outcome(self, complete: Text) -> Text {
        let other = self.object(vec![req("resultType", word("later")), opt("content", self.any())]);
        let detached = self.detailed_task("task");
        one_of(vec![complete, self.input_required(), self.create_task_result(), detached, other])
    }

    pub fn error_object(self) -> Text {
        self.object(vec![
            req("code", literal("-32602")),
            req("message", string()),
            opt("data", if self.wild { self.any() } else { self.any_object() }),
        ])
    }

    /// Every request of either revision, as the method and the field with its params.
    pub fn requests(self) -> Vec<(&'static str, Field)> {
        let page = || opt("params", self.paginated());
        vec![
            ("server/discover", req("params", self.request_params())),
            ("initialize", req("params", self.initialize_params())),
            ("ping", opt("params", self.request_params())),
            ("tools/list", page()),
            ("tools/call", req("params", self.call_params())),
            ("resources/list", page()),
            ("resources/templates/list", page()),
            ("resources/read", req("params", self.read_params())),
            ("resources/subscribe", req("params", self.resource_params())),
            ("resources/unsubscribe", req("params", self.resource_params())),
            ("subscriptions/listen", req("params", self.listen_params())),
            ("prompts/list", page()),
            ("prompts/get", req("params", self.prompt_params())),
            ("completion/complete", req("params", self.complete_params())),
            ("logging/setLevel", req("params", self.level_params())),
            ("tasks/get", req("params", self.task_params())),
            ("tasks/result", req("params", self.task_params())),
            ("tasks/cancel", req("params", self.task_params())),
            ("tasks/list", page()),
            ("sampling/createMessage", req("params", self.sampling_params())),
            ("elicitation/create", req("params", self.elicit_params())),
            ("roots/list", opt("params", self.request_params())),
            ("x/unheard-of", opt("params", self.any_object())),
        ]
    }

    /// Every notification of either revision, likewise.
    pub fn notifications(self) -> Vec<(&'static str, Field)> {
        let plain = || opt("params", self.notification_params());
        vec![
            ("notifications/cancelled", req("params", self.cancelled_params())),
            ("notifications/progress", req("params", self.progress_params())),
            ("notifications/message", req("params", self.log_params())),
            ("notifications/tools/list_changed", plain()),
            ("notifications/prompts/list_changed", plain()),
            ("notifications/resources/list_changed", plain()),
            ("notifications/resources/updated", req("params", self.updated_params())),
            ("notifications/subscriptions/acknowledged", req("params", self.acknowledged_params())),
            ("notifications/initialized", plain()),
            ("notifications/roots/list_changed", plain()),
            ("notifications/elicitation/complete", req("params", self.elicitation_complete_params())),
            ("notifications/tasks/status", req("params", self.task_status_params())),
            ("notifications/x", opt("params", self.any_object())),
        ]
    }

    pub fn request(self, method: &str, params: Field) -> Text {
        self.object(vec![
            req("jsonrpc", word("2.0")),
            req("id", self.id()),
            req("method", word(method)),
            params,
        ])
    }

    pub fn notification(self, method: &str, params: Field) -> Text {
        self.object(vec![req("jsonrpc", word("2.0")), req("method", word(method)), params])
    }

    pub fn response(self, result: Text) -> Text {
        self.object(vec![req("jsonrpc", word("2.0")), req("id", self.id()), req("result", result)])
    }

    pub fn error(self) -> Text {
        self.object(vec![
            req("jsonrpc", word("2.0")),
            opt("id", self.id()),
            req("error", self.error_object()),
        ])
    }
}
