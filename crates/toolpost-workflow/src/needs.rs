//! What a step takes: handles of earlier steps, alone or together.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::compiled::Need;
use crate::value::INPUT;

/// Stands for the value of an earlier step, or for the run's input.
pub struct StepHandle<T> {
    pub(crate) slot: u32,
    pub(crate) owner: u32,
    types: PhantomData<fn() -> T>,
}

impl<T> StepHandle<T> {
    pub(crate) const fn new(slot: u32, owner: u32) -> Self {
        Self { slot, owner, types: PhantomData }
    }
}

impl<T: Send + Sync + 'static> StepHandle<T> {
    /// Takes the step's value if it succeeds, and waits for its end however it does: the value is an `Option`.
    #[must_use]
    pub fn optional(self) -> impl Needs<Item = Option<Arc<T>>> + Copy {
        Optional(self)
    }
}

impl<T> Clone for StepHandle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for StepHandle<T> {}

impl<T> fmt::Debug for StepHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot {
            INPUT => f.write_str("StepHandle(input)"),
            slot => f.debug_tuple("StepHandle").field(&slot).finish(),
        }
    }
}

/// Takes the values of several steps of one type, in this order.
pub fn all<T: Send + Sync + 'static>(
    handles: impl IntoIterator<Item = StepHandle<T>>,
) -> impl Needs<Item = Vec<Arc<T>>> + Clone + 'static {
    All(handles.into_iter().collect())
}

/// Takes the value of whichever step succeeds first; of several that have, the first in this order.
pub fn any<T: Send + Sync + 'static>(
    handles: impl IntoIterator<Item = StepHandle<T>>,
) -> impl Needs<Item = Arc<T>> + Clone + 'static {
    Any(handles.into_iter().collect())
}

/// What a step may take: a handle, [`StepHandle::optional`], [`all`], [`any`], a tuple of up to eight
/// of these, or `()`. Values come as `Arc`s.
pub trait Needs: sealed::Take {}

impl<N: sealed::Take> Needs for N {}

struct Optional<T>(StepHandle<T>);

impl<T> Clone for Optional<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Optional<T> {}

struct All<T>(Vec<StepHandle<T>>);

impl<T> Clone for All<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Any<T>(Vec<StepHandle<T>>);

impl<T> Clone for Any<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pub(crate) mod sealed {
    //! What [`Needs`](super::Needs) does, closed to other crates.

    use super::{All, Any, Arc, INPUT, Need, Optional, StepHandle};
    use crate::value::Values;

    /// The dependencies of a step under construction.
    #[derive(Debug, Default)]
    pub struct Edges {
        pub(crate) edges: Vec<Dependency>,
        groups: usize,
    }

    /// One of them.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Dependency {
        pub(crate) slot: u32,
        pub(crate) owner: u32,
        pub(crate) need: Need,
        pub(crate) group: u8,
    }

    impl Edges {
        fn add(&mut self, slot: u32, owner: u32, need: Need) {
            self.edges.push(Dependency { slot, owner, need, group: 0 });
        }

        /// Of these, one is enough. The input is there from the start: with it, nobody waits for the others.
        fn add_any(&mut self, handles: impl Iterator<Item = (u32, u32)> + Clone) {
            let is_there = handles.clone().any(|(slot, _)| slot == INPUT);
            // More groups than a byte counts share the last one: a step would start too early, and fail
            // for want of a value. Nobody writes 255 of them.
            let group = u8::try_from(self.groups).unwrap_or(u8::MAX);
            self.groups += 1;
            let need = if is_there { None } else { Some(Need::AnySuccess) };
            for (slot, owner) in handles {
                // An input stands for the owner, which is checked, and for no step.
                let slot = if need.is_none() { INPUT } else { slot };
                let need = need.unwrap_or(Need::End);
                self.edges.push(Dependency { slot, owner, need, group });
            }
        }
    }

    pub trait Take: Send + Sync + 'static {
        /// What the step's function is given.
        type Item;

        /// Adds every dependency.
        fn edges(&self, edges: &mut Edges);

        fn take(&self, values: &Values<'_>) -> Option<Self::Item>;
    }

    impl<T: Send + Sync + 'static> Take for StepHandle<T> {
        type Item = Arc<T>;

        fn edges(&self, edges: &mut Edges) {
            edges.add(self.slot, self.owner, Need::Success);
        }

        fn take(&self, values: &Values<'_>) -> Option<Arc<T>> {
            values.fetch(self.slot)
        }
    }

    impl<T: Send + Sync + 'static> Take for Optional<T> {
        type Item = Option<Arc<T>>;

        fn edges(&self, edges: &mut Edges) {
            edges.add(self.0.slot, self.0.owner, Need::End);
        }

        fn take(&self, values: &Values<'_>) -> Option<Self::Item> {
            Some(values.fetch(self.0.slot))
        }
    }

    impl<T: Send + Sync + 'static> Take for All<T> {
        type Item = Vec<Arc<T>>;

        fn edges(&self, edges: &mut Edges) {
            self.0.iter().for_each(|h| edges.add(h.slot, h.owner, Need::Success));
        }

        fn take(&self, values: &Values<'_>) -> Option<Self::Item> {
            let mut taken = Vec::with_capacity(self.0.len());
            for handle in &self.0 {
                taken.push(values.fetch(handle.slot)?);
            }
            Some(taken)
        }
    }

    impl<T: Send + Sync + 'static> Take for Any<T> {
        type Item = Arc<T>;

        fn edges(&self, edges: &mut Edges) {
            edges.add_any(self.0.iter().map(|h| (h.slot, h.owner)));
        }

        fn take(&self, values: &Values<'_>) -> Option<Arc<T>> {
            self.0.iter().find_map(|h| values.fetch(h.slot))
        }
    }

    impl Take for () {
        type Item = ();

        fn edges(&self, _edges: &mut Edges) {}

        fn take(&self, _values: &Values<'_>) -> Option<()> {
            Some(())
        }
    }

    macro_rules! tuple {
        ($($name:ident $at:tt),+) => {
            impl<$($name: Take),+> Take for ($($name,)+) {
                type Item = ($($name::Item,)+);

                fn edges(&self, edges: &mut Edges) {
                    $(self.$at.edges(edges);)+
                }

                fn take(&self, values: &Values<'_>) -> Option<Self::Item> {
                    Some(($(self.$at.take(values)?,)+))
                }
            }
        };
    }

    tuple!(A 0);
    tuple!(A 0, B 1);
    tuple!(A 0, B 1, C 2);
    tuple!(A 0, B 1, C 2, D 3);
    tuple!(A 0, B 1, C 2, D 3, E 4);
    tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
    tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
    tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
}
