//! kubectl does here what it does against any Kubernetes: the oldest supported one and the newest, on the
//! control plane and on a member.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

mod access;
mod custom_resources;
mod formats;
mod karmada_kinds;
mod lookup;
mod refusals;
mod removal;
mod server_side;
mod workloads;
mod writing;

use e2e::together;
use testkit::{Cluster, Kubectl, Version};

/// Where a story happens.
enum Place {
    ControlPlane,
    Member,
}

/// Tells a story with one kubectl, in a namespace that is called after it.
#[track_caller]
fn tell(story: &str, version: Version, place: Place, told: impl FnOnce(&Kubectl, &Cluster)) {
    let up = together();
    let cluster = match place {
        Place::ControlPlane => up.control_plane(),
        Place::Member => up.member("member1"),
    };
    let era = if version == Version::Old { "old" } else { "new" };
    let short: String = story.chars().take(50).collect();
    let namespace = format!("{}-{era}", short.replace('_', "-").trim_end_matches('-'));
    let kubectl = up.kubectl(version, &cluster).in_namespace(&namespace);
    kubectl.ok(&format!("create namespace {namespace}"));
    told(&kubectl, &cluster);
}

/// Makes tests of stories: one with each kubectl.
macro_rules! told_by_both_kubectls {
    ($place:ident: $($story:ident),* $(,)?) => {
        mod old {
            $(#[test] fn $story() {
                let (version, place) = (testkit::Version::Old, crate::Place::$place);
                crate::tell(stringify!($story), version, place, super::$story);
            })*
        }
        mod current {
            $(#[test] fn $story() {
                let (version, place) = (testkit::Version::Current, crate::Place::$place);
                crate::tell(stringify!($story), version, place, super::$story);
            })*
        }
    };
}
pub(crate) use told_by_both_kubectls;

/// Makes tests of stories about what only the newest kubectl can do.
macro_rules! told_by_the_current_kubectl {
    ($place:ident: $($story:ident),* $(,)?) => {
        mod current_only {
            $(#[test] fn $story() {
                let (version, place) = (testkit::Version::Current, crate::Place::$place);
                crate::tell(stringify!($story), version, place, super::$story);
            })*
        }
    };
}
pub(crate) use told_by_the_current_kubectl;

/// A Deployment that most stories begin with.
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        image: nginx:1.25
        env:
        - {name: COLOUR, value: green}
        ports:
        - {containerPort: 80}
";

/// Fails unless `text` contains `part`.
#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in:\n{text}");
}

/// Fails if `text` contains `part`.
#[track_caller]
fn lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "{part:?} is in:\n{text}");
}

/// The words of the first line: a table's columns.
fn heading(table: &str) -> String {
    table.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
