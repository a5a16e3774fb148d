//! Random graphs against a reference executor, and against the clock.
#![expect(clippy::disallowed_methods, reason = "the tests wait on tokio's paused clock")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};
use toolpost_workflow::{Graph, Need, OnFailure, Plan, RunOutcome, StepError, StepPolicy, StepState};

/// Cases of a property: modest here, more with `TOOLPOST_CASES`.
fn cases(usual: u32) -> u32 {
    std::env::var("TOOLPOST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[derive(Clone, Debug)]
struct Step {
    /// How far back, and how; a distance beyond the first step is no dependency.
    needs: Vec<(usize, Need)>,
    /// How far back: a second group of which one is enough.
    group: Vec<usize>,
    time: u64,
    fails: bool,
    skips: bool,
    allowed: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let need = prop_oneof![4 => Just(Need::Success), 1 => Just(Need::AnySuccess), 1 => Just(Need::End)];
    (
        prop::collection::vec((1..12_usize, need), 0..6),
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(1..12_usize, 1..4)],
        0..20_u64,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        any::<bool>(),
    )
        .prop_map(|(needs, group, time, fails, skips, allowed)| Step {
            needs,
            group,
            time,
            fails,
            skips,
            allowed,
        })
}

/// The dependencies of each step, as they are said: one may be said in several ways.
fn edges(steps: &[Step]) -> Vec<Vec<(usize, Need)>> {
    let of = |(i, step): (usize, &Step)| {
        step.needs.iter().filter(|(back, _)| *back <= i).map(|&(back, need)| (i - back, need)).collect()
    };
    steps.iter().enumerate().map(of).collect()
}

/// The second group of a step, of which one is enough.
fn group(steps: &[Step], i: usize) -> Vec<usize> {
    steps[i].group.iter().filter(|back| **back <= i).map(|back| i - back).collect()
}

/// What must become of each step, by the definition and nothing else.
fn reference(steps: &[Step], edges: &[Vec<(usize, Need)>]) -> Vec<StepState> {
    let mut states = Vec::new();
    for (i, (step, needs)) in steps.iter().zip(edges).enumerate() {
        let second = group(steps, i);
        let worked = |&&(from, _): &&(usize, Need)| states[from] == StepState::Succeeded;
        let of = |need: Need| needs.iter().filter(move |(_, n)| *n == need);
        let runs = of(Need::Success).all(|n| worked(&n))
            && (of(Need::AnySuccess).count() == 0 || of(Need::AnySuccess).any(|n| worked(&n)))
            && (second.is_empty() || second.iter().any(|&from| states[from] == StepState::Succeeded));
        states.push(match (runs, step.skips, step.fails) {
            (false, _, _) | (_, true, _) => StepState::Skipped,
            (_, _, true) => StepState::Failed,
            _ => StepState::Succeeded,
        });
    }
    states
}

#[derive(Default)]
struct Watch {
    running: AtomicUsize,
    peak: AtomicUsize,
}

fn plan(steps: &[Step], edges: &[Vec<(usize, Need)>], watch: &Arc<Watch>) -> Plan<(), u64> {
    let mut graph = Graph::<(), u64>::new("random");
    for (i, (step, needs)) in steps.iter().zip(edges).enumerate() {
        let name = i.to_string();
        let (time, fails, skips, watch) = (step.time, step.fails, step.skips, Arc::clone(watch));
        let rule = if step.allowed { OnFailure::Allow } else { OnFailure::Isolate };
        let named = |need| needs.iter().filter(move |(_, n)| *n == need).map(|(from, _)| from.to_string());
        graph
            .step(&name)
            .needs(named(Need::Success))
            .needs_any(named(Need::AnySuccess))
            .needs_any(group(steps, i).iter().map(ToString::to_string))
            .after(named(Need::End))
            .policy(StepPolicy::new().on_failure(rule).expected(Duration::from_millis(time)))
            .when(move |_| !skips)
            .run(move |_| {
                let watch = Arc::clone(&watch);
                async move {
                    watch.peak.fetch_max(watch.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if 0 < time {
                        sleep(Duration::from_millis(time)).await;
                    }
                    watch.running.fetch_sub(1, Ordering::SeqCst);
                    if fails { Err(StepError::message("told to fail")) } else { Ok(time) }
                }
            });
    }
    let last = (steps.len() - 1).to_string();
    graph.build(&last).expect("the edges only go back")
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// When each step ends if it starts the moment its needs are met: of an `any`, the earliest success;
/// a step that cannot run any more ends the moment that is certain.
fn ends(steps: &[Step], edges: &[Vec<(usize, Need)>], states: &[StepState]) -> Vec<u64> {
    let mut ends: Vec<u64> = Vec::new();
    for (i, needs) in edges.iter().enumerate() {
        let of = |need: Need| needs.iter().filter(move |(_, n)| *n == need).map(|&(from, _)| from);
        let lost = of(Need::Success)
            .filter(|&from| states[from] != StepState::Succeeded)
            .map(|from| ends[from])
            .min();
        let groups = [of(Need::AnySuccess).collect(), group(steps, i)];
        let worked = |from: &usize| states[*from] == StepState::Succeeded;
        let dead = groups.iter().filter(|of| !of.iter().any(worked));
        let dead = dead.filter_map(|of| of.iter().map(|&from| ends[from]).max()).min();
        let doomed = lost.into_iter().chain(dead).min();
        let all = of(Need::Success).chain(of(Need::End)).map(|from| ends[from]).max().unwrap_or(0);
        let first = |of: &Vec<usize>| of.iter().filter(|from| worked(from)).map(|&from| ends[from]).min();
        let any = groups.iter().filter_map(first).max();
        let runs = matches!(states[i], StepState::Succeeded | StepState::Failed);
        let begins = all.max(any.unwrap_or(0));
        ends.push(doomed.unwrap_or(begins + if runs { steps[i].time } else { 0 }));
    }
    ends
}

/// What a barrier between levels would make of it: each level starts when the one before has ended.
fn barrier(steps: &[Step], edges: &[Vec<(usize, Need)>], states: &[StepState]) -> u64 {
    let mut levels: Vec<usize> = Vec::new();
    let mut longest: Vec<u64> = Vec::new();
    for (i, needs) in edges.iter().enumerate() {
        let second = group(steps, levels.len());
        let before = needs.iter().map(|&(from, _)| from).chain(second);
        let level = before.map(|from| levels[from] + 1).max().unwrap_or(0);
        levels.push(level);
        longest.resize(longest.len().max(level + 1), 0);
        if matches!(states[i], StepState::Succeeded | StepState::Failed) {
            longest[level] = longest[level].max(steps[i].time);
        }
    }
    longest.iter().sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_ends_as_the_reference_does(steps in prop::collection::vec(step(), 1..40), limit in prop::option::of(1..5_usize)) {
        let edges = edges(&steps);
        let watch = Arc::new(Watch::default());
        let plan = plan(&steps, &edges, &watch);
        let report = paused().block_on(async {
            let start = plan.start(()).timed();
            match limit {
                Some(limit) => start.limit(limit).run().await,
                None => start.run().await,
            }
        });
        let run = report.run();
        let wanted = reference(&steps, &edges);
        let states: Vec<StepState> = plan.graph().steps().map(|step| run.state(step)).collect();
        prop_assert_eq!(&states, &wanted);

        // Every edge was respected, and every step ended once.
        for step in plan.graph().steps() {
            prop_assert_eq!(run.started_at(step).is_some(), 0 < run.attempts(step));
            let Some(started) = run.started_at(step) else { continue };
            for (from, need) in plan.graph().dependencies(step) {
                if need != Need::AnySuccess {
                    prop_assert!(run.ended_at(from).is_some_and(|ended| ended <= started));
                }
            }
        }
        let mut ended: Vec<_> = run.ended().to_vec();
        ended.sort_unstable();
        prop_assert_eq!(ended, plan.graph().steps().collect::<Vec<_>>());
        let failed = steps.iter().zip(&wanted).any(|(step, state)| *state == StepState::Failed && !step.allowed);
        prop_assert_eq!(report.outcome(), if failed { RunOutcome::Failed } else { RunOutcome::Succeeded });
        let peak = watch.peak.load(Ordering::SeqCst);
        prop_assert!(limit.is_none_or(|limit| peak <= limit), "{} at once", peak);
    }
}

/// The makespan of a run without a limit is the critical path, to the millisecond; the sums of all runs
/// beside those of an executor with a barrier between levels.
#[test]
fn the_makespan_is_the_critical_path() {
    let runs = cases(10_000);
    let runtime = paused();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut ours, mut foil) = (0, 0);
    for _ in 0..runs {
        let steps = prop::collection::vec(step(), 1..20).new_tree(&mut runner).expect("a tree").current();
        let edges = edges(&steps);
        let states = reference(&steps, &edges);
        let plan = plan(&steps, &edges, &Arc::default());
        let took = runtime.block_on(async {
            let start = Instant::now();
            plan.run(()).await;
            start.elapsed()
        });
        let critical = ends(&steps, &edges, &states).into_iter().max().unwrap_or(0);
        // A step that is skipped at once may leave others running: the run ends with the last of them.
        assert_eq!(took, Duration::from_millis(critical), "{steps:?}");
        ours += critical;
        foil += barrier(&steps, &edges, &states);
    }
    assert!(ours * 11 < foil * 10, "a barrier would have cost nothing: {ours} and {foil}");
    println!(
        "{runs} graphs: {ours} ms, with a barrier between levels {foil} ms ({:.2} times)",
        foil as f64 / ours as f64
    );
}

/// With a limit, the makespan stays under the bound of list scheduling (Graham 1966):
/// the work shared by all permits, plus what cannot be shared of the critical path.
#[test]
fn the_makespan_under_a_limit_is_within_grahams_bound() {
    let runtime = paused();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..cases(500) {
        let steps = prop::collection::vec(step(), 1..30).new_tree(&mut runner).expect("a tree").current();
        let steps: Vec<Step> =
            steps.into_iter().map(|step| Step { fails: false, skips: false, ..step }).collect();
        let edges = edges(&steps);
        let states = reference(&steps, &edges);
        let watch = Arc::default();
        let plan = plan(&steps, &edges, &watch);
        let permits = 3;
        let took = runtime.block_on(async {
            let start = Instant::now();
            plan.start(()).limit(permits).run().await;
            start.elapsed()
        });
        assert!(watch.peak.load(Ordering::SeqCst) <= permits);
        // With `any` a later winner may lengthen the path, so every dependency counts here.
        let strict: Vec<Vec<(usize, Need)>> = edges
            .iter()
            .enumerate()
            .map(|(i, needs)| {
                let all = needs.iter().map(|&(from, _)| from).chain(group(&steps, i));
                all.map(|from| (from, Need::End)).collect()
            })
            .collect();
        let path = ends(&steps, &strict, &states).into_iter().max().unwrap_or(0);
        let work: u64 = steps.iter().map(|step| step.time).sum();
        let bound = work as f64 / permits as f64 + path as f64 * (1.0 - 1.0 / permits as f64);
        assert!(took.as_secs_f64() * 1_000.0 <= bound + 1e-6, "{took:?}, bound {bound} ms: {steps:?}");
    }
}
