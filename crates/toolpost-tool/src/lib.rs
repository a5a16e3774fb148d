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
//! What this crate does not know: transports, registries, clocks, and every policy's mechanism. A
//! [`ToolSpec`] *declares* policy; whoever runs the tool enforces it.

mod any;
mod args;
mod call;
mod correlation;
mod error;
mod input;
mod output;
mod parts;
mod policy;
mod principal;
mod sink;
mod spec;
mod tool;
mod trace;
mod typed;

pub use any::{AnyTool, BoxFuture};
pub use args::NoArgs;
pub use call::Call;
pub use correlation::Correlation;
pub use error::{ErrorKind, Refusal, ToolError};
pub use input::{Client, InputRequest, Inputs, Suspended};
pub use output::{Form, IntoOutput, Json, Mark, Output, StructuredForm};
pub use parts::CallParts;
pub use policy::{Backoff, BreakerPolicy, CachePolicy, CacheScope, Policy, Priority, RetryPolicy};
pub use principal::Principal;
pub use sink::{LogLevel, Sink};
pub use spec::{Annotations, Icon, InvalidToolName, ToolSpec};
pub use tool::Tool;
pub use trace::TraceContext;
pub use typed::{Blocking, ToolFn, Typed, TypedTool, blocking_fn, tool_fn, typed};
