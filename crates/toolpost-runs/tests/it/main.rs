//! What toolpost-runs promises, seen from outside of it.

mod file_journal;
