//! Every kind of hostile client.

mod bodies;
mod calls;
mod connections;
mod frames;
mod stdio;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::Failure;
pub(crate) use stdio::stdio;

/// One kind of hostile client.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Serves a directory whose files are hostile too.
    pub(crate) hostile_root: bool,
    pub(crate) way: Way,
}

/// How it comes.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Http {
        /// Against the fixture instead of the workbench.
        fixture: bool,
        /// The innocent client is at 127.0.0.`from`.
        from: u8,
        /// Whether its calls are in flight when the time is over: then it leaves before the server is asked to end.
        calls_go_on: bool,
        attack: Attack,
    },
    /// Lines that are written again and again, and whose answers are not read.
    Stdio(&'static str),
}

/// What a hostile client does until it is stopped.
pub(crate) type Attack = fn(Target) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whom it is done to, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) until: Instant,
}

impl Target {
    pub(crate) fn goes_on(self) -> bool {
        Instant::now() < self.until
    }
}

macro_rules! attack {
    ($path:path) => {
        |target| Box::pin($path(target))
    };
}

/// The same address for both, where an address has no say.
const SAME: u8 = 1;
/// An address of its own for the innocent client, where an address has a share.
const OTHER: u8 = 2;

const fn http(name: &'static str, from: u8, calls_go_on: bool, attack: Attack) -> Kind {
    Kind { name, hostile_root: false, way: Way::Http { fixture: false, from, calls_go_on, attack } }
}

const fn fixture(name: &'static str, calls_go_on: bool, attack: Attack) -> Kind {
    Kind { name, hostile_root: false, way: Way::Http { fixture: true, from: OTHER, calls_go_on, attack } }
}

const fn lines(name: &'static str, line: &'static str) -> Kind {
    Kind { name, hostile_root: false, way: Way::Stdio(line) }
}

/// All of them.
pub(crate) const ALL: &[Kind] = &[
    http("nested globs", SAME, true, attack!(calls::nested_globs)),
    http("large globs", SAME, true, attack!(calls::large_globs)),
    Kind { hostile_root: true, ..http("rules in a .gitignore", SAME, true, attack!(calls::walks)) },
    http("a file without an end", SAME, true, attack!(calls::endless_file)),
    fixture("a schema that recurs", true, attack!(calls::recursive_schema)),
    fixture("a schema that multiplies", true, attack!(calls::multiplying_schema)),
    fixture("a thread that is blocked", true, attack!(calls::grind)),
    fixture("questions left open", true, attack!(calls::unanswered)),
    http("sleeping calls", OTHER, true, attack!(calls::sleepers)),
    http("long ids", OTHER, true, attack!(calls::long_ids)),
    http("subscriptions to long URIs", OTHER, false, attack!(calls::long_uris)),
    http("sessions", OTHER, false, attack!(calls::sessions)),
    http("listeners", OTHER, false, attack!(calls::listeners)),
    http("bodies that never begin", OTHER, false, attack!(bodies::never_begun)),
    http("unfinished bodies", OTHER, false, attack!(bodies::unfinished)),
    http("unfinished bodies, h2", OTHER, false, attack!(bodies::unfinished_h2)),
    http("answers unread", OTHER, false, attack!(bodies::unread)),
    http("answers unread, h2", OTHER, false, attack!(bodies::window_of_zero)),
    http("connections that hold", OTHER, false, attack!(connections::hold)),
    http("silent connections", OTHER, false, attack!(connections::silent)),
    http("slow heads", OTHER, false, attack!(connections::slow_heads)),
    http("half requests", OTHER, false, attack!(connections::half_requests)),
    http("garbage", SAME, false, attack!(connections::garbage)),
    http("pipelined requests", SAME, false, attack!(connections::pipelined)),
    http("huge heads", SAME, false, attack!(connections::huge_heads)),
    http("resets, h2", SAME, false, attack!(frames::resets)),
    http("endless heads, h2", SAME, false, attack!(frames::endless_heads)),
    http("pings, h2", SAME, false, attack!(frames::pings)),
    lines("stdio: no JSON, unread", "x"),
    lines("stdio: broken JSON, unread", "{nope nope nope"),
    lines("stdio: no message, unread", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#),
    lines("stdio: pings, unread", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
];

/// A hostile client at work; stopped, and its connections closed, when this is dropped.
pub(crate) struct Hostile {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hostile {
    pub(crate) fn start(attack: Attack, target: Target) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(attack(target));
        Ok(Self { runtime: Some(runtime) })
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

/// So many of one sort at once, until all have ended.
async fn many<F>(count: usize, one: impl Fn(usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut all = tokio::task::JoinSet::new();
    for n in 0..count {
        all.spawn(one(n));
    }
    while all.join_next().await.is_some() {}
}
