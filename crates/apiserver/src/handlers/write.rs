//! What every write goes through: defaults, admission, metadata, validation, one serialisation, the store.

use std::sync::Arc;

use bytes::Bytes;
use machinery::{Cause, Object, Status};
use serde_json::Value;
use store::{Expect, KeyValue, Revision};

use crate::admission::{Attributes, Operation};
use crate::allocate::Held;
use crate::auth::user::User;
use crate::core::{Context, Core, Warnings};
use crate::http::query::WriteOptions;
use crate::http::respond::plain_failure;
use crate::resource::Resource;
use crate::storage::{self, OBJECT_BYTES_MAX};
use crate::{fields, hooks, meta};

/// How often a write that names no version is tried again when others write in between.
const ATTEMPTS_MAX: usize = 8;

/// One write to one resource.
pub(crate) struct Write<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) resource: &'a Resource,
    pub(crate) user: &'a Arc<User>,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) options: &'a WriteOptions,
    pub(crate) warnings: &'a Warnings,
}

/// An object after a write.
#[derive(Debug)]
pub(crate) struct Written {
    /// Stored form.
    pub(crate) bytes: Bytes,
    /// Its revision; none after a dry run.
    pub(crate) revision: Option<Revision>,
    /// Whether the object was created.
    pub(crate) created: bool,
}

/// How a new state is made of the stored one.
pub(crate) trait Change: Send + Sync {
    /// The object as the writer wants it, with the resource version it insists on, if any.
    fn apply(&self, old: &Object) -> Result<Object, Status>;

    /// Whether the fields written count as applied by this manager (server-side apply), in which case
    /// [`Change::apply`] keeps `managedFields` itself.
    fn tracks_fields(&self) -> bool {
        false
    }
}

impl<F: Fn(&Object) -> Result<Object, Status> + Send + Sync> Change for F {
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        self(old)
    }
}

impl<'a> Write<'a> {
    /// The write a request asks for.
    pub(crate) fn of(cx: &'a Context, options: &'a WriteOptions) -> Self {
        Self {
            core: &cx.core,
            resource: &cx.resource,
            user: &cx.user,
            namespace: cx.namespace(),
            name: &cx.target.name,
            subresource: &cx.target.subresource,
            options,
            warnings: &cx.warnings,
        }
    }

    pub(crate) fn not_found(&self) -> Status {
        Status::not_found(&self.resource.gvr, self.name)
    }

    fn modified(&self) -> Status {
        Status::conflict(
            &self.resource.gvr,
            self.name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    fn attributes(&self, operation: Operation, name: &str) -> Attributes {
        Attributes {
            user: Arc::clone(self.user),
            operation,
            kind: self.resource.gvr_kind(),
            resource: self.resource.gvr.clone(),
            subresource: self.subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
            namespaced: self.resource.namespaced,
            dry_run: self.options.dry_run,
            field_manager: self.options.field_manager.clone(),
        }
    }

    /// Creates an object.
    ///
    /// *Flow.* default → name → admission mutates → prepare → identity → validate → admission
    /// validates → store; a taken generated name is tried again with another suffix.
    pub(crate) async fn create(&self, mut object: Object) -> Result<Written, Status> {
        if !object.resource_version().is_empty() && !self.options.apply {
            return Err(plain_failure("resourceVersion should not be set on objects to be created"));
        }
        meta::settle_namespace(self.resource, self.namespace, &mut object)?;
        let generate = object.str_at("/metadata/generateName").unwrap_or_default().to_owned();
        let generated = object.name().is_empty() && !generate.is_empty();
        hooks::stamp(self.resource, self.user, &mut object);
        self.resource.default(&mut object);
        let attributes = self.attributes(Operation::Create, object.name());
        let tracker = fields::Tracker::new(self.resource, self.subresource, self.options);
        meta::stamp_new(&mut object, self.core.ids.uid(), self.core.now_text());
        if !self.options.apply {
            tracker.track_new(&mut object, self.core);
        }
        hooks::before_admission(self.resource, &mut object);
        self.core
            .admission
            .mutate(&attributes, &mut object, None, self.warnings, self.core, self.resource)
            .await?;
        for attempt in 0..ATTEMPTS_MAX {
            if generated {
                let name = machinery::meta::generate_name(&generate, || self.random());
                object.metadata_mut().insert("name".into(), name.into());
            }
            let mut candidate = if generated { object.clone() } else { std::mem::take(&mut object) };
            match self.create_named(&attributes, &mut candidate).await {
                Err(status) if generated && status.is_already_exists() && attempt + 1 < ATTEMPTS_MAX => {}
                result => return result,
            }
        }
        Err(Status::already_exists(&self.resource.gvr, object.name()))
    }

    fn random(&self) -> u32 {
        u32::try_from(self.core.random.number() & u64::from(u32::MAX)).unwrap_or_default()
    }

    async fn create_named(&self, attributes: &Attributes, object: &mut Object) -> Result<Written, Status> {
        self.resource.prepare_create(object);
        self.resource.first_generation(object);
        let mut causes = machinery::meta::validate_object_meta(
            object,
            self.resource.namespaced,
            self.resource.name_rule(),
        );
        causes.extend(self.resource.validate_create(object));
        let mut held = hooks::before_create(self.core, self.resource, self.user, object, &mut causes)?;
        if !causes.is_empty() {
            return Err(self.resource.invalid(object.name(), causes));
        }
        self.core
            .admission
            .validate(attributes, Some(object), None, self.warnings, self.core, self.resource)
            .await?;
        let bytes = self.encode(object)?;
        if self.options.dry_run {
            return Ok(Written { bytes, revision: None, created: true });
        }
        let key = self.resource.key(self.namespace, object.name());
        match self.core.store.put(&key, bytes.clone(), Expect::Absent).await {
            Ok(revision) => {
                held.keep();
                Ok(Written { bytes, revision: Some(revision), created: true })
            }
            Err(store::Error::Unexpected { .. }) => {
                Err(Status::already_exists(&self.resource.gvr, object.name()))
            }
            Err(error) => Err(storage::failure(error)),
        }
    }

    fn encode(&self, object: &Object) -> Result<Bytes, Status> {
        let bytes = self.resource.encode(object);
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(plain_failure("etcdserver: request is too large"));
        }
        Ok(bytes)
    }

    /// Changes a stored object. A change that names no resource version is made again on the newer
    /// state when somebody else writes in between.
    pub(crate) async fn update(&self, change: &dyn Change) -> Result<Written, Status> {
        let key = self.resource.key(self.namespace, self.name);
        for _ in 0..ATTEMPTS_MAX {
            let found = self.core.store.get(&key).await.map_err(storage::failure)?;
            let kv = found.ok_or_else(|| self.not_found())?;
            let old = self.resource.read(&kv.value, kv.revision)?;
            let new = change.apply(&old)?;
            let insists = !new.resource_version().is_empty();
            match self.update_from(&kv, &old, new, change.tracks_fields()).await? {
                Some(written) => return Ok(written),
                None if insists && !change.tracks_fields() => return Err(self.modified()),
                None => {}
            }
        }
        Err(self.modified())
    }

    /// One try; nothing when the stored object changed meanwhile.
    async fn update_from(
        &self,
        kv: &KeyValue,
        old: &Object,
        mut new: Object,
        tracked: bool,
    ) -> Result<Option<Written>, Status> {
        self.check_identity(&new, old, kv)?;
        meta::settle_namespace(self.resource, self.namespace, &mut new)?;
        meta::settle_name(self.name, &mut new)?;
        new.fields_mut().insert("kind".into(), self.resource.kind.as_str().into());
        self.resource.default(&mut new);
        self.prepare(&mut new, old, &mut Vec::new());
        if !tracked {
            let tracker = fields::Tracker::new(self.resource, self.subresource, self.options);
            tracker.track_change(&mut new, old, self.core);
        }
        if self.subresource.is_empty() {
            hooks::before_update_admission(self.resource, &mut new, old);
        }
        let attributes = self.attributes(Operation::Update, self.name);
        self.core
            .admission
            .mutate(&attributes, &mut new, Some(old), self.warnings, self.core, self.resource)
            .await?;
        let mut causes = machinery::meta::validate_object_meta_update(&new, old);
        self.prepare(&mut new, old, &mut causes);
        if self.subresource.is_empty() || self.subresource == "scale" {
            self.resource.next_generation(&mut new, old);
        } else {
            keep_generation(&mut new, old);
        }
        causes.extend(self.validate(&new, old));
        let mut held = if self.subresource.is_empty() {
            hooks::before_update(self.core, self.resource, self.user, &mut new, old, &mut causes)?
        } else {
            Held::nothing()
        };
        if !causes.is_empty() {
            return Err(self.resource.invalid(self.name, causes));
        }
        self.core
            .admission
            .validate(&attributes, Some(&new), Some(old), self.warnings, self.core, self.resource)
            .await?;
        let bytes = self.encode(&new)?;
        if is_finished(self.resource, &new) {
            if self.options.dry_run {
                return Ok(Some(Written { bytes, revision: None, created: false }));
            }
            return self.remove(kv, bytes).await;
        }
        if bytes == kv.value || (bytes.len() == kv.value.len() && meta::differs_in_times_only(&new, old)) {
            let bytes = kv.value.clone();
            return Ok(Some(Written { bytes, revision: Some(kv.revision), created: false }));
        }
        if self.options.dry_run {
            return Ok(Some(Written { bytes, revision: Some(kv.revision), created: false }));
        }
        match self.core.store.put(&kv.key, bytes.clone(), Expect::Revision(kv.revision)).await {
            Ok(revision) => {
                held.keep();
                hooks::after_update(self.core, self.resource, &new, old);
                Ok(Some(Written { bytes, revision: Some(revision), created: false }))
            }
            Err(store::Error::Unexpected { current: Some(_), .. }) => Ok(None),
            Err(store::Error::Unexpected { current: None, .. }) => Err(self.not_found()),
            Err(error) => Err(storage::failure(error)),
        }
    }

    async fn remove(&self, kv: &KeyValue, bytes: Bytes) -> Result<Option<Written>, Status> {
        match self.core.store.delete(&kv.key, kv.revision).await {
            Ok(revision) => {
                if let Ok(object) = self.resource.read(&kv.value, kv.revision) {
                    hooks::after_delete(self.core, self.resource, &object);
                }
                Ok(Some(Written { bytes, revision: Some(revision), created: false }))
            }
            Err(store::Error::Unexpected { .. }) => Ok(None),
            Err(error) => Err(storage::failure(error)),
        }
    }

    fn prepare(&self, new: &mut Object, old: &Object, causes: &mut Vec<Cause>) {
        match self.subresource {
            "" | "scale" => self.resource.prepare_update(new, old),
            other if hooks::prepare_subresource(other, new, old, causes) => {}
            _ => self.resource.prepare_status_update(new, old),
        }
        if self.resource.is("certificates.k8s.io", "certificatesigningrequests") {
            kinds::certificates::date_conditions(new, old, &self.core.now_text());
        }
        meta::carry_over(new, old);
    }

    fn validate(&self, new: &Object, old: &Object) -> Vec<Cause> {
        match self.subresource {
            "" | "scale" => self.resource.validate_update(new, old),
            "status" => self.resource.validate_status_update(new, old),
            _ => Vec::new(),
        }
    }

    /// Checks resource version and uid of the wanted state against the stored one.
    fn check_identity(&self, new: &Object, old: &Object, kv: &KeyValue) -> Result<(), Status> {
        let sent = new.resource_version();
        if !sent.is_empty() {
            let version: Revision = sent
                .parse()
                .map_err(|_| plain_failure(format!("strconv.ParseUint: parsing {sent:?}: invalid syntax")))?;
            if version != kv.revision && version != 0 {
                return Err(self.modified());
            }
        }
        let uid = new.uid();
        if !uid.is_empty() && uid != old.uid() {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: \
                 Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                kv.key,
                old.uid()
            );
            return Err(Status::conflict(&self.resource.gvr, self.name, &why));
        }
        Ok(())
    }
}

fn keep_generation(new: &mut Object, old: &Object) {
    match old.metadata().and_then(|m| m.get("generation")) {
        Some(generation) => new.metadata_mut().insert("generation".into(), generation.clone()),
        None => new.metadata_mut().remove("generation"),
    };
}

/// Whether nothing holds a deleted object back any more.
pub(crate) fn is_finished(resource: &Resource, object: &Object) -> bool {
    object.is_deleting()
        && object.finalizers().next().is_none()
        && object.i64_at("/metadata/deletionGracePeriodSeconds").unwrap_or(0) == 0
        && !(resource.is("", "namespaces") && has_spec_finalizers(object))
}

/// Whether a namespace waits for its content to go.
pub(crate) fn has_spec_finalizers(namespace: &Object) -> bool {
    namespace.at("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty())
}
