//! Shows what happened: a table for people, one JSON document for machines.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::json;

use crate::plan::Made;

/// The widest that an outcome is shown, in characters.
const OUTCOME_MAX: usize = 76;

/// How to show things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Form {
    /// With color, and with progress while it lasts.
    Terminal,
    /// Text and nothing else.
    Plain,
    /// One JSON document.
    Json,
}

/// Everything that a command did.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<(String, Vec<Made>)>,
    /// What went wrong outside of a call.
    faults: Vec<String>,
}

impl Form {
    /// What stdout can show: color only on a terminal, and not if `NO_COLOR` asks for none.
    #[must_use]
    pub fn of_stdout(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        match json {
            true => Self::Json,
            false if wanted && io::stdout().is_terminal() => Self::Terminal,
            false => Self::Plain,
        }
    }

    /// Says what is being done, on a terminal; replaced by whatever is shown next.
    pub fn progress(self, text: &str) {
        if self == Self::Terminal && io::stderr().is_terminal() {
            // Progress that cannot be shown is not missed.
            let _ = write!(io::stderr(), "\r\x1b[2K{text} ...");
        }
    }

    fn clear(self) {
        if self == Self::Terminal && io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Terminal => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain | Self::Json => text.to_owned(),
        }
    }
}

impl Report {
    /// Adds calls under a title.
    pub fn section(&mut self, title: impl Into<String>, calls: Vec<Made>) {
        self.sections.push((title.into(), calls));
    }

    /// Adds something that went wrong outside of a call.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Whether everything went as it had to.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.faults.is_empty() && self.calls().all(|call| call.ok)
    }

    /// Writes the report to stdout.
    ///
    /// # Errors
    ///
    /// If stdout fails.
    pub fn show(&self, form: Form, took: Duration) -> io::Result<()> {
        form.clear();
        let mut out = io::stdout().lock();
        match form {
            Form::Json => self.write_json(&mut out, took)?,
            Form::Terminal | Form::Plain => self.write_table(&mut out, form, took)?,
        }
        out.flush()
    }

    fn calls(&self) -> impl Iterator<Item = &Made> {
        self.sections.iter().flat_map(|(_, calls)| calls)
    }

    fn write_json(&self, out: &mut impl Write, took: Duration) -> io::Result<()> {
        let sections: Vec<_> =
            self.sections.iter().map(|(title, calls)| json!({ "title": title, "calls": calls })).collect();
        let document = json!({
            "ok": self.is_ok(),
            "sections": sections,
            "faults": self.faults,
            "total": {
                "calls": self.calls().count(),
                "failed": self.calls().filter(|call| !call.ok).count(),
                "bytes": self.calls().map(|call| call.bytes).sum::<usize>(),
                "micros": took.as_micros(),
            },
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }

    fn write_table(&self, out: &mut impl Write, form: Form, took: Duration) -> io::Result<()> {
        for (title, calls) in &self.sections {
            writeln!(out, "{}", form.paint("1", title))?;
            writeln!(
                out,
                "{}",
                form.paint("2", &format!("     {:<12} {:>9} {:>9}  outcome", "call", "time", "bytes"))
            )?;
            for call in calls {
                let mark = if call.ok { form.paint("32", "ok  ") } else { form.paint("31", "FAIL") };
                let time = format!("{}.{:03} ms", call.micros / 1_000, call.micros % 1_000);
                let outcome = shown(&call.outcome, if call.ok { OUTCOME_MAX } else { usize::MAX });
                writeln!(out, "{mark} {:<12} {time:>9} {:>9}  {outcome}", call.tool, call.bytes)?;
            }
            writeln!(out)?;
        }
        for fault in &self.faults {
            writeln!(out, "{} {}", form.paint("31", "FAIL"), shown(fault, usize::MAX))?;
        }
        let (calls, bytes) = (self.calls().count(), self.calls().map(|call| call.bytes).sum::<usize>());
        let failed = self.calls().filter(|call| !call.ok).count() + self.faults.len();
        let verdict = if self.is_ok() {
            form.paint("32", "all as it should be")
        } else {
            form.paint("31", &format!("{failed} failed"))
        };
        writeln!(out, "{calls} calls, {bytes} bytes, {:.1} ms: {verdict}", took.as_secs_f64() * 1_000.0)
    }
}

/// One line of at most `max` characters, with nothing in it that a terminal would obey.
fn shown(text: &str, max: usize) -> String {
    let mut line: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        line.push('…');
    }
    line
}
