//! Turns names and edges into a [`CompiledGraph`], or into the list of everything wrong with them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::compiled::{Cell, CompiledGraph, Link, Need, Rows};
use crate::error::Fault;
use crate::memory::Spare;
use crate::policy::StepPolicy;
use crate::state::StepState;

/// A step before it is compiled.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) policy: StepPolicy,
}

/// `to` waits for `from`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) need: Need,
    /// Which of the groups of `to`, of which one is enough, this is in; zero for other needs.
    pub(crate) group: u8,
}

/// Numbers the names; a name that comes twice is a fault, and its first bearer keeps it.
pub(crate) fn number(nodes: &[Node], faults: &mut Vec<Fault>) -> HashMap<Arc<str>, u32> {
    let mut ids = HashMap::with_capacity(nodes.len());
    for (i, node) in nodes.iter().enumerate() {
        match ids.entry(Arc::clone(&node.name)) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(i as u32);
            }
            std::collections::hash_map::Entry::Occupied(_) => {
                let fault = Fault::Duplicate { step: node.name.to_string() };
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
    ids
}

/// Compiles what [`number`] has numbered. `edges` must name existing nodes.
pub(crate) fn compile(
    name: Arc<str>,
    revision: &str,
    nodes: Vec<Node>,
    mut edges: Vec<Edge>,
    ids: HashMap<Arc<str>, u32>,
    mut faults: Vec<Fault>,
) -> Result<CompiledGraph, Vec<Fault>> {
    let count = nodes.len();
    if u32::MAX as usize / 2 <= count || u32::MAX as usize / 2 <= edges.len() {
        faults.push(Fault::TooLarge);
        return Err(faults);
    }
    let key = |e: &Edge| (e.to, e.from, e.need, e.group);
    if !edges.is_sorted_by_key(key) {
        edges.sort_unstable_by_key(key);
    }
    edges.dedup_by_key(|e| key(e));
    let order = match topological(count, &edges) {
        Ok(order) => order,
        Err(cycles) => {
            let named = |path: Vec<u32>| path.iter().map(|&i| nodes[i as usize].name.to_string()).collect();
            faults.extend(cycles.into_iter().map(|path| Fault::Cycle { path: named(path) }));
            return Err(faults);
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }

    let groups = merge(&mut edges);
    let successors =
        Rows::new(count, edges.iter().map(|e| (e.from, Link { step: e.to, need: e.need, group: e.group })));
    let dependencies =
        Rows::new(count, edges.iter().map(|e| (e.to, Link { step: e.from, need: e.need, group: e.group })));
    let ranks = ranks(&nodes, &successors, order.as_deref());
    let mut by_rank: Vec<u32> = (0..count as u32).collect();
    by_rank.sort_by_key(|&i| std::cmp::Reverse(ranks[i as usize]));
    let mut place = vec![0_u32; count];
    for (at, &step) in by_rank.iter().enumerate() {
        place[step as usize] = at as u32;
    }
    let initial = (0..count as u32).map(|step| initial(dependencies.of(step))).collect();
    let version = version(&name, revision, &nodes, &edges);
    let is_timed = nodes.iter().any(|n| n.policy.limit().is_some() || 1 < n.policy.attempts());
    let (names, policies): (Vec<_>, Vec<_>) = nodes.into_iter().map(|n| (n.name, n.policy)).unzip();
    Ok(CompiledGraph {
        name,
        names: names.into(),
        policies: policies.into(),
        successors,
        dependencies,
        order: by_rank.into(),
        place: place.into(),
        initial,
        groups,
        revision: revision.into(),
        version,
        critical_path: ranks.iter().copied().max().unwrap_or(0),
        is_timed,
        ids,
        spare: Spare::default(),
    })
}

/// A topological order, `None` standing for the order of declaration; or one cycle of every knot.
fn topological(count: usize, edges: &[Edge]) -> Result<Option<Vec<u32>>, Vec<Vec<u32>>> {
    if edges.iter().all(|e| e.from < e.to) {
        return Ok(None);
    }
    let mut graph = DiGraph::<(), (), u32>::with_capacity(count, edges.len());
    for _ in 0..count {
        graph.add_node(());
    }
    for edge in edges {
        graph.add_edge(NodeIndex::from(edge.from), NodeIndex::from(edge.to), ());
    }
    if let Ok(order) = toposort(&graph, None) {
        return Ok(Some(order.into_iter().map(|i| i.index() as u32).collect()));
    }
    // Kosaraju's algorithm rather than Tarjan's: the one in petgraph that does not recurse.
    let mut cycles: Vec<Vec<u32>> = Vec::new();
    for knot in kosaraju_scc(&graph) {
        let first = knot.iter().copied().min().unwrap_or_default();
        if 1 < knot.len() || graph.contains_edge(first, first) {
            cycles.push(way_around(&graph, first));
        }
    }
    cycles.sort_unstable();
    Err(cycles)
}

/// The shortest cycle through `start`, by breadth first search.
fn way_around(graph: &DiGraph<(), (), u32>, start: NodeIndex) -> Vec<u32> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.neighbors(at) {
            if next == start {
                let mut path = vec![start.index() as u32];
                let mut back = at;
                while back != start {
                    path.push(back.index() as u32);
                    back = came_from[&back];
                }
                path.push(start.index() as u32);
                path.reverse();
                return path;
            }
            came_from.entry(next).or_insert_with(|| {
                queue.push_back(next);
                at
            });
        }
    }
    vec![start.index() as u32]
}

/// The weight of the longest path from each step to the end, itself included (the "upward rank" of
/// Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002).
fn ranks(nodes: &[Node], successors: &Rows, order: Option<&[u32]>) -> Vec<u64> {
    let mut ranks = vec![0_u64; nodes.len()];
    let mut rank = |step: u32| {
        let longest = successors.of(step).iter().map(|link| ranks[link.step as usize]).max().unwrap_or(0);
        ranks[step as usize] = longest.saturating_add(nodes[step as usize].policy.weight());
    };
    match order {
        Some(order) => order.iter().rev().for_each(|&step| rank(step)),
        None => (0..nodes.len() as u32).rev().for_each(&mut rank),
    }
    ranks
}

/// Drops what says nothing beside what else a step needs; how many dependencies each group but a step's
/// first has. A step that needs one to succeed need not hear of its end otherwise, nor of any group
/// that it is in: either it succeeds, and they have what they need, or the step is skipped. Groups are
/// numbered anew. `edges` are sorted by the step that waits.
fn merge(edges: &mut Vec<Edge>) -> HashMap<(u32, u8), u32> {
    let mut groups = HashMap::new();
    let is_plain = edges.iter().all(|e| e.need == Need::Success)
        || edges.iter().is_sorted_by(|a, b| (a.to, a.from) < (b.to, b.from))
            && edges.chunk_by(|a, b| a.to == b.to).all(|needs| {
                needs.iter().all(|e| e.group == 0)
                    && !(needs.iter().any(|e| e.need == Need::Success)
                        && needs.iter().any(|e| e.need == Need::AnySuccess))
            });
    if is_plain {
        return groups;
    }
    let mut merged = Vec::with_capacity(edges.len());
    for needs in edges.chunk_by(|a, b| a.to == b.to) {
        let required: HashSet<u32> =
            needs.iter().filter(|e| e.need == Need::Success).map(|e| e.from).collect();
        let of = |need: Need| needs.iter().filter(move |e| e.need == need);
        let met: HashSet<u8> =
            of(Need::AnySuccess).filter(|e| required.contains(&e.from)).map(|e| e.group).collect();
        let mut numbers: Vec<u8> =
            of(Need::AnySuccess).map(|e| e.group).filter(|group| !met.contains(group)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for &edge in needs {
            let number = numbers.binary_search(&edge.group);
            match (edge.need, number) {
                (Need::End, _) if required.contains(&edge.from) => {}
                (Need::AnySuccess, Ok(number)) => {
                    let group = number as u8;
                    if 0 < group {
                        *groups.entry((edge.to, group)).or_default() += 1;
                    }
                    merged.push(Edge { group, ..edge });
                }
                (Need::AnySuccess, Err(_)) => {}
                _ => merged.push(edge),
            }
        }
    }
    *edges = merged;
    groups
}

fn initial(dependencies: &[Link]) -> Cell {
    let any =
        dependencies.iter().filter(|link| link.need == Need::AnySuccess && link.group == 0).count() as u32;
    let groups =
        dependencies.iter().filter(|link| link.need == Need::AnySuccess).map(|link| link.group).max();
    let single = dependencies.iter().filter(|link| link.need != Need::AnySuccess).count() as u32;
    let waiting = single + groups.map_or(0, |last| u32::from(last) + 1);
    Cell { waiting, any, attempts: 0, state: StepState::Waiting, armed: false }
}

/// FNV-1a over 64-bit words in 128 bits of state. It tells plans apart; it does not resist forgery.
fn version(name: &str, revision: &str, nodes: &[Node], edges: &[Edge]) -> u128 {
    let mut hash = Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    hash.text(name);
    hash.text(revision);
    for node in nodes {
        hash.text(&node.name);
        hash.word(u64::from(node.policy.is_repeatable()));
    }
    for edge in edges {
        hash.word(u64::from(edge.from) << 32 | u64::from(edge.to));
        hash.word(edge.need as u64 | u64::from(edge.group) << 8);
    }
    hash.0
}

struct Fnv(u128);

impl Fnv {
    fn word(&mut self, word: u64) {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        self.0 = (self.0 ^ u128::from(word)).wrapping_mul(PRIME);
        self.0 ^= self.0 >> 64;
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }
}
