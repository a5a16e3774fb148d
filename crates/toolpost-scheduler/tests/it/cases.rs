//! The acceptance cases of the core.

#![expect(clippy::disallowed_methods, reason = "any moment will do as the zero of virtual time")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use toolpost_scheduler::discipline::{Charge, QueuedJob};
use toolpost_scheduler::{
    Discipline, Fair, JobId, JobRequest, Limit, Ordered, Priority, QueueError, QueueLimits, Scheduler,
    Tenant, Urgency,
};

use Priority::{Background, Normal, System, Urgent};

const SECOND: Duration = Duration::from_secs(1);

/// Submits `name:priority[:seconds to the deadline]` jobs, and holds the order of service against `expected`.
#[track_caller]
fn check<D: Discipline>(discipline: D, jobs: &str, expected: &str) {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(100), discipline, QueueLimits::default());
    for job in jobs.split_whitespace() {
        scheduler.submit(request(job, now), job, now).expect("there is room");
    }
    assert_eq!(served(&mut scheduler, now).join(" "), expected);
}

fn request(job: &str, now: Instant) -> JobRequest {
    let mut parts = job.split(':').skip(1);
    let priority = match parts.next() {
        Some("b") => Background,
        Some("u") => Urgent,
        Some("s") => System,
        _ => Normal,
    };
    let request = JobRequest::new(Tenant::new(1)).priority(priority).expected(Duration::ZERO);
    match parts.next().and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => request.deadline(now + Duration::from_secs(seconds)),
        None => request,
    }
}

fn served<'j, D: Discipline>(scheduler: &mut Scheduler<&'j str, D>, now: Instant) -> Vec<&'j str> {
    let mut order = Vec::new();
    while let Some((_, job, Ok(permit))) = scheduler.next(now) {
        scheduler.settle(permit, now, Duration::from_millis(1));
        order.push(&job[..1]);
    }
    order
}

fn start<T, D: Discipline>(scheduler: &mut Scheduler<T, D>, now: Instant) -> Option<T> {
    match scheduler.next(now)? {
        (_, job, Ok(_permit)) => Some(job),
        _ => None,
    }
}

fn ids(scheduler: &mut Scheduler<usize>, requests: &[JobRequest], now: Instant) -> Vec<JobId> {
    let submit = |(number, request): (usize, &JobRequest)| {
        scheduler.submit(*request, number, now).expect("there is room")
    };
    requests.iter().enumerate().map(submit).collect()
}

fn of(tenant: u64) -> JobRequest {
    JobRequest::new(Tenant::new(tenant))
}

#[test]
fn each_discipline_serves_in_its_order_and_equals_by_arrival() {
    check(Ordered::strict_priority(), "a:b b:u c:n d:u e:s f:b", "e b d c a f");
    check(Ordered::fifo(), "a:b b:u c:n d:u:1", "a b c d");
    check(Ordered::earliest_deadline(), "a:b:5 b:u:9 c:s:7 d:b:5", "a d c b");
    check(Ordered::priority_then_deadline(), "a:n:5 b:u:9 c:u:7 d:n:5", "c b a d");
    check(Fair::default(), "a:n b:n c:u d:b", "c a b d");
}

#[test]
fn no_deadline_sorts_after_every_deadline() {
    check(Ordered::earliest_deadline(), "a:n b:n:900 c:n d:n:5", "d b a c");
    check(Ordered::priority_then_deadline(), "a:n b:n:900 c:u d:u:5", "d c b a");
    check(Fair::default(), "a:n b:n:900 c:n d:n:5", "d b a c");
}

#[test]
fn a_closer_deadline_never_lowers_urgency() {
    let now = Instant::now();
    for (near, far) in [(1, 2), (5, 500)] {
        let jobs = [format!("f:n:{far}"), format!("n:n:{near}"), "x:n".to_owned()].join(" ");
        check(Ordered::priority_then_deadline(), &jobs, "n f x");
        check(Fair::default(), &jobs, "n f x");
    }
    let own = Urgency::new(Urgent).with_deadline(now + SECOND);
    assert_eq!(own.raised_by(Urgency::new(Background).with_deadline(now + 2 * SECOND)), own);
    assert_eq!(
        own.raised_by(Urgency::new(Background).with_deadline(now)),
        Urgency::new(Urgent).with_deadline(now)
    );
}

#[test]
fn a_full_queue_refuses_and_says_when_to_ask_again() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(2));
    scheduler.submit(of(1), 'a', now).unwrap();
    scheduler.submit(of(1), 'b', now).unwrap();
    let refused = scheduler.submit(of(1), 'c', now).unwrap_err();
    assert_eq!(refused.0, 'c');
    assert!(matches!(refused.1, QueueError::Full { retry_after } if Duration::ZERO < retry_after));
    assert_eq!(start(&mut scheduler, now), Some('a'));
    assert!(scheduler.submit(of(1), 'd', now).is_ok());
}

#[test]
fn a_flood_cannot_fill_the_queue_against_others() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(100));
    let let_in = (0..1_000).filter(|n| scheduler.submit(of(1), *n, now).is_ok()).count();
    assert_eq!(let_in, 80, "a tenant may queue four times the places still free");
    assert!((2..10).all(|tenant| scheduler.submit(of(tenant), 0, now).is_ok()));
}

#[test]
fn no_class_fills_the_queue_against_another_and_nobody_is_put_out() {
    let now = Instant::now();
    for filling in Priority::ALL {
        let mut scheduler =
            Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(320));
        // A tenant for each job, so that only the class is at its bound.
        let mut submit =
            |priority, tenant| scheduler.submit(of(tenant).priority(priority), priority, now).is_ok();
        let let_in = (0..1_000).filter(|&tenant| submit(filling, tenant)).count();
        assert_eq!(let_in, 320 - 3 * 10, "each other class has a thirty-second to itself");
        for other in Priority::ALL.into_iter().filter(|other| *other != filling) {
            let let_in = (0..1_000).filter(|&tenant| submit(other, 1_000 + tenant)).count();
            assert_eq!(let_in, 10, "{other:?} beside a queue full of {filling:?}");
        }
        assert!(!submit(System, 5_000), "full is full, whatever the priority");
        let served = std::iter::from_fn(|| match scheduler.next(now)? {
            (_, job, Ok(permit)) => {
                scheduler.settle(permit, now, Duration::from_millis(1));
                Some(job)
            }
            next => panic!("{next:?}"),
        });
        assert_eq!(served.filter(|job| *job == filling).count(), 290, "whoever was let in is served");
    }
}

#[test]
fn a_class_has_its_own_places_after_jobs_were_moved_out_of_it() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(320));
    let mut tenants = 0..;
    let mut request = |priority| of(tenants.next().unwrap_or(0)).priority(priority);
    (0..290).for_each(|_| assert!(scheduler.submit(request(Normal), 0, now).is_ok()));
    for _ in 0..10 {
        let id = scheduler.submit(request(Background), 0, now).unwrap();
        assert!(scheduler.reprioritize(id, Urgency::new(Normal)));
    }
    assert!(scheduler.submit(request(Normal), 0, now).is_err());
    (0..10).for_each(|_| assert!(scheduler.submit(request(System), 0, now).is_ok()));
}

#[test]
fn looking_takes_nothing_out() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    let ids = ids(&mut scheduler, &[of(1).priority(Background), of(1), of(1).priority(Urgent)], now);
    let queue = &scheduler;
    assert_eq!(queue.peek(), Some(ids[2]));
    assert_eq!(queue.job(ids[1]), Some(&1));
    assert_eq!(queue.list(2), [ids[2], ids[1]]);
    assert_eq!(queue.list(10), [ids[2], ids[1], ids[0]]);
    assert_eq!(queue.waiting(), 3);
}

#[test]
fn another_priority_moves_a_job() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    let ids = ids(&mut scheduler, &[of(1), of(1).priority(Background)], now);
    assert!(scheduler.reprioritize(ids[1], Urgency::new(Urgent)));
    assert_eq!(scheduler.peek(), Some(ids[1]));
    assert_eq!(start(&mut scheduler, now), Some(1));
    assert!(!scheduler.reprioritize(ids[1], Urgency::new(Urgent)), "it waits no more");
}

// A hundred thousand wait, a hundred thousand are moved; anything linear would take minutes.
#[test]
fn a_hundred_thousand_are_moved_in_no_time() {
    let now = Instant::now();
    let many = 100_000;
    let mut scheduler =
        Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(many * 2));
    let ids: Vec<_> = (0..many).map(|n| scheduler.submit(of(n as u64 % 100), n, now).unwrap()).collect();
    for (n, id) in ids.iter().enumerate() {
        let urgency = Urgency::new(Priority::ALL[n % 4]).with_deadline(now + SECOND * (n as u32 % 97 + 1));
        assert!(scheduler.reprioritize(*id, urgency));
    }
    assert!(ids.iter().rev().all(|id| scheduler.cancel(*id).is_some()));
    assert_eq!(scheduler.waiting(), 0);
}

#[test]
fn statistics_add_up_and_overdue_jobs_are_counted() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::new(4));
    for seconds in [1, 2, 30] {
        let request = of(1).deadline(now + SECOND * seconds).expected(Duration::ZERO);
        scheduler.submit(request, seconds, now).unwrap();
    }
    let last = scheduler.submit(of(1), 0, now).unwrap();
    assert!(scheduler.submit(of(1), 0, now).is_err());
    assert_eq!(scheduler.overdue(now + 2 * SECOND), 2);
    assert_eq!(scheduler.next_deadline(), Some(now + SECOND));
    scheduler.cancel(last);
    assert_eq!(scheduler.expire(now + SECOND).map(|(_, job)| job), Some(1));
    assert_eq!(scheduler.expire(now + SECOND), None);
    assert_eq!(start(&mut scheduler, now + SECOND), Some(2));
    let stats = scheduler.stats();
    assert_eq!((stats.submitted, stats.waiting, stats.started), (5, 1, 1));
    assert_eq!((stats.full, stats.expired, stats.canceled), (1, 1, 1));
}

#[test]
fn clearing_hands_back_everything_that_waits() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    ids(&mut scheduler, &[of(1), of(2), of(3).priority(Urgent)], now);
    assert_eq!(scheduler.clear(), [2, 0, 1]);
    assert!(scheduler.next(now).is_none());
    assert_eq!(scheduler.stats().canceled, 3);
}

// Handles are issued, so that no two jobs can have one; that of a job that has left is not honored.
#[test]
fn a_handle_is_never_valid_twice() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    let first = scheduler.submit(of(1), 1, now).unwrap();
    assert_eq!(scheduler.cancel(first), Some(1));
    let second = scheduler.submit(of(1), 2, now).unwrap();
    assert_ne!(first, second, "the same slot, another handle");
    assert_eq!(scheduler.cancel(first), None);
    assert!(!scheduler.reprioritize(first, Urgency::new(System)));
    assert_eq!(scheduler.job(first), None);
    assert_eq!(scheduler.cancel(second), Some(2));
}

#[test]
fn an_expired_job_never_starts_and_is_reported() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    let id = scheduler.submit(of(1).deadline(now + SECOND), "late", now).unwrap();
    let next = scheduler.next(now + SECOND);
    assert!(matches!(next, Some((reported, "late", Err(QueueError::Expired))) if reported == id));
    assert_eq!((scheduler.in_flight(), scheduler.stats().expired), (0, 1));
    let refused = scheduler.submit(of(1).deadline(now), "late", now + SECOND).unwrap_err();
    assert_eq!(refused.1, QueueError::Expired);
}

#[test]
fn a_deadline_that_cannot_be_met_is_refused_at_once_with_an_honest_answer() {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), Ordered::fifo(), QueueLimits::default());
    // Learn that a job takes one second.
    scheduler.submit(of(1), 0, now).unwrap();
    let Some((_, _, Ok(permit))) = scheduler.next(now) else { panic!("a free permit is given") };
    scheduler.settle(permit, now + SECOND, SECOND);
    let now = now + SECOND;
    for n in 0..10 {
        scheduler.submit(of(1), n, now).unwrap();
    }
    // Eleven seconds of waiting (the place that is about to run included), one of service; five are allowed.
    let refused = scheduler.submit(of(1).deadline(now + 5 * SECOND), 99, now).unwrap_err();
    let QueueError::Late { retry_after } = refused.1 else { panic!("{refused:?}") };
    assert_eq!(retry_after, 7 * SECOND);
    assert!(scheduler.submit(of(1).deadline(now + 12 * SECOND), 99, now).is_ok());
}

#[test]
fn waiting_too_long_for_too_long_sheds_but_never_system_work() {
    let now = Instant::now();
    let bounds = QueueLimits::new(1_000).delay(Duration::from_millis(50), Duration::from_millis(500));
    let mut queue = Scheduler::with_discipline(Limit::fixed(1), Fair::default(), bounds);
    for _ in 0..200 {
        queue.submit(of(1), Normal, now).unwrap();
        queue.submit(of(2).priority(System), System, now).unwrap();
    }
    let (mut shed, mut run) = (0, 0);
    for step in 1..=400_u32 {
        let at = now + Duration::from_millis(10) * step;
        match queue.next(at) {
            Some((_, _, Ok(permit))) => {
                run += 1;
                queue.settle(permit, at, Duration::from_millis(10));
            }
            Some((_, job, Err(refusal))) => {
                assert!(job == Normal && matches!(refusal, QueueError::Overloaded { .. }));
                shed += 1;
            }
            None => {}
        }
    }
    assert_eq!(shed + run, 400);
    assert!(5 < shed && shed < 100, "{shed}: some are shed, most run");
}

#[test]
fn a_share_is_lent_while_nobody_needs_it_and_back_at_once() {
    let now = Instant::now();
    let mut scheduler =
        Scheduler::with_discipline(Limit::fixed(1), Fair::with_shares([20; 4]), QueueLimits::new(1_000));
    let fill = |scheduler: &mut Scheduler<Priority>, priority, count| {
        (0..count).for_each(|_| assert!(scheduler.submit(of(1).priority(priority), priority, now).is_ok()));
    };
    let run = |scheduler: &mut Scheduler<Priority>| {
        let Some((_, job, Ok(permit))) = scheduler.next(now) else { panic!("work is there") };
        scheduler.settle(permit, now, Duration::from_millis(1));
        job
    };
    fill(&mut scheduler, Urgent, 300);
    assert!((0..100).all(|_| run(&mut scheduler) == Urgent), "background's share is lent");
    fill(&mut scheduler, Background, 50);
    let background = (0..50).filter(|_| run(&mut scheduler) == Background).count();
    assert_eq!(background, 10, "a fifth of the starts, from the first fifth on");
}

#[test]
fn a_tenant_pays_for_what_its_jobs_have_cost() {
    let now = Instant::now();
    let mut scheduler =
        Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(10_000));
    let mut clock = now;
    let mut spent = [Duration::ZERO; 2];
    for round in 0..2_000 {
        for tenant in 0..2 {
            let _full = scheduler.submit(of(tenant), tenant as usize, clock);
        }
        let Some((_, job, Ok(permit))) = scheduler.next(clock) else { panic!("work is there") };
        let cost = Duration::from_millis(if job == 0 { 100 } else { 10 });
        clock += cost;
        scheduler.settle(permit, clock, cost);
        if 100 < round {
            spent[job] += cost;
        }
    }
    let ratio = spent[0].as_secs_f64() / spent[1].as_secs_f64();
    assert!((0.9..1.1).contains(&ratio), "each has half the time, not half the starts: {spent:?}");
}

#[test]
fn equals_take_turns_in_the_order_they_came() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(6));
    ids(&mut scheduler, &[of(1), of(2)], now);
    while let Some((_, _, Ok(permit))) = scheduler.next(now) {
        scheduler.settle(permit, now, Duration::from_millis(1));
    }
    // Both have been charged alike; the second comes back first.
    ids(&mut scheduler, &[of(2), of(1), of(1), of(2), of(2), of(1)], now);
    let order: Vec<_> = std::iter::from_fn(|| start(&mut scheduler, now)).collect();
    assert_eq!(order, [0, 1, 3, 2, 4, 5]);
}

#[test]
fn work_that_was_given_up_frees_its_seat_is_charged_and_teaches_nothing() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(1));
    ids(&mut scheduler, &[of(1), of(1), of(2)], now);
    let Some((_, 0, Ok(permit))) = scheduler.next(now) else { panic!("the first is first") };
    let later = now + 60 * SECOND;
    scheduler.abandon(permit, later);
    assert_eq!(scheduler.in_flight(), 0);
    assert_eq!(scheduler.estimate(of(3)), Duration::ZERO, "no job has shown how long it takes");
    assert_eq!(
        start(&mut scheduler, later),
        Some(2),
        "the other tenant first, which has been charged nothing"
    );
    assert_eq!(start(&mut scheduler, later), None, "one permit");
}

#[test]
fn more_tenants_than_queues_share_shards_and_all_are_served() {
    let now = Instant::now();
    let mut scheduler =
        Scheduler::with_discipline(Limit::fixed(1), Fair::new().tenants(8, 4), QueueLimits::new(5_000));
    for tenant in 0..1_000 {
        scheduler.submit(of(tenant), tenant, now).unwrap();
    }
    let mut served = vec![false; 1_000];
    while let Some((_, job, Ok(permit))) = scheduler.next(now) {
        scheduler.settle(permit, now, Duration::from_millis(1));
        served[job as usize] = true;
    }
    assert!(served.iter().all(|served| *served));
}

#[test]
fn adaptive_limits_stay_within_their_bounds_and_follow_the_load() {
    for mut limit in [Limit::gradient(5..=50), Limit::vegas(5..=50)] {
        let mut permits = Vec::new();
        for step in 0..6_000 {
            // Healthy, then ten times slower, then healthy again.
            let slow = (2_000..3_000).contains(&step);
            limit.learn(Duration::from_millis(if slow { 100 } else { 10 }), limit.permits());
            assert!((5..=50).contains(&limit.permits()));
            permits.push(limit.permits());
        }
        assert!(40 <= permits[1_999], "it grows while all is well: {limit:?}, {}", permits[1_999]);
        let least = permits[2_000..3_000].iter().min();
        assert!(
            least.is_some_and(|least| *least <= 20),
            "it shrinks when jobs slow down: {limit:?}, {least:?}"
        );
        assert!(40 <= permits[5_999], "and recovers: {limit:?}, {}", permits[5_999]);
    }
}

#[test]
fn a_smaller_limit_gives_no_seat_until_it_fits() {
    let now = Instant::now();
    let mut scheduler =
        Scheduler::with_discipline(Limit::gradient(1..=100), Ordered::fifo(), QueueLimits::new(10_000));
    for n in 0..5_000 {
        scheduler.submit(of(1), n, now).unwrap();
    }
    let mut running = Vec::new();
    let mut at = now;
    for step in 0..2_000 {
        let before = scheduler.in_flight();
        while let Some((_, _, Ok(permit))) = scheduler.next(at) {
            running.push(permit);
            assert!(scheduler.in_flight() <= scheduler.limit(), "no start beyond the limit");
        }
        assert!(scheduler.in_flight() <= before.max(scheduler.limit()));
        at += Duration::from_millis(if step < 500 { 1 } else { 20 + step });
        let permit = running.remove(0);
        scheduler.settle(permit, at, SECOND);
    }
}

// What is left of a burst: a job that waited above target, and those behind it that left without being served.
#[test]
fn a_watch_on_delay_ends_with_the_queue_it_saw() {
    let now = Instant::now();
    let millis = Duration::from_millis;
    let bounds = QueueLimits::new(100).delay(millis(10), millis(100));
    let runs = |queue: &mut Scheduler<usize>, at| match queue.next(at).unwrap() {
        (_, _, Ok(permit)) => {
            queue.settle(permit, at, millis(1));
            true
        }
        _ => false,
    };
    let mut queue = Scheduler::with_discipline(Limit::fixed(1), Fair::new().tenants(1, 1), bounds);
    let behind: Vec<_> = (0..3).map(|job| queue.submit(of(1), job, now).unwrap()).collect();
    assert!(runs(&mut queue, now + millis(20)));
    for id in &behind[1..] {
        queue.cancel(*id).unwrap();
    }
    let later = now + Duration::from_secs(3_600);
    // Another tenant, of the same account or another.
    for job in 0..6 {
        queue.submit(of(2), job, later).unwrap();
    }
    assert!(runs(&mut queue, later + millis(20)), "an hour ago a job waited too long, and nothing since");
    assert!(runs(&mut queue, later + millis(30)));
    // A queue that stands is shed all the same.
    assert!(!runs(&mut queue, later + millis(150)), "above target for a whole interval");
}

#[test]
fn a_heavier_tenant_gets_that_much_more() {
    let now = Instant::now();
    let fair = Fair::default().weighted(|tenant| if tenant == Tenant::new(1) { 3 } else { 0 });
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), fair, QueueLimits::new(10_000));
    for _ in 0..400 {
        for tenant in [1, 2, 3] {
            scheduler.submit(of(tenant), tenant, now).unwrap();
        }
    }
    let mut served = [0; 4];
    for _ in 0..500 {
        let Some((_, job, Ok(permit))) = scheduler.next(now) else { panic!("it has jobs") };
        served[job as usize] += 1;
        // Those of tenant 2 are twice as dear, so that it gets half as many of its share.
        scheduler.settle(permit, now, Duration::from_millis(if job == 2 { 20 } else { 10 }));
    }
    let [_, heavy, dear, light] = served;
    assert!(
        (310..=350).contains(&heavy) && (45..=75).contains(&dear) && (95..=125).contains(&light),
        "{served:?}"
    );
}

#[test]
fn a_tenant_may_have_a_cap_on_what_waits() {
    let now = Instant::now();
    let mut queue =
        Scheduler::with_discipline(Limit::fixed(1), Fair::default().cap(3), QueueLimits::new(1_000));
    for job in 0..3 {
        queue.submit(of(1), job, now).unwrap();
    }
    assert!(matches!(queue.submit(of(1), 3, now).unwrap_err().1, QueueError::Full { .. }));
    assert!(queue.submit(of(2), 4, now).is_ok());
    assert!(queue.submit(of(1).priority(Urgent), 5, now).is_ok(), "in another class");
}

#[test]
fn a_scheduler_without_places_starts_what_finds_a_permit() {
    let now = Instant::now();
    for fair in [true, false] {
        let discipline: Box<dyn Discipline> =
            if fair { Box::new(Fair::default()) } else { Box::new(Ordered::fifo()) };
        let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), discipline, QueueLimits::new(0));
        scheduler.submit(of(1), 1, now).unwrap();
        assert!(scheduler.submit(of(1), 2, now).is_err(), "one is before it");
        assert_eq!(start(&mut scheduler, now), Some(1));
        assert!(scheduler.submit(of(1), 3, now).is_err(), "no permit, and no place to wait in");
        scheduler.set_limit(Limit::fixed(2));
        scheduler.submit(of(1), 4, now).unwrap();
        assert_eq!(start(&mut scheduler, now), Some(4));
    }
}

/// Elsewhere a clock that is centuries ahead, as a simulated one may be, is a panic.
#[test]
fn times_beyond_all_reckoning_are_times_like_others() {
    let now = Instant::now();
    let far = Duration::from_secs(600 * 365 * 24 * 60 * 60);
    let limits = QueueLimits::new(10).delay(Duration::MAX, Duration::MAX);
    let mut scheduler = Scheduler::with_discipline(Limit::gradient(1..=4), Fair::default(), limits);
    let patient = of(1).deadline(now + far).expected(Duration::MAX).cost(u32::MAX);
    scheduler.submit(patient, 1, now).expect("nobody is before it");
    assert_eq!(scheduler.overdue(now), 0);
    assert!(scheduler.expire(now).is_none() && scheduler.next_deadline().is_some());
    let Some((_, 1, Ok(permit))) = scheduler.next(now) else { panic!("a permit is free") };
    scheduler.settle(permit, now + far, Duration::MAX);
    scheduler.submit(of(2), 2, now + far).expect("room");
    assert!(scheduler.estimate(of(2)) <= Duration::MAX);
    let Some((_, 2, Ok(permit))) = scheduler.next(now + 2 * far) else { panic!("a permit is free") };
    // A clock that goes back costs nothing.
    scheduler.settle(permit, now, Duration::ZERO);
}

/// What whoever submits can fill, as `docs/bounds.md` lists it, with the test that fills it.
const BOUNDS: &[(&str, fn())] = &[
    ("jobs that wait", bound_waiting),
    ("jobs of one tenant that wait", bound_tenant),
    ("jobs of one class that wait", bound_class),
    ("tenants with a queue of their own", bound_tenants),
    ("jobs that run", bound_running),
];

#[test]
fn every_bounded_thing_is_listed_and_filled() {
    let doc = include_str!("../../../../docs/bounds.md");
    let section = doc.split("\n## ").find(|section| section.starts_with("toolpost-scheduler\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let listed: Vec<_> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(listed, BOUNDS.iter().map(|(what, _)| *what).collect::<Vec<_>>());
    BOUNDS.iter().for_each(|(_, fill)| fill());
}

/// A scheduler whose one permit is taken.
fn busy(fair: Fair, limits: QueueLimits) -> Scheduler<usize> {
    let now = Instant::now();
    let mut scheduler = Scheduler::with_discipline(Limit::fixed(1), fair, limits);
    scheduler.submit(of(u64::MAX), 0, now).expect("room");
    assert_eq!(start(&mut scheduler, now), Some(0));
    scheduler
}

/// How many of these are let in.
fn let_in(queue: &mut Scheduler<usize>, requests: impl Iterator<Item = JobRequest>) -> usize {
    let now = Instant::now();
    requests.filter(|request| queue.submit(*request, 0, now).is_ok()).count()
}

fn bound_waiting() {
    let mut queue = busy(Fair::default(), QueueLimits::default());
    let classes = [Background, Normal, Urgent, System];
    let_in(&mut queue, (0..10_000).map(|n| of(n).priority(classes[n as usize % 4])));
    assert_eq!(queue.waiting(), 1_024);
    let mut queue = busy(Fair::default(), QueueLimits::new(0));
    assert_eq!(let_in(&mut queue, (0..10).map(of)), 0);
}

fn bound_tenant() {
    let mut queue = busy(Fair::default(), QueueLimits::default());
    assert_eq!(let_in(&mut queue, (0..10_000).map(|_| of(1))), 820);
    let mut queue = busy(Fair::default().cap(7), QueueLimits::default());
    assert_eq!(let_in(&mut queue, (0..10_000).map(|_| of(1))), 7);
}

fn bound_class() {
    let mut queue = busy(Fair::default(), QueueLimits::default());
    assert_eq!(let_in(&mut queue, (0..10_000).map(of)), 1_024 - 3 * 32);
}

/// Each comes, is served and stays known, until there is no room for more; the rest share queues, and all are served.
fn bound_tenants() {
    let now = Instant::now();
    let accounts = Arc::<Mutex<HashSet<u32>>>::default();
    let noted = Noting { fair: Fair::new().tenants(4, 2), accounts: Arc::clone(&accounts) };
    let limits = QueueLimits::new(100_000).delay(SECOND, SECOND);
    let mut queue = Scheduler::with_discipline(Limit::fixed(10_000), noted, limits);
    let permits: Vec<_> = (0..10_000)
        .map(|tenant| {
            queue.submit(of(tenant), tenant, now).expect("room");
            // Not settled: it cannot be forgotten.
            queue.next(now).expect("a permit is free")
        })
        .collect();
    assert_eq!(
        (accounts.lock().expect("nobody panics").len(), queue.stats().started, permits.len()),
        (6, 10_000, 10_000)
    );
}

/// Fair queueing that notes which accounts it charges.
#[derive(Debug)]
struct Noting {
    fair: Fair,
    accounts: Arc<Mutex<HashSet<u32>>>,
}

impl Discipline for Noting {
    fn push(&mut self, entry: QueuedJob) {
        self.fair.push(entry);
    }

    fn pop(&mut self) -> Option<(u32, Charge)> {
        let (slot, charge) = self.fair.pop()?;
        self.accounts.lock().expect("nobody panics").insert(charge.account);
        Some((slot, charge))
    }

    fn peek(&self) -> Option<u32> {
        self.fair.peek()
    }

    fn remove(&mut self, slot: u32) {
        self.fair.remove(slot);
    }

    fn update(&mut self, entry: QueuedJob) {
        self.fair.update(entry);
    }

    fn ahead(&self, entry: &QueuedJob) -> usize {
        self.fair.ahead(entry)
    }

    fn list(&self, limit: usize) -> Vec<u32> {
        self.fair.list(limit)
    }

    fn settle(&mut self, charge: Charge, cost: Option<Duration>) {
        self.fair.settle(charge, cost);
    }

    fn allows(&self, entry: &QueuedJob, free: usize) -> bool {
        self.fair.allows(entry, free)
    }
}

fn bound_running() {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limit::fixed(7));
    (0..100).for_each(|job| scheduler.submit(of(job), job, now).map(drop).expect("room"));
    let permits: Vec<_> = std::iter::from_fn(|| scheduler.next(now)).collect();
    assert_eq!((permits.len(), scheduler.in_flight()), (7, 7));
}
