//! What became of every call, every session and every kill.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Size;
use super::balancer::Connections;
use super::client::Failed;

/// So many faults are told in full.
const TOLD: usize = 5;

#[derive(Default)]
pub(super) struct Tally(Mutex<Figures>);

#[derive(Default)]
struct Figures {
    answered: usize,
    /// Failed, and in flight on a process that was killed.
    killed: usize,
    /// Failed otherwise.
    otherwise: usize,
    lost: BTreeSet<usize>,
    /// What calls took beyond what was asked for.
    late: Vec<Duration>,
    /// Calls in flight at each kill.
    kills: Vec<usize>,
    restarts: Vec<Duration>,
    faults: usize,
    told: Vec<String>,
}

impl Tally {
    pub(super) fn answered(&self, late: Duration) {
        let mut figures = self.lock();
        figures.answered += 1;
        figures.late.push(late);
    }

    pub(super) fn failed(&self, failed: Failed) {
        let mut figures = self.lock();
        match failed {
            Failed::Killed => figures.killed += 1,
            Failed::Otherwise(why) => {
                figures.otherwise += 1;
                figures.fault(why);
            }
        }
    }

    /// The session of this client is gone.
    pub(super) fn lost(&self, client: usize, why: &str) {
        let mut figures = self.lock();
        figures.lost.insert(client);
        figures.fault(format!("session of client {client}: {why}"));
    }

    pub(super) fn killed(&self, in_flight: usize) {
        self.lock().kills.push(in_flight);
    }

    pub(super) fn restarted(&self, after: Duration) {
        self.lock().restarts.push(after);
    }

    pub(super) fn fault(&self, why: String) {
        self.lock().fault(why);
    }

    pub(super) fn is_borne(&self) -> bool {
        let figures = self.lock();
        // Fails only if `life.rs` counts wrongly.
        figures.faults == 0 && 0 < figures.answered && figures.killed <= figures.kills.iter().sum()
    }

    pub(super) fn print(&self, size: Size, connections: Connections, peak: u64) {
        let mut figures = self.lock();
        figures.late.sort_unstable();
        figures.kills.sort_unstable();
        figures.restarts.sort_unstable();
        let in_flight: usize = figures.kills.iter().sum();
        let ms = |times: &[Duration], share| at(times, share).unwrap_or_default().as_secs_f64() * 1e3;
        let kills = |share| at(&figures.kills, share).unwrap_or_default();
        let calls = figures.answered + figures.killed + figures.otherwise;
        let lines = [
            ("clients with a session", size.sessions.to_string()),
            ("clients of 2026-07-28", size.modern.to_string()),
            ("kills, of both replicas", format!("{} of {}", figures.kills.len(), 2 * size.kills)),
            ("calls in flight at a kill", format!("{} to {}, {in_flight} in all", kills(0), kills(100))),
            (
                "restart until served, ms",
                format!("{:.0}, at most {:.0}", ms(&figures.restarts, 50), ms(&figures.restarts, 100)),
            ),
            ("calls", calls.to_string()),
            ("  answered", figures.answered.to_string()),
            ("  failed, in flight on the killed", figures.killed.to_string()),
            ("  failed otherwise", figures.otherwise.to_string()),
            ("sessions lost", figures.lost.len().to_string()),
            (
                "beyond what was asked for, ms",
                format!("p50 {:.1}, p99 {:.1}", ms(&figures.late, 50), ms(&figures.late, 99)),
            ),
            (
                "connections through the balancer",
                format!("{}, at most {} at once", connections.all, connections.most),
            ),
            ("peak of a replica, MiB", format!("{:.1}", peak as f64 / 1024.0)),
        ];
        for (what, figure) in lines {
            println!("{what:36} {figure}");
        }
        for fault in &figures.told {
            println!("FAULT: {fault}");
        }
        match figures.faults {
            0 => println!("borne"),
            faults => println!("faults: {faults}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Figures {
    fn fault(&mut self, why: String) {
        self.faults += 1;
        if self.told.len() < TOLD {
            self.told.push(why);
        }
    }
}

/// The one at that percentage of what is sorted.
fn at<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied()
}
