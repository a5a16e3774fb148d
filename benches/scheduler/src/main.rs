//! What a permit costs, taken at once and after queueing, and what scheduling is worth: beside `tokio`'s semaphore,
//! `tower`'s `ConcurrencyLimit`, `firq` and `cronoq`.
//!
//! The experiments run on the simulator of the crate's own tests, in virtual time. A `ConcurrencyLimit` is a semaphore
//! in front of a service, so that in the simulation both are the one first-come-first-served policy.

mod peers;
#[path = "../../../crates/toolpost-scheduler/tests/it/simulator/mod.rs"]
mod simulator;

use std::hint::black_box;
use std::time::{Duration, Instant};

use harness::{Cases, Counting, Goals};
use simulator::goals::{SEATS, fair, flood, mean, overload, semaphore};
use toolpost_scheduler::rt::Gate;
use toolpost_scheduler::{Fair, JobRequest, Limit, QueueLimits, Scheduler, Tenant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TENANTS: u64 = 10_000;
const SEEDS: u64 = 20;
const LENGTH: f64 = 500.0;

fn main() -> std::process::ExitCode {
    let zero = Instant::now();
    let gate = Gate::new(Limit::fixed(100));
    let tokio = tokio::sync::Semaphore::new(100);
    let mut tower = peers::Tower::new(100);
    let request = JobRequest::new(Tenant::new(1));

    let mut ours =
        Scheduler::with_discipline(Limit::fixed(1), Fair::default(), QueueLimits::new(TENANTS as usize * 2));
    for tenant in 0..TENANTS {
        ours.submit(JobRequest::new(Tenant::new(tenant)), tenant, zero).expect("there is room");
    }
    let mut now = zero;
    let mut cycle = || {
        let Some((_, job, Ok(permit))) = ours.next(now) else { panic!("ten thousand wait") };
        now += Duration::from_micros(1);
        ours.settle(permit, now, Duration::from_micros(1));
        ours.submit(JobRequest::new(Tenant::new(job)), job, now).expect("there is room")
    };
    let mut firq = peers::Firq::filled(TENANTS);
    let mut cronoq = peers::Cronoq::filled(TENANTS);

    let figures = Cases::new()
        .case("free permit: toolpost try_acquire", || drop(black_box(gate.try_acquire())))
        .case("free permit: toolpost permit (a future)", || peers::ready(gate.acquire(request)))
        .case("free permit: tokio Semaphore try_acquire", || drop(black_box(tokio.try_acquire())))
        .case("free permit: tower ConcurrencyLimit", || tower.call())
        .case("10,000 tenants wait: toolpost", &mut cycle)
        .case("10,000 tenants wait: firq", || firq.cycle())
        .case("10,000 tenants wait: cronoq", || cronoq.cycle())
        .case("a clock read", Instant::now)
        .main();
    let ns = |name: &str| figures[name].ns;
    let clock = ns("a clock read");
    println!(
        "firq reads the clock {} times per cycle, which is taken off its figure",
        peers::Firq::CLOCK_READS
    );

    let mut goals = Goals::new();
    let permit = ns("free permit: toolpost try_acquire") / ns("free permit: tokio Semaphore try_acquire");
    goals.at_most("free permit, by tokio's try_acquire", permit, 1.0);
    let queued = ns("10,000 tenants wait: toolpost");
    let firq = (ns("10,000 tenants wait: firq") - clock * f64::from(peers::Firq::CLOCK_READS)) / queued;
    goals.at_least("queued path, firq by ours", firq, 3.0);
    goals.at_least("queued path, cronoq by ours", ns("10,000 tenants wait: cronoq") / queued, 3.0);

    println!("\nflood: one tenant a thousandfold, 999 others offer 70 % of {SEATS} permits, {SEEDS} seeds");
    println!("{:24} {:>12} {:>18} {:>10}", "", "Jain index", "p99 (mean times)", "p99 alone");
    let mut of_ours = None;
    for (name, policy) in [
        ("toolpost", fair as fn() -> Box<dyn simulator::Policy>),
        ("semaphore", semaphore),
        ("firq", peers::firq_policy),
        ("cronoq", peers::cronoq_policy),
    ] {
        let runs: Vec<_> = (0..SEEDS).map(|seed| flood(policy, LENGTH, seed)).collect();
        let part = |of: fn(&simulator::goals::Flood) -> f64| runs.iter().map(of).sum::<f64>() / SEEDS as f64;
        let (jain, p99, alone) = (part(|run| run.jain), part(|run| run.p99), part(|run| run.p99_alone));
        println!("{name:24} {jain:>12.4} {p99:>18.3} {alone:>10.3}");
        let worst =
            |of: fn(&simulator::goals::Flood) -> f64| runs.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        of_ours.get_or_insert((-worst(|run| -run.jain), worst(|run| run.p99 / run.p99_alone)));
    }
    let (jain, p99) = of_ours.unwrap_or((f64::NAN, f64::NAN));
    goals.at_least("flood: Jain's index of the others, the worst seed", jain, 0.99);
    goals.at_most("flood: a victim's p99 by its p99 without, the worst seed", p99, 1.2);

    println!("\noverload: 150 % of {SEATS} permits, deadlines of 5 to 20 mean service times, {SEEDS} seeds");
    let goodput = |policy| mean(0..SEEDS, |seed| overload(policy, 1.5, LENGTH, seed).goodput);
    let useful = |policy| mean(0..SEEDS, |seed| overload(policy, 1.5, LENGTH, seed).useful);
    println!("{:24} {:>12} {:>18}", "", "jobs in time", "useful permit time");
    println!("{:24} {:>12.4} {:>18.4}", "semaphore", goodput(semaphore), useful(semaphore));
    println!("{:24} {:>12.4} {:>18.4}", "toolpost", goodput(fair), useful(fair));
    goals.at_least("overload: part of capacity that ends in time, by jobs", goodput(fair), 0.95);
    goals.at_least("overload: part of capacity that ends in time, by permit time", useful(fair), 0.95);

    if goals.finish() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
