//! Two replicas behind a balancer that knows nothing of HTTP, killed in turn while every client has a call in flight.
//!
//! Two workbenches share a state key. Clients with a session and clients of 2026-07-28 make one call after the other, for
//! as long as it takes to kill (-9) and restart each replica so many times; then each session is asked for at each
//! replica. It fails if a session is lost, if an answer is not that of the call, or if a call fails that was not in flight
//! on the process that was killed: [`life`] knows exactly which those are. No client repeats a call.

mod balancer;
mod client;
mod life;
mod replica;
mod tally;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};

use crate::served::{Ended, Roots};
use crate::wire::pause;
use crate::{END, Failure, MEMORY};
use balancer::Balancer;
use client::Client;
use replica::Replica;
use tally::Tally;

/// Clients that open their sessions at once, or ask for them at the end.
const AT_ONCE: usize = 200;
/// A replica is killed once one in so many clients has a call in flight on it.
const SHARE: usize = 10;
/// The longest that so many clients may take to come back to a replica.
const PATIENCE: Duration = Duration::from_secs(30);

/// How large the siege is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Clients with a session.
    pub(crate) sessions: usize,
    /// Clients of 2026-07-28.
    pub(crate) modern: usize,
    /// Of each replica.
    pub(crate) kills: usize,
}

impl Size {
    fn clients(self) -> usize {
        self.sessions + self.modern
    }
}

/// Says whether all was borne.
pub(crate) fn run(size: Size, workbench: &Path) -> Result<bool, Failure> {
    let roots = Roots::make()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(siege(size, workbench, &roots))
}

async fn siege(size: Size, workbench: &Path, roots: &Roots) -> Result<bool, Failure> {
    let key = roots.state_key()?;
    let start = || Replica::start(workbench, roots.modest(), &key).map(Arc::new);
    let replicas = [start()?, start()?];
    let balancer = Balancer::start(replicas.to_vec())?;
    let tally = Arc::new(Tally::default());
    let client = |number| Client::new(number, number < size.sessions, balancer.clone(), Arc::clone(&tally));
    let clients = each((0..size.clients()).map(client), Client::open).await?;

    let over = Arc::new(AtomicBool::new(false));
    let mut calling = JoinSet::new();
    for mut client in clients {
        let over = Arc::clone(&over);
        calling.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                client.call().await;
            }
            client
        });
    }
    if let Err(why) = kill_in_turn(size, &replicas, &tally).await {
        tally.fault(why.to_string());
    }
    over.store(true, Ordering::Relaxed);
    let mut clients = Vec::with_capacity(size.clients());
    while let Some(client) = calling.join_next().await {
        clients.push(client?);
    }

    let addresses = [replicas[0].address(), replicas[1].address()];
    drop(each(clients.into_iter(), move |client| client.ask_for_session(addresses)).await?);
    let ending = replicas.clone();
    let ended = spawn_blocking(move || ending.map(|replica| replica.end())).await?;
    if !ended.iter().all(|ended| matches!(ended, Ended::After(took) if *took <= END)) {
        tally.fault("a replica did not end in time when it was asked to".to_owned());
    }
    let peak = replicas.iter().map(|replica| replica.peak()).max().unwrap_or(0);
    if MEMORY < peak {
        tally.fault(format!("a replica took {} MiB", peak >> 10));
    }
    tally.print(size, balancer.connections(), peak);
    Ok(tally.is_borne())
}

/// Lets every client do something, some at a time.
async fn each<F>(
    clients: impl Iterator<Item = Client>,
    what: impl Fn(Client) -> F,
) -> Result<Vec<Client>, Failure>
where
    F: Future<Output = Client> + Send + 'static,
{
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut doing = JoinSet::new();
    for client in clients {
        let (at_once, done) = (Arc::clone(&at_once), what(client));
        doing.spawn(async move {
            let _one = at_once.acquire_owned().await;
            done.await
        });
    }
    let mut clients = Vec::with_capacity(doing.len());
    while let Some(client) = doing.join_next().await {
        clients.push(client?);
    }
    Ok(clients)
}

async fn kill_in_turn(size: Size, replicas: &[Arc<Replica>; 2], tally: &Tally) -> Result<(), Failure> {
    let mut random = Random(7);
    for turn in 0..2 * size.kills {
        let replica = &replicas[turn % 2];
        are_back(size, replica).await?;
        pause(random.between(200, 1_200)).await;
        let killed = Arc::clone(replica);
        tally.killed(spawn_blocking(move || killed.kill()).await?);
        // While it is away, the other one serves all.
        pause(random.between(100, 1_000)).await;
        let killed = Arc::clone(replica);
        tally.restarted(spawn_blocking(move || killed.restart()).await??);
    }
    for replica in replicas {
        are_back(size, replica).await?;
    }
    Ok(())
}

/// Waits until clients have calls in flight on this replica.
async fn are_back(size: Size, replica: &Replica) -> Result<(), Failure> {
    let since = Instant::now();
    while replica.life().in_flight() < size.clients().div_ceil(SHARE) {
        if PATIENCE < since.elapsed() {
            return Err("clients did not come back to a replica".into());
        }
        pause(20).await;
    }
    Ok(())
}

/// Small, seeded, even enough (SplitMix64).
struct Random(u64);

impl Random {
    /// From `least` on, and below `most`.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        least + (z ^ (z >> 31)) % (most - least)
    }
}
