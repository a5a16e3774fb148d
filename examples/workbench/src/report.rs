//! Shows what happened: a table for people, one JSON document for machines.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};

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

/// Everything that a command does, shown while it does it: a row for each call, as it ends.
#[derive(Debug)]
pub struct Report {
    form: Form,
    sections: Vec<(String, Vec<Made>)>,
    /// Counters, by what they are of.
    counters: Vec<(&'static str, Vec<(&'static str, u64)>)>,
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

    /// Takes progress away again.
    pub(crate) fn clear(self) {
        if self == Self::Terminal && io::stderr().is_terminal() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Terminal => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain | Self::Json => text.to_owned(),
        }
    }
}

impl Report {
    /// A report of nothing yet.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self { form, sections: Vec::new(), counters: Vec::new(), faults: Vec::new() }
    }

    /// Says what is being done, on a terminal; replaced by the next row.
    pub fn running(&self, text: &str) {
        self.form.progress(text);
    }

    /// Begins a table.
    ///
    /// # Errors
    ///
    /// If stdout fails.
    pub fn section(&mut self, title: impl Into<String>) -> io::Result<()> {
        let title = title.into();
        if let Some(mut out) = self.out() {
            let gap = if self.sections.is_empty() { "" } else { "\n" };
            writeln!(out, "{gap}{}", self.form.paint("1", &title))?;
            let columns = format!("     {:<12} {:>9} {:>9}  outcome", "call", "time", "bytes");
            writeln!(out, "{}", self.form.paint("2", &columns))?;
        }
        self.sections.push((title, Vec::new()));
        Ok(())
    }

    /// Adds a call to the table that was begun last.
    ///
    /// # Errors
    ///
    /// If stdout fails.
    pub fn call(&mut self, call: Made) -> io::Result<()> {
        if let Some(mut out) = self.out() {
            let mark = if call.ok { self.form.paint("32", "ok  ") } else { self.form.paint("31", "FAIL") };
            let time = format!("{}.{:03} ms", call.micros / 1_000, call.micros % 1_000);
            let outcome = shown(&call.outcome, if call.ok { OUTCOME_MAX } else { usize::MAX });
            writeln!(out, "{mark} {:<12} {time:>9} {:>9}  {outcome}", call.tool, call.bytes)?;
            out.flush()?;
        }
        match self.sections.last_mut() {
            Some((_, calls)) => calls.push(call),
            None => self.sections.push((String::new(), vec![call])),
        }
        Ok(())
    }

    /// Adds counters to the summary.
    pub fn count<const N: usize>(&mut self, of: &'static str, counters: [(&'static str, u64); N]) {
        self.counters.push((of, counters.into()));
    }

    /// Adds something that went wrong outside of a call.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Ends with the summary; says whether everything went as it had to.
    ///
    /// # Errors
    ///
    /// If stdout fails.
    pub fn finish(self, took: Duration) -> io::Result<bool> {
        let ok = self.faults.is_empty() && self.calls().all(|call| call.ok);
        match self.out() {
            Some(mut out) => self.write_summary(&mut out, ok, took)?,
            None => self.write_json(&mut io::stdout().lock(), ok, took)?,
        }
        io::stdout().flush()?;
        Ok(ok)
    }

    /// Where rows go while it lasts: nowhere, if all is one document.
    fn out(&self) -> Option<io::StdoutLock<'static>> {
        self.form.clear();
        (self.form != Form::Json).then(|| io::stdout().lock())
    }

    fn calls(&self) -> impl Iterator<Item = &Made> {
        self.sections.iter().flat_map(|(_, calls)| calls)
    }

    fn totals(&self) -> (usize, usize) {
        (self.calls().map(|call| call.calls).sum(), self.calls().map(|call| call.bytes).sum())
    }

    fn write_json(&self, out: &mut impl Write, ok: bool, took: Duration) -> io::Result<()> {
        let sections: Vec<_> =
            self.sections.iter().map(|(title, calls)| json!({ "title": title, "calls": calls })).collect();
        let counters = self.counters.iter().map(|(of, counters)| {
            let counters = counters.iter().map(|(name, count)| ((*name).to_owned(), (*count).into()));
            ((*of).to_owned(), Value::Object(counters.collect()))
        });
        let (calls, bytes) = self.totals();
        let document = json!({
            "ok": ok,
            "sections": sections,
            "counters": Value::Object(counters.collect()),
            "faults": self.faults,
            "total": {
                "calls": calls,
                "failed": self.calls().filter(|call| !call.ok).count(),
                "bytes": bytes,
                "micros": took.as_micros(),
            },
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)
    }

    fn write_summary(&self, out: &mut impl Write, ok: bool, took: Duration) -> io::Result<()> {
        writeln!(out)?;
        for (of, counters) in &self.counters {
            let counters: Vec<_> = counters.iter().map(|(name, count)| format!("{count} {name}")).collect();
            writeln!(out, "{of:<8} {}", counters.join(", "))?;
        }
        for fault in &self.faults {
            writeln!(out, "{} {}", self.form.paint("31", "FAIL"), shown(fault, usize::MAX))?;
        }
        let (calls, bytes) = self.totals();
        let failed = self.calls().filter(|call| !call.ok).count() + self.faults.len();
        let verdict = match ok {
            true => self.form.paint("32", "all as it should be"),
            false => self.form.paint("31", &format!("{failed} failed")),
        };
        writeln!(out, "{calls} calls, {bytes} bytes, {:.1} ms: {verdict}", took.as_secs_f64() * 1_000.0)
    }
}

/// One line of at most `max` characters, with nothing in it that a terminal would obey.
pub(crate) fn shown(text: &str, max: usize) -> String {
    let mut line: String = text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        line.push('…');
    }
    line
}
