//! The trait a tool implements, its call context and its errors.
//!
//! **A wrapped tool is a tool.** A cache, a breaker, a time limit and a whole workflow each take a
//! [`Tool`] and are a [`Tool`]; that is the only thing needed to compose them. A person who writes a
//! tool depends on this crate and on no other.
//!
//! Most tools are a function from typed arguments to a typed result. [`tool_fn`] makes one:
//!
//! ```
//! use toolpost_tool::{Call, Json, Tool, tool_fn};
//!
//! /// Adds two numbers.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Add {
//!     a: i64,
//!     /// The number to add to `a`.
//!     b: i64,
//! }
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! struct Sum {
//!     sum: i64,
//! }
//!
//! let add = tool_fn("add", |args: Add, _call| async move { Ok(Json(Sum { sum: args.a + args.b })) });
//! assert_eq!(add.spec().description(), "Adds two numbers.");
//! assert_eq!(add.spec().input_schema()["required"], serde_json::json!(["a", "b"]));
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let output = add.call(Call::new(&serde_json::json!({"a": 40, "b": 2})).unwrap()).await.unwrap();
//! assert_eq!(output.structured(), Some(r#"{"sum":42}"#));
//! # });
//! ```
//!
//! A tool that needs more (its own schema, a borrowed look at the raw arguments) implements
//! [`Tool`] directly, with a plain `async fn`.
//!
//! # What callers may send
//!
//! Whoever calls a tool may be a stranger, and sends what the schema lets through. The guard over the wire bounds a
//! message: its size, and how deep its JSON nests. **It does not bound what is written inside of a string.** A pattern,
//! an expression, a query or a path of 26 KB is one string of depth 1 to the guard, and may nest ten thousand levels for
//! the parser that the tool hands it to; a parser that recurses then ends the *process*, since a stack that is used up
//! is no panic and nothing catches it. For each string that goes to a parser:
//!
//! * bound its length in the schema (`#[schemars(length(max = 1_000))]`), where clients see it, and again where it is
//!   read: a tool may be called past the schema, by another tool say;
//! * count what opens (`(`, `[`, `{`) before it is parsed, and refuse more than a few levels, unless the parser is known
//!   to have a limit of its own;
//! * take the entry that returns an error and takes a limit on size (`regex::RegexBuilder::size_limit`), rather than the
//!   one that panics or takes all that comes;
//! * hold what is read from files to the same rules: whoever wrote the file is a stranger too;
//! * bound what is kept of it: the arguments are the key of a cached result.
//!
//! ```
//! use toolpost_tool::ToolError;
//!
//! const PATTERN_MAX: usize = 1_000;
//! const NESTED_MAX: usize = 10;
//!
//! fn checked(pattern: &str) -> Result<&str, ToolError> {
//!     if pattern.len() > PATTERN_MAX {
//!         return Err(ToolError::invalid_arguments("argument `pattern`: is longer than 1,000 bytes"));
//!     }
//!     if pattern.matches('{').count() > NESTED_MAX {
//!         return Err(ToolError::invalid_arguments("argument `pattern`: has more than 10 `{`"));
//!     }
//!     Ok(pattern)
//! }
//!
//! assert!(checked("*.{md,txt}").is_ok());
//! assert!(checked(&"{".repeat(900)).is_err());
//! ```
//!
//! Then fuzz each string argument, on a thread whose stack is as small as those that tools run on (2 MiB).
//!
//! A tool that blocks its thread cannot be stopped from outside: it looks at [`Call::is_over`] wherever it takes in the
//! next piece of work, each chunk of a file rather than each file.
//!
//! What this crate does not know: transports, registries, clocks, and every policy's mechanism. A
//! [`ToolSpec`] *declares* policy; whoever runs the tool enforces it.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod any;
mod args;
mod call;
mod caller;
mod correlation;
mod elicit;
mod error;
mod functions;
mod idempotency;
mod input;
mod lint;
mod listing;
mod output;
mod parts;
mod policy;
mod principal;
mod schema;
mod sink;
mod spec;
mod tool;
mod tool_name;
mod trace;
mod typed;

pub use any::{AnyTool, BoxFuture};
pub use args::NoArgs;
pub use call::Call;
pub use caller::CallerGuard;
pub use correlation::Correlation;
pub use elicit::Elicited;
pub use error::{ErrorKind, Refusal, ToolError};
pub use functions::{IntoToolError, fallible_fn, tool_with};
pub use idempotency::{IdempotencyClaim, IdempotencyKey, IdempotencyStore};
pub use input::{InputCapabilities, InputRequest, InputRequired, merge_answers};
pub use lint::{SchemaClient, SchemaFinding};
pub use output::{IntoOutput, Json, Output, ResultFlag};
pub use parts::CallParts;
pub use policy::{
    BreakerPolicy, CachePolicy, CacheSharing, IdempotencyPolicy, Policy, Priority, RatePolicy, RetryJitter,
    RetryPolicy,
};
pub use principal::Principal;
pub use sink::{LogLevel, Sink};
pub use spec::ToolSpec;
pub use tool::Tool;
pub use tool_name::InvalidToolName;
pub use trace::TraceContext;
pub use typed::{Typed, TypedTool, blocking_fn, tool_fn, typed};

// What the signatures above name of MCP.
pub use toolpost_protocol::model::{Icon, TaskSupport, ToolAnnotations};
pub use toolpost_protocol::{Era, MetaIndex, Version};

/// The examples of the crate's README compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
