//! The compiled form of a plan: who waits for whom, in two flat arrays.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::memory::Spare;
use crate::policy::StepPolicy;

/// The number of a step in its plan, in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub(crate) u32);

impl StepId {
    /// The number itself, from zero.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a step needs from one it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Need {
    /// That it succeeds; if it does not, the step is skipped.
    Success,
    /// That one of a group of dependencies succeeds; if none does, the step is skipped.
    AnySuccess,
    /// That it ends, however.
    End,
}

/// One dependency, seen from either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) step: u32,
    pub(crate) need: Need,
    /// Which group of the waiting step's `AnySuccess` dependencies this is in.
    pub(crate) group: u8,
}

/// The immutable structure of a plan, shared by all of its runs. It keeps the memory of one run that is
/// over for the next, some 32 bytes a step.
///
/// Successors and dependencies lie in compressed sparse rows, and each step has a fixed place in the
/// order in which ready steps start: longest remaining path first, then order of declaration.
pub struct CompiledGraph {
    pub(crate) name: Arc<str>,
    pub(crate) names: Box<[Arc<str>]>,
    pub(crate) policies: Box<[StepPolicy]>,
    pub(crate) successors: Rows,
    pub(crate) dependencies: Rows,
    /// By place: the step. The inverse of `place`.
    pub(crate) order: Box<[u32]>,
    /// By step: its place.
    pub(crate) place: Box<[u32]>,
    pub(crate) initial: Box<[Cell]>,
    /// By step and group, for all groups but the first: how many dependencies are in it.
    pub(crate) groups: HashMap<(u32, u8), u32>,
    pub(crate) revision: Box<str>,
    pub(crate) version: u128,
    pub(crate) critical_path: u64,
    /// Whether any policy has to do with time.
    pub(crate) is_timed: bool,
    pub(crate) ids: HashMap<Arc<str>, u32>,
    pub(crate) spare: Spare,
}

impl CompiledGraph {
    /// The plan's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many steps there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no steps.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A hash of names, edges, revision, and of which steps are repeatable: two plans with one version read
    /// a journal alike. Other policies are not in it (time limits, retries, weights, what a failure or an
    /// unknown outcome means), so that whoever resumes a run may raise a limit.
    #[must_use]
    pub const fn version(&self) -> u128 {
        self.version
    }

    /// The steps in order of declaration.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = StepId> + use<> {
        (0..self.names.len() as u32).map(StepId)
    }

    /// The step of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<StepId> {
        self.ids.get(name).copied().map(StepId)
    }

    /// The name of a step.
    ///
    /// # Panics
    ///
    /// When the step is of another, larger plan.
    #[must_use]
    pub fn step_name(&self, step: StepId) -> &str {
        &self.names[step.index()]
    }

    /// The name, the revision and the number of steps, in words.
    pub(crate) fn title(&self) -> String {
        let revision = match &*self.revision {
            "" => String::new(),
            revision => format!(", revision `{revision}`"),
        };
        format!("plan `{}`{revision}, {} steps", self.name, self.names.len())
    }

    /// What a step waits for, and how. One dependency may be in several groups of which one is enough.
    #[must_use]
    pub fn dependencies(&self, step: StepId) -> impl ExactSizeIterator<Item = (StepId, Need)> {
        self.dependencies.of(step.0).iter().map(|link| (StepId(link.step), link.need))
    }

    /// Who waits for a step, and how.
    #[must_use]
    pub fn successors(&self, step: StepId) -> impl ExactSizeIterator<Item = (StepId, Need)> {
        self.successors.of(step.0).iter().map(|link| (StepId(link.step), link.need))
    }

    /// The longest path through the plan, in nanoseconds of [`expected`](StepPolicy::expected) time.
    #[must_use]
    pub const fn critical_path(&self) -> u64 {
        self.critical_path
    }

    pub(crate) fn policy(&self, step: u32) -> &StepPolicy {
        &self.policies[step as usize]
    }
}

impl fmt::Debug for CompiledGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledGraph")
            .field("name", &self.name)
            .field("steps", &self.names.len())
            .field("version", &format_args!("{:032x}", self.version))
            .finish_non_exhaustive()
    }
}

/// Compressed sparse rows: the links of row `i` are `links[starts[i]..starts[i + 1]]`.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    starts: Box<[u32]>,
    links: Box<[Link]>,
}

impl Rows {
    /// Sorts `edges` (row, link) into `rows` rows by counting; stable, so linear.
    pub(crate) fn new(rows: usize, edges: impl Iterator<Item = (u32, Link)> + Clone) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for (row, _) in edges.clone() {
            starts[row as usize + 1] += 1;
        }
        for i in 0..rows {
            starts[i + 1] += starts[i];
        }
        let mut links = vec![Link { step: 0, need: Need::Success, group: 0 }; starts[rows] as usize];
        let mut next = starts.clone();
        for (row, link) in edges {
            let at = &mut next[row as usize];
            links[*at as usize] = link;
            *at += 1;
        }
        Self { starts: starts.into(), links: links.into() }
    }

    pub(crate) fn of(&self, row: u32) -> &[Link] {
        &self.links[self.range(row)]
    }

    pub(crate) fn range(&self, row: u32) -> Range<usize> {
        let row = row as usize;
        self.starts[row] as usize..self.starts[row + 1] as usize
    }

    pub(crate) const fn link(&self, at: usize) -> Link {
        self.links[at]
    }
}

/// What a run keeps of one step; a run starts as a copy of [`CompiledGraph::initial`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Dependencies still awaited; each group of `AnySuccess` ones counts as one.
    pub(crate) waiting: u32,
    /// `AnySuccess` dependencies of the first group that may still succeed; [`Cell::SATISFIED`] once one has.
    pub(crate) any: u32,
    pub(crate) attempts: u32,
    pub(crate) state: crate::state::StepState,
    /// Whether the attempt under way has a time limit that counts.
    pub(crate) armed: bool,
}

impl Cell {
    pub(crate) const SATISFIED: u32 = u32::MAX;
}
