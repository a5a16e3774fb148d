//! The tenants of one class: start-time fair queueing on virtual time, charged with measured cost.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::discipline::Entry;
use crate::heap::{Heap, Positions, pair};
use crate::request::Tenant;

/// What a job is assumed to cost, in nanoseconds, until one has been measured.
const UNMEASURED: u64 = 1_000_000;

#[derive(Debug)]
pub(crate) struct Flows {
    named: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    flows: Vec<Flow>,
    /// Flows that have jobs waiting, by virtual start time, then by turn: round robin among equals.
    active: Heap<u128>,
    positions: Positions,
    turn: u64,
    /// The virtual start time of the latest start: what a tenant that comes back begins with.
    now: u64,
    /// The mean cost of a job of this class.
    mean: Mean,
    room: Room,
}

/// One tenant, or one shard of tenants.
#[derive(Debug, Default)]
struct Flow {
    /// Who owns it; none for a shard.
    tenant: Option<u64>,
    /// Virtual time: at which its next job starts while it is active, until which it has been charged otherwise.
    tag: u64,
    mean: Mean,
    /// Started and not settled: while positive the flow is not forgotten.
    running: u32,
    /// By deadline, then by arrival.
    jobs: Heap<u128>,
}

/// How many tenants get a flow of their own, and where the others go.
#[derive(Debug)]
struct Room {
    exact: usize,
    shards: Vec<Option<u32>>,
    /// The flow to look at next when an old tenant is to be forgotten for a new one.
    hand: usize,
}

impl Flows {
    pub(crate) fn new(exact: usize, shards: usize) -> Self {
        Self {
            named: HashMap::default(),
            flows: Vec::new(),
            active: Heap::default(),
            positions: Positions::default(),
            turn: 0,
            now: 0,
            mean: Mean::default(),
            room: Room { exact, shards: vec![None; shards], hand: 0 },
        }
    }

    /// Puts a job into its tenant's flow, and says which that is.
    pub(crate) fn push(&mut self, jobs: &mut Positions, entry: &Entry) -> u32 {
        let id = self.flow_of(entry.tenant);
        let flow = &mut self.flows[id as usize];
        flow.jobs.push(jobs, pair(entry.deadline, entry.arrival), entry.slot.0);
        if flow.jobs.len() == 1 {
            flow.tag = flow.tag.max(self.now);
            self.turn += 1;
            self.active.push(&mut self.positions, pair(flow.tag, self.turn), id);
        }
        id
    }

    /// Takes the next job of the flow that has been charged least: its slot, its flow, its charge in advance.
    pub(crate) fn pop(&mut self, jobs: &mut Positions) -> Option<(u32, u32, u64)> {
        let (_, id) = self.active.first()?;
        self.now = self.now.max(self.flows[id as usize].tag);
        let (_, slot) = self.flows[id as usize].jobs.pop(jobs)?;
        Some((slot, id, self.charge(id)))
    }

    /// Takes a given job out of turn, and charges its flow as if it had been its turn.
    pub(crate) fn take(&mut self, jobs: &mut Positions, id: u32, slot: u32) -> u64 {
        self.flows[id as usize].jobs.remove(jobs, slot);
        self.charge(id)
    }

    pub(crate) fn peek(&self) -> Option<u32> {
        let (_, id) = self.active.first()?;
        self.flows[id as usize].jobs.first().map(|(_, slot)| slot)
    }

    pub(crate) fn remove(&mut self, jobs: &mut Positions, id: u32, slot: u32) {
        let flow = &mut self.flows[id as usize];
        flow.jobs.remove(jobs, slot);
        if flow.jobs.is_empty() {
            flow.jobs.shrink();
            self.active.remove(&mut self.positions, id);
        }
    }

    pub(crate) fn change(&mut self, jobs: &mut Positions, id: u32, entry: &Entry) {
        self.flows[id as usize].jobs.change(jobs, entry.slot.0, pair(entry.deadline, entry.arrival));
    }

    /// Replaces what was charged in advance by what was measured; by nothing when the job never ran.
    pub(crate) fn settle(&mut self, id: u32, advance: u64, cost: Option<u64>) {
        let flow = &mut self.flows[id as usize];
        flow.running -= 1;
        if let Some(cost) = cost {
            flow.mean.learn(cost);
            self.mean.learn(cost);
        }
        flow.tag = flow.tag.saturating_add(cost.unwrap_or(0)).saturating_sub(advance);
        if !flow.jobs.is_empty() {
            flow.tag = flow.tag.max(self.now);
            self.turn += 1;
            self.active.change(&mut self.positions, id, pair(flow.tag, self.turn));
        }
    }

    /// Every other flow that waits is served once before each of the tenant's jobs, and once before this one.
    pub(crate) fn ahead(&self, entry: &Entry) -> usize {
        let own = self.find(entry.tenant).map(|id| &self.flows[id as usize].jobs);
        let own_ahead = own.map_or(0, |jobs| jobs.below(pair(entry.deadline, entry.arrival)));
        let others = self.active.len() - usize::from(own.is_some_and(|jobs| !jobs.is_empty()));
        own_ahead.saturating_add(others.saturating_mul(own_ahead + 1))
    }

    /// How many jobs of this tenant wait.
    pub(crate) fn queued(&self, tenant: Tenant) -> usize {
        self.find(tenant).map_or(0, |id| self.flows[id as usize].jobs.len())
    }

    /// Charges a flow that a job was taken from, and moves it behind those that have been charged less.
    fn charge(&mut self, id: u32) -> u64 {
        let flow = &mut self.flows[id as usize];
        let advance = flow.mean.or(self.mean.or(UNMEASURED));
        flow.tag = flow.tag.saturating_add(advance);
        flow.running += 1;
        if flow.jobs.is_empty() {
            flow.jobs.shrink();
            self.active.remove(&mut self.positions, id);
        } else {
            self.turn += 1;
            self.active.change(&mut self.positions, id, pair(flow.tag, self.turn));
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
        let (shard, id) = self.shard(tenant);
        id.unwrap_or_else(|| {
            let id = self.add(Flow::default());
            self.room.shards[shard] = Some(id);
            id
        })
    }

    fn name(&mut self, tenant: Tenant, used: Option<u32>) -> u32 {
        let fresh = Flow { tenant: Some(tenant.id()), ..Flow::default() };
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
                && flow.jobs.is_empty()
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
        let length =
            |shard: usize| self.room.shards[shard].map_or(0, |id| self.flows[id as usize].jobs.len());
        let shorter = if length(two) < length(one) { two } else { one };
        (shorter, self.room.shards[shorter])
    }
}

/// A moving mean of costs: an eighth of each new one.
#[derive(Clone, Copy, Debug, Default)]
struct Mean(Option<u64>);

impl Mean {
    fn learn(&mut self, cost: u64) {
        self.0 = Some(match self.0 {
            Some(mean) => mean - mean / 8 + cost / 8,
            None => cost,
        });
    }

    fn or(self, other: u64) -> u64 {
        self.0.unwrap_or(other)
    }
}

/// Hashes a tenant's number, which is a hash already or the host's own choice.
#[derive(Clone, Copy, Debug, Default)]
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
