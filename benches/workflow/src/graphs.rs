//! The graphs of the bench: per step, which earlier steps it waits for.

use toolpost_workflow::{Plan, StepHandle, StepPolicy, Workflow, all};

/// Per step, the earlier steps it depends on.
pub type Edges = Vec<Vec<usize>>;

pub fn chain(steps: usize) -> Edges {
    (0..steps).map(|i| i.checked_sub(1).into_iter().collect()).collect()
}

/// One step, `width` that wait for it, and one that waits for all of those.
pub fn fan(width: usize) -> Edges {
    let mut edges = vec![vec![]];
    edges.extend((0..width).map(|_| vec![0]));
    edges.push((1..=width).collect());
    edges
}

/// One to three dependencies among the 50 steps before; the same graph every time.
pub fn random(steps: usize) -> Edges {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % bound
    };
    (0..steps)
        .map(|i| {
            let mut from: Vec<usize> = (0..i.min(1 + next(3))).map(|_| i - 1 - next(i.min(50))).collect();
            from.sort_unstable();
            from.dedup();
            from
        })
        .collect()
}

/// Steps on the longest path.
pub fn depth(edges: &Edges) -> usize {
    let mut depths: Vec<usize> = Vec::with_capacity(edges.len());
    for from in edges {
        depths.push(1 + from.iter().map(|&i| depths[i]).max().unwrap_or(0));
    }
    depths.into_iter().max().unwrap_or(0)
}

/// A plan of ready async steps, each of which adds one to the sum of what it depends on.
pub fn plan(edges: &Edges) -> Plan<u64, u64> {
    let mut w = Workflow::<u64>::new("bench");
    let mut handles: Vec<StepHandle<u64>> = Vec::with_capacity(edges.len());
    for (i, from) in edges.iter().enumerate() {
        let step = w.step(&format!("step-{i}"));
        let handle = match from[..] {
            [] => step.run((), |()| async { Ok(1) }),
            [a] => step.run(handles[a], |a| async move { Ok(*a + 1) }),
            [a, b] => step.run((handles[a], handles[b]), |(a, b)| async move { Ok(a.wrapping_add(*b)) }),
            _ => step.run(all(from.iter().map(|&i| handles[i])), |all| async move {
                Ok(all.iter().fold(1_u64, |sum, x| sum.wrapping_add(**x)))
            }),
        };
        handles.push(handle);
    }
    w.build(*handles.last().expect("a step")).expect("a plan")
}

/// The same graph, each step of which waits a millisecond.
pub fn waiting(edges: &Edges) -> Plan<u64, u64> {
    let mut w = Workflow::<u64>::new("bench");
    let mut handles: Vec<StepHandle<u64>> = Vec::with_capacity(edges.len());
    for (i, from) in edges.iter().enumerate() {
        let step = w.step(&format!("step-{i}")).policy(StepPolicy::new());
        handles.push(step.run(all(from.iter().map(|&i| handles[i])), |_| async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            Ok(1_u64)
        }));
    }
    w.build(*handles.last().expect("a step")).expect("a plan")
}
