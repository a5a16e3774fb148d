//! The default discipline: classes with guaranteed shares, over fair queueing between tenants, over deadlines.

use std::time::Duration;

use crate::arrivals::{Arrivals, Links};
use crate::discipline::{Charge, Discipline, Entry, Slot};
use crate::flows::Flows;
use crate::heap::Positions;
use crate::priority::Priority;

const CLASSES: usize = Priority::ALL.len();

/// Serves the most urgent class first, but lets no class, no tenant and no job wait without bound.
///
/// Three decisions, one inside the other:
///
/// 1. **Class.** The most urgent class that waits is served, unless a less urgent one is owed a start: a class that
///    waits gets at least its guaranteed share of the starts ([`Shares`]). A share nobody needs is lent to the most
///    urgent, and is back with its owner at once when it waits again.
/// 2. **Tenant.** Within the class, start-time fair queueing by virtual time: every start charges its tenant the
///    *measured* cost (in advance, the tenant's own mean; corrected when the job settles), and the tenant that has
///    been charged least goes first. A flood of one tenant delays that tenant alone.
/// 3. **Job.** Within the tenant, the earliest deadline first; those without a deadline after all others, by arrival.
///
/// Every thirty-second start of a class goes instead to the job that has waited longest in it (and is charged to its tenant
/// all the same), so that neither deadlines nor costs can hold anybody back for ever: see [`Fair::bound`].
///
/// Tenants have queues of their own up to a bound; beyond it the rest share hashed shards, each new job going to the
/// shorter of two. So memory is bounded, however many names a stranger invents.
///
/// Fair queueing: Goyal, Vin and Cheng, "Start-time Fair Queueing", 1996; the classes follow Kubernetes' priority and
/// fairness; the place kept free for newcomers (a tenant may queue at most four times the places still free) is the
/// dynamic threshold of Choudhury and Hahne, 1998.
#[derive(Debug)]
pub struct Fair {
    classes: [Class; CLASSES],
    /// By slot: where each job sits in its tenant's queue, and in its class by arrival.
    positions: Positions,
    links: Links,
    cells: Vec<Cell>,
    /// Starts so far, of all classes.
    starts: u64,
}

#[derive(Debug)]
struct Class {
    flows: Flows,
    arrivals: Arrivals,
    /// The class gets at least one start in so many, while it waits.
    period: u64,
    /// The number of the start that is owed to it, while it waits.
    due: u64,
    /// Its own starts so far.
    starts: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    class: u8,
    flow: u32,
}

impl Fair {
    /// Every so many starts of a class, the one that has waited longest goes first.
    const AGED: u64 = 32;

    /// How many times the places still free one tenant may queue.
    const GREED: usize = 4;

    /// Fair service with these shares, and own queues for the default number of tenants.
    #[must_use]
    pub fn new(shares: Shares) -> Self {
        Self::with_tenants(shares, 16_384, 1_024)
    }

    /// Fair service with own queues for up to `exact` tenants per class, and `shards` shared queues for all others.
    ///
    /// # Panics
    ///
    /// When `shards` is zero.
    #[must_use]
    pub fn with_tenants(shares: Shares, exact: usize, shards: usize) -> Self {
        assert!(0 < shards, "tenants beyond the exact ones need a shard");
        let class = |priority: Priority| Class {
            flows: Flows::new(exact, shards),
            arrivals: Arrivals::default(),
            period: shares.period(priority),
            due: 0,
            starts: 0,
        };
        Self {
            classes: Priority::ALL.map(class),
            positions: Positions::default(),
            links: Links::default(),
            cells: Vec::new(),
            starts: 0,
        }
    }

    /// The most starts that can go by until a job starts which found `older` jobs waiting in its class.
    ///
    /// `(period + 3) * 32 * (older + 1)`, where `period` is `100 / share` rounded up: a class that waits is owed its
    /// next start after `period` starts, at most the three other classes are owed one before it, and every 32nd
    /// start of the class goes to its oldest job. Since a seat that frees is given away at once while anybody waits,
    /// with `n` seats and no job longer than `t` that many starts take at most that many times `t`, divided by `n`.
    #[must_use]
    pub const fn bound(shares: Shares, priority: Priority, older: u64) -> u64 {
        (shares.period(priority) + CLASSES as u64 - 1) * Self::AGED * (older + 1)
    }

    /// Chooses the class of the next start: one that is owed it, else the most urgent that waits.
    fn class(&self) -> Option<usize> {
        let waiting = || (0..CLASSES).rev().filter(|&class| !self.classes[class].arrivals.is_empty());
        let owed = waiting().filter(|&class| self.classes[class].due <= self.starts + 1);
        owed.min_by_key(|&class| self.classes[class].due).or_else(|| waiting().next())
    }
}

impl Default for Fair {
    fn default() -> Self {
        Self::new(Shares::default())
    }
}

impl Class {
    fn is_aged_start(&self) -> bool {
        (self.starts + 1).is_multiple_of(Fair::AGED)
    }
}

impl Discipline for Fair {
    fn push(&mut self, entry: Entry) {
        let slot = entry.slot.0;
        let class = &mut self.classes[entry.priority.index()];
        if class.arrivals.is_empty() {
            class.due = self.starts + class.period;
        }
        class.arrivals.push(&mut self.links, slot);
        let flow = class.flows.push(&mut self.positions, &entry);
        if self.cells.len() <= entry.slot.index() {
            self.cells.resize(entry.slot.index() + 1, Cell::default());
        }
        self.cells[entry.slot.index()] = Cell { class: entry.priority.index() as u8, flow };
    }

    fn pop(&mut self) -> Option<(Slot, Charge)> {
        let index = self.class()?;
        let class = &mut self.classes[index];
        let aged = class.is_aged_start();
        self.starts += 1;
        class.starts += 1;
        class.due = self.starts + class.period;
        let (slot, flow, advance) = match class.arrivals.first().filter(|_| aged) {
            Some(slot) => {
                let flow = self.cells[slot as usize].flow;
                (slot, flow, class.flows.take(&mut self.positions, flow, slot))
            }
            None => class.flows.pop(&mut self.positions)?,
        };
        class.arrivals.remove(&mut self.links, slot);
        Some((Slot(slot), Charge { account: flow * CLASSES as u32 + index as u32, advance }))
    }

    fn peek(&self) -> Option<Slot> {
        let class = &self.classes[self.class()?];
        let aged = class.arrivals.first().filter(|_| class.is_aged_start());
        aged.or_else(|| class.flows.peek()).map(Slot)
    }

    fn remove(&mut self, slot: Slot) {
        let Cell { class, flow } = self.cells[slot.index()];
        let class = &mut self.classes[class as usize];
        class.arrivals.remove(&mut self.links, slot.0);
        class.flows.remove(&mut self.positions, flow, slot.0);
    }

    fn update(&mut self, entry: Entry) {
        let Cell { class, flow } = self.cells[entry.slot.index()];
        if class as usize == entry.priority.index() {
            self.classes[class as usize].flows.change(&mut self.positions, flow, &entry);
        } else {
            self.remove(entry.slot);
            self.push(entry);
        }
    }

    fn ahead(&self, entry: &Entry) -> usize {
        let class = &self.classes[entry.priority.index()];
        let inside = class.flows.ahead(entry);
        let above: usize =
            self.classes[entry.priority.index() + 1..].iter().map(|class| class.arrivals.len()).sum();
        let at_least_its_share = (inside + 1).saturating_mul(class.period as usize);
        (inside + above).min(at_least_its_share)
    }

    fn list(&self, limit: usize) -> Vec<Slot> {
        let classes = self.classes.iter().rev();
        classes.flat_map(|class| class.arrivals.iter(&self.links)).map(Slot).take(limit).collect()
    }

    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        let class = &mut self.classes[charge.account as usize % CLASSES];
        let cost = cost.map(|cost| u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX));
        class.flows.settle(charge.account / CLASSES as u32, charge.advance, cost);
    }

    fn allows(&self, entry: &Entry, free: usize) -> bool {
        let queued = self.classes[entry.priority.index()].flows.queued(entry.tenant);
        0 < free && queued < free.saturating_mul(Self::GREED)
    }
}

/// The share of starts, in percent, that each class is guaranteed while it waits.
///
/// What the guarantees leave over, and what a class does not need, goes to the most urgent that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares([u8; CLASSES]);

impl Shares {
    /// Shares in percent for background, normal, urgent and system work.
    ///
    /// # Panics
    ///
    /// When a share is zero (such a class could wait for ever), or when together they exceed one hundred.
    #[must_use]
    pub const fn new(background: u8, normal: u8, urgent: u8, system: u8) -> Self {
        assert!(
            0 < background && 0 < normal && 0 < urgent && 0 < system,
            "a class without a share could starve"
        );
        assert!(
            background as u16 + normal as u16 + urgent as u16 + system as u16 <= 100,
            "shares add up to more than the whole"
        );
        Self([background, normal, urgent, system])
    }

    /// A class is owed one start in so many.
    const fn period(self, priority: Priority) -> u64 {
        100_u64.div_ceil(self.0[priority.index()] as u64)
    }
}

impl Default for Shares {
    /// 5 % background, 15 % normal, 25 % urgent, 25 % system; 30 % always go to the most urgent.
    fn default() -> Self {
        Self::new(5, 15, 25, 25)
    }
}
