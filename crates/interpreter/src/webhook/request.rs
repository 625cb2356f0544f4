//! The `ResourceInterpreterContext` that is sent.

use std::hash::{DefaultHasher, Hash, Hasher};

use api::work::AggregatedStatusItem;
use machinery::Object;
use serde_json::{Map, Value};

use crate::Operation;
use crate::kind::Kind;

/// What a webhook is told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) object: &'a Object,
    /// The member's object, for a retention.
    pub(crate) observed: Option<&'a Object>,
    /// Sent with every operation, and without a meaning for most.
    pub(crate) replicas: i64,
    pub(crate) items: &'a [AggregatedStatusItem],
}

impl<'a> Request<'a> {
    pub(crate) fn new(operation: Operation, object: &'a Object) -> Self {
        Self { operation, object, observed: None, replicas: 0, items: &[] }
    }

    /// The review object. `serial` is different for every request of this process.
    pub(crate) fn body(&self, webhook: &str, serial: u64) -> Value {
        let kind = Kind::of(self.object);
        let mut request = Map::new();
        let mut set = |field: &str, value: Value| drop(request.insert(field.into(), value));
        set("uid", self.uid(webhook, serial).into());
        let parts = [("group", kind.group), ("version", kind.version), ("kind", kind.kind)];
        set("kind", parts.into_iter().map(|(part, text)| (part.to_owned(), Value::from(text))).collect());
        set("name", self.object.name().into());
        if !self.object.namespace().is_empty() {
            set("namespace", self.object.namespace().into());
        }
        set("operation", self.operation.name().into());
        set("object", self.object.value().clone());
        if let Some(observed) = self.observed {
            set("observedObject", observed.value().clone());
        }
        set("replicas", self.replicas.into());
        if !self.items.is_empty() {
            let items = serde_json::to_value(self.items).expect("status items are plain JSON");
            set("aggregatedStatus", items);
        }
        let mut context = Map::new();
        context.insert("apiVersion".into(), "config.karmada.io/v1alpha1".into());
        context.insert("kind".into(), "ResourceInterpreterContext".into());
        context.insert("request".into(), request.into());
        context.into()
    }

    /// Tells this request from others and looks like any other uid. Nothing rests on it being hard to
    /// guess: the response comes over the connection the request went out on.
    fn uid(&self, webhook: &str, serial: u64) -> String {
        let half = |half: u8| {
            let mut hasher = DefaultHasher::new();
            let object = self.object;
            (half, serial, webhook, self.operation, object.uid(), object.resource_version())
                .hash(&mut hasher);
            (object.kind(), object.namespace(), object.name()).hash(&mut hasher);
            hasher.finish()
        };
        let (high, low) = (half(0), half(1));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff,
        )
    }
}
