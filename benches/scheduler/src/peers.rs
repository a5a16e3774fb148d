//! The peers, each doing the same work: one job served, one job of the same tenant queued.

use std::convert::Infallible;
use std::future::{Future, Ready, ready as done};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use cronoq_core::{Action, Core, CoreConfig, Fairness, LeaseId, Outcome, PoolConfig, TaskSpec, Time};
use firq_core::{DequeueResult, EnqueueResult, Scheduler, SchedulerConfig, Task};
use tower::limit::ConcurrencyLimit;
use tower::{Service, service_fn};

use crate::simulator::goals::SEATS;
use crate::simulator::{Decisions, Job, Policy};

/// Polls a future that is ready at once.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nobody waits, so nothing is to be waited for"),
    }
}

type Nothing = fn(()) -> Ready<Result<(), Infallible>>;

/// `tower`'s limit in front of a service that does nothing.
pub struct Tower(ConcurrencyLimit<tower::util::ServiceFn<Nothing>>);

impl Tower {
    pub fn new(seats: usize) -> Self {
        let nothing: Nothing = |()| done(Ok(()));
        Self(ConcurrencyLimit::new(service_fn(nothing), seats))
    }

    pub fn call(&mut self) {
        let Poll::Ready(Ok(())) = self.0.poll_ready(&mut Context::from_waker(Waker::noop())) else {
            panic!("nobody waits")
        };
        let Ok(()) = ready(self.0.call(()));
    }
}

/// `firq`: deficit round robin per tenant, without seats.
pub struct Firq {
    scheduler: Scheduler<u64>,
    now: Instant,
}

impl Firq {
    /// Counted in its source, along `enqueue` and `try_dequeue`.
    pub const CLOCK_READS: u32 = 2;

    fn new(room: usize) -> Self {
        let config = SchedulerConfig { max_global: room, max_per_tenant: room, ..SchedulerConfig::default() };
        Self { scheduler: Scheduler::new(config), now: Instant::now() }
    }

    pub fn filled(tenants: u64) -> Self {
        let mut firq = Self::new(tenants as usize * 2);
        (0..tenants).for_each(|tenant| firq.push(tenant, tenant));
        firq
    }

    fn push(&mut self, tenant: u64, job: u64) {
        let task = Task {
            payload: job,
            enqueue_ts: self.now,
            deadline: None,
            priority: firq_core::Priority::Normal,
            cost: 1,
        };
        let EnqueueResult::Enqueued = self.scheduler.enqueue(tenant.into(), task) else {
            panic!("there is room")
        };
    }

    /// Asks until there is an answer: it says `Empty` while jobs wait, when the deficit it looks at is used up.
    fn pop(&mut self) -> (u64, u64) {
        loop {
            if let DequeueResult::Task { tenant, task } = self.scheduler.try_dequeue() {
                return (tenant.as_u64(), task.payload);
            }
        }
    }

    pub fn cycle(&mut self) {
        let (tenant, job) = self.pop();
        self.push(tenant, job);
    }
}

/// `cronoq`: an engine with workers, classes and fair shares between tenants.
pub struct Cronoq {
    core: Core<u64>,
    names: Vec<Arc<str>>,
    now: u64,
}

impl Cronoq {
    fn new(workers: u32, tenants: u64) -> Self {
        let pool =
            PoolConfig { fairness: Some(Fairness::default()), ..PoolConfig::fixed("default", workers) };
        let core = Core::new(CoreConfig { pools: vec![pool], ..CoreConfig::default() });
        Self { core, names: (0..tenants).map(|tenant| tenant.to_string().into()).collect(), now: 0 }
    }

    pub fn filled(tenants: u64) -> Self {
        let mut cronoq = Self::new(1, tenants);
        (0..=tenants).for_each(|job| cronoq.push(job % tenants, job % tenants));
        cronoq
    }

    fn push(&mut self, tenant: u64, job: u64) {
        let spec = TaskSpec { tenant: Some(self.names[tenant as usize].clone()), ..TaskSpec::new(job) };
        self.core.submit(Time(self.now), spec).expect("there is room");
    }

    fn dispatched(&mut self) -> Option<(LeaseId, u64)> {
        while let Some(action) = self.core.poll_action() {
            if let Action::Dispatch(dispatch) = action {
                return Some((dispatch.lease, *dispatch.payload));
            }
        }
        None
    }

    pub fn cycle(&mut self) {
        let (lease, job) = self.dispatched().expect("many wait");
        self.now += 1_000;
        self.push(job, job);
        self.core.complete(Time(self.now), lease, Outcome::Success);
    }
}

pub fn firq_policy() -> Box<dyn Policy> {
    Box::new(FirqPolicy { firq: Firq::new(10_000), free: SEATS, queued: 0 })
}

pub fn cronoq_policy() -> Box<dyn Policy> {
    let capacity = SEATS as u32;
    Box::new(CronoqPolicy { cronoq: Cronoq::new(capacity, 1_000), leases: Vec::new() })
}

struct FirqPolicy {
    firq: Firq,
    free: usize,
    queued: usize,
}

impl FirqPolicy {
    fn serve(&mut self, out: &mut Decisions) {
        while 0 < self.free && 0 < self.queued {
            let (_, job) = self.firq.pop();
            self.free -= 1;
            self.queued -= 1;
            out.started.push(job as usize);
        }
    }
}

impl Policy for FirqPolicy {
    fn submit(&mut self, id: usize, job: &Job, _now: f64, out: &mut Decisions) {
        let task = Task {
            payload: id as u64,
            enqueue_ts: self.firq.now,
            deadline: None,
            priority: firq_core::Priority::Normal,
            cost: 1,
        };
        match self.firq.scheduler.enqueue(job.tenant.into(), task) {
            EnqueueResult::Enqueued => {
                self.queued += 1;
                self.serve(out);
            }
            _ => out.refused.push(id),
        }
    }

    fn ended(&mut self, _id: usize, _job: &Job, _now: f64, out: &mut Decisions) {
        self.free += 1;
        self.serve(out);
    }
}

struct CronoqPolicy {
    cronoq: Cronoq,
    leases: Vec<Option<LeaseId>>,
}

impl CronoqPolicy {
    fn serve(&mut self, out: &mut Decisions) {
        while let Some((lease, job)) = self.cronoq.dispatched() {
            let id = job as usize;
            if self.leases.len() <= id {
                self.leases.resize(id + 1, None);
            }
            self.leases[id] = Some(lease);
            out.started.push(id);
        }
    }
}

impl Policy for CronoqPolicy {
    fn submit(&mut self, id: usize, job: &Job, now: f64, out: &mut Decisions) {
        self.cronoq.now = (now * 1e6) as u64;
        let spec = TaskSpec {
            tenant: Some(self.cronoq.names[job.tenant as usize].clone()),
            ..TaskSpec::new(id as u64)
        };
        if self.cronoq.core.submit(Time(self.cronoq.now), spec).is_err() {
            out.refused.push(id);
        }
        self.serve(out);
    }

    fn ended(&mut self, id: usize, _job: &Job, now: f64, out: &mut Decisions) {
        self.cronoq.now = (now * 1e6) as u64;
        if let Some(lease) = self.leases[id].take() {
            self.cronoq.core.complete(Time(self.cronoq.now), lease, Outcome::Success);
        }
        self.serve(out);
    }
}
