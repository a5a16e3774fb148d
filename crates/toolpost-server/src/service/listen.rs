//! Streams of changes: `subscriptions/listen`, and what a session hears without asking.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use toolpost_dispatch::{CallKey, Change};
use toolpost_json::{Kind, Node, write};
use toolpost_protocol::{Code, Error, Id, meta, reply};
use toolpost_tool::Principal;

use super::listen_limits::{ListenLimits, covers};
use super::result::failed;
use super::session::Session;
use super::streams::Feed;
use super::tasks::{DetailedTask, TaskFeed, is_declared, undeclared};
use super::{Era, Outbox, RequestEnvelope, Service};
use crate::tasks::StoredTask;
use crate::{Disposition, Peer, Reply, clock};

/// The most tasks whose changes one stream tells of: each is looked at now and then.
const MOST_TASKS: usize = 64;

/// Answers `subscriptions/listen`: says what it will tell, tells it, and ends with the server.
pub(crate) async fn answer(
    service: &Service,
    request: &RequestEnvelope,
    peer: &Peer,
    outbox: Option<Arc<Outbox>>,
) -> Reply {
    let id = &request.id;
    let Some(outbox) = outbox else {
        let error = Error::new(
            Code::INVALID_REQUEST,
            "listening takes a stream: Accept must allow text/event-stream",
        );
        return Reply::error(Disposition::NeedsStream, id, &error);
    };
    let params = request.params.and_then(|at| request.frame.node(at).member("notifications"));
    let wanted = params.ok_or_else(|| "params.notifications is missing".to_owned());
    let mut wanted = match wanted.and_then(|params| Wanted::read(params, &service.listen_limits)) {
        Ok(wanted) if wanted.tasks.is_some() && !is_declared(&request.meta, &request.frame) => {
            return failed(Era::Modern, id, &undeclared("changes of tasks are asked for"));
        }
        Ok(wanted) => wanted.offered(service, &peer.principal),
        Err(why) => return failed(Era::Modern, id, &Error::new(Code::INVALID_PARAMS, why)),
    };
    let ListenLimits { streams: most, total, .. } = service.listen_limits;
    let place = match service.listeners.enter(peer, id, most, total) {
        Ok(place) => place,
        Err(why) => {
            let error = Error::new(Code::INVALID_REQUEST, why);
            return Reply::error(Disposition::TooMany, id, &error);
        }
    };
    // Listens before it says so, so that no change is missed in between.
    let mut feed = Feed::new(service);
    if let (Some(tasks), Some(ids)) = (&service.tasks, wanted.tasks.take()) {
        let named = feed.tasks.insert(TaskFeed::new(tasks, &peer.principal, ids).await);
        wanted.tasks = Some(named.ids().map(str::to_owned).collect());
    }
    let mut listener = Listener::new(service, &peer.principal, &outbox, Some(id));
    listener.push("notifications/subscriptions/acknowledged", |out| {
        out.extend_from_slice(br#","notifications":"#);
        wanted.write(out);
    });
    let session = peer.session.as_ref().map(|session| &session.closed);
    let ended = async {
        tokio::select! {
            () = service.stop.cancelled() => {}
            () = async { match session {
                Some(closed) => closed.cancelled().await,
                None => std::future::pending().await,
            } } => {}
        }
    };
    tokio::select! {
        biased;
        // After that nothing more may be said of the request.
        () = place.cancelled.cancelled() => Reply::accepted(),
        () = ended => Reply::result(id, |out| {
            out.extend_from_slice(br#"{"resultType":"complete","#);
            service.close(out, |out| {
                tag(out, id);
                true
            });
        }),
        () = listener.tell(&mut feed, |news| wanted.has(news), || wanted.uris.iter().flatten().cloned().collect()) => {
            let why = "the changes were not read in time; listen again";
            failed(Era::Modern, id, &Error::new(Code::INTERNAL_ERROR, why))
        }
    }
}

/// Tells a session of every change it may want to hear of, and `principal` may, until it ends; in turn with its other streams. Whoever `missed`
/// some is told of everything first.
pub(crate) async fn tell_session(
    service: &Service,
    session: &Session,
    principal: &Principal,
    outbox: &Arc<Outbox>,
    missed: bool,
) -> Reply {
    let mut place = session.streams.enter(service, outbox);
    let number = place.number;
    let mut listener = Listener::new(service, principal, outbox, None);
    let wants = |news: News<'_>| match news {
        News::Resource(uri) => session.subscribed(uri),
        _ => true,
    };
    let telling = async {
        if missed {
            listener.tell_of(News::Tools, wants);
            if !listener.tell_of_the_rest(wants, || session.subscriptions()).await {
                return;
            }
        }
        while let Some(feed) = place.turn().await {
            tokio::select! {
                () = session.streams.superseded(number) => {}
                () = listener.tell(feed, wants, || session.subscriptions()) => return,
            }
            place.pass_on();
        }
    };
    tokio::select! {
        () = service.stop.cancelled() => {}
        () = session.closed.cancelled() => {}
        () = telling => {}
    }
    Reply::accepted()
}

/// What there can be to tell.
#[derive(Clone, Copy, Debug)]
enum News<'a> {
    Tools,
    Prompts,
    Resources,
    Resource(&'a str),
}

/// What a client wants to be told.
#[derive(Debug, Default)]
struct Wanted {
    tools: bool,
    prompts: bool,
    resources: bool,
    uris: Option<BTreeSet<String>>,
    /// Ids of tasks whose changes are to be told.
    tasks: Option<BTreeSet<String>>,
}

impl Wanted {
    /// Reads what is wanted.
    fn read(node: Node<'_>, limits: &ListenLimits) -> Result<Self, String> {
        if node.kind() != Kind::Object {
            return Err("params.notifications must be an object".into());
        }
        let mut wanted = Self::default();
        for (key, value) in node.members() {
            let flag = match &*key.name() {
                "toolsListChanged" => &mut wanted.tools,
                "promptsListChanged" => &mut wanted.prompts,
                "resourcesListChanged" => &mut wanted.resources,
                _ if value.is_null() => continue,
                "resourceSubscriptions" => {
                    wanted.uris = Some(uris(value, limits)?);
                    continue;
                }
                "taskIds" => {
                    wanted.tasks = Some(task_ids(value)?);
                    continue;
                }
                _ => continue,
            };
            *flag = value.as_bool().ok_or("members of params.notifications must be true or false")?;
        }
        Ok(wanted)
    }

    /// What of it this server can tell, and may tell `principal`.
    fn offered(mut self, service: &Service, principal: &Principal) -> Self {
        let dispatcher = &service.dispatcher;
        let signaled = dispatcher.changes().is_some();
        self.prompts &= signaled && dispatcher.has_prompts();
        self.resources &= signaled && dispatcher.has_resources();
        self.uris = self.uris.filter(|_| signaled && dispatcher.has_resources());
        self.tasks = self.tasks.filter(|_| service.tasks.is_some());
        if let Some(uris) = &mut self.uris {
            uris.retain(|uri| dispatcher.may_watch(principal, uri));
        }
        self
    }

    fn has(&self, news: News<'_>) -> bool {
        match news {
            News::Tools => self.tools,
            News::Prompts => self.prompts,
            News::Resources => self.resources,
            News::Resource(uri) => self.uris.as_ref().is_some_and(|uris| covers(uris, uri)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        let start = out.len();
        let flags = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in flags.iter().filter(|(_, wanted)| *wanted) {
            out.extend_from_slice(format!(r#""{name}":true,"#).as_bytes());
        }
        for (name, named) in [("resourceSubscriptions", &self.uris), ("taskIds", &self.tasks)] {
            let Some(named) = named else { continue };
            write::string(out, name);
            out.push(b':');
            // Text, so it encodes.
            let _encodes = write::value(out, named);
            out.push(b',');
        }
        if start < out.len() {
            out.pop();
        }
        out.push(b'}');
    }
}

/// The URIs in `node`, as far as they may be named.
fn uris(node: Node<'_>, limits: &ListenLimits) -> Result<BTreeSet<String>, String> {
    let invalid = "params.notifications.resourceSubscriptions must be an array of URIs";
    if node.kind() != Kind::Array {
        return Err(invalid.into());
    }
    let (mut uris, mut bytes) = (BTreeSet::new(), 0);
    for (n, uri) in node.items().enumerate() {
        let uri = uri.as_str().ok_or(invalid)?;
        limits.allow(&uri, n, bytes)?;
        bytes += uri.len();
        uris.insert(uri.into_owned());
    }
    Ok(uris)
}

/// The ids of tasks in `node`, as many as one stream may tell of.
fn task_ids(node: Node<'_>) -> Result<BTreeSet<String>, String> {
    let invalid = "params.notifications.taskIds must be an array of task ids";
    if node.kind() != Kind::Array {
        return Err(invalid.into());
    }
    if MOST_TASKS < node.len() {
        return Err(format!("one stream tells of {MOST_TASKS} tasks at most"));
    }
    node.items().map(|id| Ok(id.as_str().ok_or(invalid)?.into_owned())).collect()
}

/// One stream of changes.
struct Listener<'a> {
    service: &'a Service,
    principal: &'a Principal,
    outbox: &'a Outbox,
    /// The request that each message belongs to.
    id: Option<&'a Id>,
    /// Where in the outbox the messages are that nobody has taken yet.
    untaken: VecDeque<u64>,
}

impl<'a> Listener<'a> {
    fn new(service: &'a Service, principal: &'a Principal, outbox: &'a Outbox, id: Option<&'a Id>) -> Self {
        Self { service, principal, outbox, id, untaken: VecDeque::new() }
    }

    /// Tells what of `feed` `wants` says until the client has not read for too long.
    ///
    /// Whoever falls behind so far that changes were missed is told of everything it wants: `resources`
    /// are those that it named.
    async fn tell(
        &mut self,
        feed: &mut Feed,
        wants: impl Fn(News<'_>) -> bool,
        resources: impl Fn() -> Vec<String>,
    ) {
        loop {
            if !self.room().await {
                return;
            }
            let changed = async {
                match &mut feed.changes {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            let task = async {
                match &mut feed.tasks {
                    Some(tasks) => tasks.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                task = task => self.tell_of_task(&task),
                Ok(()) = feed.tools.changed() => self.tell_of(News::Tools, &wants),
                change = changed => match change {
                    Ok(Change::Prompts) => self.tell_of(News::Prompts, &wants),
                    Ok(Change::Resources) => self.tell_of(News::Resources, &wants),
                    Ok(Change::Resource(uri)) => self.tell_of(News::Resource(&uri), &wants),
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        if !self.tell_of_the_rest(&wants, &resources).await {
                            return;
                        }
                    }
                    Err(RecvError::Closed) => feed.changes = None,
                },
            }
        }
    }

    fn tell_of_task(&mut self, task: &StoredTask) {
        let Some(tasks) = &self.service.tasks else { return };
        self.push("notifications/tasks", |out| {
            out.push(b',');
            DetailedTask { task, limits: tasks.limits() }.write(out);
        });
    }

    /// Tells of everything but tools; false if the client has not read for too long.
    async fn tell_of_the_rest(
        &mut self,
        wants: impl Fn(News<'_>) -> bool,
        resources: impl Fn() -> Vec<String>,
    ) -> bool {
        let offered = &self.service.dispatcher;
        let (prompts, has_resources) = (offered.has_prompts(), offered.has_resources());
        if prompts {
            self.tell_of(News::Prompts, &wants);
        }
        if has_resources {
            self.tell_of(News::Resources, &wants);
        }
        for uri in resources() {
            if !self.room().await {
                return false;
            }
            self.tell_of(News::Resource(&uri), &wants);
        }
        true
    }

    fn tell_of(&mut self, news: News<'_>, wants: impl Fn(News<'_>) -> bool) {
        if !wants(news) {
            return;
        }
        match news {
            News::Tools => self.push("notifications/tools/list_changed", |_| ()),
            News::Prompts => self.push("notifications/prompts/list_changed", |_| ()),
            News::Resources => self.push("notifications/resources/list_changed", |_| ()),
            News::Resource(uri) if self.service.dispatcher.may_read(self.principal, uri) => {
                self.push("notifications/resources/updated", |out| {
                    out.extend_from_slice(br#","uri":"#);
                    write::string(out, uri);
                });
            }
            News::Resource(_) => {}
        }
    }

    /// Sends a notification that is tagged with its request; `members` appends what comes after.
    fn push(&mut self, method: &str, members: impl FnOnce(&mut Vec<u8>)) {
        let pushed = self.outbox.push(|out| {
            reply::notification(out, method, |out| {
                let start = out.len();
                if let Some(id) = self.id {
                    out.extend_from_slice(br#","_meta":{"#);
                    tag(out, id);
                    out.push(b'}');
                }
                members(out);
                match out.get_mut(start) {
                    // The first comma is where the object starts.
                    Some(comma) => *comma = b'{',
                    None => out.push(b'{'),
                }
                out.push(b'}');
            });
        });
        if pushed {
            self.untaken.push_back(self.outbox.pushed());
        }
    }

    /// Waits until few enough messages wait; false if they have waited too long.
    async fn room(&mut self) -> bool {
        let ListenLimits { buffer, read_timeout, .. } = self.service.listen_limits;
        loop {
            let drained = self.outbox.drained().notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            let taken = self.outbox.taken();
            while self.untaken.front().is_some_and(|at| *at <= taken) {
                self.untaken.pop_front();
            }
            if self.untaken.len() < buffer.max(1) {
                return true;
            }
            tokio::select! {
                () = drained => {}
                () = clock::sleep(read_timeout) => return false,
            }
        }
    }
}

fn tag(out: &mut Vec<u8>, id: &Id) {
    write::string(out, meta::SUBSCRIPTION_ID);
    out.push(b':');
    out.extend_from_slice(id.raw().as_bytes());
}

/// Who listens, and how often.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    counts: HashMap<(Principal, u64), usize>,
    all: usize,
    keyed: HashMap<CallKey, CancellationToken>,
}

impl Listeners {
    /// A place among those who listen, or why there is none.
    fn enter(&self, peer: &Peer, id: &Id, most: usize, total: usize) -> Result<Place<'_>, String> {
        let who = (peer.principal.clone(), peer.connection);
        let key = peer.call_key(id);
        let cancelled = CancellationToken::new();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if key.as_ref().is_some_and(|key| open.keyed.contains_key(key)) {
            return Err("a request with this id is still running on this connection".into());
        }
        if most <= open.counts.get(&who).copied().unwrap_or(0) {
            return Err(format!("{most} streams of changes are open already; end one first"));
        }
        if total <= open.all {
            return Err("too many clients listen for changes; try again later".into());
        }
        open.all += 1;
        *open.counts.entry(who.clone()).or_default() += 1;
        if let Some(key) = &key {
            open.keyed.insert(key.clone(), cancelled.clone());
        }
        Ok(Place { listeners: self, who, key, cancelled })
    }

    /// Ends the listening under `key`; says whether there was any.
    pub(crate) fn cancel(&self, key: &CallKey) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.keyed.get(key).map(CancellationToken::cancel).is_some()
    }
}

/// One of the streams that a principal may have; dropping it makes room for another.
struct Place<'a> {
    listeners: &'a Listeners,
    who: (Principal, u64),
    key: Option<CallKey>,
    cancelled: CancellationToken,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = self.listeners.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &self.key {
            open.keyed.remove(key);
        }
        open.all -= 1;
        if let Some(count) = open.counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.counts.remove(&self.who);
            }
        }
    }
}
