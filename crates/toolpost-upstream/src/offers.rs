//! Which tools of a server are offered, and who is told.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::timeout;
use toolpost_tool::{AnyTool, Tool as _, ToolSpec};

use crate::UpstreamState;
use crate::clean::clean;
use crate::clock::{now, until};
use crate::declared::Declared;
use crate::lists::Lists;
use crate::pins::PinChange;
use crate::tool::UpstreamTool;
use crate::upstream::{Publish, Shared};

/// How long whoever takes the tools over may take.
const PUBLISH: Duration = Duration::from_secs(60);
/// How much of a reason a description shows, in bytes.
const REASON_MAX: usize = 200;

/// Makes tools of what is listed, and keeps those that stay what they are.
pub(crate) struct Offering {
    shared: Arc<Shared>,
    /// Grows when something is pinned.
    pins: Option<watch::Receiver<u64>>,
    made: BTreeMap<String, Made>,
    /// Who takes the tools over, and what they have by now; nothing if that is nobody yet.
    published: Option<(Arc<Publish>, Vec<AnyTool>)>,
}

struct Made {
    spec: ToolSpec,
    tool: AnyTool,
    /// As it is listed while the server is down, and why that is.
    unavailable: Option<(Arc<str>, AnyTool)>,
}

impl Offering {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let pins = shared.options.pins.as_ref().map(|pins| pins.changes());
        Self { shared: Arc::clone(shared), pins, made: BTreeMap::new(), published: None }
    }

    /// Offers what there is to be offered, whenever that changes.
    pub(crate) async fn keep(&mut self) {
        loop {
            let wake = self.offer().await;
            tokio::select! {
                biased;
                () = self.shared.look.notified() => {}
                () = changed(&mut self.pins) => {}
                () = until(wake) => {}
            }
        }
    }

    /// Offers what there is now; when to look again, whatever happens.
    async fn offer(&mut self) -> Option<Instant> {
        let shared = Arc::clone(&self.shared);
        let (lists, state) = {
            let known = shared.known();
            (Arc::clone(&known.lists), known.status.state.clone())
        };
        let changes = shared.options.pins.as_ref().map(|pins| pins.judge(&shared.name, &records(&lists)));
        let changes = changes.unwrap_or_default();
        let is_pinned = |tool: &&Declared| !changes.iter().any(|change| change.tool() == tool.spec.name());
        let kept: Vec<&Declared> = lists.tools.iter().filter(is_pinned).collect();
        // A server that is connected again for the first time since is as down as it was.
        let (down, shown_at) = match &state {
            UpstreamState::Down { reason, since, .. } => {
                (Some(reason), Some(*since + shared.options.shown_after))
            }
            _ => (None, None),
        };
        let is_shown = shown_at.is_some_and(|at| at <= now());
        let tools: Vec<AnyTool> = match down.filter(|_| is_shown) {
            Some(_) if shared.options.hidden => Vec::new(),
            Some(reason) => kept.iter().map(|tool| self.unavailable(tool, reason)).collect(),
            None if self.stays_down(&state) => return None,
            None => kept.iter().map(|tool| self.available(tool)).collect(),
        };
        self.made.retain(|name, _| lists.tools.iter().any(|tool| tool.spec.name() == name));
        self.tell(&lists, changes, &tools);
        self.publish(tools).await;
        let expires = shared.parking.expire(now());
        shown_at.filter(|_| !is_shown).into_iter().chain(expires).min()
    }

    /// Whether the server is being connected, and was not before: its tools are listed as they were.
    fn stays_down(&self, state: &UpstreamState) -> bool {
        *state == UpstreamState::Connecting && self.made.is_empty()
    }

    /// Tells what is offered, and what is not.
    fn tell(&self, lists: &Lists, changes: Vec<PinChange>, tools: &[AnyTool]) {
        let options = &self.shared.options;
        let pinned = options.pins.as_ref().map(|pins| pins.names(&self.shared.name)).unwrap_or_default();
        let expected: BTreeSet<&String> = options.expected.iter().chain(&pinned).collect();
        let offered: BTreeSet<&str> = tools.iter().map(|tool| tool.spec().name()).collect();
        let missing = expected.into_iter().filter(|name| !offered.contains(name.as_str())).cloned().collect();
        self.shared.update(|known| {
            known.status.tools = offered.iter().map(|name| (*name).to_owned()).collect();
            known.status.refused = lists.refused.clone();
            known.status.faults = lists.faults.clone();
            known.status.pin_changes = changes;
            known.status.missing = missing;
            known.offered = tools.to_vec();
        });
    }

    /// Hands the tools to whoever takes them over, if they are others than before.
    async fn publish(&mut self, tools: Vec<AnyTool>) {
        let Some(publish) = self.shared.publisher() else { return };
        let same = |(one, other): (&AnyTool, &AnyTool)| one.ptr_eq(other);
        let before = self.published.as_ref().filter(|(taker, _)| Arc::ptr_eq(taker, &publish));
        let is_told = match before {
            Some((_, before)) => before.len() == tools.len() && before.iter().zip(&tools).all(same),
            // Nothing is known yet of a server that was never there; where it takes the place of another, that one's tools stay.
            None => tools.is_empty() && self.shared.known().status.handshakes == 0,
        };
        if is_told {
            return;
        }
        // The host's: it may panic.
        let taken = match catch_unwind(AssertUnwindSafe(|| publish(tools.clone()))) {
            Ok(taking) => {
                let taking = timeout(PUBLISH, AssertUnwindSafe(taking).catch_unwind());
                taking
                    .await
                    .unwrap_or_else(|_| Ok(Err(format!("its tools were not taken over within {PUBLISH:?}"))))
            }
            Err(panic) => Err(panic),
        };
        let refused = match taken {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_panic) => Some("whoever takes its tools over panicked".to_owned()),
        };
        self.published = refused.is_none().then_some((publish, tools));
        self.shared.update(|known| known.refused = refused);
    }

    fn available(&mut self, declared: &Declared) -> AnyTool {
        let made = self.made(declared);
        made.unavailable = None;
        made.tool.clone()
    }

    /// The tool, the same as before if it says the same.
    fn made(&mut self, declared: &Declared) -> &mut Made {
        let Self { shared, made, .. } = self;
        let (name, spec) = (declared.spec.name(), &declared.spec);
        let new = || {
            let tool = AnyTool::new(UpstreamTool::new(spec.clone(), shared));
            Made { spec: spec.clone(), tool, unavailable: None }
        };
        if made.get(name).is_some_and(|made| made.spec != *spec) {
            made.remove(name);
        }
        made.entry(name.to_owned()).or_insert_with(new)
    }

    /// The tool as it is listed while its server is down.
    fn unavailable(&mut self, declared: &Declared, reason: &Arc<str>) -> AnyTool {
        let shared = Arc::clone(&self.shared);
        let made = self.made(declared);
        match &made.unavailable {
            Some((_, tool)) => tool.clone(),
            None => {
                let reason_shown = clean(reason, REASON_MAX);
                let description = format!("[Unavailable now: {reason_shown}] {}", made.spec.description());
                let mut meta =
                    made.spec.meta().and_then(|meta| meta.as_object().cloned()).unwrap_or_default();
                meta.insert("dev.toolpost/unavailable".into(), (&*reason_shown).into());
                let spec = made.spec.clone().with_description(description).with_meta(meta);
                let tool = AnyTool::new(UpstreamTool::new(spec, &shared));
                made.unavailable = Some((Arc::clone(reason), tool.clone()));
                tool
            }
        }
    }
}

/// What is pinned, or would be, of each tool.
fn records(lists: &Lists) -> BTreeMap<String, Arc<crate::pins::Record>> {
    lists.tools.iter().map(|tool| (tool.spec.name().to_owned(), Arc::clone(&tool.record))).collect()
}

async fn changed(pins: &mut Option<watch::Receiver<u64>>) {
    if let Some(pins) = pins
        && pins.changed().await.is_ok()
    {
        return;
    }
    // Nobody is left who could change them.
    std::future::pending().await
}
