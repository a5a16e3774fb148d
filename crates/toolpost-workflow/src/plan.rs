//! A plan: a structure, and what to do at each of its steps.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::shape::CompiledGraph;
use crate::value::{Body, Codec, Condition, Frame};

/// An immutable workflow from `I` to `O`: built once, run any number of times at once.
///
/// A clone is another handle to the same plan.
pub struct Plan<I, O> {
    pub(crate) inner: Arc<Inner>,
    pub(crate) types: PhantomData<fn(I) -> O>,
}

pub(crate) struct Inner {
    pub(crate) shape: Arc<CompiledGraph>,
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
    /// The structure: names, edges, version, drawings.
    #[must_use]
    pub fn shape(&self) -> &Arc<CompiledGraph> {
        &self.inner.shape
    }
}

impl<I, O> Clone for Plan<I, O> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), types: PhantomData }
    }
}

impl<I, O> fmt::Debug for Plan<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.inner.shape).finish()
    }
}
