//! Which kinds there are to watch: all that can be listed, watched and deleted, also those that come later.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::{ApiResource, Discovered};
use machinery::GroupVersionResource;
use runtime::Change;
use tokio::sync::Notify;

use super::{Detector, lock};
use propagation::skip::SkippedApis;

/// A new CRD is served a moment after it has been stored.
const SETTLE: Duration = Duration::from_millis(20);

/// How often a failed discovery is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Detector {
    /// Asks the server what it offers, now, every period, and whenever a CRD or an aggregated API changes.
    pub(super) async fn discover(self) {
        let changed = Arc::new(Notify::new());
        for gvr in [
            GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            GroupVersionResource::new("apiregistration.k8s.io", "v1", "apiservices"),
        ] {
            let notify = Arc::clone(&changed);
            self.context.informers.get(&gvr).on_change(move |change: &Change| {
                if change.old().is_none_or(|old| old.at("/spec") != change.object().at("/spec"))
                    || change.old().is_some_and(|old| old.at("/status") != change.object().at("/status"))
                {
                    notify.notify_one();
                }
            });
        }
        let shutdown = self.context.shutdown.clone();
        let period = self.context.options.detector.discovery_period;
        loop {
            let wait = match self.context.client.discover().await {
                Ok(discovered) => {
                    self.follow(&discovered);
                    period
                }
                Err(error) => {
                    tracing::warn!(
                        error = error.chain(),
                        "could not find out which kinds there are, will try again"
                    );
                    RETRY
                }
            };
            let woken = shutdown.or(tokio::time::timeout(wait, changed.notified())).await;
            match woken {
                None => return,
                Some(Ok(())) => tokio::time::sleep(SETTLE).await,
                Some(Err(_)) => {}
            }
        }
    }

    fn follow(&self, discovered: &Discovered) {
        self.context.kinds.learn(discovered);
        let wanted = watchable(discovered, &self.apis);
        for gvr in &wanted {
            self.watch(gvr);
        }
        let gone: Vec<GroupVersionResource> = lock(&self.watched)
            .keys()
            .filter(|gvr| !wanted.contains(*gvr) && is_certain(gvr, discovered))
            .cloned()
            .collect();
        for gvr in gone {
            tracing::info!(%gvr, "no longer served");
            lock(&self.watched).remove(&gvr);
            self.context.end(&gvr);
        }
    }
}

/// Resources whose objects can be templates, in one version: the preferred one, which comes first.
fn watchable(discovered: &Discovered, skipped: &SkippedApis) -> BTreeSet<GroupVersionResource> {
    let mut seen = BTreeSet::new();
    let can = |resource: &&ApiResource| ["delete", "list", "watch"].iter().all(|verb| resource.can(verb));
    discovered
        .resources
        .iter()
        .filter(can)
        .filter(|resource| seen.insert((resource.gvk.group.clone(), resource.plural.clone())))
        .filter(|resource| !skipped.contains(&resource.gvk))
        .map(ApiResource::gvr)
        .collect()
}

/// Whether a resource that is not listed is really gone: its group has answered.
fn is_certain(gvr: &GroupVersionResource, discovered: &Discovered) -> bool {
    !discovered.failed.iter().any(|(version, _)| version.group == gvr.group)
}

#[cfg(test)]
mod tests {
    use machinery::{GroupVersion, GroupVersionKind};

    use super::*;

    fn resource(api_version: &str, kind: &str, verbs: &str) -> ApiResource {
        ApiResource {
            gvk: GroupVersionKind::from_api_version(api_version, kind),
            plural: format!("{}s", kind.to_lowercase()),
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: verbs.split_whitespace().map(ToOwned::to_owned).collect(),
        }
    }

    #[test]
    fn what_can_be_listed_watched_and_deleted_is_a_template_in_its_preferred_version() {
        let all = "create delete get list watch";
        let discovered = Discovered {
            resources: vec![
                resource("apps/v1", "Deployment", all),
                resource("apps/v1beta1", "Deployment", all),
                resource("v1", "Binding", "create"),
                resource("v1", "ComponentStatus", "get list"),
                resource("v1", "Event", all),
                resource("work.karmada.io/v1alpha1", "Work", all),
                resource("example.io/v1", "X", all),
            ],
            failed: Vec::new(),
        };
        let found: Vec<String> = watchable(&discovered, &SkippedApis::new("example.io/v1/Y,X"))
            .iter()
            .map(|gvr| format!("{}/{} {}", gvr.group, gvr.version, gvr.resource))
            .collect();
        assert_eq!(found, ["apps/v1 deployments"]);
    }

    #[test]
    fn a_group_that_does_not_answer_is_not_taken_for_gone() {
        let version = GroupVersion { group: "metrics.example.io".into(), version: "v1".into() };
        let discovered = Discovered { resources: Vec::new(), failed: vec![(version, "timeout".into())] };
        let gvr = |group: &str| GroupVersionResource::new(group, "v1", "xs");
        assert!(!is_certain(&gvr("metrics.example.io"), &discovered));
        assert!(is_certain(&gvr("example.io"), &discovered));
    }
}
