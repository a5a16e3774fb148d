//! How `run_workflow` is described, in words that every client takes: no references, no recursion, no unions at the top.

use serde_json::{Value, json};

pub(super) const DESCRIPTION: &str = "Runs a workflow of this server's tools in one call, and returns only its output: steps \
that do not wait for each other run at the same time, and what they pass on never reaches you. Use it where you know the next \
calls already, or want a small part of large results. A value {\"$ref\": \"/steps/NAME/output/a/0\"} stands for a part of a step's \
output (the step is waited for), {\"$cel\": \"size(steps.NAME.output.a)\"} for what an expression comes to. Everything wrong is \
said before the first step runs. Example: {\"steps\": {\"files\": {\"tool\": \"list_files\", \"arguments\": {\"glob\": \"*.md\"}}, \
\"first\": {\"tool\": \"read_file\", \"arguments\": {\"path\": {\"$ref\": \"/steps/files/output/files/0/path\"}}}}, \"output\": \
{\"$ref\": \"/steps/first/output\"}}";

/// The schema of the arguments. What it does not say, the check of the document does, with a place and a hint.
pub(super) fn arguments() -> Value {
    json!({
        "type": "object",
        "properties": {
            "workflow": {
                "type": "object",
                "description": "The workflow.",
                "properties": {
                    "name": { "type": "string", "description": "What it is called in reports." },
                    "description": { "type": "string" },
                    "steps": {
                        "type": "object",
                        "description": "The steps, by name: letters, digits, `_` and `-`.",
                        "properties": {},
                        "additionalProperties": step()
                    },
                    "output": any("What comes back: a value, with references to the outputs of steps.")
                },
                "required": ["steps", "output"]
            },
            "report": {
                "type": "boolean",
                "description": "Returns an object of `output` and `steps`: how each step ended, and whether its answer came \
                    from a cache."
            }
        },
        "required": ["workflow"],
        "additionalProperties": false
    })
}

fn step() -> Value {
    json!({
        "type": "object",
        "properties": {
            "description": { "type": "string" },
            "tool": { "type": "string", "description": "The tool to call." },
            "arguments": {
                "type": "object", "properties": {},
                "description": "The arguments of the call; any value in them may be a {\"$ref\"} or {\"$cel\"}."
            },
            "plan": {
                "type": "object", "properties": {},
                "description": "In place of `tool`: a workflow within the workflow, of `steps` and `output`."
            },
            "input": any("What the inner workflow finds at {\"$ref\": \"/input\"}."),
            "after": {
                "type": "array", "items": { "type": "string" },
                "description": "Steps that have to succeed first, besides those that it refers to."
            },
            "when": {
                "type": "string",
                "description": "A CEL expression: the step is skipped unless it is true. Example: \
                    size(steps.files.output.files) > 0"
            },
            "map": {
                "type": "object",
                "description": "Runs the step for each item of a list, which is {\"$ref\": \"/item\"} within it; its output is \
                    the list of outputs.",
                "properties": {
                    "over": any("The list."),
                    "concurrency": { "type": "integer", "description": "Items at once; 4 if left out." },
                    "tolerate": { "type": "integer", "description": "Items that may fail, and are null in the output." },
                    "atMost": { "type": "integer", "description": "Items that the list may have." }
                },
                "required": ["over"]
            },
            "retry": {
                "type": "object",
                "description": "Further attempts of a tool that is safe to repeat.",
                "properties": {
                    "attempts": { "type": "integer", "description": "The first included." },
                    "waitMs": { "type": "integer", "description": "Before the second; doubles from there." }
                },
                "required": ["attempts"]
            },
            "timeoutMs": { "type": "integer", "description": "Milliseconds that one attempt may take." },
            "priority": { "type": "string", "enum": ["background", "normal", "urgent"] },
            "onFailure": {
                "type": "string", "enum": ["isolate", "allow", "failFast"],
                "description": "isolate skips what depends on it, allow does so and lets the workflow succeed, failFast ends it."
            },
            "needsApproval": { "type": "boolean", "description": "A person has to approve the call." }
        }
    })
}

/// Any value, with a type for clients that want one everywhere. (A list of lists of lists stands within an object.)
fn any(description: &str) -> Value {
    let list = |items: &[Value]| json!({ "type": "array", "items": { "anyOf": items } });
    let mut kinds = vec![json!({ "type": "object", "properties": {} })];
    kinds.extend(["string", "number", "boolean", "null"].map(|kind| json!({ "type": kind })));
    let lists = list(&kinds);
    kinds.push(lists);
    let lists = list(&kinds);
    kinds.pop();
    kinds.push(lists);
    json!({ "description": description, "anyOf": kinds })
}
