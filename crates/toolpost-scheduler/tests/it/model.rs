//! Each discipline against a sorted vector, by random operations. `TOOLPOST_CASES` raises the number of runs.

#![expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]

use std::cmp::Reverse;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use toolpost_scheduler::{
    Discipline, Fair, JobId, JobRequest, Limit, Ordered, PermitToken, Priority, QueueLimits, Scheduler,
    Tenant, Urgency,
};

/// The least of which a class has a place to itself.
const CAPACITY: usize = 32;
const SEATS: usize = 3;

/// One waiting job as the model knows it; numbers are arrivals.
#[derive(Clone, Copy, Debug)]
struct Job {
    number: u64,
    tenant: u64,
    priority: Priority,
    /// Seconds after the start.
    deadline: Option<u64>,
    /// When it joined its class: differs from its number once it has been moved.
    joined: u64,
}

/// Which of the waiting jobs is next, found by looking at all of them.
trait Rule: Clone + std::fmt::Debug + Default + 'static {
    type Discipline: Discipline + 'static;

    fn discipline() -> Self::Discipline;

    fn next(&mut self, waiting: &[Job]) -> Option<usize>;
    fn started(&mut self, _waiting: &[Job], _job: Job) {}
    fn joined(&mut self, _waiting: &[Job], _job: Job) {}
    fn settled(&mut self, _waiting: &[Job], _job: Job, _cost: Option<u64>) {}
    fn allows(&self, waiting: &[Job], _job: Job) -> bool {
        waiting.len() < CAPACITY
    }
}

fn smallest<K: Ord>(waiting: &[Job], key: impl Fn(&Job) -> K) -> Option<usize> {
    (0..waiting.len()).min_by_key(|&at| key(&waiting[at]))
}

fn by_deadline(job: &Job) -> (bool, Option<u64>, u64) {
    (job.deadline.is_none(), job.deadline, job.number)
}

macro_rules! sorted {
    ($name:ident, $discipline:ident, $key:expr) => {
        #[derive(Clone, Debug, Default)]
        struct $name;

        impl Rule for $name {
            type Discipline = Ordered;

            fn discipline() -> Ordered {
                Ordered::$discipline()
            }

            fn next(&mut self, waiting: &[Job]) -> Option<usize> {
                smallest(waiting, $key)
            }
        }
    };
}

sorted!(FifoRule, fifo, |job: &Job| job.number);
sorted!(StrictRule, strict_priority, |job: &Job| (Reverse(job.priority), job.number));
sorted!(DeadlineRule, earliest_deadline, by_deadline);
sorted!(BothRule, priority_then_deadline, |job: &Job| (Reverse(job.priority), by_deadline(job)));

/// Fair service in its plainest words: no heap, no link, everything looked at each time.
#[derive(Clone, Debug, Default)]
struct FairRule {
    starts: u64,
    turn: u64,
    classes: HashMap<Priority, ClassRule>,
}

#[derive(Clone, Debug, Default)]
struct ClassRule {
    due: u64,
    starts: u64,
    now: u64,
    mean: Option<u64>,
    /// By tenant: virtual time, turn, mean cost.
    flows: HashMap<u64, (u64, u64, Option<u64>)>,
}

fn period(priority: Priority) -> u64 {
    match priority {
        Priority::Background => 20,
        Priority::Normal => 7,
        Priority::Urgent | Priority::System => 4,
    }
}

fn learn(mean: &mut Option<u64>, cost: u64) {
    *mean = Some(mean.map_or(cost, |mean| mean - mean / 8 + cost / 8));
}

impl FairRule {
    fn advance(class: &ClassRule, tenant: u64) -> u64 {
        class.flows.get(&tenant).and_then(|flow| flow.2).or(class.mean).unwrap_or(1_000_000)
    }
}

impl Rule for FairRule {
    type Discipline = Fair;

    fn discipline() -> Fair {
        Fair::default()
    }

    fn next(&mut self, waiting: &[Job]) -> Option<usize> {
        let waits = |class: &Priority| waiting.iter().any(|job| job.priority == *class);
        let classes = || Priority::ALL.into_iter().rev().filter(waits);
        let due = |class: &Priority| self.classes[class].due;
        let owed = classes().filter(|class| due(class) <= self.starts + 1).min_by_key(due);
        let class = owed.or_else(|| classes().next())?;
        let rule = &self.classes[&class];
        let inside = |job: &Job| job.priority == class;
        if (rule.starts + 1).is_multiple_of(32) {
            return (0..waiting.len())
                .filter(|&at| inside(&waiting[at]))
                .min_by_key(|&at| waiting[at].joined);
        }
        let flow = |at: usize| rule.flows[&waiting[at].tenant];
        (0..waiting.len())
            .filter(|&at| inside(&waiting[at]))
            .min_by_key(|&at| (flow(at).0, flow(at).1, by_deadline(&waiting[at])))
    }

    fn started(&mut self, waiting: &[Job], job: Job) {
        self.starts += 1;
        self.turn += 1;
        let class = self.classes.entry(job.priority).or_default();
        class.starts += 1;
        class.due = self.starts + period(job.priority);
        let advance = Self::advance(class, job.tenant);
        if !class.starts.is_multiple_of(32) {
            class.now = class.now.max(class.flows[&job.tenant].0);
        }
        let flow = class.flows.entry(job.tenant).or_default();
        flow.0 += advance;
        if waiting.iter().any(|other| (other.tenant, other.priority) == (job.tenant, job.priority)) {
            flow.1 = self.turn;
        }
    }

    fn joined(&mut self, waiting: &[Job], job: Job) {
        let class = self.classes.entry(job.priority).or_default();
        if !waiting.iter().any(|other| other.priority == job.priority) {
            class.due = self.starts + period(job.priority);
        }
        let flow = class.flows.entry(job.tenant).or_default();
        if !waiting.iter().any(|other| (other.tenant, other.priority) == (job.tenant, job.priority)) {
            self.turn += 1;
            flow.0 = flow.0.max(class.now);
            flow.1 = self.turn;
        }
    }

    fn settled(&mut self, waiting: &[Job], job: Job, cost: Option<u64>) {
        self.turn += 1;
        let Some(class) = self.classes.get_mut(&job.priority) else { return };
        // What was charged in advance travels in `joined`, which a started job needs no more.
        let advance = job.joined;
        if let Some(cost) = cost {
            learn(&mut class.mean, cost);
        }
        let now = class.now;
        let Some(flow) = class.flows.get_mut(&job.tenant) else { return };
        if let Some(cost) = cost {
            learn(&mut flow.2, cost);
        }
        flow.0 = (flow.0 + cost.unwrap_or(0)).saturating_sub(advance);
        if waiting.iter().any(|other| (other.tenant, other.priority) == (job.tenant, job.priority)) {
            flow.0 = flow.0.max(now);
            flow.1 = self.turn;
        }
    }

    fn allows(&self, waiting: &[Job], job: Job) -> bool {
        let own = |other: &&Job| (other.tenant, other.priority) == (job.tenant, job.priority);
        let free = CAPACITY - waiting.len();
        let waits = |class: Priority| waiting.iter().any(|other| other.priority == class);
        let others = Priority::ALL.into_iter().filter(|class| *class != job.priority && !waits(*class));
        let kept = if waits(job.priority) { others.count() } else { 0 };
        kept < free && waiting.iter().filter(own).count() < free * 4
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Submit { tenant: u64, priority: Priority, deadline: Option<u64> },
    Next,
    Settle { which: usize, cost: u64 },
    Cancel { which: usize },
    Reprioritize { which: usize, priority: Priority, deadline: Option<u64> },
    Expire,
    Clear,
    Tick { seconds: u64 },
}

/// The sorted vector, and everything that must be true of the scheduler beside it.
#[derive(Clone, Debug)]
struct Model<R> {
    rule: R,
    /// Seconds since the start.
    now: u64,
    numbers: u64,
    joins: u64,
    waiting: Vec<Job>,
    running: Vec<Job>,
    /// Numbers, in order, of what the last operation did.
    last: Vec<Outcome>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused(u64),
    Started(u64),
    Expired(u64),
    Canceled(u64),
    Nothing,
}

impl<R: Rule> Model<R> {
    fn pop(&mut self) -> Option<(Job, u64)> {
        let at = self.rule.next(&self.waiting)?;
        let job = self.waiting.remove(at);
        // What a fair start charges in advance has to be asked before it is charged.
        let before = self.advance(&job);
        self.rule.started(&self.waiting, job);
        Some((job, before))
    }

    fn advance(&self, job: &Job) -> u64 {
        let rule: &dyn std::any::Any = &self.rule;
        let fair = rule.downcast_ref::<FairRule>();
        fair.map_or(0, |fair| fair.classes.get(&job.priority).map_or(0, |c| FairRule::advance(c, job.tenant)))
    }

    fn apply(&mut self, operation: &Operation) {
        self.last.clear();
        match *operation {
            Operation::Submit { tenant, priority, deadline } => {
                let number = self.numbers;
                self.numbers += 1;
                let job = Job { number, tenant, priority, deadline, joined: self.joins };
                let late = deadline.is_some_and(|deadline| deadline <= self.now);
                if late || !self.rule.allows(&self.waiting, job) {
                    self.last.push(Outcome::Refused(number));
                } else {
                    self.joins += 1;
                    self.rule.joined(&self.waiting, job);
                    self.waiting.push(job);
                }
            }
            Operation::Next if SEATS <= self.running.len() => self.last.push(Outcome::Nothing),
            Operation::Next => match self.pop() {
                None => self.last.push(Outcome::Nothing),
                Some((job, advance)) if job.deadline.is_some_and(|deadline| deadline <= self.now) => {
                    self.rule.settled(&self.waiting, Job { joined: advance, ..job }, None);
                    self.last.push(Outcome::Expired(job.number));
                }
                Some((job, advance)) => {
                    self.running.push(Job { joined: advance, ..job });
                    self.last.push(Outcome::Started(job.number));
                }
            },
            Operation::Settle { which, cost } => {
                if !self.running.is_empty() {
                    let job = self.running.remove(which % self.running.len());
                    self.rule.settled(&self.waiting, job, Some(cost));
                }
            }
            Operation::Cancel { which } => {
                if !self.waiting.is_empty() {
                    let at = which % self.waiting.len();
                    self.last.push(Outcome::Canceled(self.waiting.remove(at).number));
                }
            }
            Operation::Reprioritize { which, priority, deadline } => {
                if !self.waiting.is_empty() {
                    let at = which % self.waiting.len();
                    if self.waiting[at].priority == priority {
                        self.waiting[at].deadline = deadline;
                    } else {
                        let mut job = self.waiting.remove(at);
                        (job.priority, job.deadline, job.joined) = (priority, deadline, self.joins);
                        self.joins += 1;
                        self.rule.joined(&self.waiting, job);
                        self.waiting.insert(at, job);
                    }
                }
            }
            Operation::Expire => {
                let overdue = |job: &Job| job.deadline.is_some_and(|deadline| deadline <= self.now);
                let gone =
                    self.waiting.iter().filter(|job| overdue(job)).map(|job| Outcome::Expired(job.number));
                self.last.extend(gone);
                self.waiting.retain(|job| job.deadline.is_none_or(|deadline| self.now < deadline));
            }
            Operation::Clear => {
                self.last.extend(self.waiting.drain(..).map(|job| Outcome::Canceled(job.number)));
            }
            Operation::Tick { seconds } => self.now += seconds,
        }
    }
}

struct Reference<R>(PhantomData<R>);

fn operations() -> BoxedStrategy<Operation> {
    // Mostly of one class, so that its thirty-second start comes about.
    let priority =
        || prop_oneof![2 => Just(Priority::Normal), 1 => prop::sample::select(Priority::ALL.to_vec())];
    let deadline = || prop::option::weighted(0.4, 1_u64..40);
    let submit = (0_u64..4, priority(), deadline());
    let moved = (any::<usize>(), priority(), deadline());
    let often = prop_oneof![
        20 => submit.prop_map(|(tenant, priority, deadline)| Operation::Submit { tenant, priority, deadline }),
        10 => Just(Operation::Next),
        8 => (any::<usize>(), 0_u64..5_000_000).prop_map(|(which, cost)| Operation::Settle { which, cost }),
        2 => any::<usize>().prop_map(|which| Operation::Cancel { which }),
        2 => moved.prop_map(|(which, priority, deadline)| Operation::Reprioritize { which, priority, deadline }),
        1 => Just(Operation::Expire),
        2 => (0_u64..4).prop_map(|seconds| Operation::Tick { seconds }),
    ];
    // Clearing ends what is interesting, so it is seldom.
    prop_oneof![
        200 => often,
        1 => Just(Operation::Clear),
    ]
    .boxed()
}

impl<R: Rule> ReferenceStateMachine for Reference<R> {
    type State = Model<R>;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Model<R>> {
        let model = Model {
            rule: R::default(),
            now: 0,
            numbers: 0,
            joins: 0,
            waiting: Vec::new(),
            running: Vec::new(),
            last: Vec::new(),
        };
        Just(model).boxed()
    }

    fn transitions(_state: &Model<R>) -> BoxedStrategy<Operation> {
        operations()
    }

    fn apply(mut state: Model<R>, operation: &Operation) -> Model<R> {
        state.apply(operation);
        state
    }
}

/// The scheduler beside the model.
struct Tested<R: Rule> {
    scheduler: Scheduler<u64, R::Discipline>,
    zero: Instant,
    now: Instant,
    submitted: u64,
    ids: HashMap<u64, JobId>,
    running: Vec<(u64, PermitToken)>,
    /// Every job that has ended, or started, or been refused: each at most once.
    ended: HashMap<u64, Outcome>,
}

impl<R: Rule> Tested<R> {
    fn at(&self, seconds: u64) -> Instant {
        self.zero + Duration::from_secs(seconds)
    }

    fn end(&mut self, outcome: Outcome) -> Outcome {
        if let Outcome::Refused(n) | Outcome::Started(n) | Outcome::Expired(n) | Outcome::Canceled(n) =
            outcome
        {
            assert_eq!(self.ended.insert(n, outcome), None, "a job leaves the queue once");
        }
        outcome
    }

    fn waiting(&self, state: &Model<R>, which: usize) -> Option<u64> {
        (!state.waiting.is_empty()).then(|| state.waiting[which % state.waiting.len()].number)
    }
}

impl<R: Rule> StateMachineTest for Tested<R> {
    type SystemUnderTest = (Self, Model<R>);
    type Reference = Reference<R>;

    fn init_test(state: &Model<R>) -> (Self, Model<R>) {
        let zero = Instant::now();
        let mut scheduler =
            Scheduler::with_discipline(Limit::fixed(SEATS), R::discipline(), QueueLimits::new(CAPACITY));
        // The first call sets the zero of time, before which no deadlines differ.
        assert!(scheduler.next(zero).is_none());
        let (ids, running, ended) = (HashMap::new(), Vec::new(), HashMap::new());
        (Self { scheduler, zero, now: zero, submitted: 0, ids, running, ended }, state.clone())
    }

    fn apply(
        (mut test, before): (Self, Model<R>),
        state: &Model<R>,
        operation: Operation,
    ) -> (Self, Model<R>) {
        let mut last = Vec::new();
        match operation {
            Operation::Submit { tenant, priority, deadline } => {
                let urgency = Urgency { priority, deadline: deadline.map(|at| test.at(at)) };
                // Stated to be nothing, so that the estimate of service times is out of play: it has tests of its own.
                let request = JobRequest::new(Tenant::new(tenant)).urgency(urgency).expected(Duration::ZERO);
                let number = test.submitted;
                test.submitted += 1;
                match test.scheduler.submit(request, number, test.now) {
                    Ok(id) => {
                        assert!(test.ids.values().all(|known| *known != id), "a handle is issued once");
                        test.ids.insert(number, id);
                    }
                    Err(refused) => last.push(test.end(Outcome::Refused(refused.0))),
                }
            }
            Operation::Next => {
                let promised = test.scheduler.peek();
                let outcome = match test.scheduler.next(test.now) {
                    None => Outcome::Nothing,
                    Some((id, job, Ok(permit))) => {
                        assert_eq!(promised, Some(id), "peek tells the truth");
                        test.running.push((job, permit));
                        Outcome::Started(job)
                    }
                    Some((id, job, Err(_))) => {
                        assert_eq!(promised, Some(id), "peek tells the truth");
                        Outcome::Expired(job)
                    }
                };
                last.push(test.end(outcome));
            }
            Operation::Settle { which, cost } => {
                if !test.running.is_empty() {
                    let at = which % test.running.len();
                    let (_, permit) = test.running.remove(at);
                    test.scheduler.settle(permit, test.now, Duration::from_nanos(cost));
                }
            }
            Operation::Cancel { which } => {
                if let Some(number) = test.waiting(&before, which) {
                    let job = test.scheduler.cancel(test.ids[&number]);
                    assert_eq!(job, Some(number));
                    assert_eq!(test.scheduler.cancel(test.ids[&number]), None, "a handle goes stale");
                    last.push(test.end(Outcome::Canceled(number)));
                }
            }
            Operation::Reprioritize { which, priority, deadline } => {
                if let Some(number) = test.waiting(&before, which) {
                    let urgency = Urgency { priority, deadline: deadline.map(|at| test.at(at)) };
                    assert!(test.scheduler.reprioritize(test.ids[&number], urgency));
                }
            }
            Operation::Expire => {
                let overdue = test.scheduler.overdue(test.now);
                while let Some((_, job)) = test.scheduler.expire(test.now) {
                    last.push(test.end(Outcome::Expired(job)));
                }
                assert_eq!(overdue, last.len(), "what is overdue is what expires");
            }
            Operation::Clear => {
                for job in test.scheduler.clear() {
                    last.push(test.end(Outcome::Canceled(job)));
                }
            }
            Operation::Tick { seconds } => test.now += Duration::from_secs(seconds),
        }
        let mut expected = state.last.clone();
        if matches!(operation, Operation::Expire | Operation::Clear) {
            let number = |outcome: &Outcome| match outcome {
                Outcome::Expired(n) | Outcome::Canceled(n) => *n,
                _ => 0,
            };
            expected.sort_by_key(number);
            last.sort_by_key(number);
        }
        assert_eq!(last, expected);
        (test, state.clone())
    }

    fn check_invariants((test, _): &(Self, Model<R>), state: &Model<R>) {
        let queue = &test.scheduler;
        assert_eq!(queue.waiting(), state.waiting.len());
        assert_eq!(queue.list(usize::MAX).len(), state.waiting.len());
        assert_eq!(test.scheduler.in_flight(), state.running.len());
        assert!(test.scheduler.in_flight() <= SEATS, "the limit is never exceeded");
        let stats = queue.stats();
        let ended = stats.full + stats.late + stats.expired + stats.shed + stats.canceled;
        assert_eq!(stats.submitted, stats.waiting + stats.started + ended, "the counters add up");
        let earliest = state.waiting.iter().filter_map(|job| job.deadline).min();
        assert_eq!(queue.next_deadline(), earliest.map(|at| test.at(at)));
    }
}

fn check<R: Rule>() {
    let cases = std::env::var("TOOLPOST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let strategy = Reference::<R>::sequential_strategy(1..300);
    proptest!(config, |((initial, transitions, seen) in strategy)| {
        Tested::<R>::test_sequential(Config::default(), initial, transitions, seen);
    });
}

#[test]
fn first_in_first_out_is_a_sorted_vector() {
    check::<FifoRule>();
}

#[test]
fn strict_priority_is_a_sorted_vector() {
    check::<StrictRule>();
}

#[test]
fn earliest_deadline_first_is_a_sorted_vector() {
    check::<DeadlineRule>();
}

#[test]
fn priority_then_deadline_is_a_sorted_vector() {
    check::<BothRule>();
}

#[test]
fn fair_service_is_what_its_plain_words_say() {
    check::<FairRule>();
}
