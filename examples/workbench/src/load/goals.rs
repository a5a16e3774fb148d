//! What has to hold of a load.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::report::Form;

/// What must hold, what was found, and whether it held.
pub(crate) type Goal = (&'static str, String, bool);

/// Whether every goal is met.
pub(crate) fn all_held(goals: &[Goal]) -> bool {
    goals.iter().all(|(_, _, held)| *held)
}

/// One line for each goal.
pub(crate) fn write_goals(out: &mut impl Write, goals: &[Goal], form: Form) -> io::Result<()> {
    for (goal, found, held) in goals {
        let mark = if *held { form.paint("32", "ok  ") } else { form.paint("31", "FAIL") };
        writeln!(out, "{mark} {goal}: {found}")?;
    }
    Ok(())
}

pub(crate) fn goals_to_json(goals: &[Goal]) -> Value {
    goals.iter().map(|(goal, found, held)| json!({ "goal": goal, "found": found, "held": held })).collect()
}
