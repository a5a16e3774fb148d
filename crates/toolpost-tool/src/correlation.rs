//! What ties together everything that is said about one call.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use toolpost_protocol::Id;

use crate::Principal;

/// A name for one call in events, logs and audits, shared by the calls that it makes; see
/// [`Call::correlation`](crate::Call::correlation).
///
/// It is written as 32 lower-case hex digits. It names, and proves nothing: who chooses request ids can choose two that
/// share one, and clients that number their requests from one share all of them, unless their principals differ. Where that
/// matters, a client sends a [trace context](crate::TraceContext).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Correlation([u8; 16]);

impl Correlation {
    /// That of the request with this id by this principal, in every process and every version.
    pub(crate) fn of_request(id: &Id, principal: &Principal) -> Self {
        // No id is empty text, and none begins with this byte.
        let parts = [principal.as_str().as_bytes(), b"\0", id.raw().as_bytes()];
        Self(fnv(parts.into_iter().flatten()).to_be_bytes())
    }

    /// One that no other call has.
    pub(crate) fn drawn() -> Self {
        let half = || RandomState::new().hash_one(()).to_be_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half());
        bytes[8..].copy_from_slice(&half());
        Self(bytes)
    }

    /// The bytes, the most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// FNV-1a with 128 bits.
fn fnv<'a>(bytes: impl Iterator<Item = &'a u8>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Correlation({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Call, CallParts, NoArgs};

    fn call(id: Option<Id>, principal: &str) -> Call {
        let principal = Principal::new(principal.to_owned());
        Call::from_parts(CallParts { request_id: id, principal, ..CallParts::default() })
    }

    #[test]
    fn one_request_id_is_one_correlation_and_another_is_another() {
        let ids =
            [Id::from(""), Id::from("0"), Id::from(0), Id::from(1), Id::from("é"), Id::from("e\u{301}")];
        let mut seen = HashSet::new();
        for id in ids {
            for principal in ["", "ann", "bob"] {
                let (once, again) = (call(Some(id.clone()), principal), call(Some(id.clone()), principal));
                assert_eq!(once.correlation(), again.correlation());
                assert!(seen.insert(once.correlation()), "{id} of {principal:?}");
            }
        }
    }

    #[test]
    fn without_a_request_id_each_call_draws_its_own() {
        let calls: Vec<Call> = (0..1_000).map(|_| call(None, "ann")).collect();
        let drawn: HashSet<Correlation> = calls.iter().map(Call::correlation).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(calls.iter().all(|call| drawn.contains(&call.clone().with_attempt(2).correlation())));
    }

    #[test]
    fn the_calls_that_a_call_makes_share_its_correlation() {
        for id in [Some(Id::from("a")), None] {
            let call = call(id, "ann");
            let child = call.child("other", &NoArgs {}).expect("an object");
            let other = call.redirected("other", None).expect("an object");
            assert_eq!(
                child.child("third", &NoArgs {}).expect("an object").correlation(),
                call.correlation()
            );
            assert_eq!(other.correlation(), call.correlation());
        }
    }

    #[test]
    fn it_is_the_same_in_every_version() {
        let text = |bytes: &str| format!("{:032x}", fnv(bytes.as_bytes().iter()));
        // From the test suite of the Internet-Draft on FNV (draft-eastlake-fnv).
        assert_eq!(text(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(text("a"), "d228cb696f1a8caf78912b704e4a8964");
        assert_eq!(text("foobar"), "343e1662793c64bf6f0d3597ba446f18");
        let named = call(Some(Id::from(7)), "ann").correlation();
        assert_eq!(named.to_string(), text("ann\x007"));
    }
}
