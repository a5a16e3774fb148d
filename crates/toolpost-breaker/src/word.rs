//! The state of a breaker, in one word, so that every transition is one compare-and-swap.
//!
//! ```text
//! bits  0..3   which phase; closed is zero
//!       3..23  generation: one more after every transition, except into the next stage of half-open
//!      23..27  attempt: how often it opened, or gave up on its probes, since it was last closed, less one (at most 15)
//!      27..64  open: the millisecond, since the breaker's start, from which probes are let through (wraps)
//!              half-open: stage (3 bits), probes out (11), that succeeded (11), that failed (12)
//! ```

use std::time::Duration;

const PHASE: u64 = 0b111;
const GENERATION_BITS: u32 = 20;
const GENERATION: u32 = (1 << GENERATION_BITS) - 1;
const PAYLOAD_BITS: u32 = 37;
const PAYLOAD: u64 = (1 << PAYLOAD_BITS) - 1;
const PAYLOAD_SHIFT: u32 = 27;
const ATTEMPT_SHIFT: u32 = 23;

/// As far ahead as the end of an open time may lie: a year and a millisecond, for times are rounded up.
const FURTHEST: u64 = LONGEST.as_millis() as u64 + 1;

/// Longer than this nothing stays open by itself.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The most probes that a stage may have.
pub(crate) const MOST_PROBES: u16 = (1 << 11) - 1;
/// The most stages.
pub(crate) const MOST_STAGES: u8 = 8;
const MOST_ATTEMPTS: u8 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) phase: Phase,
    pub(crate) generation: u32,
    pub(crate) attempt: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Open { until: u64 },
    HalfOpen(Probes),
    ForcedOpen,
    ForcedClosed,
}

/// The probes of one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    pub(crate) stage: u8,
    pub(crate) out: u16,
    pub(crate) won: u16,
    pub(crate) lost: u16,
}

impl Probes {
    /// Those given out and not given back.
    pub(crate) const fn taken(self) -> u16 {
        self.out + self.won + self.lost
    }
}

impl Word {
    pub(crate) const NEW: Self = Self { phase: Phase::Closed, generation: 0, attempt: 0 };

    /// The same generation, in another phase.
    pub(crate) const fn with(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// The same generation, in which probes are given out anew: who has a place of the attempt before has none any more.
    ///
    /// From the fifteenth on, such a one frees a place that is another's; that lets a probe more through, and no worse.
    pub(crate) const fn once_more(self, phase: Phase) -> Self {
        let attempt = if MOST_ATTEMPTS <= self.attempt { MOST_ATTEMPTS } else { self.attempt + 1 };
        Self { phase, attempt, ..self }
    }

    /// A new generation.
    pub(crate) const fn then(self, phase: Phase, attempt: u8) -> Self {
        let attempt = if MOST_ATTEMPTS < attempt { MOST_ATTEMPTS } else { attempt };
        Self { phase, generation: (self.generation + 1) & GENERATION, attempt }
    }

    pub(crate) const fn pack(self) -> u64 {
        let (phase, payload) = match self.phase {
            Phase::Closed => (0, 0),
            Phase::Open { until } => (1, until & PAYLOAD),
            Phase::HalfOpen(probes) => (
                2,
                probes.stage as u64
                    | (probes.out as u64) << 3
                    | (probes.won as u64) << 14
                    | (probes.lost as u64) << 25,
            ),
            Phase::ForcedOpen => (3, 0),
            Phase::ForcedClosed => (4, 0),
        };
        phase
            | (self.generation as u64) << 3
            | (self.attempt as u64) << ATTEMPT_SHIFT
            | payload << PAYLOAD_SHIFT
    }

    pub(crate) const fn unpack(bits: u64) -> Self {
        let payload = bits >> PAYLOAD_SHIFT;
        let phase = match bits & PHASE {
            0 => Phase::Closed,
            1 => Phase::Open { until: payload },
            2 => Phase::HalfOpen(Probes {
                stage: (payload & 0b111) as u8,
                out: (payload >> 3) as u16 & MOST_PROBES,
                won: (payload >> 14) as u16 & MOST_PROBES,
                lost: (payload >> 25) as u16,
            }),
            3 => Phase::ForcedOpen,
            _ => Phase::ForcedClosed,
        };
        Self { phase, generation: generation(bits), attempt: attempt(bits) }
    }
}

#[inline]
pub(crate) const fn is_closed(bits: u64) -> bool {
    bits & PHASE == 0
}

/// From when on an open breaker lets probes through.
#[inline]
pub(crate) const fn open_until(bits: u64) -> Option<u64> {
    if bits & PHASE == 1 { Some(bits >> PAYLOAD_SHIFT) } else { None }
}

#[inline]
pub(crate) const fn generation(bits: u64) -> u32 {
    (bits >> 3) as u32 & GENERATION
}

#[inline]
pub(crate) const fn attempt(bits: u64) -> u8 {
    (bits >> ATTEMPT_SHIFT) as u8 & MOST_ATTEMPTS
}

/// Milliseconds from `now` to `until`, or `None` if that has come.
///
/// Times wrap after 4.3 years. What lies further ahead than anything stays open has come, years ago: so only a breaker
/// that nobody asked for more than three years may refuse once more.
#[inline]
pub(crate) const fn millis_left(until: u64, now: u64) -> Option<u64> {
    let ahead = until.wrapping_sub(now) & PAYLOAD;
    if ahead == 0 || FURTHEST < ahead { None } else { Some(ahead) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_packing() {
        let probes = Probes { stage: 7, out: 2_047, won: 1, lost: 2_047 };
        for phase in [
            Phase::Closed,
            Phase::Open { until: PAYLOAD },
            Phase::HalfOpen(probes),
            Phase::ForcedOpen,
            Phase::ForcedClosed,
        ] {
            for (generation, attempt) in [(0, 0), (GENERATION, 15), (5, 3)] {
                let word = Word { phase, generation, attempt };
                assert_eq!(Word::unpack(word.pack()), word);
            }
        }
    }

    #[test]
    fn generations_and_times_wrap() {
        let last = Word { phase: Phase::Closed, generation: GENERATION, attempt: 0 };
        let next = last.then(Phase::ForcedOpen, 200);
        assert_eq!((next.generation, next.attempt), (0, 15));
        assert_eq!(millis_left(2, PAYLOAD), Some(3));
        assert_eq!(millis_left(PAYLOAD, 2), None);
        assert_eq!(millis_left(7, 7), None);
        let year = LONGEST.as_millis() as u64;
        assert_eq!(millis_left(5 + year, 5), Some(year));
        assert_eq!(millis_left(5, 5 + 3 * year), None, "unasked for three years");
    }
}
