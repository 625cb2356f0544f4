//! Kubernetes events: what happened to an object, for `kubectl describe` and `kubectl get events`.
//!
//! Recording never waits and never fails a reconcile: events are written behind, at a bounded rate,
//! and dropped when too many wait. Repetitions of an event raise its count instead of making new ones.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Client, Patch};
use clock::Clock;
use machinery::{GroupVersionResource, Object};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{Shutdown, spawn};

/// Events waiting to be written. Past this they are dropped: a burst of thousands of objects would
/// otherwise hold memory and write time that the objects themselves need.
const WAITING_MAX: usize = 4096;

/// At most one event is written per this time, so that events never crowd out the writes they tell of.
const PACE: Duration = Duration::from_millis(4);

/// Distinct events remembered to count repetitions.
const REMEMBERED_MAX: usize = 4096;

/// Severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Somebody may have to look.
    Warning,
}

impl EventType {
    fn text(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Regarding {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid; `kubectl describe` finds events by it.
    pub uid: String,
}

impl From<&Object> for Regarding {
    fn from(object: &Object) -> Self {
        Self {
            api_version: object.api_version().into(),
            kind: object.kind().into(),
            namespace: object.namespace().into(),
            name: object.name().into(),
            uid: object.uid().into(),
        }
    }
}

struct Recorded {
    regarding: Regarding,
    ty: EventType,
    reason: &'static str,
    message: String,
}

/// Records events of one component. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    waiting: mpsc::Sender<Recorded>,
}

impl Recorder {
    /// Starts a recorder that writes in the name of a component until shutdown.
    pub fn start(client: Client, component: &'static str, clock: Clock, shutdown: &Shutdown) -> Self {
        let (waiting, mut recorded) = mpsc::channel(WAITING_MAX);
        let shutdown = shutdown.clone();
        spawn("events", async move {
            let mut writer = Writer { client, component, clock, known: BTreeMap::new(), sequence: 0 };
            while let Some(Some(event)) = shutdown.or(recorded.recv()).await {
                writer.write(event).await;
                tokio::time::sleep(PACE).await;
            }
        });
        Self { waiting }
    }

    /// A recorder that drops everything, for tests.
    pub fn silent() -> Self {
        Self { waiting: mpsc::channel(1).0 }
    }

    /// Records an event.
    pub fn event(
        &self,
        regarding: impl Into<Regarding>,
        ty: EventType,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let recorded = Recorded { regarding: regarding.into(), ty, reason, message: message.into() };
        if self.waiting.try_send(recorded).is_err() {
            tracing::trace!(reason, "event dropped");
        }
    }

    /// Records a normal event.
    pub fn normal(&self, regarding: impl Into<Regarding>, reason: &'static str, message: impl Into<String>) {
        self.event(regarding, EventType::Normal, reason, message);
    }

    /// Records a warning.
    pub fn warning(&self, regarding: impl Into<Regarding>, reason: &'static str, message: impl Into<String>) {
        self.event(regarding, EventType::Warning, reason, message);
    }
}

type Identity = (Regarding, EventType, &'static str, String);

struct Writer {
    client: Client,
    component: &'static str,
    clock: Clock,
    known: BTreeMap<Identity, (String, u64)>,
    sequence: u64,
}

impl Writer {
    async fn write(&mut self, event: Recorded) {
        let namespace =
            if event.regarding.namespace.is_empty() { "default" } else { &event.regarding.namespace };
        let events =
            self.client.resource(&GroupVersionResource::new("", "v1", "events")).namespace(namespace);
        let now = self.clock.now();
        let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let identity = (event.regarding.clone(), event.ty, event.reason, event.message.clone());
        if let Some((name, count)) = self.known.get_mut(&identity) {
            *count += 1;
            let patch = json!({ "count": *count, "lastTimestamp": time });
            match events.patch(name, &Patch::Merge(&patch)).await {
                Ok(_) => return,
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    tracing::debug!(error = error.chain(), "event not counted");
                    return;
                }
            }
        }
        self.sequence += 1;
        let nanos = u128::try_from(now.as_nanosecond()).unwrap_or_default();
        let name = format!("{}.{:x}", event.regarding.name, nanos + u128::from(self.sequence));
        let mut object = Object::new("v1", "Event", namespace, &name);
        let Regarding { api_version, kind, namespace: about_namespace, name: about, uid } = &event.regarding;
        let mut involved = json!({ "apiVersion": api_version, "kind": kind, "name": about, "uid": uid });
        if !about_namespace.is_empty() {
            involved["namespace"] = about_namespace.as_str().into();
        }
        object.set("/involvedObject", involved);
        object.set("/reason", event.reason);
        object.set("/message", event.message);
        object.set("/type", event.ty.text());
        object.set("/source", json!({ "component": self.component }));
        object.set("/reportingComponent", self.component);
        object.set("/count", 1);
        object.set("/firstTimestamp", time.as_str());
        object.set("/lastTimestamp", time.as_str());
        match events.create(&object).await {
            Ok(_) => {
                if self.known.len() >= REMEMBERED_MAX {
                    self.known.clear();
                }
                self.known.insert(identity, (name, 1));
            }
            Err(error) => tracing::debug!(error = error.chain(), "event not written"),
        }
    }
}
