//! What was acknowledged survives `kill -9`, and a restart that finds nothing to do writes nothing.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::{LATE, SOON, Up};
use machinery::Object;
use serde_json::{Value, json};
use testkit::{Cluster, Version, eventually};

const NAMESPACE: &str = "crash";
const DEPLOYMENTS: &str = "apps/v1/deployments";
const CONFIG_MAPS: &str = "v1/configmaps";
const BINDINGS: &str = "work.karmada.io/v1alpha2/resourcebindings";
const WORKS: &str = "work.karmada.io/v1alpha1/works";

/// Clients that write at the same time.
const WRITERS: usize = 8;
/// Objects of all writers together.
const OBJECTS: usize = 500;

/// The n-th object: every fifth is a Deployment.
fn object(n: usize) -> (&'static str, Value) {
    let name = format!("n{n:03}");
    let metadata = json!({ "name": name, "namespace": NAMESPACE, "labels": { "story": "crash" } });
    if n.is_multiple_of(5) {
        let spec = json!({
            "replicas": 1, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "nginx", "image": "nginx" }] },
            },
        });
        let deployment =
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec });
        (DEPLOYMENTS, deployment)
    } else {
        let data = json!({ "n": n.to_string() });
        (CONFIG_MAPS, json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }))
    }
}

const POLICY: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: crash}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: crash, namespace: crash}
spec:
  resourceSelectors:
  - {apiVersion: v1, kind: ConfigMap, labelSelector: {matchLabels: {story: crash}}}
  - {apiVersion: apps/v1, kind: Deployment}
  placement: {clusterAffinity: {clusterNames: [member1, member3]}}
";

/// Writers that create what is not there yet, and what they were promised.
struct Writing {
    acknowledged: Mutex<BTreeMap<usize, String>>,
    stopped: AtomicBool,
}

impl Writing {
    fn new() -> Self {
        Self { acknowledged: Mutex::new(BTreeMap::new()), stopped: AtomicBool::new(false) }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// One writer's share of the objects.
    fn write(&self, control_plane: &Cluster, writer: usize) {
        for n in (writer..OBJECTS).step_by(WRITERS) {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let (resource, object) = object(n);
            if let Ok(created) = control_plane.create(resource, object) {
                self.acknowledged.lock().unwrap().insert(n, created.uid().to_owned());
            }
        }
    }
}

/// All objects of the story in a cluster, by resource and name.
fn objects(cluster: &Cluster) -> Result<BTreeMap<(&'static str, String), Object>> {
    let mut objects = BTreeMap::new();
    for resource in [CONFIG_MAPS, DEPLOYMENTS] {
        for object in cluster.list(resource, NAMESPACE, "story=crash")? {
            objects.insert((resource, object.name().to_owned()), object);
        }
    }
    Ok(objects)
}

/// Says unless a member has everything, as it is on the control plane, and has it running.
fn check_complete(member: &Cluster) -> Result<()> {
    let copies = objects(member)?;
    ensure!(copies.len() == OBJECTS, "{} has {} of {OBJECTS}", member.context(), copies.len());
    for n in 0..OBJECTS {
        let (resource, wanted) = object(n);
        let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
        let copy = copies.get(&(resource, name.to_owned())).context("a copy is missing")?;
        if resource == CONFIG_MAPS {
            ensure!(copy.at("/data") == Some(&wanted["data"]), "{name} has {:?}", copy.at("/data"));
        } else {
            ensure!(
                copy.i64_at("/status/readyReplicas") == Some(1),
                "{name} is not ready in {}",
                member.context()
            );
        }
    }
    Ok(())
}

/// Says unless the control plane has aggregated everything.
fn check_aggregated(control_plane: &Cluster) -> Result<()> {
    let bindings = control_plane.list(BINDINGS, NAMESPACE, "")?;
    ensure!(bindings.len() == OBJECTS, "{} bindings", bindings.len());
    for binding in &bindings {
        let applied = e2e::condition(binding, "FullyApplied").is_some_and(|c| c["status"] == "True");
        ensure!(applied, "{} is not fully applied", binding.name());
    }
    for deployment in control_plane.list(DEPLOYMENTS, NAMESPACE, "")? {
        ensure!(deployment.i64_at("/status/readyReplicas") == Some(2), "{} has no status", deployment.name());
    }
    for member in ["member1", "member3"] {
        let works = control_plane.list(WORKS, &format!("karmada-es-{member}"), "")?;
        let own =
            |work: &&Object| work.str_at("/spec/workload/manifests/0/metadata/namespace") == Some(NAMESPACE);
        let own = works.iter().filter(own).count();
        ensure!(own == OBJECTS, "{member} has {own} Works");
    }
    Ok(())
}

/// Waits until no controller has anything left to do.
fn settled(control_plane: &Cluster) {
    let mut quiet = 0;
    let mut adds = 0.0;
    eventually(SOON, "every queue is empty and stays so", || {
        let (_, text) = testkit::block_on(control_plane.client().get_text("/metrics"))?;
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        ensure!(text.contains("workqueue_adds_total"), "there are no metrics of queues");
        let now = sum("workqueue_adds_total");
        quiet = if sum("workqueue_depth") == 0.0 && (now - adds).abs() < 0.5 { quiet + 1 } else { 0 };
        adds = now;
        ensure!(quiet >= 25, "{} keys wait", sum("workqueue_depth"));
        Ok(())
    });
}

fn versions(cluster: &Cluster) -> BTreeMap<(&'static str, String), String> {
    let all = objects(cluster).unwrap();
    all.into_iter().map(|(key, object)| (key, object.resource_version().to_owned())).collect()
}

#[test]
fn what_was_acknowledged_survives_and_a_quiet_restart_writes_nothing() {
    let mut up = Up::start(&[]);
    let kubectl = up.kubectl(Version::Current, &up.control_plane()).in_namespace(NAMESPACE);
    kubectl.ok_with("apply -f -", POLICY);
    let writing = Writing::new();
    let control_plane = up.control_plane();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (writing, control_plane) = (&writing, &control_plane);
            scope.spawn(move || writing.write(control_plane, writer));
        }
        eventually(LATE, "more than half is acknowledged", || {
            ensure!(writing.count() > OBJECTS / 2, "{} are", writing.count());
            Ok(())
        });
        up.program().kill();
        writing.stopped.store(true, Ordering::Relaxed);
    });
    let promised = writing.acknowledged.into_inner().unwrap();
    assert!(promised.len() < OBJECTS, "the program was killed too late to show anything");

    up.start_again();
    let control_plane = up.control_plane();
    let found = objects(&control_plane).unwrap();
    for (n, uid) in &promised {
        let (resource, wanted) = object(*n);
        let name = wanted["metadata"]["name"].as_str().unwrap();
        let kept = found.get(&(resource, name.to_owned()));
        assert_eq!(kept.map(Object::uid), Some(uid.as_str()), "{resource} {name} was acknowledged");
    }
    // The rest is written now; what was stored without an answer is there already.
    let rest = Writing::new();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (rest, control_plane) = (&rest, &control_plane);
            scope.spawn(move || rest.write(control_plane, writer));
        }
    });
    let members = [up.member("member1"), up.member("member3")];
    for member in &members {
        eventually(LATE, "the member has everything", || check_complete(member));
    }
    eventually(LATE, "everything is aggregated", || check_aggregated(&control_plane));

    settled(&control_plane);
    let before: Vec<_> = members.iter().map(versions).collect();
    let status = up.program().stop(Duration::from_secs(30));
    assert!(status.success(), "it ends well when asked to: {status}");
    up.start_again();
    settled(&up.control_plane());
    let members = [up.member("member1"), up.member("member3")];
    let after: Vec<_> = members.iter().map(versions).collect();
    let changed: Vec<_> =
        before.iter().zip(&after).flat_map(|(b, a)| b.iter().filter(|(k, v)| a.get(k) != Some(v))).collect();
    assert!(
        changed.is_empty(),
        "{} objects of members were written, like {:?}",
        changed.len(),
        &changed[..1]
    );
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_program_that_is_killed_while_it_starts_starts_the_next_time() {
    let mut up = Up::start(&["--members", "1"]);
    for step in ["control plane at", "member clusters", "Karmada's API"] {
        up.program().kill();
        let lines = up.program().log().matches(step).count();
        up.begin();
        eventually(SOON, &format!("it has come as far as {step:?}"), || {
            ensure!(up.program().log().matches(step).count() > lines, "it has not");
            Ok(())
        });
        up.program().kill();
        up.start_again();
    }
    up.member("member1").check_ready().unwrap();
}

#[test]
fn a_folder_is_for_one_program_at_a_time() {
    let mut up = Up::start(&["--members", "0"]);
    let mut second = std::process::Command::new(testkit::tools::program("karmada"));
    second
        .args(["up", "--members", "0", "--port", &testkit::free_port().to_string(), "--data-dir"])
        .arg(up.data());
    let told = testkit::finish("a second up", second, "").complaint();
    assert!(told.contains("already runs"), "{told}");
    up.program().check_running().unwrap();
}

#[test]
fn a_watcher_goes_on_after_a_crash() {
    use futures::StreamExt as _;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::{WatchStreamExt as _, reflector, watcher};

    let mut up = Up::start(&["--members", "0"]);
    let control_plane = up.control_plane();
    let (reader, writer) = reflector::store();
    let api = kube::Api::<ConfigMap>::namespaced(control_plane.client().kube().clone(), "default");
    let stream = watcher(api, watcher::Config::default().labels("story=crash")).default_backoff();
    let stream = reflector(writer, stream).touched_objects().for_each(|_| async {});
    let task = testkit::background(stream);
    let names = || {
        let mut names: Vec<String> =
            reader.state().iter().filter_map(|object| object.metadata.name.clone()).collect();
        names.sort();
        names
    };
    let holds = |expected: &[&str]| {
        eventually(SOON, &format!("the watcher holds {expected:?}"), || {
            ensure!(names() == expected, "it holds {:?}", names());
            Ok(())
        });
    };
    let create = |name: &str| {
        let metadata = json!({ "name": name, "namespace": "default", "labels": { "story": "crash" } });
        let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        control_plane.create(CONFIG_MAPS, object).unwrap();
    };
    create("a");
    create("b");
    holds(&["a", "b"]);
    for round in ["c", "d"] {
        up.program().kill();
        up.start_again();
        create(round);
        if round == "c" {
            control_plane.delete(CONFIG_MAPS, "default", "a").unwrap();
            holds(&["b", "c"]);
        }
    }
    holds(&["b", "c", "d"]);
    task.abort();
}
