//! Namespace deletion: everything in it first, then the namespace.
//!
//! ```text
//! watches  Namespace
//! reads    discovery; lists of every namespaced resource in the namespace
//! writes   deletecollection of every such resource; Namespace status conditions; finalize
//! wakes    on changes of a namespace; again while something is left
//! ```

use std::time::Duration;

use client::{Client, Discovered, ListOptions};
use machinery::{Object, ObjectKey};
use runtime::{Change, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::{Context, core};

/// Finalizer in `spec.finalizers` that stands for the namespace's content.
const KUBERNETES: &str = "kubernetes";

/// While content with finalizers or a grace period is left, look again this often.
const AGAIN: Duration = Duration::from_millis(200);

/// What was found in a namespace after its content was told to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// `resource.group` of what is left, and how many objects.
    pub remaining: Vec<(String, usize)>,
    /// Finalizers that hold objects back, and how many objects.
    pub finalizers: Vec<(String, usize)>,
    /// Parts of discovery that did not answer: there may be content nobody sees.
    pub undiscovered: Vec<String>,
    /// Resources whose content could not be deleted or listed, with the reason.
    pub failed: Vec<String>,
}

/// What to do with a namespace that is being deleted.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is left: give up the namespace's own finalizer.
    Finalize,
    /// Something is left; the conditions say what.
    Wait(Vec<Condition>),
}

/// A condition of the namespace's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Condition type.
    pub ty: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Reason in CamelCase.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

/// Decides whether a namespace may go.
pub fn decide(observed: &Observed) -> Decision {
    let Observed { remaining, finalizers, undiscovered, failed } = observed;
    if remaining.is_empty() && undiscovered.is_empty() && failed.is_empty() {
        return Decision::Finalize;
    }
    let condition =
        |ty, found: bool, reasons: (&'static str, &'static str), messages: (String, &str)| Condition {
            ty,
            holds: found,
            reason: if found { reasons.0 } else { reasons.1 },
            message: if found { messages.0 } else { messages.1.to_owned() },
        };
    let counts = |counted: &[(String, usize)], what: &str| {
        counted
            .iter()
            .map(|(name, n)| format!("{name} {what} {n} resource instances"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    Decision::Wait(vec![
        condition(
            "NamespaceDeletionDiscoveryFailure",
            !undiscovered.is_empty(),
            ("DiscoveryFailed", "ResourcesDiscovered"),
            (
                format!(
                    "Discovery failed for some groups, {} failing: {}",
                    undiscovered.len(),
                    undiscovered.join(", ")
                ),
                "All resources successfully discovered",
            ),
        ),
        condition(
            "NamespaceDeletionContentFailure",
            !failed.is_empty(),
            ("ContentDeletionFailed", "ContentDeleted"),
            (
                format!(
                    "Failed to delete all resource types, {} remaining: {}",
                    failed.len(),
                    failed.join(", ")
                ),
                "All content successfully deleted, may be waiting on finalization",
            ),
        ),
        condition(
            "NamespaceContentRemaining",
            !remaining.is_empty(),
            ("SomeResourcesRemain", "ContentRemoved"),
            (
                format!("Some resources are remaining: {}", counts(remaining, "has")),
                "All content successfully removed",
            ),
        ),
        condition(
            "NamespaceFinalizersRemaining",
            !finalizers.is_empty(),
            ("SomeFinalizersRemain", "ContentHasNoFinalizers"),
            (
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    counts(finalizers, "in")
                ),
                "All content-preserving finalizers finished",
            ),
        ),
    ])
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<ObjectKey> = Queue::new("namespace");
    let namespaces = context.informers.get(&core("namespaces"));
    let wake = queue.clone();
    namespaces.on_change(move |change: &Change| {
        if change.object().is_deleting() && !change.is_deleted() {
            wake.add(change.object().key());
        }
    });
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 5, &shutdown, move |key| {
        let (context, namespaces) = (context.clone(), namespaces.clone());
        async move {
            let Some(namespace) = namespaces.get(&key).filter(|n| n.is_deleting()) else {
                return Ok(Outcome::Done);
            };
            if !holds(&namespace) {
                return Ok(Outcome::Done);
            }
            let client = context.informers.client();
            // Asked anew: a kind that appeared a moment ago may have content here.
            let discovered = client.discover().await?;
            let observed = empty(client, &discovered, namespace.name()).await;
            match decide(&observed) {
                Decision::Finalize => finalize(client, &namespace).await.map(|()| Outcome::Done),
                Decision::Wait(conditions) => {
                    let now = machinery::time::rfc3339(context.clock.now());
                    note(client, &namespace, &conditions, &now).await?;
                    Ok::<_, client::Error>(Outcome::After(AGAIN))
                }
            }
        }
    })
    .await;
}

fn holds(namespace: &Object) -> bool {
    let finalizers = namespace.at("/spec/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|f| f.iter().any(|f| f.as_str() == Some(KUBERNETES)))
}

/// Deletes all content and reports what is left.
async fn empty(client: &Client, discovered: &Discovered, namespace: &str) -> Observed {
    let mut observed = Observed {
        undiscovered: discovered.failed.iter().map(|(version, why)| format!("{version}: {why}")).collect(),
        ..Observed::default()
    };
    let deletable = discovered.resources.iter().filter(|r| r.namespaced && r.can("delete") && r.can("list"));
    for resource in deletable {
        let objects = client.resource(&resource.gvr()).namespace(namespace);
        let name = resource.gvr().qualified();
        match clear(&objects, resource.can("deletecollection")).await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                for finalizer in left.iter().flat_map(Object::finalizers) {
                    match observed.finalizers.iter_mut().find(|(known, _)| known == finalizer) {
                        Some((_, count)) => *count += 1,
                        None => observed.finalizers.push((finalizer.to_owned(), 1)),
                    }
                }
                observed.remaining.push((name, left.len()));
            }
            // The kind went away between discovery and now, and its content with it.
            Err(error) if error.is_not_found() => {}
            Err(error) => observed.failed.push(format!("{name}: {}", error.chain())),
        }
    }
    observed
}

async fn clear(objects: &client::Resource, collection: bool) -> Result<Vec<Object>, client::Error> {
    let present = objects.list_all(&ListOptions::default()).await?.items;
    if present.is_empty() {
        return Ok(present);
    }
    if collection {
        objects.delete_collection(&ListOptions::default()).await?;
    } else {
        for object in present.iter().filter(|o| !o.is_deleting()) {
            objects.delete_if_present(object.name(), &client::DeleteOptions::default()).await?;
        }
    }
    Ok(objects.list_all(&ListOptions::default()).await?.items)
}

async fn note(
    client: &Client,
    namespace: &Object,
    conditions: &[Condition],
    now: &str,
) -> Result<(), client::Error> {
    let known = namespace.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let wanted: Vec<Value> = conditions
        .iter()
        .map(|c| {
            let status = if c.holds { "True" } else { "False" };
            let before = known.iter().find(|k| k["type"] == c.ty && k["status"] == status);
            let since = before.and_then(|k| k["lastTransitionTime"].as_str()).unwrap_or(now);
            json!({
                "type": c.ty, "status": status, "reason": c.reason, "message": c.message, "lastTransitionTime": since,
            })
        })
        .collect();
    if known == wanted {
        return Ok(());
    }
    let mut changed = namespace.clone();
    changed.set("/status/conditions", wanted);
    match client.resource(&core("namespaces")).update_status(&changed).await {
        Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
        result => result.map(|_| ()),
    }
}

async fn finalize(client: &Client, namespace: &Object) -> Result<(), client::Error> {
    let mut done = namespace.clone();
    let kept: Vec<Value> = namespace
        .at("/spec/finalizers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|f| f.as_str() != Some(KUBERNETES))
        .cloned()
        .collect();
    done.set("/spec/finalizers", kept);
    match client.resource(&core("namespaces")).replace(&done, "finalize").await {
        Err(error) if error.is_not_found() => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_namespace_may_go() {
        assert_eq!(decide(&Observed::default()), Decision::Finalize);
    }

    #[test]
    fn what_nobody_can_see_keeps_the_namespace() {
        let observed =
            Observed { undiscovered: vec!["metrics.k8s.io/v1beta1: down".into()], ..Observed::default() };
        let Decision::Wait(conditions) = decide(&observed) else { panic!("must wait") };
        assert!(conditions[0].holds && conditions[0].reason == "DiscoveryFailed");
        assert!(!conditions[2].holds);
    }

    #[test]
    fn what_is_left_and_what_holds_it_is_said() {
        let observed = Observed {
            remaining: vec![("pods".into(), 2)],
            finalizers: vec![("example.com/keep".into(), 1)],
            ..Observed::default()
        };
        let Decision::Wait(conditions) = decide(&observed) else { panic!("must wait") };
        assert_eq!(conditions[2].message, "Some resources are remaining: pods has 2 resource instances");
        assert!(conditions[3].message.contains("example.com/keep in 1 resource instances"));
    }
}
