//! Five nodes call one upstream; the network of one of them is broken.
#![expect(clippy::disallowed_methods, reason = "a test begins at some instant")]

use std::time::{Duration, Instant};

use toolpost_breaker::{Breaker, BreakerSettings, BreakerState, CountWindow};

const NODES: usize = 5;
const POISONED: usize = 2;

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether each of `breakers` breakers ever left closed, when node `n` uses breaker `n` modulo their number.
fn opened(breakers: usize, seed: u64) -> Vec<bool> {
    let start = Instant::now();
    let breakers: Vec<_> = (0..breakers)
        .map(|n| {
            let settings = BreakerSettings::new(start)
                .open_time(Duration::from_secs(1), Duration::from_secs(30))
                .seed(seed + n as u64);
            // Opens at a fifth: what five nodes share is a fifth poisoned.
            Breaker::with_settings(CountWindow::new(100, 20).min_calls(50), settings)
        })
        .collect();
    let mut opened = vec![false; breakers.len()];
    let mut state = seed;
    for call in 0..50_000_u64 {
        let now = start + Duration::from_millis(call);
        let node = (random(&mut state) % NODES as u64) as usize;
        let breaker = &breakers[node % breakers.len()];
        let Ok(permit) = breaker.admit(now) else { continue };
        let fails = node == POISONED || random(&mut state).is_multiple_of(100);
        if fails {
            permit.failure(now)
        } else {
            permit.success(now)
        }
        opened[node % breakers.len()] |= breaker.state() != BreakerState::Closed;
    }
    opened
}

#[test]
fn a_poisoned_node_opens_no_healthy_one() {
    for seed in 0..20 {
        let opened = opened(NODES, seed);
        assert!(opened.iter().enumerate().all(|(node, opened)| *opened == (node == POISONED)), "{opened:?}");
    }
}

/// The contrast that makes the test above mean something: one shared state would have refused everyone.
#[test]
fn one_breaker_for_all_nodes_would_have_opened() {
    assert_eq!(opened(1, 7), [true]);
}
