//! The keys of the file: what is read, and what its schema says, from one table.

use serde_json::{Map, Value, json};

/// A key of a table.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    says: &'static str,
    of: Of,
}

/// Which tables have it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Of {
    Both,
    Programs,
    Workers,
}

/// What its value is.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    /// Text, or lists of text, in a list.
    Arguments,
    Boolean,
    /// Exit statuses, and what each means.
    Exits,
    /// Text in a list.
    Names,
    /// A whole number in a range.
    Number(i64, i64),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A JSON Schema, as a table.
    Schema,
    Text,
}

pub(super) const OUTPUTS: [&str; 3] = ["text", "json", "json-lines"];

pub(super) const EXITS: [&str; 5] = ["failed", "invalid-arguments", "ok", "timed-out", "unavailable"];

/// Every key, in the order of the page.
pub(super) const KEYS: [Key; 16] = [
    Key {
        name: "argv",
        takes: Takes::Arguments,
        says: "The program and its arguments. In `programs`, arguments are templates such as `{path}`, and a list within \
               the list is arguments that are there together or not at all.",
        of: Of::Both,
    },
    Key {
        name: "description",
        takes: Takes::Text,
        says: "What the tool does, for the model that chooses it.",
        of: Of::Programs,
    },
    Key {
        name: "stdin",
        takes: Takes::Text,
        says: "What the program reads on stdin, a template.",
        of: Of::Programs,
    },
    Key {
        name: "cwd",
        takes: Takes::Text,
        says: "The directory that the program runs in; relative to this file. The server's, unless told otherwise.",
        of: Of::Both,
    },
    Key {
        name: "env",
        takes: Takes::Names,
        says: "Variables of the server's environment that are passed on; PATH always is, nothing else.",
        of: Of::Both,
    },
    Key {
        name: "secrets",
        takes: Takes::Names,
        says: "Variables of the server's environment that are passed on, and whose values are taken out of all that the \
               tool says.",
        of: Of::Both,
    },
    Key {
        name: "output",
        takes: Takes::OneOf(&OUTPUTS),
        says: "What the program writes on stdout; `text`, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "output-limit",
        takes: Takes::Number(1, 1 << 30),
        says: "The most that the program may write for one call, in bytes; 1048576, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "time-limit-ms",
        takes: Takes::Number(1, 86_400_000),
        says: "The longest that one call may take, in milliseconds; the runtime's, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "exit-codes",
        takes: Takes::Exits,
        says: "What exit statuses mean, by number; 0 is `ok` and every other `failed`, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "concurrency",
        takes: Takes::Number(1, 10_000),
        says: "How many calls may run at once; as many as the runtime lets, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "read-only",
        takes: Takes::Boolean,
        says: "Whether the program only reads, so that a second run does no harm; false, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "input-schema",
        takes: Takes::Schema,
        says: "The JSON Schema of the arguments; the one that the template makes, unless told otherwise.",
        of: Of::Programs,
    },
    Key {
        name: "output-schema",
        takes: Takes::Schema,
        says: "The JSON Schema of the structured result.",
        of: Of::Programs,
    },
    Key {
        name: "processes",
        takes: Takes::Number(1, 1_024),
        says: "How many processes are kept warm; 2, unless told otherwise.",
        of: Of::Workers,
    },
    Key {
        name: "recycle-after",
        takes: Takes::Number(1, 1_000_000_000),
        says: "After how many calls a process is replaced; 1000, unless told otherwise.",
        of: Of::Workers,
    },
];

/// The keys that a table may have.
pub(super) fn keys_of(table: Of) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.of == Of::Both || key.of == table)
}

pub(super) fn schema() -> Value {
    let tables = |of: Of, says: &str| {
        let properties: Map<String, Value> =
            keys_of(of).map(|key| (key.name.to_owned(), key.schema())).collect();
        json!({
            "description": says,
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": properties,
                "required": ["argv"],
                "additionalProperties": false,
            },
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Programs",
        "description": "Programs as tools.",
        "type": "object",
        "properties": {
            "programs": tables(Of::Programs, "Programs that are started for each call, by the name of their tool."),
            "workers": tables(Of::Workers, "Programs that are kept warm, and say themselves which tools they have."),
        },
        "additionalProperties": false,
    })
}

impl Key {
    fn schema(&self) -> Value {
        let text = json!({ "type": "string" });
        let mut schema = match self.takes {
            Takes::Arguments => {
                let group = json!({ "type": "array", "items": text, "minItems": 1 });
                json!({ "type": "array", "items": { "anyOf": [text, group] }, "minItems": 1 })
            }
            Takes::Boolean => json!({ "type": "boolean" }),
            Takes::Exits => json!({
                "type": "object",
                "patternProperties": { "^[0-9]{1,3}$": { "enum": EXITS } },
                "additionalProperties": false,
            }),
            Takes::Names => json!({ "type": "array", "items": text }),
            Takes::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Takes::OneOf(all) => json!({ "enum": all }),
            Takes::Schema => json!({ "type": "object" }),
            Takes::Text => text,
        };
        schema["description"] = json!(self.says);
        schema
    }
}
