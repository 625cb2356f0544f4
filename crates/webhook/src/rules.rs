//! The rules together with what they need from outside.

use std::sync::{Arc, OnceLock};

use admission::{Denial, Operation, Source, World};
use api::Resource as _;
use api::config::ResourceInterpreterCustomization;
use api::policy::FederatedResourceQuota;
use clock::{Clock, Ids};
use machinery::{GroupVersionKind, Object};
use runtime::{Informer, Informers};

use crate::not_yet;

/// Admission rules with a clock, ids and a view of other objects. Cheap to clone.
#[derive(Clone)]
pub struct Rules {
    options: Arc<admission::Options>,
    clock: Clock,
    ids: Ids,
    others: Arc<OnceLock<Others>>,
}

/// Other objects that rules look at.
struct Others {
    customizations: Informer,
    quotas: Informer,
}

impl Rules {
    /// Rules that know of no other objects until [`Rules::follow`].
    pub fn new(options: admission::Options, clock: Clock, ids: Ids) -> Self {
        Self { options: Arc::new(options), clock, ids, others: Arc::default() }
    }

    /// Starts keeping the objects current that rules look at besides the one in the request.
    pub fn follow(&self, informers: &Informers) {
        self.others.get_or_init(|| Others {
            customizations: informers.get(&ResourceInterpreterCustomization::gvr()),
            quotas: informers.get(&FederatedResourceQuota::gvr()),
        });
    }

    /// Runs the mutating rules on an object.
    ///
    /// # Errors
    /// The first refusal, with the rule's name.
    pub fn mutate(
        &self,
        gvk: &GroupVersionKind,
        operation: Operation,
        namespace: &str,
        object: &mut Object,
        old: Option<&Object>,
    ) -> Result<(), (&'static str, Denial)> {
        let mut ids = || self.ids.uid();
        let mut source = Source { options: &self.options, now: self.clock.now(), ids: &mut ids };
        admission::mutate(gvk, operation, namespace, object, old, &mut source)
    }

    /// Whether [`Rules::warnings`] may have something to say about a kind.
    pub fn may_warn(gvk: &GroupVersionKind) -> bool {
        not_yet::concerns(gvk) || admission::may_warn(gvk)
    }

    /// What the writer of an object should know although it is accepted.
    pub fn warnings(gvk: &GroupVersionKind, object: &Object) -> Vec<String> {
        let mut warnings = not_yet::warnings(gvk, object);
        warnings.extend(admission::warnings(gvk, object));
        warnings
    }

    /// Runs the validating rules on an object.
    ///
    /// # Errors
    /// The first refusal, with the rule's name.
    pub fn validate(
        &self,
        gvk: &GroupVersionKind,
        operation: Operation,
        object: &Object,
        old: Option<&Object>,
    ) -> Result<(), (&'static str, Denial)> {
        let needs: Vec<_> = admission::rules_for(gvk, operation).map(|rule| rule.needs).collect();
        let others = self.others.get();
        let mut world = World::empty(&self.options);
        let customizations: Vec<ResourceInterpreterCustomization>;
        let quotas: Vec<FederatedResourceQuota>;
        if needs.contains(&admission::Needs::Customizations) {
            let known = others.map(|o| o.customizations.list()).unwrap_or_default();
            customizations =
                known.iter().filter_map(|o| ResourceInterpreterCustomization::from_object(o).ok()).collect();
            world.customizations = &customizations;
        }
        if needs.contains(&admission::Needs::Quotas) {
            let known = others.map(|o| o.quotas.list_in(object.namespace())).unwrap_or_default();
            quotas = known.iter().filter_map(|o| FederatedResourceQuota::from_object(o).ok()).collect();
            world.quotas = &quotas;
        }
        admission::validate(gvk, operation, object, old, &world)
    }
}
