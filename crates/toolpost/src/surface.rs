//! What clients see of the tools.

use std::panic::{AssertUnwindSafe, catch_unwind};

use toolpost_dispatch::Catalog;
use toolpost_tool::{AnyTool, Policy, Tool as _};

use crate::host_layers::message;
use crate::{BuildError, Runtime};

/// Decides what clients see in place of the tools themselves: a long list of tools costs a model its attention, and a few
/// tools that lead to the others do not. Given to [`RuntimeBuilder::surface`](crate::RuntimeBuilder::surface).
///
/// ```
/// use toolpost::dispatch::CallRequest;
/// use toolpost::tool::{AnyTool, Call, NoArgs, Output, tool_fn};
/// use toolpost::{Runtime, Surface};
///
/// /// One tool that names those that its caller may use.
/// struct Names;
///
/// impl Surface for Names {
///     fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>> {
///         let behind = behind.clone();
///         let names = tool_fn("names", move |_: NoArgs, call: Call| {
///             let all = behind.dispatcher();
///             let visible = all.visible(&all.catalog(), call.principal());
///             let names: Vec<&str> = visible.iter().map(|tool| tool.spec().name()).collect();
///             let listed = Output::json(&names);
///             async move { listed }
///         });
///         Some(vec![AnyTool::new(names)])
///     }
/// }
///
/// let stock = tool_fn("stock", |_: NoArgs, _: Call| async { Ok("12 left") });
/// let runtime = Runtime::builder().tool(stock).surface(Names).build().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let listed = runtime.call("names", &NoArgs {}).await.unwrap();
/// assert_eq!(listed.structured(), Some(r#"["stock"]"#));
/// assert!(runtime.call("stock", &NoArgs {}).await.is_err(), "it is not called past what is in front");
/// # });
/// ```
///
/// # Contract
///
/// The tools in front are everybody's: the host's [rule](crate::RuntimeBuilder::authorize) is not asked about them. What
/// they show of a tool behind, they ask of [`Dispatcher::visible`](toolpost_dispatch::Dispatcher::visible) for the
/// principal of their call; what they call, they call by
/// [`Dispatcher::call_within`](toolpost_dispatch::Dispatcher::call_within), which asks the rule and enforces every policy.
pub trait Surface: Send + Sync + 'static {
    /// The tools that clients see in place of those of `behind`; `None` shows those themselves. Asked once, when the
    /// runtime is built. `behind` is that runtime, with all its tools and without what is in front of them.
    ///
    /// A panic is a fault of building, and so is a tool that declares a policy, but for `repeatable` and `composite`:
    /// nothing would enforce it. A [layer](crate::ToolExt) around the tool does.
    fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>>;
}

/// Shows every tool that is loaded: what a runtime shows unless told otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flat;

impl Surface for Flat {
    fn in_front(&self, _: &Runtime) -> Option<Vec<AnyTool>> {
        None
    }
}

impl Surface for Box<dyn Surface> {
    fn in_front(&self, behind: &Runtime) -> Option<Vec<AnyTool>> {
        (**self).in_front(behind)
    }
}

/// The tools in front of those of `behind`, checked.
pub(crate) fn catalog(surface: &dyn Surface, behind: &Runtime) -> Result<Option<Catalog>, BuildError> {
    let asked = catch_unwind(AssertUnwindSafe(|| {
        let tools = surface.in_front(behind)?;
        let faults: Vec<String> = tools.iter().filter_map(unenforced).collect();
        Some((tools, faults))
    }));
    let (tools, mut faults) = match asked {
        Ok(Some(in_front)) => in_front,
        Ok(None) => return Ok(None),
        Err(panic) => return Err(BuildError::new(vec![format!("the surface panics: {}", message(&*panic))])),
    };
    match Catalog::new(tools) {
        Ok(catalog) if faults.is_empty() => Ok(Some(catalog)),
        Ok(_) => Err(BuildError::new(faults)),
        Err(error) => {
            faults.extend(error.faults());
            Err(BuildError::new(faults))
        }
    }
}

/// The fault of a tool in front that declares what no pipeline enforces.
fn unenforced(tool: &AnyTool) -> Option<String> {
    let (name, declared) = (tool.spec().name(), tool.spec().policy());
    let mut allowed = Policy::default();
    (allowed.repeatable, allowed.composite) = (declared.repeatable, declared.composite);
    (allowed != *declared).then(|| {
        format!(
            "`{name}` stands in front of the tools and declares a policy, which would not be enforced there: declare \
             it on a tool behind, or put a layer around `{name}` by hand"
        )
    })
}
