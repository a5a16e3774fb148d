//! What the operating system says another process has used (Linux's `/proc`).

use std::time::Duration;

/// Clock ticks per second in `/proc`: `USER_HZ`, which is 100 on every Linux.
const TICKS: u64 = 100;

/// A process to be measured. Every figure is `None` where there is no `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Processor time so far, of all threads, in user space and in the kernel, in steps of 10 ms.
    pub fn cpu(self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The second field is the name in parentheses, which may hold anything; utime and stime are
        // the 14th and 15th.
        let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        Some(Duration::from_millis((ticks()? + ticks()?) * 1_000 / TICKS))
    }

    /// Processor time so far of the threads that still live, to the nanosecond.
    pub fn running(self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let times = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(times.sum()))
    }

    /// The most memory that was ever resident, in bytes.
    pub fn peak_memory(self) -> Option<u64> {
        self.status("VmHWM:")
    }

    /// The memory that is resident now, in bytes.
    pub fn memory(self) -> Option<u64> {
        self.status("VmRSS:")
    }

    /// The part of the resident memory that is no file's: heap, stacks, and what the loader relocated.
    pub fn anonymous_memory(self) -> Option<u64> {
        self.status("RssAnon:")
    }

    fn status(self, field: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
    }
}

/// The median; the mean of the middle two if there is an even number; not a number if there is none.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    let half = figures.len() / 2;
    match figures.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => figures[half],
        _ => (figures[half - 1] + figures[half]) / 2.0,
    }
}
