//! Processes that left the group of the program that began them: found below it while it lives.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How many are found at most.
const STRAYS_MAX: usize = 256;
/// How many processes are looked at.
const LOOKED_AT: usize = 4_096;

/// What is below a leader and not in its group, held by descriptors: their numbers may be others' by the time of a signal.
#[derive(Debug, Default)]
pub(crate) struct Strays(Vec<OwnedFd>);

impl Strays {
    /// Adds those that are below `leader` now; none where the kernel does not tell (`/proc/*/task/*/children`).
    pub(crate) fn find(&mut self, leader: Pid) {
        let group = leader.as_raw_nonzero().get();
        let mut parents = vec![group];
        let mut looked = 0;
        while let Some(parent) = parents.pop() {
            for child in children(parent) {
                looked += 1;
                if LOOKED_AT < looked || STRAYS_MAX <= self.0.len() {
                    return;
                }
                parents.push(child);
                let Some(pid) = Pid::from_raw(child) else { continue };
                let Ok(held) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
                // Looked at after it is held: if it is who was meant, so is what is held.
                if stat(child)
                    .is_some_and(|(its_parent, its_group)| its_parent == parent && its_group != group)
                {
                    self.0.push(held);
                }
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        for stray in &self.0 {
            let _gone = pidfd_send_signal(stray, signal);
        }
    }
}

/// The children of all threads of a process.
fn children(process: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    texts
        .flat_map(|text| text.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Its parent and its group.
fn stat(process: i32) -> Option<(i32, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may hold anything, a parenthesis too.
    let mut fields = text.rsplit(')').next()?.split_ascii_whitespace().skip(1);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
