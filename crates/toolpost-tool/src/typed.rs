//! Tools with typed arguments and typed results.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Call, IntoOutput, IntoToolError, Output, Tool, ToolError, ToolSpec};

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
    Typed::new(fill::<T::Args, T::Out>(tool.spec()), tool)
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
/// ```
/// use toolpost_tool::{Call, Json, Tool, tool_fn};
///
/// /// Multiplies two numbers.
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Multiply {
///     a: i64,
///     b: i64,
/// }
///
/// let multiply = tool_fn("multiply", |args: Multiply, _call| async move { Ok(Json(args.a * args.b)) });
/// assert_eq!(multiply.spec().description(), "Multiplies two numbers.");
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let output = multiply.call(Call::new(&serde_json::json!({"a": 6, "b": 7})).unwrap()).await.unwrap();
/// assert_eq!(output.structured(), Some("42"));
/// let error = multiply.call(Call::new(&serde_json::json!({"a": "six"})).unwrap()).await.unwrap_err();
/// assert!(error.to_string().contains("six"), "{error}");
/// # });
/// ```
///
/// # Panics
///
/// If `name` is not a tool name (see [`ToolSpec::new`]); [`Typed::with_spec`] takes a checked one.
#[track_caller]
pub fn tool_fn<A, O, F, Fut>(name: &str, function: F) -> Typed<F, (A, ToolError)>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, ToolError>> + Send,
{
    Typed::new(fill::<A, O>(named(name)), function)
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
pub fn blocking_fn<A, O, F>(name: &str, function: F) -> Typed<F, (A,)>
where
    A: DeserializeOwned + JsonSchema + Send + 'static,
    O: IntoOutput,
    F: Fn(A, Call) -> Result<O, ToolError> + Send + Sync + 'static,
{
    Typed::new(fill::<A, O>(named(name)).blocking(), function)
}

/// A [`TypedTool`] or a function as a [`Tool`]: reads the arguments into their type, and writes what comes back. Made by
/// [`typed`], [`tool_fn`], [`blocking_fn`], [`fallible_fn`](crate::fallible_fn) and [`tool_with`](crate::tool_with).
///
/// `Signature` says what kind of function `F` is, and is found by whichever of these made the tool.
pub struct Typed<F, Signature = ()> {
    pub(crate) spec: ToolSpec,
    pub(crate) function: F,
    signature: PhantomData<fn(Signature)>,
}

impl<F, Signature> Typed<F, Signature> {
    pub(crate) const fn new(spec: ToolSpec, function: F) -> Self {
        Self { spec, function, signature: PhantomData }
    }

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

impl<T: TypedTool> Tool for Typed<T> {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, call: Call) -> Result<Output, ToolError> {
        let args = call.args::<T::Args>()?;
        self.function.run(args, call).await?.into_output()
    }
}

impl<A, O, E, How, F, Fut> Tool for Typed<F, (A, How)>
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

impl<A, O, F> Tool for Typed<F, (A,)>
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

impl<F: Clone, Signature> Clone for Typed<F, Signature> {
    fn clone(&self) -> Self {
        Self::new(self.spec.clone(), self.function.clone())
    }
}

impl<F, Signature> fmt::Debug for Typed<F, Signature> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("name", &self.spec.name()).finish_non_exhaustive()
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
