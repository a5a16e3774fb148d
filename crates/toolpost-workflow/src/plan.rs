//! A plan: a structure, and what to do at each of its steps.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::compiled::CompiledGraph;
use crate::value::{Body, Codec, Condition, Frame};

/// An immutable workflow from `I` to `O`: built once, run any number of times at once.
///
/// A clone is another handle to the same plan.
///
/// ```
/// use toolpost_workflow::Workflow;
///
/// let mut w = Workflow::<u64>::new("double");
/// let input = w.input();
/// let doubled = w.step("doubled").compute(input, |n| *n * 2);
/// let plan = w.build(doubled)?;
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // Runs share nothing but the plan, so that they need not wait for each other.
/// let (one, two) = tokio::join!(plan.run(1), plan.run(2));
/// assert_eq!((one.output().as_deref(), two.output().as_deref()), (Some(&2), Some(&4)));
/// # });
/// # Ok::<_, toolpost_workflow::InvalidPlan>(())
/// ```
pub struct Plan<I, O> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) types: PhantomData<fn(I) -> O>,
}

pub(crate) struct Inner {
    pub(crate) graph: Arc<CompiledGraph>,
    pub(crate) works: Box<[Work]>,
    pub(crate) frames: Box<[Frame]>,
    pub(crate) output: u32,
}

/// What to do at a step.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) body: Body,
    pub(crate) condition: Option<Condition>,
    pub(crate) codec: Option<Arc<Codec>>,
    /// An index into the frames.
    pub(crate) frame: u32,
    pub(crate) spawned: bool,
}

impl Inner {
    /// Where a step finds its values.
    pub(crate) fn frame(&self, work: &Work) -> Frame {
        self.frames[work.frame as usize]
    }
}

impl<I, O> Plan<I, O> {
    /// Shows the structure: names, edges, version, drawings.
    #[must_use]
    pub fn graph(&self) -> &Arc<CompiledGraph> {
        &self.inner.graph
    }
}

impl<I, O> Clone for Plan<I, O> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), types: PhantomData }
    }
}

impl<I, O> fmt::Debug for Plan<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.inner.graph).finish()
    }
}
