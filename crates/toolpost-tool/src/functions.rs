//! Functions as tools, where [`tool_fn`](crate::tool_fn) asks for too much: errors of other types, and shared state.

use std::error::Error;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::typed::{Typed, fill, named};
use crate::{Call, IntoOutput, Output, Tool, ToolError, ToolSpec};

/// An error that a tool's function may end in: a [`ToolError`], any [`std::error::Error`], a
/// `Box<dyn Error + Send + Sync>` and, with the feature `anyhow`, an `anyhow::Error`.
///
/// `How` only tells these cases apart for the compiler, which finds it out by itself: the type itself, or
/// `&dyn Error` for what is one by that trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a tool can end in",
    label = "the trait `IntoToolError` is not implemented for `{Self}`",
    note = "return a `ToolError`, a type that implements `std::error::Error`, a `Box<dyn Error + Send + Sync>`, or (with the feature `anyhow`) an `anyhow::Error`"
)]
pub trait IntoToolError<How> {
    /// Why the call did not end in a result.
    fn into_tool_error(self) -> ToolError;
}

impl IntoToolError<Self> for ToolError {
    fn into_tool_error(self) -> ToolError {
        self
    }
}

impl<E: Error + Send + Sync + 'static> IntoToolError<&'static dyn Error> for E {
    fn into_tool_error(self) -> ToolError {
        self.into()
    }
}

impl IntoToolError<Self> for Box<dyn Error + Send + Sync> {
    fn into_tool_error(self) -> ToolError {
        ToolError::from_boxed(self)
    }
}

#[cfg(feature = "anyhow")]
impl IntoToolError<Self> for anyhow::Error {
    fn into_tool_error(self) -> ToolError {
        ToolError::from_anyhow(self)
    }
}

/// Makes a tool called `name` of an async function whose error is any [`IntoToolError`]: a type of your own, a boxed
/// error, an `anyhow::Error`. Otherwise as [`tool_fn`](crate::tool_fn), whose error is a [`ToolError`] so that a closure
/// need not name it.
///
/// ```
/// use std::error::Error;
/// use toolpost_tool::{Call, NoArgs, Tool, fallible_fn};
///
/// async fn uptime(_: NoArgs, _: Call) -> Result<String, Box<dyn Error + Send + Sync>> {
///     Err("the clock has stopped")?
/// }
///
/// let tool = fallible_fn("uptime", uptime);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = tool.call(Call::new(&serde_json::json!({})).unwrap()).await.unwrap_err();
/// assert_eq!(error.to_string(), "the clock has stopped");
/// # });
/// ```
///
/// # Panics
///
/// As [`tool_fn`](crate::tool_fn).
#[track_caller]
pub fn fallible_fn<A, O, E, How, F, Fut>(name: &str, function: F) -> Typed<F, (A, How)>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    Typed::new(fill::<A, O>(named(name)), function)
}

/// Makes a tool called `name` of an async function and what it works with: each call gets a clone of `state`, so that
/// the function is a plain one and captures nothing.
///
/// What is shared is behind an [`Arc`](std::sync::Arc). The error is any [`IntoToolError`]; a closure has to name it
/// (`Ok::<_, ToolError>(..)`).
///
/// ```
/// use std::sync::Arc;
/// use toolpost_tool::{Call, Json, NoArgs, Tool, ToolError, tool_with};
///
/// struct Shop {
///     parts: Vec<String>,
/// }
///
/// async fn list(shop: Arc<Shop>, _: NoArgs, _: Call) -> Result<Json<Vec<String>>, ToolError> {
///     Ok(Json(shop.parts.clone()))
/// }
///
/// async fn count(shop: Arc<Shop>, _: NoArgs, _: Call) -> Result<String, std::io::Error> {
///     Ok(shop.parts.len().to_string())
/// }
///
/// let shop = Arc::new(Shop { parts: vec!["chuck".into()] });
/// let list = tool_with("list_parts", shop.clone(), list).with_spec(|spec| spec.read_only());
/// let count = tool_with("count_parts", shop, count);
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let output = count.call(Call::new(&serde_json::json!({})).unwrap()).await.unwrap();
/// assert_eq!(output.as_text(), Some("1"));
/// # });
/// # let _ = list;
/// ```
///
/// # Panics
///
/// As [`tool_fn`](crate::tool_fn).
#[track_caller]
pub fn tool_with<S, A, O, E, How, F, Fut>(name: &str, state: S, function: F) -> Typed<(S, F), (S, A, How)>
where
    S: Clone + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(S, A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    Typed::new(fill::<A, O>(named(name)), (state, function))
}

impl<S, A, O, E, How, F, Fut> Tool for Typed<(S, F), (S, A, How)>
where
    S: Clone + Send + Sync + 'static,
    A: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(S, A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<A>()?;
        let (state, function) = &self.function;
        match function(state.clone(), args, call).await {
            Ok(output) => output.into_output(),
            Err(error) => Err(error.into_tool_error()),
        }
    }
}
