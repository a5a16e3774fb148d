//! Other servers, whose tools are served here.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use toolpost::process::{Program, Supervisor};
use toolpost::tool::BoxFuture;
use toolpost::upstream::{
    Endpoint, PerCaller, Pins, Upstream, UpstreamOptions, UpstreamState, UpstreamStatus,
};
use toolpost::{Runtime, Upstreams};
use toolpost_client::HttpTarget;

use crate::config::{self, Hidden, Reached, WhenDown};
use crate::gateway::{Condition, State, States};
use crate::say::say;

/// How often a server that is replaced is looked at, whether it still has calls.
const LOOK: Duration = Duration::from_millis(100);

/// The servers that run now.
pub(crate) struct Servers {
    upstreams: Upstreams,
    running: BTreeMap<String, Running>,
    /// Servers that are replaced or gone, as long as they have calls.
    retiring: JoinSet<()>,
}

struct Running {
    wanted: config::Upstream,
    _watching: Watching,
}

/// A task that ends with this value.
struct Watching(JoinHandle<()>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where upstreams belong.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) runtime: Runtime,
    pub(crate) supervisor: Supervisor,
    pub(crate) states: watch::Sender<States>,
}

impl Servers {
    pub(crate) fn new(upstreams: &Upstreams) -> Self {
        Self { upstreams: upstreams.clone(), running: BTreeMap::new(), retiring: JoinSet::new() }
    }

    /// Has these servers run, and no others. One whose table is as it was goes on; one that is replaced answers until its
    /// successor has told its tools, and ends when its last call has. None goes on unless they `may_stay`.
    pub(crate) async fn change(
        &mut self,
        wanted: BTreeMap<String, config::Upstream>,
        pins: Option<&Pins>,
        may_stay: bool,
        home: &Home,
        changes: &mut Vec<String>,
    ) {
        while self.retiring.try_join_next().is_some() {}
        let gone: Vec<String> =
            self.running.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            let origin = format!("upstreams.{name}");
            drop(self.running.remove(&name));
            if let Some(former) = self.upstreams.take(&name).await {
                self.retiring.spawn(retire(former));
            }
            home.states.send_modify(|states| drop(states.remove(&origin)));
            changes.push(format!("{origin} is gone"));
        }
        for (name, wanted) in wanted {
            if may_stay && self.running.get(&name).is_some_and(|running| running.wanted == wanted) {
                continue;
            }
            let origin = format!("upstreams.{name}");
            match self.start(&name, &origin, &wanted, pins, home) {
                Ok(running) => drop(self.running.insert(name, running)),
                Err(reason) => {
                    say(format!("{origin}: {reason}"));
                    let state = State { condition: Condition::Down(reason), ..State::starting() };
                    home.states.send_modify(|states| drop(states.insert(origin.clone(), state)));
                }
            }
            changes.push(origin);
        }
    }

    pub(crate) fn all(&self) -> Vec<Upstream> {
        self.upstreams.list()
    }

    /// Ends them all.
    pub(crate) async fn stop(&mut self) {
        self.running.clear();
        let mut stopping = JoinSet::new();
        for upstream in self.upstreams.list() {
            stopping.spawn(async move { upstream.stop().await });
        }
        while stopping.join_next().await.is_some() {}
        self.retiring.shutdown().await;
    }

    fn start(
        &mut self,
        name: &str,
        origin: &str,
        wanted: &config::Upstream,
        pins: Option<&Pins>,
        home: &Home,
    ) -> Result<Running, String> {
        let endpoint = endpoint(wanted, &home.supervisor)?;
        let mut options = UpstreamOptions::new().prefix(&*wanted.prefix);
        if wanted.when_down == WhenDown::Hide {
            options = options.hidden_when_down();
        }
        if let Some(pins) = pins {
            options = options.pins(pins);
        }
        if let Some(limit) = wanted.connect_limit_ms {
            options = options.start_limit(Duration::from_millis(limit));
        }
        if wanted.per_user {
            let of_user = endpoint.clone();
            options = options.per_caller(PerCaller::new(move |_| of_user.clone()));
        }
        if let Some(most) = wanted.at_once {
            options = options.in_flight(most as usize);
        }
        home.states.send_modify(|states| {
            states.entry(origin.to_owned()).or_insert_with(State::starting).condition = Condition::Starting;
        });
        let upstream = Upstream::start(name, endpoint, options);
        // The former server answers until this one has told its tools.
        let told = watch::Sender::new(false);
        let former = self.upstreams.replace(upstream.clone());
        let follows = former.is_some();
        if let Some(former) = former {
            let mut succeeded = told.subscribe();
            self.retiring.spawn(async move {
                // An error is that this successor was replaced itself.
                drop(succeeded.wait_for(|succeeded| *succeeded).await);
                retire(former).await;
            });
        }
        let source = home.runtime.source(name).prefixed(&*wanted.prefix);
        let (publishing, publisher) = (told.clone(), upstream.clone());
        upstream.publish(move |tools| -> BoxFuture<'static, Result<(), String>> {
            let (source, told) = (source.clone(), publishing.clone());
            let is_ready = publisher.status().state == UpstreamState::Ready;
            Box::pin(async move {
                if follows && tools.is_empty() && !is_ready && !*told.borrow() {
                    return Ok(());
                }
                source.set(tools).await.map_err(|error| error.to_string())?;
                told.send_replace(true);
                Ok(())
            })
        });
        let watching = watched(upstream, origin.to_owned(), wanted.prefix.clone(), told, home.states.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with its owner")]
        let watching = Watching(tokio::spawn(watching));
        Ok(Running { wanted: wanted.clone(), _watching: watching })
    }
}

/// How the server of `wanted` is reached.
fn endpoint(wanted: &config::Upstream, supervisor: &Supervisor) -> Result<Endpoint, String> {
    match &wanted.reached {
        Reached::Program { argv, cwd, env, values } => {
            let (program, args) = argv.split_first().ok_or("has no program")?;
            let mut program = Program::new(program).args(args).pass_env("PATH");
            program = env.iter().fold(program, Program::pass_env);
            for (name, value) in values {
                program = program.env(name, &value.0);
            }
            if let Some(cwd) = cwd {
                program = program.dir(cwd);
            }
            Ok(Endpoint::program(supervisor, program))
        }
        Reached::Http { urls, headers, token } => {
            let targets = targets(urls, headers, token.as_ref())?.into_iter().map(Endpoint::http);
            Ok(Endpoint::several(targets))
        }
    }
}

/// The addresses of a server, with the credentials that are its own.
///
/// # Errors
///
/// Why one of them can be none.
pub(crate) fn targets(
    urls: &[String],
    headers: &BTreeMap<String, Hidden>,
    token: Option<&Hidden>,
) -> Result<Vec<HttpTarget>, String> {
    let target = |url: &String| {
        let mut target = HttpTarget::new(url)?.environment_proxies();
        for (name, value) in headers {
            target = target.header(name, &value.0)?;
        }
        match token {
            Some(token) => target.bearer(&token.0),
            None => Ok(target),
        }
    };
    urls.iter().map(|url| target(url).map_err(|error| error.to_string())).collect()
}

/// Tells how a server does, whenever that changes.
async fn watched(
    upstream: Upstream,
    origin: String,
    prefix: String,
    told: watch::Sender<bool>,
    states: watch::Sender<States>,
) {
    let mut changes = upstream.changes();
    let mut condition = Condition::Starting;
    loop {
        changes.borrow_and_update();
        let status = upstream.status();
        let now = condition_of(&status, *told.borrow(), &condition);
        if now != condition {
            match &now {
                Condition::Starting => {}
                Condition::Ready => say(format!("{origin}: ready, {} tools", status.tools.len())),
                Condition::Down(reason) => say(format!("{origin}: {reason}")),
            }
            condition = now;
        }
        let state = State {
            condition: condition.clone(),
            tools: status.tools.iter().map(|tool| format!("{prefix}{tool}")).collect(),
            refused: refused(&status, &prefix),
        };
        states.send_modify(|states| drop(states.insert(origin.clone(), state)));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn condition_of(status: &UpstreamStatus, is_told: bool, before: &Condition) -> Condition {
    if !status.faults.is_empty() {
        return Condition::Down(status.faults.join("; "));
    }
    match &status.state {
        UpstreamState::Ready if is_told => Condition::Ready,
        UpstreamState::Down { reason, .. } => Condition::Down(reason.to_string()),
        UpstreamState::Stopped => Condition::Down("it was stopped".into()),
        // It is down until it is there again.
        _ => before.clone(),
    }
}

/// The tools that are listed and not offered, and why.
fn refused(status: &UpstreamStatus, prefix: &str) -> Vec<(String, String)> {
    let faulty =
        status.refused.iter().map(|tool| (format!("{prefix}{}", tool.name()), tool.reason().to_owned()));
    let changed =
        status.pin_changes.iter().map(|change| (format!("{prefix}{}", change.tool()), change.to_string()));
    faulty.chain(changed).collect()
}

/// Ends a server when it has no calls any more.
async fn retire(upstream: Upstream) {
    loop {
        // A call that has just found one of its tools begins.
        #[expect(clippy::disallowed_methods, reason = "a host waits")]
        tokio::time::sleep(LOOK).await;
        if upstream.in_flight() == 0 {
            return upstream.stop().await;
        }
    }
}
