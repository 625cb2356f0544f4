//! What the control plane needs to know about an object of any kind: how many replicas it has, what
//! of its status matters, whether it is healthy, what it depends on.
//!
//! ```text
//! customizations   Lua scripts of ResourceInterpreterCustomizations
//! webhooks         of ResourceInterpreterWebhookConfigurations
//! bundled          Lua scripts for well-known kinds of other projects
//! native           the kinds every cluster has
//! ```
//!
//! Per kind and operation the first of these layers that has a hook answers alone; its error is the answer
//! as well. Kinds no layer knows still work: they have no replicas, are always healthy, and their whole
//! `status` is reported. [`prune()`] strips what only means something in the cluster an object was read
//! from.
//!
//! Nothing here uses a network or a clock: see [`Step`] for webhooks and [`Interpreter::with_clock`] for
//! scripts.

mod bundled;
mod customization;
mod decode;
mod kind;
mod kube;
mod native;
mod prune;
mod sandbox;
mod script;
mod step;
pub mod webhook;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use api::config::DependentObjectReference;
use api::work::{AggregatedStatusItem, Component, ReplicaRequirements};
use clock::Clock;
use machinery::{GroupVersionKind, Object, ObjectKey};
use serde_json::Value;

pub use native::Gates;
pub use prune::{prune, prune_for_work};
pub use sandbox::limits;
pub use step::{Question, Step};
pub use webhook::Webhook;

use customization::Customizations;
use kind::Kind;
use sandbox::Sandbox;
use script::Script;
use webhook::{Request, Webhooks};

/// A question that can be asked about an object; the names are those of the interpreter API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// How many replicas, and what one of them needs.
    InterpretReplica,
    /// The parts of an object that are scheduled one by one, with their replicas.
    InterpretComponent,
    /// The same object with another number of replicas.
    ReviseReplica,
    /// Which fields of the member's copy stay as they are.
    Retain,
    /// One status out of the statuses of all members.
    AggregateStatus,
    /// The part of the status that is reported to the control plane.
    InterpretStatus,
    /// Whether the object does its work.
    InterpretHealth,
    /// Which other objects it needs.
    InterpretDependency,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::InterpretReplica,
        Self::InterpretComponent,
        Self::ReviseReplica,
        Self::Retain,
        Self::AggregateStatus,
        Self::InterpretStatus,
        Self::InterpretHealth,
        Self::InterpretDependency,
    ];

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::InterpretReplica => "InterpretReplica",
            Self::InterpretComponent => "InterpretComponent",
            Self::ReviseReplica => "ReviseReplica",
            Self::Retain => "Retain",
            Self::AggregateStatus => "AggregateStatus",
            Self::InterpretStatus => "InterpretStatus",
            Self::InterpretHealth => "InterpretHealth",
            Self::InterpretDependency => "InterpretDependency",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an object could not be interpreted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not run {operation} for {kind} {key}: {reason}")]
pub struct Error {
    /// What was asked.
    pub operation: Operation,
    /// Kind of the object.
    pub kind: String,
    /// Namespace and name of the object.
    pub key: ObjectKey,
    /// What is wrong with the object or the hook.
    pub reason: String,
}

impl Error {
    /// An error about `object`.
    pub fn new(operation: Operation, object: &Object, reason: impl Into<String>) -> Self {
        Self { operation, kind: object.kind().into(), key: object.key(), reason: reason.into() }
    }
}

/// The outcome of an interpretation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How many replicas, and what one of them needs when it makes demands.
pub type Replicas = (i64, Option<ReplicaRequirements>);

/// Answers questions about objects of any kind.
#[derive(Debug, Default)]
pub struct Interpreter {
    customizations: Customizations,
    webhooks: Webhooks,
    sandbox: Sandbox,
    complaints: Vec<String>,
    /// Requests to webhooks so far.
    serial: AtomicU64,
}

/// Which layer answers, and who in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The scripts of these customizations; more than one only for dependencies.
    Customizations(Vec<String>),
    /// The webhook of this uid, `<configuration>/<webhook>`.
    Webhook(String),
    /// A script that comes with the program.
    Bundled,
    /// The program itself.
    Native,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customizations(names) => write!(f, "customization {}", names.join(", ")),
            Self::Webhook(uid) => write!(f, "webhook {uid}"),
            Self::Bundled => f.write_str("bundled script"),
            Self::Native => f.write_str("built in"),
        }
    }
}

/// Who answers.
enum Hook<'a> {
    /// One script; several for dependencies, whose answers are united.
    Scripts(&'a [Script]),
    Webhook(webhook::InCharge<'a>),
    Native(&'static native::Hooks),
}

impl Interpreter {
    /// An interpreter that knows the built-in and the bundled kinds only.
    pub fn native() -> Self {
        Self::default()
    }

    /// An interpreter with the given `ResourceInterpreterCustomization`s and
    /// `ResourceInterpreterWebhookConfiguration`s, in any order. Scripts are compiled when they are first
    /// needed, and once. What cannot be used is told by [`Interpreter::complaints`].
    pub fn with(customizations: &[Object], webhook_configurations: &[Object]) -> Self {
        Self::native().customized(customizations, webhook_configurations)
    }

    /// An interpreter with other customizations, and the clock and gates of this one.
    #[must_use]
    pub fn customized(&self, customizations: &[Object], webhook_configurations: &[Object]) -> Self {
        let mut complaints = Vec::new();
        let customizations = Customizations::new(customizations, &mut complaints);
        let webhooks = Webhooks::new(webhook_configurations, &mut complaints);
        let serial = AtomicU64::new(self.serial.load(Ordering::Relaxed));
        Self { customizations, webhooks, sandbox: self.sandbox.clone(), complaints, serial }
    }

    /// Lets scripts tell the time, and stops them after [`limits::DEADLINE`] of it. Without a clock it is
    /// 1970, and only the number of their steps stops them.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.sandbox.clock = Some(clock);
        self
    }

    /// Interprets under feature gates.
    #[must_use]
    pub fn with_gates(mut self, gates: Gates) -> Self {
        self.sandbox.gates = gates;
        self
    }

    /// The configurations that were left out because they cannot be read, one sentence each.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    fn hook(&self, kind: Kind<'_>, operation: Operation) -> Option<Hook<'_>> {
        if let Some(scripts) = self.customizations.scripts(kind, operation) {
            return Some(Hook::Scripts(scripts));
        }
        if let Some(webhook) = self.webhooks.in_charge(kind, operation) {
            return Some(Hook::Webhook(webhook));
        }
        if let Some(script) = bundled::script(kind, operation) {
            return Some(Hook::Scripts(std::slice::from_ref(script)));
        }
        native::find(kind).filter(|hooks| hooks.has(operation)).map(Hook::Native)
    }

    /// Whether some layer answers `operation` for objects of a kind.
    pub fn has(&self, kind: &GroupVersionKind, operation: Operation) -> bool {
        operation == Operation::InterpretStatus || self.hook(kind.into(), operation).is_some()
    }

    /// Who answers `operation` for objects of a kind, for those who explain a decision.
    pub fn answered_by(&self, kind: &GroupVersionKind, operation: Operation) -> Option<Source> {
        Some(match self.hook(kind.into(), operation) {
            Some(Hook::Scripts(scripts)) if scripts[0].is_bundled() => Source::Bundled,
            Some(Hook::Scripts(scripts)) => {
                Source::Customizations(scripts.iter().map(|script| script.name().to_owned()).collect())
            }
            Some(Hook::Webhook(hook)) => Source::Webhook(hook.uid().to_owned()),
            Some(Hook::Native(_)) => Source::Native,
            None if operation == Operation::InterpretStatus => Source::Native,
            None => return None,
        })
    }

    /// The question for a webhook, or why it cannot be asked.
    fn ask<T>(
        &self,
        hook: webhook::InCharge<'_>,
        request: Request<'_>,
        reader: webhook::Reader<T>,
    ) -> Step<T> {
        let subject = step::Subject::new(request.operation, request.object);
        match hook.webhook() {
            Ok(webhook) => {
                let serial = self.serial.fetch_add(1, Ordering::Relaxed);
                let body = request.body(&webhook.uid, serial);
                Step::Ask(Question::new(webhook, body, subject, reader))
            }
            Err(why) => Step::Done(Err(subject.error(why))),
        }
    }

    /// Replicas and what one of them needs; nothing for kinds without replicas.
    pub fn replicas(&self, object: &Object) -> Step<Option<Replicas>> {
        let operation = Operation::InterpretReplica;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            None => Step::Done(Ok(None)),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.replicas(&scripts[0], object).map(Some).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => self.ask(hook, Request::new(operation, object), webhook::replicas),
            Some(Hook::Native(hooks)) => {
                let replicas = hooks.replicas.map(|replicas| replicas(object, self.sandbox.gates));
                Step::Done(replicas.transpose())
            }
        }
    }

    /// The parts of the object that are scheduled one by one; nothing for kinds no layer knows the parts
    /// of.
    pub fn components(&self, object: &Object) -> Step<Option<Vec<Component>>> {
        let operation = Operation::InterpretComponent;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            None | Some(Hook::Native(_)) => Step::Done(Ok(None)),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.components(&scripts[0], object).map(Some).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => self.ask(hook, Request::new(operation, object), webhook::components),
        }
    }

    /// A copy with another number of replicas; an equal copy for kinds without replicas.
    pub fn revise_replicas(&self, object: &Object, replicas: i64) -> Step<Object> {
        let operation = Operation::ReviseReplica;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            None => Step::Done(Ok(object.clone())),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.revise(&scripts[0], object, replicas).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => {
                let request = Request { replicas, ..Request::new(operation, object) };
                self.ask(hook, request, webhook::patched)
            }
            Some(Hook::Native(hooks)) => {
                let mut revised = object.clone();
                if let Some(revise) = hooks.revise {
                    revise(&mut revised, replicas);
                }
                Step::Done(Ok(revised))
            }
        }
    }

    /// A copy of `desired` with what the member owns of `observed`.
    pub fn retain(&self, desired: &Object, observed: &Object) -> Step<Object> {
        let operation = Operation::Retain;
        let fail = |why| Error::new(operation, desired, why);
        match self.hook(Kind::of(desired), operation) {
            None => Step::Done(Ok(desired.clone())),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.retain(&scripts[0], desired, observed).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => {
                let request = Request { observed: Some(observed), ..Request::new(operation, desired) };
                self.ask(hook, request, webhook::patched)
            }
            Some(Hook::Native(hooks)) => {
                let mut retained = desired.clone();
                let outcome = hooks.retain.map_or(Ok(()), |retain| retain(&mut retained, observed));
                Step::Done(outcome.map(|()| retained))
            }
        }
    }

    /// The part of the status that is reported to the control plane; the whole of it for kinds no
    /// layer knows.
    pub fn reflect_status(&self, object: &Object) -> Step<Option<Value>> {
        let operation = Operation::InterpretStatus;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.reflect(&scripts[0], object).map(Some).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => self.ask(hook, Request::new(operation, object), webhook::status),
            None | Some(Hook::Native(_)) => Step::Done(Ok(native::reflect_status(object))),
        }
    }

    /// A copy of the template whose status sums up the members'; an equal copy when no layer knows how.
    pub fn aggregate_status(&self, template: &Object, items: &[AggregatedStatusItem]) -> Step<Object> {
        self.aggregate_reports(template, Some(items).filter(|items| !items.is_empty()))
    }

    /// The same, but tells an empty list from no list at all; only scripts see the difference. A binding
    /// without statuses has no list.
    pub fn aggregate_reports(
        &self,
        template: &Object,
        items: Option<&[AggregatedStatusItem]>,
    ) -> Step<Object> {
        let operation = Operation::AggregateStatus;
        let fail = |why| Error::new(operation, template, why);
        match self.hook(Kind::of(template), operation) {
            None => Step::Done(Ok(template.clone())),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.aggregate(&scripts[0], template, items).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => {
                let request =
                    Request { items: items.unwrap_or_default(), ..Request::new(operation, template) };
                self.ask(hook, request, webhook::patched)
            }
            Some(Hook::Native(hooks)) => {
                let mut aggregated = template.clone();
                let outcome = hooks
                    .aggregate
                    .map_or(Ok(()), |aggregate| aggregate(&mut aggregated, items.unwrap_or_default()));
                Step::Done(outcome.map(|()| aggregated).map_err(fail))
            }
        }
    }

    /// Whether the object does its work. Kinds no layer knows always do.
    pub fn health(&self, object: &Object) -> Step<bool> {
        let operation = Operation::InterpretHealth;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            None => Step::Done(Ok(true)),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.health(&scripts[0], object).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => self.ask(hook, Request::new(operation, object), webhook::healthy),
            Some(Hook::Native(hooks)) => Step::Done(Ok(hooks.health.is_none_or(|health| health(object)))),
        }
    }

    /// What the object needs beside it; nothing for kinds no layer knows.
    pub fn dependencies(&self, object: &Object) -> Step<Vec<DependentObjectReference>> {
        let operation = Operation::InterpretDependency;
        let fail = |why| Error::new(operation, object, why);
        match self.hook(Kind::of(object), operation) {
            None => Step::Done(Ok(Vec::new())),
            Some(Hook::Scripts(scripts)) => {
                Step::Done(self.sandbox.dependencies(scripts, object).map_err(fail))
            }
            Some(Hook::Webhook(hook)) => {
                self.ask(hook, Request::new(operation, object), webhook::dependencies)
            }
            Some(Hook::Native(hooks)) => {
                Step::Done(Ok(hooks.dependencies.map_or_else(Vec::new, |dependencies| dependencies(object))))
            }
        }
    }
}

#[cfg(test)]
mod tests;
