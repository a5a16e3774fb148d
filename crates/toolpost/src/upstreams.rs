//! Other servers in front of this runtime's clients: their tools, resources, prompts and completions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use toolpost_dispatch::{Changes, Completing, Completions, Prompts, Resources};
use toolpost_protocol::model::{GetPromptResult, Prompt, Resource, ResourceContents, ResourceTemplate};
use toolpost_tool::{AnyTool, BoxFuture, Call, Principal, Tool as _, ToolError};
use toolpost_upstream::Upstream;

use crate::behind::{Behind, WeakBehind};
use crate::registered::{Given, Origin};
use crate::{Background, BuildError, Runtime, RuntimeBuilder, clock};

/// The upstreams of a runtime, which come and go while it serves. A clone is the same set.
///
/// Tools of each are a [source](Runtime::source) of its name: behind the policies that the host's settings give them, under
/// the upstream's prefix; a name that another has already is an error that names both, among the upstream's
/// [faults](toolpost_upstream::UpstreamStatus::faults). Resources keep their URIs, and one that two upstreams list is read
/// from the first of them by name. Prompts and completions go to the upstream that lists the prompt or the template.
///
/// A [drain](Runtime::drain) waits for calls first, and stops the upstreams then.
///
/// ```
/// use tokio::net::TcpStream;
/// use toolpost::upstream::{Endpoint, Upstream, UpstreamOptions};
/// use toolpost::{Runtime, Upstreams};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let upstreams = Upstreams::new();
/// let runtime = Runtime::builder().upstreams(&upstreams).build().unwrap();
/// let notes = Endpoint::streams(|| async { Ok(TcpStream::connect("[::1]:1").await?.into_split()) });
/// upstreams.add(Upstream::start("notes", notes, UpstreamOptions::new().prefix("notes_"))).unwrap();
/// assert!(runtime.call("notes_read", &toolpost::tool::NoArgs {}).await.is_err(), "nothing is there");
/// runtime.drain(std::time::Duration::from_secs(5)).await.unwrap();
/// # });
/// ```
#[derive(Clone, Default)]
pub struct Upstreams(Arc<Inner>);

#[derive(Default)]
struct Inner {
    all: Mutex<BTreeMap<String, Upstream>>,
    /// Those in whose places others are that were not connected yet.
    former: Mutex<BTreeMap<String, Upstream>>,
    /// The runtime that they are of, once it is built.
    behind: OnceLock<WeakBehind>,
    changes: Changes,
}

impl Upstreams {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an upstream, whose tools are offered as soon as it is connected. It may be added before the runtime is built.
    ///
    /// # Errors
    ///
    /// If there is one of its name.
    pub fn add(&self, upstream: Upstream) -> Result<(), BuildError> {
        let (name, added) = (upstream.name().to_owned(), upstream.clone());
        {
            let mut all = self.all();
            if all.contains_key(&name) {
                return Err(BuildError::new(vec![format!("two upstreams are called `{name}`")]));
            }
            all.insert(name, upstream);
        }
        // Without the lock: others may be asked for them meanwhile.
        added.signal(&self.0.changes);
        if let Some(behind) = self.0.behind.get() {
            attach(&added, behind.clone());
        }
        Ok(())
    }

    /// Puts an upstream in the place of the one of its name, which is returned and goes on: its tools answer until the new one
    /// has told its own, and so do its resources, prompts and completions until that is connected. Whoever replaces it [stops](Upstream::stop) it when nothing is
    /// [in flight](Upstream::in_flight) there any more. Without one of its name, it is added.
    #[must_use = "the former upstream goes on until it is stopped"]
    pub fn replace(&self, upstream: Upstream) -> Option<Upstream> {
        let added = upstream.clone();
        let former = self.all().insert(upstream.name().to_owned(), upstream);
        if let Some(former) = &former {
            // What it has to say from now on is nobody's matter.
            former.publish(|_| Box::pin(std::future::ready(Ok(()))));
            if was_connected(former) {
                self.former().insert(former.name().to_owned(), former.clone());
            }
        }
        added.signal(&self.0.changes);
        if let Some(behind) = self.0.behind.get() {
            attach(&added, behind.clone());
        }
        former
    }

    /// Takes an upstream and its tools away, and returns it: it goes on until it is stopped, so that calls in flight end.
    ///
    /// # Cancel safety
    ///
    /// At its first poll it is taken out of this set; its tools may stay if the future is dropped then.
    pub async fn take(&self, name: &str) -> Option<Upstream> {
        let upstream = self.all().remove(name)?;
        drop(self.former().remove(name));
        upstream.publish(|_| Box::pin(std::future::ready(Ok(()))));
        self.forget(name).await;
        Some(upstream)
    }

    /// Takes an upstream away: its tools go, and it is stopped. Whether there was one of that name.
    ///
    /// # Cancel safety
    ///
    /// At its first poll it is taken out of this set, and stopped; its tools may stay, without a server, if the future is dropped then.
    pub async fn remove(&self, name: &str) -> bool {
        let Some(upstream) = self.all().remove(name) else { return false };
        drop(self.former().remove(name));
        upstream.stop().await;
        self.forget(name).await;
        true
    }

    /// The upstream of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Upstream> {
        self.all().get(name).cloned()
    }

    /// All upstreams, by name: to say how each [is](Upstream::status).
    #[must_use]
    pub fn list(&self) -> Vec<Upstream> {
        self.all().values().cloned().collect()
    }

    /// All upstreams as they answer now: where one was not connected yet, the one in whose place it is.
    fn answering(&self) -> Vec<Upstream> {
        let mut all = self.list();
        let mut former = self.former();
        if !former.is_empty() {
            let waits = |name: &str| all.iter().any(|new| new.name() == name && !was_connected(new));
            former.retain(|name, former| former.is_running() && waits(name));
            for upstream in &mut all {
                if let Some(former) = former.get(upstream.name()) {
                    *upstream = former.clone();
                }
            }
        }
        all
    }

    /// Where changes of their resources and prompts are signaled.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// Takes away what an upstream offered that is no more.
    async fn forget(&self, name: &str) {
        if let Some(behind) = self.0.behind.get().and_then(WeakBehind::upgrade) {
            // What takes tools away has no fault of its own.
            drop(behind.give(Origin::Source(name.to_owned()), Given::default()).await);
        }
        self.0.changes.resources_changed();
        self.0.changes.prompts_changed();
    }

    /// From here on what upstreams offer goes to this runtime.
    pub(crate) fn attach(&self, runtime: &Runtime) {
        let behind = runtime.behind().downgrade();
        if self.0.behind.set(behind.clone()).is_ok() {
            self.list().iter().for_each(|upstream| attach(upstream, behind.clone()));
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Upstream>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn former(&self) -> MutexGuard<'_, BTreeMap<String, Upstream>> {
        self.0.former.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn was_connected(upstream: &Upstream) -> bool {
    0 < upstream.status().handshakes
}

impl RuntimeBuilder {
    /// Offers what other servers do: tools, and resources, prompts and completions in place of those that were given before. A
    /// drain stops them. (Whoever offers resources or prompts of its own as well implements their traits, and asks
    /// [`Upstreams`] for what is not its own.)
    #[must_use]
    pub fn upstreams(self, upstreams: &Upstreams) -> Self {
        let offered = self
            .resources(upstreams.clone())
            .prompts(upstreams.clone())
            .completions(upstreams.clone())
            .changes(upstreams.changes().clone())
            .background("upstreams", upstreams.clone());
        let named =
            upstreams.list().iter().fold(offered, |builder, upstream| builder.source(upstream.name()));
        named.attaching(upstreams)
    }
}

/// Has the tools of an upstream go to the runtime, for as long as there is one.
fn attach(upstream: &Upstream, behind: WeakBehind) {
    let name = upstream.name().to_owned();
    let prefix = upstream.options().name_prefix().to_owned();
    if let Some(behind) = behind.upgrade() {
        behind.declare(Origin::Source(name.clone()));
    }
    upstream.publish(move |tools| {
        let (behind, name, prefix) = (behind.upgrade(), name.clone(), prefix.clone());
        Box::pin(async move {
            let Some(behind) = behind else { return Ok(()) };
            take_over(&behind, name, prefix, tools).await
        })
    });
}

/// Takes the tools of an upstream over. One whose name is too long with the prefix is refused by itself.
async fn take_over(behind: &Behind, name: String, prefix: String, tools: Vec<AnyTool>) -> Result<(), String> {
    let named = |tool: &AnyTool| tool.spec().clone().prefixed(&prefix);
    let faults: Vec<String> = tools.iter().filter_map(|tool| Some(named(tool).err()?.to_string())).collect();
    let tools = tools.into_iter().filter(|tool| named(tool).is_ok()).collect();
    behind.give(Origin::Source(name), Given { tools, prefix }).await.map_err(|error| error.to_string())?;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

/// A drain lets calls end, and stops the upstreams then.
impl Background for Upstreams {
    fn busy(&self) -> usize {
        self.list().iter().filter(|upstream| upstream.is_running()).count()
    }

    fn idle(&self) -> BoxFuture<'_, ()> {
        const LONG: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Box::pin(async move {
            if let Some(behind) = self.0.behind.get().and_then(WeakBehind::upgrade) {
                behind.dispatcher().drain(clock::after(LONG)).await;
            }
            self.former().clear();
            join_all(self.list().iter().map(Upstream::stop)).await;
        })
    }
}

impl Resources for Upstreams {
    fn list(&self, principal: &Principal) -> Vec<Resource> {
        let mut seen = BTreeSet::new();
        let all = self.answering();
        let listed = all.iter().flat_map(|upstream| Resources::list(upstream, principal));
        listed.filter(|resource| seen.insert(resource.uri.clone())).collect()
    }

    fn templates(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        let mut seen = BTreeSet::new();
        let all = self.answering();
        let listed = all.iter().flat_map(|upstream| upstream.templates(principal));
        listed.filter(|template| seen.insert(template.uri_template.clone())).collect()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn read(&self, uri: &str, call: Call) -> Result<Option<Vec<ResourceContents>>, ToolError> {
        let all = self.answering();
        let lists = |upstream: &&Upstream| upstream.has_resource(uri);
        // A URI that nobody lists is told to nobody who could not have meant it: to the only one that has resources.
        let mut having = all.iter().filter(|upstream| upstream.has_resources());
        let only = having.next().filter(|_| having.next().is_none());
        match all.iter().find(lists).or(only) {
            Some(upstream) => upstream.read(uri, call).await,
            None => Ok(None),
        }
    }
}

impl Prompts for Upstreams {
    fn list(&self, principal: &Principal) -> Vec<Prompt> {
        let mut seen = BTreeSet::new();
        let all = self.answering();
        let listed = all.iter().flat_map(|upstream| Prompts::list(upstream, principal));
        listed.filter(|prompt| seen.insert(prompt.name.clone())).collect()
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn get(
        &self,
        name: &str,
        arguments: BTreeMap<String, String>,
        call: Call,
    ) -> Result<Option<GetPromptResult>, ToolError> {
        let upstream = self.answering().into_iter().find(|upstream| upstream.has_prompt(name));
        match upstream {
            Some(upstream) => Prompts::get(&upstream, name, arguments, call).await,
            None => Ok(None),
        }
    }
}

impl Completions for Upstreams {
    async fn complete(&self, completing: Completing) -> Result<Vec<String>, ToolError> {
        let all = self.answering();
        match all.iter().find(|upstream| upstream.completes(&completing)) {
            Some(upstream) => upstream.complete(completing).await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.list()).finish()
    }
}
