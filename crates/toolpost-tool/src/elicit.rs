//! Questions with typed answers.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use toolpost_json::Node;

use crate::{Call, InputRequest, ToolError};

/// What a person made of a form; see [`Call::elicit`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Elicited<T> {
    /// Filled it in.
    Accepted(T),
    /// Said no.
    Declined,
    /// Closed it without an answer.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was filled in; `None` if the person declined or closed the form.
    #[must_use]
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(form) => Some(form),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

impl Call {
    /// Asks the user to fill in the form that `T` describes, and gives what was made of it; or the error that suspends
    /// the call until the answer is there. `key` tells the questions of one tool apart.
    ///
    /// A suspended tool is not kept waiting: it ends, and **runs again from the top** when the answer has come. So what
    /// comes before this line must be safe to repeat, and what must happen once comes after it.
    ///
    /// MCP's forms are flat. A member of `T` is a string, a number, a `bool`, an enum without data, a `Vec` of such an
    /// enum, or an `Option` of one of these; its doc comment becomes its label. For another form, and for a link to
    /// visit, there is [`input`](Self::input).
    ///
    /// ```
    /// use toolpost_tool::{Call, Elicited, NoArgs, ToolError, tool_fn};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Confirmation {
    ///     /// Really scrap the part?
    ///     sure: bool,
    /// }
    ///
    /// async fn scrap(_: NoArgs, call: Call) -> Result<&'static str, ToolError> {
    ///     match call.elicit::<Confirmation>("sure", "This cannot be undone.")? {
    ///         Elicited::Accepted(Confirmation { sure: true }) => Ok("scrapped"),
    ///         Elicited::Accepted(_) | Elicited::Declined | Elicited::Cancelled => Ok("kept"),
    ///     }
    /// }
    ///
    /// let tool = tool_fn("scrap", scrap);
    /// # let _ = tool;
    /// ```
    ///
    /// # Errors
    ///
    /// [`InputRequired`](crate::ErrorKind::InputRequired) while the answer is missing; a protocol error if the client never said
    /// that its user can be asked; of kind [`InvalidArguments`](crate::ErrorKind::InvalidArguments) if what was filled
    /// in does not fit `T`; and [`Failed`](crate::ErrorKind::Failed) if `T` is no form, naming the member.
    pub fn elicit<T: DeserializeOwned + JsonSchema>(
        &self,
        key: &str,
        message: &str,
    ) -> Result<Elicited<T>, ToolError> {
        let answer = self.input(key, InputRequest::form::<T>(message)?)?;
        match answer.member("action").and_then(Node::as_str).as_deref() {
            Some("decline") => Ok(Elicited::Declined),
            Some("accept") => {
                let content = answer.member("content").map(Node::decode).transpose().map_err(|error| {
                    ToolError::invalid_arguments(format!(
                        "what was filled in under `{key}` does not fit: {error}"
                    ))
                })?;
                Ok(content.map_or(Elicited::Cancelled, Elicited::Accepted))
            }
            // `input` takes nothing else for an answer.
            _ => Ok(Elicited::Cancelled),
        }
    }

    /// Asks the client's model, which may answer in up to `max_tokens` tokens, and gives the text of its answer; or the
    /// error that suspends the call until the answer is there, as [`elicit`](Self::elicit) does. For more than one
    /// prompt and its text there is [`input`](Self::input) with [`InputRequest::sample`].
    ///
    /// # Errors
    ///
    /// As [`input`](Self::input); and [`Failed`](crate::ErrorKind::Failed) if the answer has no text.
    pub fn sample(&self, key: &str, prompt: &str, max_tokens: u32) -> Result<String, ToolError> {
        let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
        let request = InputRequest::sample(&json!({ "messages": [message], "maxTokens": max_tokens }));
        let content = self.input(key, request)?.member("content");
        // One block or, since 2025-11-25, several.
        let text =
            |block: Node<'_>| block.member("text").and_then(Node::as_str).map(|text| text.into_owned());
        let texts: Vec<String> = match content {
            Some(blocks) if blocks.kind() == toolpost_json::Kind::Array => {
                blocks.items().filter_map(text).collect()
            }
            one => one.and_then(text).into_iter().collect(),
        };
        match texts.is_empty() {
            true => Err(ToolError::new("the client's model answered without a text")),
            false => Ok(texts.join("\n")),
        }
    }
}

impl InputRequest {
    /// Asks the user to fill in the form that `T` describes; see [`Call::elicit`] for what a form may have.
    ///
    /// # Errors
    ///
    /// If `T` is no form; the text names the member.
    pub fn form<T: JsonSchema>(message: &str) -> Result<Self, ToolError> {
        Ok(Self::elicit(message, &form::<T>()?))
    }
}

/// The form's schema: an object of primitive members, and nothing that a client's user interface has no field for.
fn form<T: JsonSchema>() -> Result<Value, ToolError> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let name = T::schema_name();
    let fault = |what: &str| {
        ToolError::new(format!(
            "`{name}` is no form: {what}; a member is a string, a number, a boolean, an enum without data, a list of \
             such an enum, or an `Option` of one of these"
        ))
    };
    let Some(members) = schema.get("properties").and_then(Value::as_object) else {
        return Err(fault("it has no named members"));
    };
    let mut properties = Map::new();
    for (member, schema) in members {
        let field = field(schema).ok_or_else(|| fault(&format!("`{member}` is none of its fields")))?;
        properties.insert(member.clone(), field);
    }
    let required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    Ok(json!({ "type": "object", "properties": properties, "required": required }))
}

/// One field of a form; `None` if the schema is of something else.
fn field(schema: &Value) -> Option<Value> {
    let schema = schema.as_object()?;
    let mut field = Map::new();
    let said = present(schema);
    let inner = said.as_object()?;
    let kept: &[&str] = match kind(inner) {
        Some("boolean") => &[],
        Some("integer" | "number") => &["minimum", "maximum"],
        Some("array") => {
            let items = inner.get("items")?.as_object()?;
            let (values, _) = values(items)?;
            field.insert("items".into(), json!({ "type": "string", "enum": values }));
            &["minItems", "maxItems"]
        }
        _ if values(inner).is_some() => {
            let (values, names) = values(inner)?;
            field.insert("enum".into(), values.into());
            if let Some(names) = names {
                field.insert("enumNames".into(), names.into());
            }
            &[]
        }
        Some("string") => {
            let known = ["email", "uri", "date", "date-time"];
            if let Some(format) =
                inner.get("format").filter(|format| known.iter().any(|known| *format == known))
            {
                field.insert("format".into(), format.clone());
            }
            &["minLength", "maxLength"]
        }
        _ => return None,
    };
    field.insert("type".into(), kind(inner).unwrap_or("string").into());
    for name in kept.iter().chain(&["title", "description", "default"]) {
        // The outer schema is that of the member, the inner one that of its type.
        if let Some(value) = schema.get(*name).or_else(|| inner.get(*name)).filter(|value| !value.is_null()) {
            field.insert((*name).into(), value.clone());
        }
    }
    Some(field.into())
}

/// What the schema says of a value that is there: of an `Option`, its content.
fn present(schema: &Map<String, Value>) -> Value {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one, null] | [null, one]) if is_null(null) => one.clone(),
        _ => Value::Object(schema.clone()),
    }
}

/// The one type beside `null`.
fn kind(schema: &Map<String, Value>) -> Option<&str> {
    match schema.get("type")? {
        Value::String(kind) => Some(kind),
        Value::Array(kinds) => match kinds.as_slice() {
            [Value::String(kind), null] | [null, Value::String(kind)] if null == "null" => Some(kind),
            _ => None,
        },
        _ => None,
    }
}

/// The values of an enum without data, and what its variants say of themselves, if one does.
fn values(schema: &Map<String, Value>) -> Option<(Vec<Value>, Option<Vec<Value>>)> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<Value> = values.iter().filter(|value| !value.is_null()).cloned().collect();
        return values.iter().all(Value::is_string).then_some((values, None));
    }
    let (mut values, mut names) = (Vec::new(), Vec::new());
    for variant in schema.get("oneOf")?.as_array()? {
        let alike = variant
            .get("const")
            .into_iter()
            .chain(variant.get("enum").and_then(Value::as_array).into_iter().flatten());
        let before = values.len();
        for value in alike.filter(|value| value.is_string()) {
            names.push(variant.get("description").unwrap_or(value).clone());
            values.push(value.clone());
        }
        if values.len() == before {
            return None;
        }
    }
    Some((values, Some(names)))
}
