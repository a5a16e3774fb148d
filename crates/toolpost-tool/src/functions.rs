//! Functions as tools, where [`tool_fn`](crate::tool_fn) asks for too much: errors of other types, and shared state.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::typed::{fill, named};
use crate::{Call, IntoOutput, Output, Tool, ToolError, ToolSpec};

/// An error that a tool's function may end in: a [`ToolError`], any [`std::error::Error`], a
/// `Box<dyn Error + Send + Sync>` and, with the feature `anyhow`, an `anyhow::Error`.
///
/// `How` only tells these cases apart for the compiler, which finds it out by itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that a tool can end in",
    label = "the trait `IntoToolError` is not implemented for `{Self}`",
    note = "return a `ToolError`, a type that implements `std::error::Error`, a `Box<dyn Error + Send + Sync>`, or (with the feature `anyhow`) an `anyhow::Error`"
)]
pub trait IntoToolError<How> {
    /// Why the call did not end in a result.
    fn into_tool_error(self) -> ToolError;
}

/// How a [`ToolError`] is one.
#[derive(Debug)]
pub enum AsItIs {}

/// How any [`std::error::Error`] becomes a [`ToolError`].
#[derive(Debug)]
pub enum AsError {}

/// How a boxed error becomes a [`ToolError`].
#[derive(Debug)]
pub enum AsBoxed {}

impl IntoToolError<AsItIs> for ToolError {
    fn into_tool_error(self) -> ToolError {
        self
    }
}

impl<E: Error + Send + Sync + 'static> IntoToolError<AsError> for E {
    fn into_tool_error(self) -> ToolError {
        self.into()
    }
}

impl IntoToolError<AsBoxed> for Box<dyn Error + Send + Sync> {
    fn into_tool_error(self) -> ToolError {
        ToolError::from_boxed(self)
    }
}

#[cfg(feature = "anyhow")]
impl IntoToolError<AsBoxed> for anyhow::Error {
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
pub fn fallible_fn<A, O, E, How, F, Fut>(name: &str, function: F) -> FallibleFn<A, How, F>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    FallibleFn { spec: fill::<A, O>(named(name)), function, types: PhantomData }
}

/// An async function as a [`Tool`]; made by [`fallible_fn`].
pub struct FallibleFn<A, How, F> {
    spec: ToolSpec,
    function: F,
    types: PhantomData<fn(A, How)>,
}

impl<A, How, F> FallibleFn<A, How, F> {
    /// Changes the description of the tool, as [`ToolFn::with_spec`](crate::ToolFn::with_spec).
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

impl<A, O, E, How, F, Fut> Tool for FallibleFn<A, How, F>
where
    A: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<A>()?;
        match (self.function)(args, call).await {
            Ok(output) => output.into_output(),
            Err(error) => Err(error.into_tool_error()),
        }
    }
}

impl<A, How, F> fmt::Debug for FallibleFn<A, How, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallibleFn").field("name", &self.spec.name()).finish_non_exhaustive()
    }
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
pub fn tool_with<S, A, O, E, How, F, Fut>(name: &str, state: S, function: F) -> ToolWith<S, A, How, F>
where
    S: Clone + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    E: IntoToolError<How>,
    How: 'static,
    F: Fn(S, A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send,
{
    ToolWith { spec: fill::<A, O>(named(name)), state, function, types: PhantomData }
}

/// An async function and its state as a [`Tool`]; made by [`tool_with`].
pub struct ToolWith<S, A, How, F> {
    spec: ToolSpec,
    state: S,
    function: F,
    types: PhantomData<fn(A, How)>,
}

impl<S, A, How, F> ToolWith<S, A, How, F> {
    /// Changes the description of the tool, as [`ToolFn::with_spec`](crate::ToolFn::with_spec).
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

impl<S, A, O, E, How, F, Fut> Tool for ToolWith<S, A, How, F>
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
        match (self.function)(self.state.clone(), args, call).await {
            Ok(output) => output.into_output(),
            Err(error) => Err(error.into_tool_error()),
        }
    }
}

impl<S, A, How, F> fmt::Debug for ToolWith<S, A, How, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolWith").field("name", &self.spec.name()).finish_non_exhaustive()
    }
}
