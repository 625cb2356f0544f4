//! The Karmada controllers, one module per controller, under upstream's names.
//!
//! [`CONTROLLERS`] lists them in the order in which a template passes them: the detector makes a binding,
//! the binding controller makes Works once the scheduler has chosen clusters, execution brings them into the
//! members, and two status controllers carry back what became of it. [`run`] starts those that are
//! selected, in the control plane over all push members; [`run_agent`] starts those that work for a single
//! member.
//!
//! Every controller compares what is with what should be and writes the difference. None remembers
//! anything between two looks but caches that may be lost.

pub mod options;

mod dependencies_distributor;
mod detector;

mod binding;
mod overrides_cache;
mod work;

mod execution;
mod members;

mod binding_status;
mod work_status;

mod cluster;
mod cluster_status;
mod namespace;
mod services;

mod interpretation;

mod context;
mod fresh;
mod gather;
mod kinds;
mod metrics;
mod view;

use std::sync::Arc;

use clock::{Clock, Ids};
use futures::future::{BoxFuture, join_all};
use runtime::{Informers, Recorder, Shutdown, spawn};

pub use members::{ConnectError, Members, OneMember, PushMembers};
pub use options::{Gates, Options, is_selected};

use context::Context;
use interpretation::LiveInterpreter;
use kinds::Kinds;
use members::{Fleet, PerMember};

/// What the controllers need from outside.
#[derive(Clone)]
pub struct Deps {
    /// The control plane's informers, and with them its client.
    pub informers: Informers,
    /// Where clients for members come from.
    pub members: Arc<dyn Members>,
    /// Time.
    pub clock: Clock,
    /// Ids of new objects.
    pub ids: Ids,
}

/// How a controller runs.
#[derive(Clone, Copy)]
enum Start {
    /// Once in the control plane.
    Once(fn(Context) -> BoxFuture<'static, ()>),
    /// Once per member.
    PerMember(PerMember),
}

/// A controller by its name in `--controllers`.
#[derive(Clone, Copy)]
pub struct Controller {
    /// The name.
    pub name: &'static str,
    /// Whether `*` selects it.
    pub on_by_default: bool,
    /// Whether it runs whatever is selected, unless it is switched off by name.
    pub always: bool,
    /// Whether an agent runs it too.
    pub in_agent: bool,
    start: Start,
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("name", &self.name).finish_non_exhaustive()
    }
}

const fn once(name: &'static str, start: fn(Context) -> BoxFuture<'static, ()>) -> Controller {
    Controller { name, on_by_default: true, always: false, in_agent: false, start: Start::Once(start) }
}

impl Controller {
    const fn always(self) -> Self {
        Self { always: true, ..self }
    }

    /// Whether the controller runs under a selection.
    fn is_in(&self, selection: &[String]) -> bool {
        if self.always {
            return !selection.iter().any(|s| s.strip_prefix('-') == Some(self.name));
        }
        is_selected(selection, self.name, self.on_by_default)
    }
}

const fn per_member(name: &'static str, start: PerMember) -> Controller {
    Controller { name, on_by_default: true, always: false, in_agent: true, start: Start::PerMember(start) }
}

/// All controllers, in reading order. The detector and the dependencies distributor are not in upstream's list
/// and always run there; here they can be switched off by name.
pub const CONTROLLERS: &[Controller] = &[
    once("detector", detector::run).always(),
    once("binding", binding::run),
    once("dependenciesDistributor", dependencies_distributor::run).always(),
    per_member("execution", execution::per_member),
    per_member("workStatus", work_status::per_member),
    once("bindingStatus", binding_status::run),
    once("cluster", cluster::run),
    per_member("clusterStatus", cluster_status::per_member),
    once("namespace", namespace::run),
    per_member("serviceExport", services::export::per_member),
    once("endpointSlice", services::endpoint_slice::run),
    once("serviceImport", services::import::run),
];

/// Runs the selected controllers until shutdown.
pub async fn run(deps: Deps, options: Options, shutdown: Shutdown) {
    run_selected(deps, options, &shutdown, "karmada-controller-manager", |_| true).await;
}

/// Runs the selected ones of the controllers that an agent has, for the one member of `deps`.
pub async fn run_agent(deps: Deps, options: Options, shutdown: Shutdown) {
    run_selected(deps, options, &shutdown, "karmada-agent", |controller| controller.in_agent).await;
}

async fn run_selected(
    deps: Deps,
    options: Options,
    shutdown: &Shutdown,
    component: &'static str,
    is_here: fn(&Controller) -> bool,
) {
    let selected: Vec<&Controller> =
        CONTROLLERS.iter().filter(|c| is_here(c) && c.is_in(&options.controllers)).collect();
    let context = context(deps, options, shutdown, component).await;
    let mut tasks = Vec::new();
    let mut parts: Vec<PerMember> = Vec::new();
    for controller in selected {
        match controller.start {
            Start::Once(start) => tasks.push(spawn(controller.name, start(context.clone()))),
            Start::PerMember(part) => parts.push(part),
        }
    }
    if !parts.is_empty() {
        tasks.push(spawn("members", Fleet::run(context, parts)));
    }
    join_all(tasks).await;
}

async fn context(deps: Deps, options: Options, shutdown: &Shutdown, component: &'static str) -> Context {
    let client = deps.informers.client().clone();
    let gates = interpreter::Gates { resource_quota_estimate: options.gates.resource_quota_estimate };
    let interpreter = LiveInterpreter::follow(deps.clock.clone(), gates, &deps.informers, shutdown).await;
    Context {
        kinds: Kinds::new(client.clone()),
        recorder: Recorder::start(client.clone(), component, deps.clock.clone(), shutdown),
        client,
        informers: deps.informers,
        interpreter,
        clock: deps.clock,
        ids: deps.ids,
        members: deps.members,
        options: Arc::new(options),
        shutdown: shutdown.clone(),
        shared: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detector_and_the_distributor_run_unless_they_are_switched_off_by_name() {
        let running = |selection: &[&str]| -> Vec<&str> {
            let selection: Vec<String> = selection.iter().map(ToString::to_string).collect();
            CONTROLLERS.iter().filter(|c| c.is_in(&selection)).map(|c| c.name).collect()
        };
        assert_eq!(running(&["binding"]), ["detector", "binding", "dependenciesDistributor"]);
        assert_eq!(running(&["binding", "-detector"]), ["binding", "dependenciesDistributor"]);
        assert_eq!(running(&["*"]).len(), CONTROLLERS.len());
    }

    #[test]
    fn an_agent_runs_what_works_for_a_single_member() {
        let in_agent: Vec<&str> = CONTROLLERS.iter().filter(|c| c.in_agent).map(|c| c.name).collect();
        assert_eq!(in_agent, ["execution", "workStatus", "clusterStatus", "serviceExport"]);
    }
}
