//! One connection as the rest of the server sees it: where it comes from, whether it is busy, and what it
//! makes the server keep.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Http;
use crate::clock;

/// A connection that is told to end is looked at this often.
const TICK: Duration = Duration::from_millis(125);

/// For so many ticks it may go on without a call: a second.
const LAST_WORDS: u32 = 8;

/// For so many its client may take nothing of an answer.
const STANDSTILL: u32 = 10;

/// One connection; or all requests of an application that the endpoint is mounted in.
pub(crate) struct ConnectionState {
    pub(crate) http: Arc<Http>,
    /// Where it comes from, if that tells its clients from others.
    pub(crate) address: Option<IpAddr>,
    /// What callers without a name are told apart by, if there is anything.
    pub(crate) crowd: Option<u64>,
    /// Cancelled when the connection is to end: with the server, or to make room.
    pub(crate) leave: CancellationToken,
    /// How many requests began and ended, and how many of those between are still being received.
    begun: AtomicUsize,
    ended: AtomicUsize,
    receiving: AtomicUsize,
    /// Odd while there is something to send that the client does not take; another number each time.
    stalls: AtomicUsize,
    /// Whether a request was answered before all of it was read.
    unread: AtomicBool,
    /// When it was last used, as the server counts uses.
    used: AtomicU64,
    bytes: AtomicUsize,
}

impl ConnectionState {
    /// The state of a connection from `address`.
    pub(crate) fn new(http: Arc<Http>, address: Option<IpAddr>) -> Arc<Self> {
        // Numbers of connections are small; what stands for an address has its highest bit set.
        let crowd = match address {
            None => http.service.next_connection(),
            Some(IpAddr::V4(ip)) => 1 << 63 | u64::from(ip.to_bits()),
            Some(IpAddr::V6(ip)) => 1 << 63 | (ip.to_bits() >> 64) as u64,
        };
        Self::make(http, address, Some(crowd))
    }

    /// The state of an application that serves connections of its own.
    pub(crate) fn mounted(http: Arc<Http>) -> Arc<Self> {
        Self::make(http, None, None)
    }

    fn make(http: Arc<Http>, address: Option<IpAddr>, crowd: Option<u64>) -> Arc<Self> {
        let leave = http.stop.child_token();
        let used = http.uses.fetch_add(1, Ordering::Relaxed).into();
        Arc::new(Self {
            http,
            address,
            crowd,
            leave,
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            receiving: AtomicUsize::new(0),
            stalls: AtomicUsize::new(0),
            unread: AtomicBool::new(false),
            used,
            bytes: AtomicUsize::new(0),
        })
    }

    /// How many requests ever began.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    /// Whether there is a request that is not answered to its end.
    pub(crate) fn is_asked(&self) -> bool {
        self.ended.load(Ordering::Acquire) != self.begun()
    }

    /// Whether there is a request that was read whole, or an answer that is not sent.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_answering() || self.stalls.load(Ordering::Relaxed) & 1 == 1
    }

    fn is_answering(&self) -> bool {
        let received = self.ended.load(Ordering::Acquire) + self.receiving.load(Ordering::Acquire);
        received < self.begun()
    }

    /// When it was last used: of two connections, the one with the smaller number has been idle for longer.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Notes that the client takes nothing any more, or something again.
    pub(crate) fn stall_or_go_on(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a request was answered and not read whole.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Counts a request as being received until the guard is dropped.
    pub(crate) fn receive(self: &Arc<Self>) -> Receiving {
        self.receiving.fetch_add(1, Ordering::AcqRel);
        Receiving(Arc::clone(self))
    }

    /// Resolves when nothing has to be waited for any more on a connection that is to end: no call runs, and
    /// what is left of an answer does not move.
    pub(crate) async fn quiet(&self) {
        let mut still = (0, 0);
        loop {
            clock::sleep(TICK).await;
            let stalls = self.stalls.load(Ordering::Relaxed);
            if self.is_answering() || still.0 != stalls {
                still = (stalls, 0);
            }
            still.1 += 1;
            let most = if stalls & 1 == 0 { LAST_WORDS } else { STANDSTILL };
            if !self.is_answering() && most <= still.1 {
                return;
            }
        }
    }
}

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionState").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The address that `ip` counts as: one machine's, as far as can be told.
///
/// A proxy on this machine comes from the two that everybody takes, and stands for many. The rest of 127.0.0.0/8 comes
/// only from whoever asks for it, and tells him apart as any other address does.
pub(crate) fn address_of(ip: IpAddr) -> Option<IpAddr> {
    let ip = ip.to_canonical();
    if ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST {
        return None;
    }
    Some(match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    })
}

/// A request between its head and the end of its answer.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<ConnectionState>);

impl OpenRequest {
    pub(crate) fn of(state: Arc<ConnectionState>) -> Self {
        state.begun.fetch_add(1, Ordering::AcqRel);
        Self(state)
    }

    pub(crate) const fn state(&self) -> &Arc<ConnectionState> {
        &self.0
    }
}

impl Deref for OpenRequest {
    type Target = ConnectionState;

    fn deref(&self) -> &ConnectionState {
        &self.0
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.used.store(self.http.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::AcqRel);
    }
}

/// A request whose body is waited for.
#[derive(Debug)]
pub(crate) struct Receiving(Arc<ConnectionState>);

impl Drop for Receiving {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a connection may keep in the second half of the server's bytes.
const LITTLE: usize = 64 << 10;

/// Bytes that are kept for a client, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    state: Arc<ConnectionState>,
    bytes: usize,
}

impl HeldBytes {
    pub(crate) fn new(state: &Arc<ConnectionState>) -> Self {
        Self { state: Arc::clone(state), bytes: 0 }
    }

    /// Counts `bytes` from now on; false, and nothing changes, if there is no room for so many.
    ///
    /// What a connection, or the server, keeps alone may have any size that a message may have.
    pub(crate) fn keep(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more != 0) else {
            self.give(self.bytes - bytes);
            return true;
        };
        let limits = &self.state.http.limits;
        let share = match self.state.crowd {
            Some(_) => limits.buffered_bytes_per_connection,
            None => limits.buffered_bytes,
        };
        let here = self.state.bytes.fetch_add(more, Ordering::Relaxed);
        let all = self.state.http.bytes.fetch_add(more, Ordering::Relaxed);
        let own = self.bytes;
        self.bytes = bytes;
        let fits = |kept: usize, most: usize| kept == own || kept.saturating_add(more) <= most;
        // A few connections with large bodies must not leave those who ask and answer in small ones without room.
        let in_all = match here.saturating_add(more) <= LITTLE {
            true => limits.buffered_bytes,
            false => limits.buffered_bytes / 2,
        };
        if fits(here, share) && fits(all, in_all) {
            return true;
        }
        self.give(more);
        false
    }

    fn give(&mut self, back: usize) {
        self.bytes -= back;
        self.state.bytes.fetch_sub(back, Ordering::Relaxed);
        self.state.http.bytes.fetch_sub(back, Ordering::Relaxed);
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.give(self.bytes);
    }
}
