//! What every store of idempotency keys must do.

use std::hash::{BuildHasher, RandomState};
use std::task::Poll;
use std::time::Duration;

use toolpost_tool::{IdempotencyClaim as Claim, IdempotencyKey, IdempotencyStore, Principal};

use crate::poll_once;

/// Asserts that a store does what [`IdempotencyStore`] says: atomic claims, fences, conflicts, ends that are known and unknown, times
/// to live, leases.
///
/// It takes some three seconds and three leases of tokio's clock, which [`run`](crate::run) pauses: so long it takes only for a
/// store on another machine. Its keys are new each time, so that a store which other tests use may be given.
///
/// ```
/// use toolpost_test::{assert_idempotency_store, run};
/// # use toolpost_tool::{IdempotencyStore, ToolError};
/// # async fn of(connected: impl IdempotencyStore) {
/// assert_idempotency_store(&connected).await;
/// # }
/// ```
///
/// # Panics
///
/// If the store does something else; the message says which rule it breaks.
///
/// # Cancel safety
///
/// Some of its keys stay claimed.
pub async fn assert_idempotency_store(store: &dyn IdempotencyStore) {
    let test = Test { store, number: RandomState::new().hash_one(0_u8) };
    test.one_claim_of_a_key_at_a_time().await;
    test.an_end_is_told_and_wakes_those_who_wait().await;
    test.other_arguments_are_a_conflict().await;
    test.what_is_freed_is_claimed_under_a_greater_fence().await;
    test.an_unknown_end_stays_unknown().await;
    test.whoever_leaves_leaves_nothing_running().await;
    test.an_end_is_forgotten_when_its_time_is_over().await;
    test.keys_that_look_alike_are_others().await;
    test.a_lease_that_is_not_renewed_runs_out().await;
}

struct Test<'a> {
    store: &'a dyn IdempotencyStore,
    number: u64,
}

/// Longer than the test.
const TTL: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);
const ARGUMENTS: &[u8; 32] = &[1; 32];

impl Test<'_> {
    fn key(&self, name: &str) -> IdempotencyKey {
        IdempotencyKey::new(Principal::new("toolpost-test"), "tool", format!("{name}-{:x}", self.number))
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn begin(&self, key: &IdempotencyKey) -> Claim {
        self.store.begin(key, ARGUMENTS, TTL).await.expect("a claim")
    }

    #[expect(clippy::panic, reason = "an assertion")]
    async fn claimed(&self, key: &IdempotencyKey) -> u64 {
        match self.begin(key).await {
            Claim::New(fence) => fence,
            other => panic!("expected {key} to be free, got {other:?}"),
        }
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn finished(&self, key: &IdempotencyKey, fence: u64, end: Option<&str>) -> bool {
        self.store.finish(key, fence, end.map(Into::into)).await.expect("written")
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn released(&self, key: &IdempotencyKey, fence: u64) -> bool {
        self.store.release(key, fence).await.expect("written")
    }

    async fn one_claim_of_a_key_at_a_time(&self) {
        let key = self.key("one");
        let (mut new, mut running) = (0, 0);
        let mut count = |claim: &Claim| {
            new += usize::from(matches!(claim, Claim::New(_)));
            running += usize::from(matches!(claim, Claim::Running(_)));
        };
        let mut waiting = Vec::new();
        for _ in 0..16 {
            let mut claim = Box::pin(self.begin(&key));
            match poll_once(claim.as_mut()).await {
                Poll::Ready(claim) => count(&claim),
                Poll::Pending => waiting.push(claim),
            }
        }
        for claim in waiting {
            count(&claim.await);
        }
        assert_eq!((new, running), (1, 15), "exactly one claims a key that is free");
    }

    #[expect(clippy::panic, reason = "an assertion")]
    async fn an_end_is_told_and_wakes_those_who_wait(&self) {
        let key = self.key("end");
        let fence = self.claimed(&key).await;
        let Claim::Running(ended) = self.begin(&key).await else { panic!("a call runs under {key}") };
        assert!(self.finished(&key, fence, Some(r#"{"content":[]}"#)).await, "the claim is still its own");
        tokio::time::timeout(60 * SECOND, ended).await.unwrap_or_else(|_| panic!("nobody was woken"));
        for _ in 0..2 {
            match self.begin(&key).await {
                Claim::Ended(end) => assert_eq!(&*end, r#"{"content":[]}"#),
                other => panic!("expected the end, got {other:?}"),
            }
        }
        assert!(!self.finished(&key, fence, None).await, "it has ended");
        assert!(!self.released(&key, fence).await, "it has ended");
        assert!(matches!(self.begin(&key).await, Claim::Ended(_)), "what came too late changed nothing");
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn other_arguments_are_a_conflict(&self) {
        let key = self.key("conflict");
        let fence = self.claimed(&key).await;
        for end in [None, Some("{}")] {
            if let Some(end) = end {
                assert!(self.finished(&key, fence, Some(end)).await);
            }
            let claim = self.store.begin(&key, &[2; 32], TTL).await.expect("a claim");
            assert!(matches!(claim, Claim::Conflict), "{claim:?}");
        }
    }

    async fn what_is_freed_is_claimed_under_a_greater_fence(&self) {
        let key = self.key("freed");
        let first = self.claimed(&key).await;
        assert!(self.released(&key, first).await);
        let second = self.claimed(&key).await;
        assert!(first < second, "{first} < {second}");
        assert!(!self.finished(&key, first, Some("{}")).await, "the first claim is over");
        assert!(!self.released(&key, first).await, "the first claim is over");
        assert!(matches!(self.begin(&key).await, Claim::Running(_)), "the second is not");
    }

    async fn an_unknown_end_stays_unknown(&self) {
        let key = self.key("unknown");
        let fence = self.claimed(&key).await;
        assert!(self.finished(&key, fence, None).await);
        let claim = self.begin(&key).await;
        assert!(matches!(claim, Claim::Unknown), "{claim:?}");
    }

    async fn whoever_leaves_leaves_nothing_running(&self) {
        for began in [true, false] {
            let key = self.key(if began { "left-late" } else { "left-early" });
            let fence = self.claimed(&key).await;
            self.store.abandon(&key, fence, began);
            let waited = self.store.lease().unwrap_or_default() * 2;
            wait(waited).await;
            let claim = self.begin(&key).await;
            let is_right = matches!(claim, Claim::Unknown) || (!began && matches!(claim, Claim::New(_)));
            assert!(is_right, "after a claim was left (began: {began}): {claim:?}");
        }
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn an_end_is_forgotten_when_its_time_is_over(&self) {
        let key = self.key("time");
        let claim = self.store.begin(&key, ARGUMENTS, SECOND).await.expect("a claim");
        let Claim::New(fence) = claim else { unreachable!("nobody else has {key}") };
        assert!(self.finished(&key, fence, Some("{}")).await);
        assert!(matches!(self.begin(&key).await, Claim::Ended(_)));
        wait(2 * SECOND).await;
        assert!(fence < self.claimed(&key).await, "a fence is never given twice");
    }

    async fn keys_that_look_alike_are_others(&self) {
        let number = format!("{:x}", self.number);
        let texts = [
            ("a", "b", "c"),
            ("a", "bc", ""),
            ("ab", "", "c"),
            ("a,b", "c", ""),
            ("a\"", "b", "c"),
            ("", "a", "bc"),
        ];
        for (principal, tool, key) in texts {
            let key = format!("{number}{key}");
            self.claimed(&IdempotencyKey::new(Principal::new(principal), tool, key)).await;
        }
        self.claimed(&IdempotencyKey::new(Principal::anonymous(), "a", format!("{number}bc"))).await;
    }

    #[expect(clippy::expect_used, reason = "an assertion")]
    async fn a_lease_that_is_not_renewed_runs_out(&self) {
        let Some(lease) = self.store.lease() else { return };
        let key = self.key("lease");
        let fence = self.claimed(&key).await;
        for _ in 0..4 {
            wait(lease / 2).await;
            assert!(self.store.renew(&key, fence).await.expect("asked"), "the claim is still its own");
        }
        wait(lease * 2).await;
        assert!(!self.store.renew(&key, fence).await.expect("asked"), "the lease is over");
        assert!(!self.finished(&key, fence, Some("{}")).await, "the lease is over");
        assert!(matches!(self.begin(&key).await, Claim::Unknown), "it may have done its work");
    }
}

async fn wait(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "tokio's clock, in a test")]
    tokio::time::sleep(time).await;
}
