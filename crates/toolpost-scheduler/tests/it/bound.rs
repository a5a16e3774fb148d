//! Nobody waits beyond the stated bound, whatever is thrown at the queue. `TOOLPOST_SCHEDULES` raises the number of runs.

#![expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]

use crate::simulator;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use simulator::Random;
use toolpost_scheduler::{Fair, JobRequest, Limit, Priority, QueueLimits, Scheduler, Tenant};

fn schedules() -> u64 {
    let default = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    std::env::var("TOOLPOST_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// A job of the class under test: when it came (in starts), and what it found.
struct Waiting {
    came: u64,
    older: u64,
}

/// How many of those under test started, and how near to its bound one came.
#[derive(Debug, Default)]
struct Seen {
    started: u64,
    longest: f64,
}

/// One run: urgent work never runs out, other classes, tenants, deadlines and costs come as they please.
fn one(seed: u64, seen: &mut Seen) {
    let mut random = Random(seed);
    let zero = Instant::now();
    let shares = [2 + random.below(49) as u8, 10, 10, 10];
    let promise = Fair::with_shares(shares);
    let mut scheduler =
        Scheduler::with_discipline(Limit::fixed(1), Fair::with_shares(shares), QueueLimits::new(64));
    let mut now = zero;
    let mut starts = 0;
    let mut waiting: HashMap<u64, Waiting> = HashMap::new();
    let victim = if random.below(4) == 0 { Priority::Normal } else { Priority::Background };
    let (tenants, busy) = (1 + random.below(6), random.below(100));
    for step in 0.. {
        // Urgent work is endless: two come for each that is served.
        for _ in 0..2 {
            let urgent = JobRequest::new(Tenant::new(random.below(tenants))).priority(Priority::Urgent);
            let _full = scheduler.submit(urgent, u64::MAX, now);
        }
        if random.below(100) < busy {
            let priority = Priority::ALL[random.below(4) as usize];
            let mut request = JobRequest::new(Tenant::new(random.below(tenants))).priority(priority);
            if random.below(2) == 0 {
                request = request.deadline(now + Duration::from_secs(1_000_000 - random.below(100_000)));
            }
            let older = waiting.len() as u64;
            if scheduler.submit(request.expected(Duration::ZERO), step, now).is_ok() && priority == victim {
                waiting.insert(step, Waiting { came: starts, older });
            }
        }
        let Some((_, job, Ok(permit))) = scheduler.next(now) else { panic!("urgent work is endless") };
        starts += 1;
        if let Some(waited) = waiting.remove(&job) {
            let bound = promise.bound(victim, waited.older);
            let took = starts - waited.came;
            assert!(took <= bound, "seed {seed}: {took} starts, the bound is {bound}");
            seen.started += 1;
            seen.longest = seen.longest.max(took as f64 / bound as f64);
        }
        for waited in waiting.values() {
            assert!(starts - waited.came <= promise.bound(victim, waited.older), "seed {seed}");
        }
        let cost = Duration::from_nanos(1 << random.below(30));
        now += cost;
        scheduler.settle(permit, now, cost);
        if 300 + 2_000 * u64::from(seed.is_multiple_of(64)) <= step {
            return;
        }
    }
}

#[test]
fn every_background_job_starts_within_the_bound_under_endless_urgent_load() {
    let mut seen = Seen::default();
    for seed in 0..schedules() {
        one(seed, &mut seen);
    }
    println!("{} schedules, {seen:?}: the longest wait as a part of its bound", schedules());
    assert!(schedules() < 4 * seen.started && 0.1 < seen.longest, "the test tests something: {seen:?}");
}

#[test]
fn the_bound_is_the_one_written_down() {
    assert_eq!(Fair::new().bound(Priority::Background, 0), (20 + 3) * 32);
    assert_eq!(Fair::with_shares([50, 10, 10, 10]).bound(Priority::Background, 3), (2 + 3) * 32 * 4);
}

/// The worst case, by hand: a job without a deadline behind a tenant's endless deadlines, in the least urgent class.
#[test]
fn deadlines_do_not_starve_those_without() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(64));
    let background = JobRequest::new(Tenant::new(1)).priority(Priority::Background);
    scheduler.submit(background, "patient", now).unwrap();
    let mut starts = 0;
    loop {
        for priority in [Priority::Background, Priority::Urgent] {
            let deadline = now + Duration::from_secs(60);
            let pressing = JobRequest::new(Tenant::new(1))
                .priority(priority)
                .deadline(deadline)
                .expected(Duration::ZERO);
            let _full = scheduler.submit(pressing, "pressing", now);
        }
        let Some((_, job, Ok(permit))) = scheduler.next(now) else { panic!("work is endless") };
        starts += 1;
        scheduler.settle(permit, now, Duration::from_millis(1));
        if job == "patient" {
            break;
        }
    }
    assert!(1 < starts && starts <= Fair::new().bound(Priority::Background, 0), "{starts}");
}
