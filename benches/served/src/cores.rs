//! One core for the server, the other for the load.

/// What a process does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    Server,
    Load,
}

/// Pins this thread, and those it will start, to the core of `part`. Says whether there are two cores
/// to tell apart and the system does as asked.
pub fn pin(part: Part) -> bool {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let (Some(first), Some(last)) = (cores.first(), cores.last()) else { return false };
    cores.len() > 1 && core_affinity::set_for_current(if part == Part::Server { *first } else { *last })
}
