//! The accurate estimators: a scheduler that asks them places by what the members' nodes really take.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use clock::Clock;
use e2e::{LATE, SOON, Up, condition};
use pki::{Authority, Profile};
use serde_json::{Value, json};
use testkit::{Cluster, Program, Version, eventually, free_port, tools};

const BINDINGS: &str = "work.karmada.io/v1alpha2/resourcebindings";
const NODES: &str = "v1/nodes";

/// Certificates that both sides know each other by: files with a certificate and its key.
struct Certificates {
    ca: PathBuf,
    server: [PathBuf; 2],
    client: [PathBuf; 2],
}

fn certificates(up: &Up) -> Certificates {
    let authority = Authority::create("estimators", &Clock::system()).unwrap();
    let write = |name: &str, text: &str| {
        let path = up.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let issue = |name: &str, profile: Profile| {
        let issued = authority.issue(&profile).unwrap();
        [
            write(&format!("{name}.crt"), &issued.certificate_pem),
            write(&format!("{name}.key"), &issued.key_pem),
        ]
    };
    Certificates {
        ca: write("estimators-ca.crt", authority.certificate_pem()),
        server: issue("estimator", Profile::server("estimator", ["localhost", "127.0.0.1"])),
        client: issue("scheduler", Profile::client("karmada-scheduler", [""; 0])),
    }
}

fn estimator(up: &Up, member: &str, port: u16, tls: &Certificates) -> Program {
    let mut command = Command::new(tools::program("karmada"));
    command.arg("scheduler-estimator").arg("--kubeconfig").arg(up.data().join("members.config"));
    command.args(["--context", member, "--cluster-name", member, "--bind-address", "127.0.0.1"]);
    command.args(["--server-port", &port.to_string(), "--metrics-bind-address", "0"]);
    command.args(["--health-probe-bind-address", "0"]);
    command.arg("--grpc-auth-cert-file").arg(&tls.server[0]).arg("--grpc-auth-key-file").arg(&tls.server[1]);
    command.arg("--grpc-client-ca-file").arg(&tls.ca);
    Program::start("estimator", command, up.folder())
}

fn scheduler(up: &Up, tls: &Certificates) -> Program {
    let mut command = Command::new(tools::program("karmada"));
    command.arg("scheduler").arg("--kubeconfig").arg(up.kubeconfig());
    command.args(["--scheduler-name", "accurate", "--leader-elect=false", "--enable-scheduler-estimator"]);
    command.args(["--metrics-bind-address", "0", "--health-probe-bind-address", "0"]);
    command.arg("--scheduler-estimator-ca-file").arg(&tls.ca);
    command.arg("--scheduler-estimator-cert-file").arg(&tls.client[0]);
    command.arg("--scheduler-estimator-key-file").arg(&tls.client[1]);
    Program::start("scheduler", command, up.folder())
}

/// Where the scheduler finds a member's estimator: a Service of the control plane that leads out of it.
fn tell_where(control_plane: &Cluster, member: &str, port: u16) {
    control_plane
        .create(
            "v1/services",
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": { "namespace": "karmada-system", "name": format!("karmada-scheduler-estimator-{member}") },
                "spec": {
                    "type": "ExternalName", "externalName": "localhost",
                    "ports": [{ "name": "grpc", "port": 10352, "targetPort": port }],
                },
            }),
        )
        .unwrap();
}

fn workload(name: &str, scheduler: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 6
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: c, image: nginx, resources: {{requests: {{cpu: '1'}}}}}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: {name}}}
spec:
  schedulerName: {scheduler}
  resourceSelectors: [{{apiVersion: apps/v1, kind: Deployment, name: {name}}}]
  placement: {{replicaScheduling: {{replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}}}
"
    )
}

fn clusters(control_plane: &Cluster, name: &str) -> anyhow::Result<Vec<String>> {
    let binding = control_plane.get(BINDINGS, "default", &format!("{name}-deployment"))?;
    let targets = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    ensure!(!targets.is_empty(), "it is placed nowhere yet: {:?}", condition(&binding, "Scheduled"));
    Ok(targets
        .iter()
        .map(|t| format!("{}={}", t["name"].as_str().unwrap_or_default(), t["replicas"]))
        .collect())
}

#[test]
fn a_scheduler_that_asks_estimators_knows_the_nodes_taints() {
    let up = Up::start(&["--members", "2"]);
    let control_plane = up.control_plane();
    let member = up.member("member1");
    // The cluster's summary still counts these nodes; only who looks at them knows that nothing new may come.
    for node in member.list(NODES, "", "").unwrap() {
        let taint = json!({ "spec": { "taints": [{ "key": "maintenance", "effect": "NoSchedule" }] } });
        member.patch(NODES, "", node.name(), taint).unwrap();
    }
    let tls = certificates(&up);
    let mut parts = Vec::new();
    for member in ["member1", "member2"] {
        let port = free_port();
        parts.push(estimator(&up, member, port, &tls));
        tell_where(&control_plane, member, port);
    }
    parts.push(scheduler(&up, &tls));
    let user = up.kubectl(Version::Current, &control_plane);
    user.ok_with("apply -f -", &workload("plain", "default-scheduler"));
    eventually(SOON, "without estimators the first cluster looks as good as any", || {
        let found = clusters(&control_plane, "plain")?;
        ensure!(found == ["member1=6"], "{found:?}");
        Ok(())
    });
    // An estimator that does not answer yet has no opinion, and what it would have said is not waited for.
    let mut round = 0;
    eventually(LATE, "with estimators the tainted nodes count for nothing", || {
        for part in &mut parts {
            part.check_running()?;
        }
        round += 1;
        let name = format!("asked-{round}");
        user.ok_with("apply -f -", &workload(&name, "accurate"));
        let found = eventually(SOON, "it is placed", || clusters(&control_plane, &name));
        ensure!(found == ["member2=6"], "{found:?}");
        Ok(())
    });
}
