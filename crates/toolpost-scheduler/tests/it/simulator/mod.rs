//! A discrete-event simulator: arrivals, service times, tenants, deadlines and virtual time, all from one seed.
//!
//! Whatever stands in front of the permits is a [`Policy`]; the same arrivals, service times and deadlines meet each.

#![allow(dead_code, reason = "shared by tests, a bench and the plots, each of which uses a part")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use toolpost_scheduler::{
    Discipline, JobRequest, Limit, PermitToken, Priority, QueueLimits, Scheduler, Tenant,
};

/// A small generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Between zero and one, neither included.
    pub(crate) fn unit(&mut self) -> f64 {
        (((self.next() >> 11) as f64) + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}

/// One stream of jobs; times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Jobs per second, over all its tenants.
    pub(crate) rate: f64,
    /// Each job belongs to one of these, drawn evenly.
    pub(crate) tenants: std::ops::Range<u64>,
    pub(crate) priority: Priority,
    /// Mean of the exponential service time.
    pub(crate) service: f64,
    /// A deadline this long after the arrival, drawn evenly.
    pub(crate) slack: Option<(f64, f64)>,
}

/// What happened to one job; times in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) tenant: u64,
    pub(crate) priority: Priority,
    pub(crate) arrived: f64,
    pub(crate) deadline: Option<f64>,
    pub(crate) service: f64,
    pub(crate) started: Option<f64>,
    pub(crate) ended: Option<f64>,
    /// When it was told that it would not run.
    pub(crate) refused: Option<f64>,
}

impl Job {
    pub(crate) fn in_time(&self) -> bool {
        self.ended.is_some_and(|ended| self.deadline.is_none_or(|deadline| ended <= deadline))
    }
}

/// Whatever decides which job gets a permit.
pub(crate) trait Policy {
    fn submit(&mut self, id: usize, job: &Job, now: f64, out: &mut Decisions);
    fn ended(&mut self, id: usize, job: &Job, now: f64, out: &mut Decisions);
}

/// What a policy has decided at one moment.
#[derive(Debug, Default)]
pub(crate) struct Decisions {
    pub(crate) started: Vec<usize>,
    pub(crate) refused: Vec<usize>,
}

/// Runs sources against a policy for `length` seconds of arrivals, and until the last job has ended.
///
/// # Panics
///
/// When the policy exceeds `permits`, or starts a job twice.
pub(crate) fn run(
    sources: &[Source],
    permits: usize,
    length: f64,
    seed: u64,
    policy: &mut dyn Policy,
) -> Vec<Job> {
    let arrivals = arrivals(sources, length, seed);
    let mut jobs = arrivals;
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut in_flight = 0;
    let mut out = Decisions::default();
    let mut next = 0;
    loop {
        let arrival = jobs.get(next).map(|job| job.arrived);
        let end = ends.peek().map(|Reverse((at, _))| f64::from_bits(*at));
        let now = match (arrival, end) {
            (Some(arrival), Some(end)) if arrival < end => arrival,
            (Some(arrival), None) => arrival,
            (_, Some(end)) => end,
            (None, None) => break,
        };
        if end == Some(now) {
            let Some(Reverse((_, id))) = ends.pop() else { break };
            in_flight -= 1;
            jobs[id].ended = Some(now);
            let job = jobs[id];
            policy.ended(id, &job, now, &mut out);
        } else {
            let job = jobs[next];
            policy.submit(next, &job, now, &mut out);
            next += 1;
        }
        for id in out.started.drain(..) {
            in_flight += 1;
            assert!(in_flight <= permits, "the limit is never exceeded");
            assert!(jobs[id].started.is_none() && jobs[id].refused.is_none(), "a job ends once");
            jobs[id].started = Some(now);
            ends.push(Reverse(((now + jobs[id].service).to_bits(), id)));
        }
        for id in out.refused.drain(..) {
            assert!(jobs[id].started.is_none() && jobs[id].refused.is_none(), "a job ends once");
            jobs[id].refused = Some(now);
        }
    }
    jobs
}

fn arrivals(sources: &[Source], length: f64, seed: u64) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        // A generator per source: adding a flood changes nothing about the others.
        let mut random = Random(seed.wrapping_mul(0x1000_0001).wrapping_add(index as u64));
        let mut at = random.exponential(1.0 / source.rate);
        while at < length {
            let tenants = source.tenants.end - source.tenants.start;
            jobs.push(Job {
                tenant: source.tenants.start + random.below(tenants),
                priority: source.priority,
                arrived: at,
                deadline: source.slack.map(|(least, most)| at + least + random.unit() * (most - least)),
                service: random.exponential(source.service),
                started: None,
                ended: None,
                refused: None,
            });
            at += random.exponential(1.0 / source.rate);
        }
    }
    jobs.sort_by(|a, b| a.arrived.total_cmp(&b.arrived));
    jobs
}

/// The scheduler under test.
#[derive(Debug)]
pub(crate) struct Scheduled<D> {
    scheduler: Scheduler<usize, D>,
    permits: Vec<Option<PermitToken>>,
    zero: Instant,
}

impl<D: Discipline> Scheduled<D> {
    pub(crate) fn new(permits: usize, discipline: D, bounds: QueueLimits) -> Self {
        Self::with(Limit::fixed(permits), discipline, bounds)
    }

    pub(crate) fn with(limit: Limit, discipline: D, bounds: QueueLimits) -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]
        let zero = Instant::now();
        Self { scheduler: Scheduler::with_discipline(limit, discipline, bounds), permits: Vec::new(), zero }
    }

    fn at(&self, time: f64) -> Instant {
        self.zero + Duration::from_secs_f64(time)
    }

    fn serve(&mut self, now: f64, out: &mut Decisions) {
        while let Some(next) = self.scheduler.next(self.at(now)) {
            match next {
                (_, job, Ok(permit)) => {
                    if self.permits.len() <= job {
                        self.permits.resize_with(job + 1, || None);
                    }
                    self.permits[job] = Some(permit);
                    out.started.push(job);
                }
                (_, job, Err(_)) => out.refused.push(job),
            }
        }
    }
}

impl<D: Discipline> Policy for Scheduled<D> {
    fn submit(&mut self, id: usize, job: &Job, now: f64, out: &mut Decisions) {
        let mut request = JobRequest::new(Tenant::new(job.tenant)).priority(job.priority);
        if let Some(deadline) = job.deadline {
            request = request.deadline(self.at(deadline));
        }
        if self.scheduler.submit(request, id, self.at(now)).is_err() {
            out.refused.push(id);
        }
        self.serve(now, out);
    }

    fn ended(&mut self, id: usize, job: &Job, now: f64, out: &mut Decisions) {
        if let Some(permit) = self.permits[id].take() {
            let at = self.at(now);
            self.scheduler.settle(permit, at, Duration::from_secs_f64(job.service));
        }
        self.serve(now, out);
    }
}

/// What most servers have: a semaphore, first come, first served, everybody let in.
#[derive(Debug)]
pub(crate) struct Semaphore {
    free: usize,
    queue: VecDeque<usize>,
}

impl Semaphore {
    pub(crate) fn new(permits: usize) -> Self {
        Self { free: permits, queue: VecDeque::new() }
    }

    fn serve(&mut self, out: &mut Decisions) {
        while 0 < self.free
            && let Some(id) = self.queue.pop_front()
        {
            self.free -= 1;
            out.started.push(id);
        }
    }
}

impl Policy for Semaphore {
    fn submit(&mut self, id: usize, _job: &Job, _now: f64, out: &mut Decisions) {
        self.queue.push_back(id);
        self.serve(out);
    }

    fn ended(&mut self, _id: usize, _job: &Job, _now: f64, out: &mut Decisions) {
        self.free += 1;
        self.serve(out);
    }
}

/// Jain's index of fairness: one when all are equal, one in so many when one has everything.
pub(crate) fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// The value that so large a part stays at or below.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied().unwrap_or(f64::NAN)
}

pub(crate) mod goals;
