//! The certificate of the cluster's authority, as ConfigMap `kube-root-ca.crt` in every namespace.
//!
//! ```text
//! watches  Namespace, ConfigMap
//! writes   the ConfigMap where it is missing or says something else
//! ```

use machinery::{Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};
use serde_json::json;

use crate::{Context, core};

const NAME: &str = "kube-root-ca.crt";

/// The ConfigMap that a namespace should have, given the one it has; nothing when that is right.
pub fn decide(namespace: &str, known: Option<&Object>, ca_pem: &str) -> Option<Object> {
    let data = json!({ "ca.crt": ca_pem });
    match known {
        Some(known) if known.at("/data") == Some(&data) => None,
        Some(known) => {
            let mut changed = known.clone();
            changed.set("/data", data);
            Some(changed)
        }
        None => {
            let mut wanted = Object::new("v1", "ConfigMap", namespace, NAME);
            let about = "The authority that signs this cluster's API server certificate.";
            wanted.set_annotation("kubernetes.io/description", about);
            wanted.set("/data", data);
            Some(wanted)
        }
    }
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<String> = Queue::new("root-ca-cert-publisher");
    let namespaces = context.informers.get(&core("namespaces"));
    let maps = context.informers.get(&core("configmaps"));
    let wake = queue.clone();
    namespaces.on_change(move |change: &Change| {
        if !change.is_deleted() {
            wake.add(change.object().name().to_owned());
        }
    });
    let wake = queue.clone();
    maps.on_change(move |change: &Change| {
        if change.object().name() == NAME && !change.is_initial() {
            wake.add(change.object().namespace().to_owned());
        }
    });
    if !maps.wait_synced(&context.shutdown).await {
        return;
    }
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 2, &shutdown, move |name: String| {
        let (context, namespaces, maps) = (context.clone(), namespaces.clone(), maps.clone());
        async move {
            if namespaces.get(&ObjectKey::new("", &name)).is_none_or(|n| n.is_deleting()) {
                return Ok(Outcome::Done);
            }
            let known = maps.get(&ObjectKey::new(&name, NAME));
            let Some(wanted) = decide(&name, known.as_deref(), &context.ca_pem) else {
                return Ok(Outcome::Done);
            };
            let resource = context.informers.client().resource(&core("configmaps")).namespace(&name);
            let written =
                if known.is_some() { resource.update(&wanted).await } else { resource.create(&wanted).await };
            match written {
                // Behind: the change that was missed brings us back.
                Err(error) if error.is_already_exists() || error.is_conflict() || error.is_not_found() => {
                    Ok(Outcome::Done)
                }
                result => result.map(|_| Outcome::Done),
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_changed_certificate_is_put_right_and_a_right_one_left_alone() {
        let made = decide("ns", None, "PEM").unwrap();
        assert_eq!(made.namespace(), "ns");
        assert_eq!(made.at("/data").unwrap()["ca.crt"], "PEM");
        assert_eq!(decide("ns", Some(&made), "PEM"), None);
        let renewed = decide("ns", Some(&made), "NEW").unwrap();
        assert_eq!(renewed.at("/data").unwrap()["ca.crt"], "NEW");
        assert!(renewed.annotation("kubernetes.io/description").is_some(), "what else it holds is kept");
    }
}
