//! What the configuration describes, running; and its change into what another configuration describes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use toolpost::plan::TemplateRegistry;
use toolpost::process::{Programs, Supervisor, Workers};
use toolpost::scheduler::rt::Gate;
use toolpost::scheduler::{Fair, Limit, QueueLimits};
use toolpost::tool::{AnyTool, Tool as _};
use toolpost::upstream::{PinChange, Pins};
use toolpost::{Peers, PlanRunner, Runtime, Settings, Upstreams};

use crate::access::{self, Door};
use crate::config::{Config, Hidden, JwtTable, Limits, Plans, Serve};
use crate::say::say;
use crate::upstreams::{Home, Servers};

/// How long workers that cannot be kept running are left alone, at least.
const AGAIN: Duration = Duration::from_millis(100);

/// Calls that run at once, and that wait, unless told otherwise.
const PERMITS: u32 = 256;
const QUEUE: u32 = 512;

/// A runtime whose tools come from a configuration. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway {
    runtime: Runtime,
    supervisor: Supervisor,
    door: Door,
    /// The tools that plans use.
    peers: Peers,
    applied: Arc<Mutex<Applied>>,
    states: watch::Sender<States>,
}

/// How each origin of tools does, by its path in the configuration, such as `workers.stats`.
pub(crate) type States = BTreeMap<String, State>;

/// How an origin of tools does.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) condition: Condition,
    /// Its tools, by their names here.
    pub(crate) tools: Vec<String>,
    /// What it lists and is not offered, and why.
    pub(crate) refused: Vec<(String, String)>,
}

/// Whether an origin of tools has them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    /// It has not said yet which tools it has.
    Starting,
    /// It has said it.
    Ready,
    /// It cannot be asked, for this reason; it is tried again.
    Down(String),
}

impl State {
    pub(crate) const fn starting() -> Self {
        Self { condition: Condition::Starting, tools: Vec::new(), refused: Vec::new() }
    }
}

/// What runs now.
struct Applied {
    serve: Serve,
    limits: Limits,
    texts: Vec<Hidden>,
    /// Whose tokens let in, and whether clients are asked for one at all.
    asked: (Option<PathBuf>, Option<JwtTable>),
    asks: bool,
    settings: Settings,
    programs: String,
    commands: Vec<AnyTool>,
    plans: Plans,
    planned: Vec<AnyTool>,
    workers: BTreeMap<String, Running>,
    servers: Servers,
    pins: Option<Pins>,
}

/// What was started for one table.
struct Running {
    /// The table, so that another one is told from it.
    table: String,
    _telling: Telling,
}

/// A task that ends with this value.
struct Telling(JoinHandle<()>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Gateway {
    /// Sets up what `config` describes, and starts it; nothing is waited for that other programs or servers have to say.
    ///
    /// # Errors
    ///
    /// Everything that makes no sense together.
    pub(crate) async fn start(mut config: Config) -> Result<Self, Vec<String>> {
        let limits = config.limits;
        let gate = Gate::with_discipline(
            permits(limits),
            Fair::default(),
            QueueLimits::new(limits.queue.unwrap_or(QUEUE) as usize),
        );
        let supervisor = Supervisor::new();
        let mut builder = Runtime::builder().gate(&gate).background("processes", supervisor.clone());
        if let Some(rules) = access::rules(&config.serve.scopes) {
            builder = builder.authorize(rules);
        }
        if let Some(calls) = limits.calls_per_principal {
            builder = builder.calls_per_principal(calls as usize);
        }
        if let Some(limit) = limits.time_limit_ms {
            builder = builder.time_limit(Duration::from_millis(limit));
        }
        let upstreams = Upstreams::new();
        let runtime = builder
            .upstreams(&upstreams)
            .build()
            .map_err(|error| error.faults().map(ToOwned::to_owned).collect::<Vec<_>>())?;
        let peers = Peers::new();
        let _first = peers.bind(&runtime);
        let applied = Applied {
            serve: config.serve.clone(),
            limits,
            texts: config.texts.clone(),
            asked: asked(&config.serve),
            asks: config.tokens.is_some(),
            settings: Settings::default(),
            programs: String::new(),
            commands: Vec::new(),
            plans: Plans::default(),
            planned: Vec::new(),
            workers: BTreeMap::new(),
            servers: Servers::new(&upstreams),
            pins: config.pins.as_ref().map(|pins| pins.pins.clone()),
        };
        let door = Door::default();
        door.change(config.tokens.take().unwrap_or_default());
        let gateway = Self {
            runtime,
            supervisor,
            door,
            peers,
            applied: Arc::new(Mutex::new(applied)),
            states: watch::Sender::default(),
        };
        gateway.apply(config).await?;
        Ok(gateway)
    }

    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) const fn door(&self) -> &Door {
        &self.door
    }

    /// How what upstreams list differs from what is pinned.
    pub(crate) async fn pin_changes(&self) -> Vec<PinChange> {
        let applied = self.applied.lock().await;
        applied.servers.all().iter().flat_map(|upstream| upstream.status().pin_changes).collect()
    }

    pub(crate) fn states(&self) -> States {
        self.states.borrow().clone()
    }

    /// Waits until each origin has said which tools it has, or that it has none; `most` at the longest.
    pub(crate) async fn settled(&self, most: Duration) {
        let mut states = self.states.subscribe();
        let settled = |states: &States| !states.values().any(|state| state.condition == Condition::Starting);
        let _late = timeout(most, states.wait_for(settled)).await;
    }

    /// Ends what was started, for a command that is over.
    pub(crate) async fn stop(&self) {
        let mut applied = self.applied.lock().await;
        applied.workers.clear();
        applied.servers.stop().await;
        self.supervisor.stop().await;
    }

    /// Turns what runs into what `config` describes. Calls that run end with the tool that they found, and what did not
    /// change goes on as it was. Returns what changed, a line each.
    ///
    /// # Errors
    ///
    /// Everything that makes no sense together; nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves some of what changed as it was; applied again, it is changed.
    pub(crate) async fn apply(&self, config: Config) -> Result<Vec<String>, Vec<String>> {
        let mut applied = self.applied.lock().await;
        let mut changes = Vec::new();
        // Before the settings: they may name tools of sources that are not there yet.
        let workers = config.workers.keys().map(|name| format!("workers.{name}"));
        for origin in workers.chain(config.upstreams.keys().cloned()) {
            let _declared = self.runtime.source(origin);
        }
        let commands = match config.programs == applied.programs {
            true => applied.commands.clone(),
            false => {
                changes.push("programs".to_owned());
                let programs = Programs::from_toml_at(&config.programs, &config.base);
                programs.map_err(|error| error.faults().to_vec())?.take_commands(&self.supervisor)
            }
        };
        let planned = match config.plans == applied.plans {
            true => applied.planned.clone(),
            false => {
                changes.push("plans".to_owned());
                planned(&config.plans, &self.peers)
            }
        };
        if config.settings != applied.settings {
            changes.push("policies".to_owned());
        }
        self.runtime
            .reload(&config.settings, commands.iter().chain(&planned).cloned())
            .map_err(|error| error.faults().map(ToOwned::to_owned).collect::<Vec<_>>())?;
        (applied.programs, applied.commands, applied.settings) = (config.programs, commands, config.settings);
        (applied.plans, applied.planned) = (config.plans, planned);
        if config.limits.permits != applied.limits.permits {
            changes.push("permits".to_owned());
            self.runtime.gate().set_limit(permits(config.limits));
            applied.limits.permits = config.limits.permits;
        }
        let asked = asked(&config.serve);
        // As they are they stay: keys of an issuer that were fetched are known on.
        if config.texts != applied.texts || asked != applied.asked {
            let change = match !applied.asks && config.tokens.is_some() {
                true => "tokens, for which nobody is asked before the next start",
                false => "tokens",
            };
            changes.push(change.to_owned());
            self.door.change(config.tokens.unwrap_or_default());
            (applied.texts, applied.asked) = (config.texts, asked);
        }
        if config.limits != applied.limits || config.serve != applied.serve {
            changes.push("[serve] or [limits], from the next start on".to_owned());
        }
        self.change_workers(&mut applied.workers, config.workers, &config.base, &mut changes).await;
        let home = Home {
            runtime: self.runtime.clone(),
            supervisor: self.supervisor.clone(),
            states: self.states.clone(),
        };
        let Applied { servers, pins, .. } = &mut *applied;
        let file = config.pins.map(|file| file.pins);
        let are_same = match (&*pins, &file) {
            (Some(pins), Some(file)) => {
                if pins.to_json() != file.to_json() {
                    pins.replace(file);
                    changes.push("pins".to_owned());
                }
                true
            }
            (before, after) => before.is_some() == after.is_some(),
        };
        if !are_same {
            *pins = file;
            changes.push("pins".to_owned());
        }
        servers.change(config.upstreams, pins.as_ref(), are_same, &home, &mut changes).await;
        Ok(changes)
    }

    async fn change_workers(
        &self,
        running: &mut BTreeMap<String, Running>,
        wanted: BTreeMap<String, String>,
        base: &std::path::Path,
        changes: &mut Vec<String>,
    ) {
        let gone: Vec<String> = running.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            drop(running.remove(&name));
            let origin = format!("workers.{name}");
            changes.push(format!("{origin} is gone"));
            if let Err(error) = self.runtime.source(&*origin).clear().await {
                say(format!("{origin}: {error}"));
            }
            self.states.send_modify(|states| drop(states.remove(&origin)));
        }
        for (name, table) in wanted {
            if running.get(&name).is_some_and(|running| running.table == table) {
                continue;
            }
            let origin = format!("workers.{name}");
            // Its faults were found when the file was read.
            let Ok(mut programs) = Programs::from_toml_at(&table, base) else { continue };
            let started = programs.start_workers(&self.supervisor).into_iter().next();
            let Some((_, workers)) = started else { continue };
            changes.push(origin.clone());
            self.states.send_modify(|states| {
                let _former = states.entry(origin.clone()).or_insert_with(State::starting);
            });
            let gateway = self.clone();
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with its owner, and by itself when the tools are told"
            )]
            let telling = tokio::spawn(async move { gateway.tell(origin, workers).await });
            drop(running.insert(name, Running { table, _telling: Telling(telling) }));
        }
    }

    /// Registers the tools of workers when they have told them, however often that takes a start more. Those that they
    /// follow answer until then.
    async fn tell(&self, origin: String, workers: Workers) {
        let tools = loop {
            match workers.tools().await {
                Ok(tools) => break tools,
                Err(error) => {
                    self.failed(&origin, &format!("{error}; it is tried again"));
                    #[expect(clippy::disallowed_methods, reason = "a host waits")]
                    tokio::time::sleep(error.retry_after().unwrap_or_default().max(AGAIN)).await;
                }
            }
        };
        let names = tools.iter().map(|tool| tool.spec().name().to_owned()).collect();
        match self.runtime.source(&*origin).set(tools).await {
            Ok(()) => self.states.send_modify(|states| {
                let state = State { condition: Condition::Ready, tools: names, refused: Vec::new() };
                drop(states.insert(origin, state));
            }),
            Err(error) => self.failed(&origin, &error.to_string()),
        }
    }

    /// Says once why an origin has no tools.
    fn failed(&self, origin: &str, reason: &str) {
        let mut is_new = false;
        self.states.send_modify(|states| {
            let state = states.entry(origin.to_owned()).or_insert_with(State::starting);
            is_new = state.condition == Condition::Starting;
            if is_new {
                state.condition = Condition::Down(reason.to_owned());
            }
        });
        if is_new {
            say(format!("{origin}: {reason}"));
        }
    }
}

/// The tools that run plans.
fn planned(plans: &Plans, peers: &Peers) -> Vec<AnyTool> {
    let runner = match plans.read_only {
        true => PlanRunner::new(peers).read_only(),
        false => PlanRunner::new(peers),
    };
    let mut tools = Vec::new();
    if plans.run_workflow {
        tools.push(runner.tool());
    }
    // Its faults were found when the file was read.
    if let Some(Ok(templates)) = plans.templates.as_ref().map(TemplateRegistry::from_json) {
        let names: BTreeSet<String> = templates.list().map(|template| template.name().to_owned()).collect();
        let templates = Arc::new(templates);
        tools.extend(names.iter().filter_map(|name| runner.template(&templates, name, None)));
    }
    tools
}

/// What says whose tokens let in.
fn asked(serve: &Serve) -> (Option<PathBuf>, Option<JwtTable>) {
    (serve.token_file.clone(), serve.jwt.clone())
}

fn permits(limits: Limits) -> Limit {
    Limit::fixed(limits.permits.unwrap_or(PERMITS) as usize)
}
