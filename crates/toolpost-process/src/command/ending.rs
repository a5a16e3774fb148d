//! What the end of a program means.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use toolpost_tool::{ErrorKind, ToolError};

use crate::Redactor;

/// How many of the last lines an error shows, and how many bytes of them.
const LINES_SHOWN: usize = 5;
const BYTES_SHOWN: usize = 2_000;

/// The length from which on a line of stderr may be a part of one.
const LINE_CUT: usize = 1 << 10;

/// An end that is no result.
pub(super) struct Failure {
    kind: ErrorKind,
    text: String,
}

impl Failure {
    pub(super) const fn failed(text: String) -> Self {
        Self { kind: ErrorKind::Failed, text }
    }

    /// The error, with what was said last.
    pub(super) fn error(self, said: &str) -> ToolError {
        let Self { kind, text } = self;
        let text = match (said.is_empty(), said.contains('\n')) {
            (true, _) => text,
            (false, false) => format!("{text}: {said}"),
            (false, true) => format!("{text}:\n{said}"),
        };
        ToolError::with_kind(kind, text)
    }
}

/// What is said of `status`, unless it is a success; `exits` are those that the host has told a meaning of.
pub(super) fn failure(
    program: &str,
    status: ExitStatus,
    exits: &BTreeMap<u8, Option<ErrorKind>>,
) -> Option<Failure> {
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        let text = format!("`{program}` was ended by signal {signal}{}", named(signal));
        return Some(Failure::failed(text));
    };
    let told = u8::try_from(code).ok().and_then(|code| exits.get(&code)).copied();
    let kind = match (told, code) {
        (Some(None), _) | (None, 0) => return None,
        (Some(Some(kind)), _) => kind,
        // As `timeout` says it.
        (None, 124) => ErrorKind::TimedOut,
        (None, _) => ErrorKind::Failed,
    };
    let hint = match code {
        _ if told.is_some() => String::new(),
        124 => " (its time was up)".into(),
        126 => " (it could not execute something)".into(),
        127 => " (it did not find something to execute)".into(),
        129..=159 => format!(" (signal {}{})", code - 128, named(code - 128)),
        _ => String::new(),
    };
    Some(Failure { kind, text: format!("`{program}` failed with exit status {code}{hint}") })
}

const fn named(signal: i32) -> &'static str {
    match signal {
        1 => ", HUP",
        2 => ", INT",
        6 => ", ABRT",
        9 => ", KILL: out of memory, perhaps",
        11 => ", SEGV",
        13 => ", PIPE",
        15 => ", TERM",
        24 => ", XCPU: its time on a processor was up",
        25 => ", XFSZ: a file became too large",
        _ => "",
    }
}

/// One line for people: without what moves a terminal's cursor, without secrets.
pub(crate) fn line(line: &str, redactor: &Redactor) -> String {
    let plain = plain(line);
    match line.len() < LINE_CUT {
        true => redactor.redact(&plain).into_owned(),
        false => redactor.redact_cut(&plain).into_owned(),
    }
}

/// The last lines that say something, bounded: what goes first is cut.
pub(super) fn last_lines(lines: &[String], redactor: &Redactor) -> String {
    let said: Vec<String> =
        lines.iter().map(|one| line(one, redactor)).filter(|line| !line.trim().is_empty()).collect();
    let shown = said[said.len().saturating_sub(LINES_SHOWN)..].join("\n");
    // What goes over the end of a line is seen now.
    let shown = redactor.redact(&shown);
    let from = shown.len().saturating_sub(BYTES_SHOWN);
    let from = (from..shown.len()).find(|at| shown.is_char_boundary(*at)).unwrap_or(from);
    match from {
        0 => shown.into_owned(),
        _ => format!("..{}", &shown[from..]),
    }
}

/// The text without control characters and sequences.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            // To the letter that ends the sequence.
            while rest.next_if(|c| !('@'..='~').contains(c)).is_some() {}
            rest.next();
        } else if c == '\t' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_go() {
        assert_eq!(plain("\u{1b}[1;31merror\u{1b}[0m:\ta\rb\u{7}"), "error:\tab");
        assert_eq!(plain("\u{1b}"), "");
        assert_eq!(plain("\u{1b}[3"), "");
    }

    #[test]
    fn the_last_lines_are_few_and_short() {
        let redactor = Redactor::new();
        let lines: Vec<String> = (0..9).map(|n| format!("line {n}")).chain([String::new()]).collect();
        assert_eq!(last_lines(&lines, &redactor), "line 4\nline 5\nline 6\nline 7\nline 8");
        let long = last_lines(&vec!["é".repeat(511); 9], &redactor);
        assert!(long.starts_with("..") && long.len() <= BYTES_SHOWN + 2, "{}", long.len());
        assert_eq!(last_lines(&[], &redactor), "");
    }
}
