//! Sessions that are opened and never used: they leave memory where it was.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;

use crate::Failure;
use crate::served::{Roots, Served};
use crate::wire::{HERE, ask, connect, initialize, post};

/// Connections that stay open, each opening one session after the other.
const CONNECTIONS: usize = 32;
/// Sessions that are opened before memory is looked at: what connections and the allocator need is there then.
const WARM: usize = 20_000;
/// Sessions that are used after all, to see that they are none that were forgotten.
const USED: usize = 64;
/// The most that memory may grow, in KiB, however many sessions there are.
const GROWTH: u64 = 1 << 10;

/// Opens so many sessions; says whether memory is where it was, and whether they can be used.
pub(crate) fn run(sessions: usize, workbench: &Path) -> Result<bool, Failure> {
    let roots = Roots::make()?;
    let mut served = Served::http(false, workbench, roots.modest())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let address = served.address();
    runtime.block_on(open(address, WARM))?;
    let (before, start) = (served.resident(), Instant::now());
    let some = runtime.block_on(open(address, sessions))?;
    let (after, took) = (served.resident(), start.elapsed());
    let used = runtime.block_on(use_each(address, &some))?;
    let (growth, lives) = (after.saturating_sub(before), served.lives());
    let borne = lives && 0 < before && growth <= GROWTH && used == some.len();
    for (what, figure) in [
        ("sessions opened and never used", sessions.to_string()),
        ("seconds", format!("{:.1}", took.as_secs_f64())),
        ("memory before, MiB", format!("{:.2}", before as f64 / 1024.0)),
        ("memory after, MiB", format!("{:.2}", after as f64 / 1024.0)),
        ("growth, bytes per session", format!("{:.2}", growth as f64 * 1024.0 / sessions as f64)),
        ("some of them used after all", format!("{used} of {}", some.len())),
    ] {
        println!("{what:36} {figure}");
    }
    println!("{}", if borne { "borne" } else { "FAULT" });
    Ok(borne)
}

/// Opens so many sessions, and gives back the last one of each connection and its first one.
async fn open(to: SocketAddr, sessions: usize) -> Result<Vec<String>, Failure> {
    let mut opening = JoinSet::new();
    for _ in 0..CONNECTIONS {
        opening.spawn(async move {
            let mut stream = connect(to, HERE).await?;
            let request = post(&initialize(), None);
            let mut ends = [None, None];
            for nth in 0..sessions.div_ceil(CONNECTIONS) {
                let answer = ask(&mut stream, &request, "\"id\"").await?;
                if answer.status != 200 || answer.session.is_none() {
                    return Err(format!("{}: {}", answer.status, answer.text).into());
                }
                ends[usize::from(0 < nth)] = answer.session;
            }
            Ok::<_, Failure>(ends)
        });
    }
    let mut some = Vec::new();
    while let Some(ends) = opening.join_next().await {
        some.extend(ends??.into_iter().flatten());
    }
    some.truncate(USED);
    Ok(some)
}

/// How many of the sessions answer.
async fn use_each(to: SocketAddr, sessions: &[String]) -> Result<usize, Failure> {
    let (mut stream, mut used) = (connect(to, HERE).await?, 0);
    for session in sessions {
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let answer = ask(&mut stream, &post(&list, Some(session)), "\"id\"").await?;
        used += usize::from(answer.status == 200 && answer.text.contains("read_file"));
    }
    Ok(used)
}
