//! The goals, on the simulator: fairness under a flood, goodput under overload. `cargo xtask bench scheduler` runs them
//! at full length over 20 seeds.

use crate::simulator;

use simulator::goals::{fair, flood, overload, semaphore};

#[test]
fn a_flood_delays_the_flooder_alone() {
    let ours = flood(fair, 200.0, 1);
    assert!(0.99 <= ours.jain, "{ours:?}");
    assert!(ours.p99 <= 1.2 * ours.p99_alone, "{ours:?}");
    // The same arrivals behind a semaphore: the experiment can fail.
    let theirs = flood(semaphore, 200.0, 1);
    assert!(1.2 * theirs.p99_alone < theirs.p99, "{theirs:?}");
}

#[test]
fn overload_wastes_little_of_the_permits() {
    let ours = overload(fair, 1.5, 200.0, 1);
    let theirs = overload(semaphore, 1.5, 200.0, 1);
    println!("{ours:?} {theirs:?}");
    assert!(0.95 <= ours.goodput, "{ours:?}");
    assert!(theirs.goodput < 0.5, "{theirs:?}");
}
