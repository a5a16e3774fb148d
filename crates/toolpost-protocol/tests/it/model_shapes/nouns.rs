//! The types that messages are made of.

use super::{Shapes, Text, boolean, literal, one_of, opt, req, string, word};

impl Shapes {
    pub fn icon(self) -> Text {
        self.object(vec![
            req("src", string()),
            opt("mimeType", string()),
            opt("sizes", self.list(string())),
            opt("theme", self.name(&["light", "dark"])),
        ])
    }

    pub fn icons(self) -> Text {
        self.list(self.icon())
    }

    pub fn implementation(self) -> Text {
        self.object(vec![
            req("name", string()),
            req("version", string()),
            opt("title", string()),
            opt("description", string()),
            opt("websiteUrl", string()),
            opt("icons", self.icons()),
        ])
    }

    pub fn roots_capability(self) -> Text {
        self.object(vec![opt("listChanged", boolean())])
    }

    pub fn sampling_capability(self) -> Text {
        self.object(vec![opt("context", self.any_object()), opt("tools", self.any_object())])
    }

    pub fn elicitation_capability(self) -> Text {
        self.object(vec![opt("form", self.open()), opt("url", self.open())])
    }

    /// An object that says something by being there; in a tame text it says no more.
    pub fn open(self) -> Text {
        if self.wild { self.any_object() } else { literal("{}") }
    }

    pub fn tasks_capability(self) -> Text {
        let request = |name| self.object(vec![opt(name, self.any_object())]);
        let requests = self.object(vec![
            opt("tools", request("call")),
            opt("sampling", request("createMessage")),
            opt("elicitation", request("create")),
        ]);
        self.object(vec![
            opt("list", self.any_object()),
            opt("cancel", self.any_object()),
            opt("requests", requests),
        ])
    }

    pub fn client_capabilities(self) -> Text {
        let mut fields = vec![
            opt("experimental", self.map(self.any_object())),
            opt("roots", self.roots_capability()),
            opt("sampling", self.sampling_capability()),
            opt("elicitation", self.elicitation_capability()),
            opt("extensions", self.map(self.any_object())),
        ];
        if self.wild {
            fields.push(opt("tasks", self.tasks_capability()));
        }
        self.object(fields)
    }

    pub fn list_changed(self) -> Text {
        self.object(vec![opt("listChanged", boolean())])
    }

    pub fn server_capabilities(self) -> Text {
        let mut fields = vec![
            opt("experimental", self.map(self.any_object())),
            opt("logging", self.any_object()),
            opt("completions", self.any_object()),
            opt("prompts", self.list_changed()),
            opt("resources", self.object(vec![opt("subscribe", boolean()), opt("listChanged", boolean())])),
            opt("tools", self.list_changed()),
            opt("extensions", self.map(self.any_object())),
        ];
        if self.wild {
            fields.push(opt("tasks", self.tasks_capability()));
        }
        self.object(fields)
    }

    pub fn level(self) -> Text {
        self.name(&["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"])
    }

    pub fn related_task(self) -> Text {
        self.object(vec![req("taskId", string())])
    }

    pub fn request_meta(self) -> Text {
        self.object(vec![
            opt("io.modelcontextprotocol/protocolVersion", string()),
            opt("io.modelcontextprotocol/clientInfo", self.implementation()),
            opt("io.modelcontextprotocol/clientCapabilities", self.client_capabilities()),
            opt("io.modelcontextprotocol/logLevel", self.level()),
            opt("io.modelcontextprotocol/related-task", self.related_task()),
            opt("progressToken", self.id()),
            opt("traceparent", string()),
            opt("tracestate", string()),
            opt("baggage", string()),
        ])
    }

    pub fn result_meta(self) -> Text {
        self.object(vec![
            opt("io.modelcontextprotocol/serverInfo", self.implementation()),
            opt("io.modelcontextprotocol/subscriptionId", self.id()),
            opt("io.modelcontextprotocol/related-task", self.related_task()),
        ])
    }

    pub fn notification_meta(self) -> Text {
        self.object(vec![
            opt("io.modelcontextprotocol/subscriptionId", self.id()),
            opt("io.modelcontextprotocol/related-task", self.related_task()),
        ])
    }

    pub fn meta(self) -> Text {
        self.any_object()
    }

    pub fn role(self) -> Text {
        self.name(&["user", "assistant"])
    }

    pub fn annotations(self) -> Text {
        let time = if self.wild { string() } else { word("2025-05-03T14:30:00Z") };
        self.object(vec![
            opt("audience", self.list(self.role())),
            opt("priority", self.fraction()),
            opt("lastModified", time),
        ])
    }

    /// A number from 0 to 1 that an `f32` holds, or in a wild text any.
    pub fn fraction(self) -> Text {
        if self.wild { self.number() } else { one_of(vec![literal("0.25"), literal("0.5"), literal("1.0")]) }
    }

    pub fn text(self) -> Text {
        self.object(vec![
            req("type", word("text")),
            req("text", string()),
            opt("annotations", self.annotations()),
            opt("_meta", self.meta()),
        ])
    }

    fn media(self, kind: &str) -> Text {
        self.object(vec![
            req("type", word(kind)),
            req("data", string()),
            req("mimeType", string()),
            opt("annotations", self.annotations()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn image(self) -> Text {
        self.media("image")
    }

    pub fn audio(self) -> Text {
        self.media("audio")
    }

    fn resource_fields(self) -> Vec<super::Field> {
        vec![
            req("uri", string()),
            req("name", string()),
            opt("title", string()),
            opt("description", string()),
            opt("mimeType", string()),
            opt("size", self.count()),
            opt("icons", self.icons()),
            opt("annotations", self.annotations()),
            opt("_meta", self.meta()),
        ]
    }

    pub fn resource(self) -> Text {
        self.object(self.resource_fields())
    }

    pub fn resource_link(self) -> Text {
        let mut fields = self.resource_fields();
        fields.push(req("type", word("resource_link")));
        self.object(fields)
    }

    pub fn resource_template(self) -> Text {
        self.object(vec![
            req("uriTemplate", string()),
            req("name", string()),
            opt("title", string()),
            opt("description", string()),
            opt("mimeType", string()),
            opt("icons", self.icons()),
            opt("annotations", self.annotations()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn text_contents(self) -> Text {
        self.object(vec![
            req("uri", string()),
            req("text", string()),
            opt("mimeType", string()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn blob_contents(self) -> Text {
        self.object(vec![
            req("uri", string()),
            req("blob", string()),
            opt("mimeType", string()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn contents(self) -> Text {
        let mut kinds = vec![self.text_contents(), self.blob_contents()];
        if self.wild {
            kinds.push(self.object(vec![req("uri", string())]));
        }
        one_of(kinds)
    }

    pub fn embedded(self) -> Text {
        self.object(vec![
            req("type", word("resource")),
            req("resource", self.contents()),
            opt("annotations", self.annotations()),
            opt("_meta", self.meta()),
        ])
    }

    fn unheard_of(self) -> Text {
        self.object(vec![req("type", word("x-unheard-of")), opt("text", self.any())])
    }

    pub fn block(self) -> Text {
        let mut kinds = vec![self.text(), self.image(), self.audio(), self.resource_link(), self.embedded()];
        if self.wild {
            kinds.push(self.unheard_of());
        }
        one_of(kinds)
    }

    pub fn tool_use(self) -> Text {
        self.object(vec![
            req("type", word("tool_use")),
            req("id", string()),
            req("name", string()),
            req("input", self.any_object()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn tool_result(self) -> Text {
        self.object(vec![
            req("type", word("tool_result")),
            req("toolUseId", string()),
            req("content", self.list(self.block())),
            opt("structuredContent", self.structured()),
            opt("isError", boolean()),
            opt("_meta", self.meta()),
        ])
    }

    /// A structured result; in a tame text an object, as 2025-11-25 has it.
    pub fn structured(self) -> Text {
        if self.wild { self.any() } else { self.any_object() }
    }

    pub fn sampling_block(self) -> Text {
        let mut kinds = vec![self.text(), self.image(), self.audio(), self.tool_use(), self.tool_result()];
        if self.wild {
            kinds.push(self.unheard_of());
        }
        one_of(kinds)
    }

    pub fn sampling_content(self) -> Text {
        one_of(vec![self.sampling_block(), self.list(self.sampling_block())])
    }

    pub fn sampling_message(self) -> Text {
        self.object(vec![
            req("role", self.role()),
            req("content", self.sampling_content()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn model_hint(self) -> Text {
        self.object(vec![opt("name", string())])
    }

    pub fn model_preferences(self) -> Text {
        self.object(vec![
            opt("hints", self.list(self.model_hint())),
            opt("costPriority", self.fraction()),
            opt("speedPriority", self.fraction()),
            opt("intelligencePriority", self.fraction()),
        ])
    }

    pub fn tool_choice(self) -> Text {
        self.object(vec![opt("mode", self.name(&["auto", "required", "none"]))])
    }

    /// A JSON Schema.
    pub fn schema(self) -> Text {
        self.object(vec![
            req("type", word("object")),
            opt("$schema", string()),
            opt("properties", self.map(self.any_object())),
            opt("required", self.list(string())),
        ])
    }

    pub fn tool_annotations(self) -> Text {
        self.object(vec![
            opt("title", string()),
            opt("readOnlyHint", boolean()),
            opt("destructiveHint", boolean()),
            opt("idempotentHint", boolean()),
            opt("openWorldHint", boolean()),
        ])
    }

    pub fn tool_execution(self) -> Text {
        self.object(vec![opt("taskSupport", self.name(&["forbidden", "optional", "required"]))])
    }

    pub fn tool(self) -> Text {
        let mut fields = vec![
            req("name", string()),
            req("inputSchema", self.schema()),
            opt("title", string()),
            opt("description", string()),
            opt("outputSchema", self.schema()),
            opt("annotations", self.tool_annotations()),
            opt("icons", self.icons()),
            opt("_meta", self.meta()),
        ];
        if self.wild {
            fields.push(opt("execution", self.tool_execution()));
        }
        self.object(fields)
    }

    pub fn prompt_argument(self) -> Text {
        self.object(vec![
            req("name", string()),
            opt("title", string()),
            opt("description", string()),
            opt("required", boolean()),
        ])
    }

    pub fn prompt(self) -> Text {
        self.object(vec![
            req("name", string()),
            opt("title", string()),
            opt("description", string()),
            opt("arguments", self.list(self.prompt_argument())),
            opt("icons", self.icons()),
            opt("_meta", self.meta()),
        ])
    }

    pub fn prompt_message(self) -> Text {
        self.object(vec![req("role", self.role()), req("content", self.block())])
    }

    pub fn root(self) -> Text {
        self.object(vec![req("uri", string()), opt("name", string()), opt("_meta", self.meta())])
    }

    pub fn task_fields(self) -> Vec<super::Field> {
        vec![
            req("taskId", string()),
            req("status", self.name(&["working", "input_required", "completed", "failed", "cancelled"])),
            opt("statusMessage", string()),
            req("createdAt", string()),
            req("lastUpdatedAt", string()),
            req("ttl", one_of(vec![literal("null"), self.count()])),
            opt("pollInterval", self.count()),
        ]
    }

    pub fn filter(self) -> Text {
        self.object(vec![
            opt("toolsListChanged", boolean()),
            opt("promptsListChanged", boolean()),
            opt("resourcesListChanged", boolean()),
            opt("resourceSubscriptions", self.list(string())),
        ])
    }

    fn field(self, kind: Text, mut fields: Vec<super::Field>) -> Text {
        fields.extend([req("type", kind), opt("title", string()), opt("description", string())]);
        self.object(fields)
    }

    pub fn string_schema(self) -> Text {
        self.field(
            word("string"),
            vec![
                opt("minLength", self.count()),
                opt("maxLength", self.count()),
                opt("format", self.name(&["email", "uri", "date", "date-time"])),
                opt("default", string()),
            ],
        )
    }

    pub fn number_schema(self) -> Text {
        self.field(
            one_of(vec![word("number"), word("integer")]),
            vec![opt("minimum", self.count()), opt("maximum", self.count()), opt("default", self.count())],
        )
    }

    pub fn boolean_schema(self) -> Text {
        self.field(word("boolean"), vec![opt("default", boolean())])
    }

    pub fn untitled_single(self) -> Text {
        self.field(word("string"), vec![req("enum", self.list(string())), opt("default", string())])
    }

    fn titled_option(self) -> Text {
        self.object(vec![req("const", string()), req("title", string())])
    }

    pub fn titled_single(self) -> Text {
        self.field(
            word("string"),
            vec![req("oneOf", self.list(self.titled_option())), opt("default", string())],
        )
    }

    fn multi(self, items: Text) -> Text {
        self.field(
            word("array"),
            vec![
                opt("minItems", self.count()),
                opt("maxItems", self.count()),
                req("items", items),
                opt("default", self.list(string())),
            ],
        )
    }

    pub fn untitled_multi(self) -> Text {
        self.multi(self.object(vec![req("type", word("string")), req("enum", self.list(string()))]))
    }

    pub fn titled_multi(self) -> Text {
        self.multi(self.object(vec![req("anyOf", self.list(self.titled_option()))]))
    }

    pub fn legacy_titled(self) -> Text {
        self.field(
            word("string"),
            vec![
                req("enum", self.list(string())),
                req("enumNames", self.list(string())),
                opt("default", string()),
            ],
        )
    }

    pub fn primitive(self) -> Text {
        let mut kinds = vec![
            self.string_schema(),
            self.number_schema(),
            self.boolean_schema(),
            self.untitled_single(),
            self.titled_single(),
            self.untitled_multi(),
            self.titled_multi(),
            self.legacy_titled(),
        ];
        if self.wild {
            kinds.push(self.unheard_of());
        }
        one_of(kinds)
    }

    pub fn form(self) -> Text {
        self.object(vec![
            req("type", word("object")),
            req("properties", self.map(self.primitive())),
            opt("required", self.list(string())),
            opt("$schema", string()),
        ])
    }
}
