//! The same graphs, run by others. Their graphs serve one run each, so building is part of running.

use std::sync::Arc;

use async_trait::async_trait;
use dagrs::{Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeTable, OutChannels, Output};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use operese_dagx::{DagRunner, Task, TaskInput};

use crate::graphs::Edges;

struct Zero;
struct One;
struct Two;
struct Three;

impl Task<()> for Zero {
    type Output = u64;
    async fn run(self, _input: TaskInput<'_, ()>) -> u64 {
        1
    }
}

impl Task<(u64,)> for One {
    type Output = u64;
    async fn run(self, input: TaskInput<'_, (u64,)>) -> u64 {
        let (a, _) = input.next();
        a + 1
    }
}

impl Task<(u64, u64)> for Two {
    type Output = u64;
    async fn run(self, input: TaskInput<'_, (u64, u64)>) -> u64 {
        let (a, input) = input.next();
        let (b, _) = input.next();
        a.wrapping_add(*b)
    }
}

impl Task<(u64, u64, u64)> for Three {
    type Output = u64;
    async fn run(self, input: TaskInput<'_, (u64, u64, u64)>) -> u64 {
        let (a, input) = input.next();
        let (b, input) = input.next();
        let (c, _) = input.next();
        a.wrapping_add(*b).wrapping_add(*c).wrapping_add(1)
    }
}

/// At most eight dependencies fit a dagx task: the step that joins a fan is left out, which favors dagx.
fn dagx_graph(edges: &Edges) -> DagRunner {
    let mut dag = DagRunner::new();
    let mut handles = Vec::with_capacity(edges.len());
    for from in edges {
        match from[..] {
            [] => handles.push(dag.add_task(Zero)),
            [a] => {
                let handle = dag.add_task(One).depends_on(&handles[a]);
                handles.push(handle);
            }
            [a, b] => {
                let handle = dag.add_task(Two).depends_on((&handles[a], &handles[b]));
                handles.push(handle);
            }
            [a, b, c] => {
                let handle = dag.add_task(Three).depends_on((&handles[a], &handles[b], &handles[c]));
                handles.push(handle);
            }
            _ => {}
        }
    }
    dag
}

pub async fn dagx_inline(edges: &Edges) {
    dagx_graph(edges).run(|task| task).await.expect("runs");
}

pub async fn dagx_spawned(edges: &Edges) {
    let spawner = |task| async move { tokio::spawn(task).await.expect("joins") };
    dagx_graph(edges).run(spawner).await.expect("runs");
}

struct Step;

#[async_trait]
impl Action for Step {
    async fn run(&self, inputs: &mut InChannels, outputs: &mut OutChannels, _: Arc<EnvVar>) -> Output {
        let values: Vec<u64> = inputs
            .map(|content| content.ok().and_then(|c| c.into_inner::<u64>().map(|v| *v)).unwrap_or(0))
            .await;
        let value = values.iter().fold(1_u64, |sum, x| sum.wrapping_add(*x));
        outputs.broadcast(Content::new(value)).await;
        Output::Out(Some(Content::new(value)))
    }
}

pub async fn dagrs(edges: &Edges) {
    let mut table = NodeTable::new();
    let mut graph = Graph::new();
    let mut ids = Vec::with_capacity(edges.len());
    for i in 0..edges.len() {
        let node = DefaultNode::with_action(format!("step-{i}"), Step, &mut table);
        ids.push(node.id());
        graph.add_node(node).expect("adds");
    }
    let mut to = vec![Vec::new(); edges.len()];
    for (i, from) in edges.iter().enumerate() {
        from.iter().for_each(|&from| to[from].push(ids[i]));
    }
    for (id, to) in ids.iter().zip(to) {
        if !to.is_empty() {
            graph.add_edge(*id, to).expect("adds");
        }
    }
    graph.set_env(EnvVar::new(table));
    graph.async_start().await.expect("runs");
}

/// No graph at all: the width of a fan as bare futures.
pub async fn futures_unordered(width: usize) -> u64 {
    let mut set: FuturesUnordered<_> = (0..width as u64).map(|i| async move { i + 1 }).collect();
    let mut sum = 0;
    while let Some(value) = set.next().await {
        sum += value;
    }
    sum
}

pub async fn spawned(width: usize) -> u64 {
    let tasks: Vec<_> = (0..width as u64).map(|i| tokio::spawn(async move { i + 1 })).collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.expect("joins");
    }
    sum
}

pub async fn spawned_waiting(width: usize) {
    let tasks: Vec<_> =
        (0..width).map(|_| tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(1)))).collect();
    for task in tasks {
        task.await.expect("joins");
    }
}
