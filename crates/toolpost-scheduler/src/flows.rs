//! The tenants of one class: start-time fair queueing on virtual time, charged with measured cost.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use crate::discipline::QueuedJob;
use crate::heap::{Heap, pair};
use crate::jobs::{BY_TENANT, Jobs, List};
use crate::request::Tenant;
use crate::turns::{Turn, Turns};

/// What a job is assumed to cost, in nanoseconds, until one has been measured.
const UNMEASURED: u64 = 1_000_000;

const NO_DEADLINE: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Flows {
    named: HashMap<u64, u32, Keyed>,
    flows: Vec<Flow>,
    /// Flows that have jobs waiting, by virtual start time, then by turn: round robin among equals.
    active: Turns,
    turn: u64,
    /// The virtual start time of the latest start: what a tenant that comes back begins with.
    now: u64,
    /// The mean cost of a job of this class.
    mean: Mean,
    room: Room,
    weights: Weights,
}

/// How much more than others a tenant is given; one for all unless the host says otherwise.
#[derive(Clone, Default)]
pub(crate) struct Weights(pub(crate) Option<Arc<WeightOf>>);

pub(crate) type WeightOf = dyn Fn(Tenant) -> u32 + Send + Sync;

impl Weights {
    fn of(&self, tenant: Tenant) -> u32 {
        self.0.as_ref().map_or(1, |weight| weight(tenant).max(1))
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Weights").field(&self.0.is_some()).finish()
    }
}

/// One tenant, or one shard of tenants: what a start needs of it is one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Flow {
    /// Who owns it; none for a shard.
    tenant: Option<u64>,
    /// Virtual time: at which its next job starts while it is active, until which it has been charged otherwise.
    tag: u64,
    mean: Mean,
    /// Started and not settled: while positive the flow is not forgotten.
    running: u32,
    /// Less one, so that the default is that of a shard: one.
    extra_weight: u32,
    /// Those without a deadline, as they came.
    plain: List<BY_TENANT>,
    /// All others, by deadline, then by arrival; none until there is one.
    timed: Option<Box<Heap<(u128, u32)>>>,
}

/// How many tenants get a flow of their own, and where the others go.
#[derive(Debug)]
struct Room {
    exact: usize,
    /// How many shards there are, for those who find no room.
    sharded: usize,
    /// The flow of each shard; empty until somebody finds no room.
    shards: Vec<Option<u32>>,
    /// The flow to look at next when an old tenant is to be forgotten for a new one.
    hand: usize,
}

impl Flows {
    /// The most flows there can be: their numbers are a part of a [`Turn`].
    pub(crate) const MAX: usize = (1 << Turn::FLOW) - 1;

    pub(crate) fn new(exact: usize, shards: usize) -> Self {
        Self {
            named: HashMap::default(),
            flows: Vec::new(),
            active: Turns::default(),
            turn: 0,
            now: 0,
            mean: Mean::default(),
            room: Room { exact, sharded: shards, shards: Vec::new(), hand: 0 },
            weights: Weights::default(),
        }
    }

    /// Sets the weights of tenants that come from now on.
    pub(crate) fn set_weights(&mut self, weights: Weights) {
        self.weights = weights;
    }

    /// Puts a job into its tenant's flow, and says which that is.
    #[inline]
    pub(crate) fn push(&mut self, jobs: &mut Jobs, entry: &QueuedJob) -> u32 {
        let id = self.flow_of(entry.tenant);
        let flow = &mut self.flows[id as usize];
        let was_idle = flow.is_idle();
        flow.push(jobs, entry);
        if was_idle {
            flow.tag = flow.tag.max(self.now);
            self.turn += 1;
            self.active.push(Turn::new(flow.tag, self.turn, id));
        }
        id
    }

    /// Takes the next job of the flow that has been charged least: its slot, its flow, its charge in advance.
    #[inline]
    pub(crate) fn pop(&mut self, jobs: &mut Jobs) -> Option<(u32, u32, u64)> {
        let id = self.active.first()?;
        let flow = &mut self.flows[id as usize];
        self.now = self.now.max(flow.tag);
        let slot = flow.first(jobs)?;
        flow.remove(jobs, slot);
        self.active.pop();
        Some((slot, id, self.charge(id)))
    }

    /// Takes a given job out of turn, and charges its flow as if it had been its turn.
    pub(crate) fn take(&mut self, jobs: &mut Jobs, id: u32, slot: u32) -> u64 {
        self.flows[id as usize].remove(jobs, slot);
        self.active.remove(id);
        self.charge(id)
    }

    pub(crate) fn peek(&self, jobs: &Jobs) -> Option<u32> {
        self.flows[self.active.first()? as usize].first(jobs)
    }

    pub(crate) fn remove(&mut self, jobs: &mut Jobs, id: u32, slot: u32) {
        let flow = &mut self.flows[id as usize];
        flow.remove(jobs, slot);
        if flow.is_idle() {
            self.active.remove(id);
        }
    }

    pub(crate) fn change(&mut self, jobs: &mut Jobs, id: u32, entry: &QueuedJob) {
        let flow = &mut self.flows[id as usize];
        flow.remove(jobs, entry.slot);
        flow.push(jobs, entry);
    }

    /// Replaces what was charged in advance by what was measured; by nothing when the job never ran.
    pub(crate) fn settle(&mut self, id: u32, advance: u64, cost: Option<u64>) {
        let flow = &mut self.flows[id as usize];
        flow.running -= 1;
        if let Some(cost) = cost {
            flow.mean.learn(cost);
            self.mean.learn(cost);
        }
        let cost = flow.weighed(cost.unwrap_or(0));
        flow.tag = flow.tag.saturating_add(cost).saturating_sub(advance);
        if !flow.is_idle() {
            flow.tag = flow.tag.max(self.now);
            self.turn += 1;
            self.active.change(Turn::new(flow.tag, self.turn, id));
        }
    }

    /// Every other flow that waits is served once before each of the tenant's jobs, and once before this one.
    pub(crate) fn ahead(&self, entry: &QueuedJob) -> usize {
        let own = self.find(entry.tenant).map(|id| &self.flows[id as usize]);
        let own_ahead = own.map_or(0, |flow| flow.ahead(entry));
        let others = self.active.len() - usize::from(own.is_some_and(|flow| !flow.is_idle()));
        own_ahead.saturating_add(others.saturating_mul(own_ahead + 1))
    }

    /// How many jobs of this tenant wait.
    pub(crate) fn queued(&self, tenant: Tenant) -> usize {
        self.find(tenant).map_or(0, |id| self.flows[id as usize].len())
    }

    /// Charges a flow that a job and its turn were taken from, and gives it the next turn while it has more jobs.
    #[inline]
    fn charge(&mut self, id: u32) -> u64 {
        let flow = &mut self.flows[id as usize];
        let advance = flow.weighed(flow.mean.or(self.mean.or(UNMEASURED)));
        flow.tag = flow.tag.saturating_add(advance);
        flow.running += 1;
        if !flow.is_idle() {
            self.turn += 1;
            self.active.push(Turn::new(flow.tag, self.turn, id));
        }
        advance
    }

    /// The flow a tenant has, or the shard it would use; none when it has none yet.
    fn find(&self, tenant: Tenant) -> Option<u32> {
        let own = self.named.get(&tenant.id()).copied();
        own.or_else(|| (self.room.exact <= self.named.len()).then(|| self.shard(tenant).1).flatten())
    }

    fn flow_of(&mut self, tenant: Tenant) -> u32 {
        if let Some(&id) = self.named.get(&tenant.id()) {
            return id;
        }
        if self.named.len() < self.room.exact {
            return self.name(tenant, None);
        }
        if let Some(id) = self.forget() {
            return self.name(tenant, Some(id));
        }
        self.room.shards.resize(self.room.sharded, None);
        let (shard, id) = self.shard(tenant);
        id.unwrap_or_else(|| {
            let id = self.add(Flow::default());
            self.room.shards[shard] = Some(id);
            id
        })
    }

    fn name(&mut self, tenant: Tenant, used: Option<u32>) -> u32 {
        let extra_weight = self.weights.of(tenant) - 1;
        let fresh = Flow { tenant: Some(tenant.id()), extra_weight, ..Flow::default() };
        let id = match used {
            Some(id) => {
                self.flows[id as usize] = fresh;
                id
            }
            None => self.add(fresh),
        };
        self.named.insert(tenant.id(), id);
        id
    }

    fn add(&mut self, flow: Flow) -> u32 {
        self.flows.push(flow);
        (self.flows.len() - 1) as u32
    }

    /// Forgets one tenant that is idle and owes nothing, if a look at eight finds one.
    fn forget(&mut self) -> Option<u32> {
        for _ in 0..self.flows.len().min(8) {
            self.room.hand = (self.room.hand + 1) % self.flows.len();
            let flow = &self.flows[self.room.hand];
            if let Some(tenant) = flow.tenant
                && flow.is_idle()
                && flow.running == 0
                && flow.tag <= self.now
            {
                self.named.remove(&tenant);
                return Some(self.room.hand as u32);
            }
        }
        None
    }

    /// The shorter of a tenant's two shards.
    fn shard(&self, tenant: Tenant) -> (usize, Option<u32>) {
        let (high, low) = ((mix(tenant.id()) >> 32) as usize, mix(tenant.id()) as u32 as usize);
        let one = high % self.room.shards.len();
        let two = low % self.room.shards.len();
        let length = |shard: usize| self.room.shards[shard].map_or(0, |id| self.flows[id as usize].len());
        let shorter = if length(two) < length(one) { two } else { one };
        (shorter, self.room.shards[shorter])
    }
}

impl Flow {
    /// What a cost counts for: the less, the more the tenant is given.
    #[inline]
    fn weighed(&self, cost: u64) -> u64 {
        if self.extra_weight == 0 { cost } else { cost / (u64::from(self.extra_weight) + 1) }
    }

    fn len(&self) -> usize {
        self.plain.len() + self.timed.as_ref().map_or(0, |timed| timed.len())
    }

    /// Whether no job waits.
    fn is_idle(&self) -> bool {
        self.plain.is_empty() && self.timed.as_ref().is_none_or(|timed| timed.is_empty())
    }

    /// Jobs without a deadline need no heap as long as they come in order; one that lost its deadline may not.
    #[inline]
    fn push(&mut self, jobs: &mut Jobs, entry: &QueuedJob) {
        let in_order = || self.plain.last().is_none_or(|last| jobs.arrival(last) < entry.arrival);
        if entry.deadline == NO_DEADLINE && in_order() {
            self.plain.push(jobs, entry.slot);
        } else {
            self.push_timed(jobs, entry);
        }
    }

    #[inline(never)]
    fn push_timed(&mut self, jobs: &mut Jobs, entry: &QueuedJob) {
        let timed = self.timed.get_or_insert_default();
        timed.push(&mut jobs.timed, (pair(entry.deadline, entry.arrival), entry.slot));
    }

    /// The earliest deadline, and without one the earliest arrival.
    fn first(&self, jobs: &Jobs) -> Option<u32> {
        let plain = self.plain.first();
        let Some((key, timed)) = self.timed.as_ref().and_then(|timed| timed.first()) else { return plain };
        plain.filter(|&slot| pair(NO_DEADLINE, jobs.arrival(slot)) < key).or(Some(timed))
    }

    #[inline]
    fn remove(&mut self, jobs: &mut Jobs, slot: u32) {
        if self.timed.is_some() && jobs.timed.contains(slot) {
            self.remove_timed(jobs, slot);
        } else {
            self.plain.remove(jobs, slot);
        }
    }

    #[inline(never)]
    fn remove_timed(&mut self, jobs: &mut Jobs, slot: u32) {
        if let Some(timed) = &mut self.timed {
            timed.remove(&mut jobs.timed, slot);
            timed.shrink();
        }
    }

    /// How many of its jobs are served before one that comes now.
    fn ahead(&self, entry: &QueuedJob) -> usize {
        let plain = if entry.deadline == NO_DEADLINE { self.plain.len() } else { 0 };
        let key = (pair(entry.deadline, entry.arrival), entry.slot);
        plain + self.timed.as_ref().map_or(0, |timed| timed.before(key))
    }
}

/// A moving mean of costs: an eighth of each new one. The greatest number stands for none.
#[derive(Clone, Copy, Debug)]
struct Mean(u64);

impl Default for Mean {
    fn default() -> Self {
        Self(u64::MAX)
    }
}

impl Mean {
    fn learn(&mut self, cost: u64) {
        self.0 = match self.0 {
            u64::MAX => cost.min(u64::MAX - 1),
            mean => mean - mean / 8 + cost / 8,
        };
    }

    const fn or(self, other: u64) -> u64 {
        if self.0 == u64::MAX { other } else { self.0 }
    }
}

/// Hashes tenants' numbers by a key of its own, so that nobody can choose names that meet in one place of the table.
#[derive(Clone, Copy, Debug)]
struct Keyed(u64);

impl Default for Keyed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u64))
    }
}

impl BuildHasher for Keyed {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        Mix(self.0)
    }
}

/// Hashes one number, which is a hash already or the host's own choice.
#[derive(Clone, Copy, Debug)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
