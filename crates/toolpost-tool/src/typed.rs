//! Tools with typed arguments and typed results.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Call, IntoOutput, Output, Tool, ToolError, ToolSpec};

/// A tool whose arguments and result have types: the schemas come from the types, and doc comments
/// become descriptions.
///
/// ```
/// use toolpost_tool::{Call, Json, Tool, ToolError, ToolSpec, TypedTool, typed};
///
/// /// Counts the words of a text.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Text {
///     text: String,
/// }
///
/// #[derive(Debug)]
/// struct WordCount;
///
/// impl TypedTool for WordCount {
///     type Args = Text;
///     type Out = Json<usize>;
///
///     fn spec(&self) -> ToolSpec {
///         ToolSpec::new("word_count").unwrap().read_only()
///     }
///
///     async fn run(&self, args: Text, _call: Call) -> Result<Json<usize>, ToolError> {
///         Ok(Json(args.text.split_whitespace().count()))
///     }
/// }
///
/// let tool = typed(WordCount);
/// assert_eq!(tool.spec().description(), "Counts the words of a text.");
/// ```
pub trait TypedTool: Send + Sync + 'static {
    /// The arguments.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// The result.
    type Out: IntoOutput;

    /// Describes the tool. Schemas, and a description left empty, are filled in from the types.
    fn spec(&self) -> ToolSpec;

    /// Runs the tool once.
    fn run(&self, args: Self::Args, call: Call) -> impl Future<Output = Result<Self::Out, ToolError>> + Send;
}

/// Makes a [`Tool`] of a [`TypedTool`].
pub fn typed<T: TypedTool>(tool: T) -> Typed<T> {
    let spec = fill::<T::Args, T::Out>(tool.spec());
    Typed { spec, tool }
}

/// A [`TypedTool`] as a [`Tool`]; made by [`typed`].
#[derive(Clone, Debug)]
pub struct Typed<T> {
    spec: ToolSpec,
    tool: T,
}

impl<T: TypedTool> Tool for Typed<T> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<T::Args>()?;
        self.tool.run(args, call).await?.into_output()
    }
}

/// Makes a tool called `name` of an async function.
///
/// A function that works with something shared is a tool by [`tool_with`](crate::tool_with), without a capture; one whose
/// error is no [`ToolError`] (your own, boxed, of `anyhow`) by [`fallible_fn`](crate::fallible_fn).
///
/// The function's argument type gives the input schema and, by its doc comment, the description;
/// its result type gives the output schema. A member that the type does not have is refused at any depth (see
/// [`ToolSpec::taking`]).
///
/// # Panics
///
/// If `name` is not a tool name (see [`ToolSpec::new`]); [`ToolFn::with_spec`] takes a checked one.
#[track_caller]
pub fn tool_fn<A, O, F, Fut>(name: &str, function: F) -> ToolFn<A, F>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send,
{
    ToolFn { spec: fill::<A, O>(named(name)), function, args: PhantomData }
}

/// An async function as a [`Tool`]; made by [`tool_fn`].
pub struct ToolFn<A, F> {
    spec: ToolSpec,
    function: F,
    args: PhantomData<fn(A)>,
}

impl<A, F> ToolFn<A, F> {
    /// Changes the description of the tool.
    ///
    /// ```
    /// use toolpost_tool::{NoArgs, Tool, tool_fn};
    ///
    /// let ping = tool_fn("ping", |_: NoArgs, _| async { Ok("pong") })
    ///     .with_spec(|spec| spec.with_description("Answers pong.").read_only());
    /// assert_eq!(ping.spec().description(), "Answers pong.");
    /// ```
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

impl<A, O, F, Fut> Tool for ToolFn<A, F>
where
    A: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<A>()?;
        (self.function)(args, call).await?.into_output()
    }
}

impl<A, F> fmt::Debug for ToolFn<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolFn").field("name", &self.spec.name()).finish_non_exhaustive()
    }
}

/// Makes a tool called `name` of a function that blocks its thread.
///
/// The tool declares itself [`blocking`](ToolSpec::blocking): a runtime runs it on its blocking
/// pool. Called directly, it blocks the caller.
///
/// # Panics
///
/// As [`tool_fn`].
#[track_caller]
pub fn blocking_fn<A, O, F>(name: &str, function: F) -> Blocking<A, F>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Result<O, ToolError> + Send + Sync + 'static,
{
    Blocking { spec: fill::<A, O>(named(name)).blocking(), function, args: PhantomData }
}

/// A blocking function as a [`Tool`]; made by [`blocking_fn`].
pub struct Blocking<A, F> {
    spec: ToolSpec,
    function: F,
    args: PhantomData<fn(A)>,
}

impl<A, F> Blocking<A, F> {
    /// Changes the description of the tool, as [`ToolFn::with_spec`].
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(ToolSpec) -> ToolSpec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

impl<A, O, F> Tool for Blocking<A, F>
where
    A: DeserializeOwned + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Result<O, ToolError> + Send + Sync + 'static,
{
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<A>()?;
        (self.function)(args, call)?.into_output()
    }
}

impl<A, F> fmt::Debug for Blocking<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("name", &self.spec.name()).finish_non_exhaustive()
    }
}

#[expect(clippy::panic, reason = "documented: a literal name that is wrong is a bug at the call site")]
#[track_caller]
pub(crate) fn named(name: &str) -> ToolSpec {
    match ToolSpec::new(name) {
        Ok(spec) => spec,
        Err(error) => panic!("{error}"),
    }
}

/// Never inlined: a `main` that makes a hundred tools would become a megabyte of text, all of it read at every start.
#[inline(never)]
pub(crate) fn fill<A: DeserializeOwned + JsonSchema, O: IntoOutput>(spec: ToolSpec) -> ToolSpec {
    let spec = spec.taking::<A>().in_order(crate::schema::order_of::<A>());
    match O::schema() {
        Some(schema) => spec.deriving_output(schema),
        None => spec,
    }
}
