//! What came of a load.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::Answer;
use crate::report::Form;

/// The percentiles that are shown.
const SHARES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// The widest bar of the histogram, in characters.
const BAR: u64 = 50;

/// What came of a load. Latencies are in microseconds, to three digits, up to a minute.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Latencies of the calls that were answered with a result.
    pub answered: Histogram<u64>,
    /// Latencies of the calls that were refused.
    pub refused: Histogram<u64>,
    /// How many of the refusals said when to come back.
    pub hinted: u64,
    /// Calls that failed.
    pub failed: u64,
    /// How the first of them failed.
    pub failure: Option<String>,
    /// Calls of an open loop that were due and could not be sent in time.
    pub unsent: u64,
    /// When the last answer came that was a refusal, a failure, or slow; from the start.
    pub last_abnormal: Option<Duration>,
    /// How long it lasted, the last answer included.
    pub took: Duration,
    slow: Option<Duration>,
}

impl Figures {
    /// Of no calls yet; one that takes longer than `slow` is not normal.
    pub(super) fn new(slow: Option<Duration>) -> Self {
        Self {
            answered: histogram(),
            refused: histogram(),
            hinted: 0,
            failed: 0,
            failure: None,
            unsent: 0,
            last_abnormal: None,
            took: Duration::ZERO,
            slow,
        }
    }

    /// Calls that were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.answered.len() + self.refused.len() + self.failed
    }

    /// Whether there were calls, none failed, and all were sent.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        0 < self.calls() && (self.failed, self.unsent) == (0, 0)
    }

    /// Writes all of it to stdout.
    ///
    /// # Errors
    ///
    /// If stdout fails.
    pub fn show(&self, title: &str, form: Form) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match form {
            Form::Json => {
                serde_json::to_writer_pretty(&mut out, &self.to_json(title))?;
                writeln!(out)?;
            }
            Form::Terminal | Form::Plain => {
                writeln!(out, "{}", form.paint("1", title))?;
                self.write(&mut out)?;
                write_histogram(&mut out, &self.answered)?;
            }
        }
        out.flush()
    }

    /// Counts one call: what came of it, how long after it was due, and when since the start.
    pub(super) fn count(&mut self, answer: Answer, took: Duration, at: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut is_normal = false;
        match answer {
            Answer::Result => {
                self.answered.saturating_record(micros);
                is_normal = self.slow.is_none_or(|slow| took <= slow);
            }
            Answer::Refused(hint) => {
                self.refused.saturating_record(micros);
                self.hinted += u64::from(hint.is_some());
            }
            Answer::Failed(text) => {
                self.failed += 1;
                self.failure.get_or_insert(text);
            }
        }
        if !is_normal {
            self.last_abnormal = self.last_abnormal.max(Some(at));
        }
    }

    /// Adds those of another part of the same load.
    pub(super) fn add(&mut self, other: &Self) {
        self.answered += &other.answered;
        self.refused += &other.refused;
        self.hinted += other.hinted;
        self.failed += other.failed;
        self.failure = self.failure.take().or_else(|| other.failure.clone());
        self.unsent += other.unsent;
        self.last_abnormal = self.last_abnormal.max(other.last_abnormal);
    }

    /// Lines of figures, without the histogram.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let rate = self.answered.len() as f64 / self.took.as_secs_f64();
        writeln!(
            out,
            "{} calls in {:.1} s: {} answered ({rate:.0}/s), {} refused ({} with a time to come back), {} failed",
            self.calls(),
            self.took.as_secs_f64(),
            self.answered.len(),
            self.refused.len(),
            self.hinted,
            self.failed,
        )?;
        for (name, latencies) in [("answered", &self.answered), ("refused", &self.refused)] {
            if !latencies.is_empty() {
                let shares = SHARES.map(|(share, at)| {
                    format!("{share} {:.3} ms", latencies.value_at_quantile(at) as f64 / 1e3)
                });
                writeln!(out, "{name:<8}  {}", shares.join("  "))?;
            }
        }
        if 0 < self.unsent {
            writeln!(
                out,
                "{} calls were due and could not be sent: more connections would help",
                self.unsent
            )?;
        }
        if let Some(failure) = &self.failure {
            writeln!(out, "the first failure: {}", failure.escape_debug())?;
        }
        Ok(())
    }

    pub(super) fn to_json(&self, title: &str) -> Value {
        let latencies = |all: &Histogram<u64>| {
            let shares = SHARES.map(|(share, at)| (share.to_owned(), all.value_at_quantile(at).into()));
            json!({ "count": all.len(), "micros": Value::Object(shares.into_iter().collect()) })
        };
        json!({
            "title": title,
            "ok": self.is_ok(),
            "seconds": self.took.as_secs_f64(),
            "answered": latencies(&self.answered),
            "refused": latencies(&self.refused),
            "refused_with_hint": self.hinted,
            "failed": self.failed,
            "first_failure": self.failure,
            "unsent": self.unsent,
        })
    }
}

/// One line for each doubling of the latency.
fn write_histogram(out: &mut impl Write, latencies: &Histogram<u64>) -> io::Result<()> {
    let bound = |n: u32| if n == 0 { 0 } else { 1_u64 << n };
    let rows: Vec<(u64, u64)> = (0..27).map(|n| (bound(n), bound(n + 1) - 1)).collect();
    let rows = rows.into_iter().map(|(from, to)| (to, latencies.count_between(from, to)));
    let rows: Vec<_> = rows.skip_while(|(_, count)| *count == 0).collect();
    let last = rows.iter().rposition(|(_, count)| 0 < *count).map_or(0, |last| last + 1);
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    for (to, count) in &rows[..last] {
        let bar = "#".repeat((count * BAR).div_ceil(most) as usize);
        writeln!(out, "  up to {:>9.3} ms  {count:>8}  {bar}", (*to + 1) as f64 / 1e3)?;
    }
    Ok(())
}

#[expect(clippy::expect_used, reason = "constants within their bounds")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("bounds of a histogram")
}
