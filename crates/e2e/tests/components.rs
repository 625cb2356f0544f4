//! Every part as a program of its own, on an API server that knows nothing of Karmada until it is told.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use clock::Clock;
use e2e::{LATE, LocalCluster, SOON, cluster_is, karmadactl};
use pki::{Authority, Profile};
use testkit::{Cluster, Folder, Kubectl, Program, Version, eventually, finish, free_port, tools};

/// An API server that stands in for any other, and Karmada's parts on it.
struct Split {
    parts: Vec<Program>,
    control_plane: Cluster,
    kubectl: Kubectl,
    folder: Folder,
}

impl Split {
    /// Starts the API server and brings Karmada's kinds to it with kubectl.
    #[track_caller]
    fn begin() -> Self {
        let folder = Folder::new("split");
        let data = folder.path().join("data");
        let mut command = Command::new(tools::program("karmada"));
        command.args(["apiserver", "--port", &free_port().to_string(), "--data-dir"]).arg(&data);
        let mut server = Program::start("apiserver", command, folder.path());
        let control_plane = eventually(SOON, "the API server is ready", || {
            server.check_running()?;
            let cluster = Cluster::open(&data.join("karmada.config"), "karmada-apiserver")?;
            cluster.check_ready().map(|()| cluster)
        });
        let kubectl = Kubectl::new(Version::Current, &control_plane, &folder.path().join("home"));
        Self { parts: vec![server], control_plane, kubectl, folder }
    }

    /// Starts a part with the control plane's kubeconfig.
    #[track_caller]
    fn start(&mut self, part: &str, more: &[&str]) {
        let mut command = Command::new(tools::program("karmada"));
        command.arg(part).arg("--kubeconfig").arg(self.control_plane.kubeconfig()).args(more);
        self.parts.push(Program::start(part, command, self.folder.path()));
    }

    /// Starts the webhook server with a certificate, and returns its URL and authority.
    #[track_caller]
    fn start_webhook(&mut self) -> (String, String) {
        let certificates = self.folder.path().join("webhook");
        std::fs::create_dir(&certificates).unwrap();
        let authority = Authority::create("story", &Clock::system()).unwrap();
        let issued = authority.issue(&Profile::server("webhook", ["localhost", "127.0.0.1"])).unwrap();
        let write = |name: &str, text: &str| {
            let path = certificates.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        write("tls.crt", &issued.certificate_pem);
        write("tls.key", &issued.key_pem);
        let ca = write("ca.crt", authority.certificate_pem());
        let port = free_port().to_string();
        let cert_dir = certificates.to_str().unwrap().to_owned();
        self.start(
            "webhook",
            &["--bind-address", "127.0.0.1", "--secure-port", &port, "--cert-dir", &cert_dir],
        );
        (format!("https://127.0.0.1:{port}"), ca)
    }

    /// Applies what `karmada manifests` prints.
    #[track_caller]
    fn install(&self, more: &[&str]) {
        let mut command = Command::new(tools::program("karmada"));
        command.arg("manifests").args(more);
        let manifests = finish("karmada manifests", command, "").ok();
        let applied = self.kubectl.ok_with("apply --server-side -f -", &manifests);
        assert!(applied.contains("propagationpolicies.policy.karmada.io serverside-applied"), "{applied}");
        self.kubectl.ok("wait --for=condition=established crd --all --timeout=60s");
    }

    #[track_caller]
    fn check_running(&mut self) {
        for part in &mut self.parts {
            part.check_running().unwrap();
        }
    }
}

/// No ports for health and metrics: several stories run at once.
const QUIET: [&str; 4] = ["--metrics-bind-address", "0", "--health-probe-bind-address", "0"];

fn sample() -> String {
    tools::workspace().join("samples/nginx").display().to_string()
}

#[test]
fn the_parts_run_on_any_api_server_with_a_push_and_a_pull_member() {
    let mut split = Split::begin();
    let (url, ca) = split.start_webhook();
    split.install(&["--webhook-url", &url, "--webhook-ca-file", &ca]);
    split.start("kube-controller-manager", &QUIET);
    split.start("controller-manager", &[&QUIET[..], &["--cluster-status-update-frequency", "1s"]].concat());
    split.start("scheduler", &QUIET);

    let push = LocalCluster::start("push");
    let join = format!("join push --cluster-kubeconfig {}", push.kubeconfig().display());
    karmadactl(&split.control_plane, &join).ok();
    let pull = LocalCluster::start("pull");
    let mut agent = start_agent(&split, &pull, split.folder.path());
    for name in ["push", "pull"] {
        eventually(LATE, &format!("{name} is ready"), || {
            agent.check_running()?;
            cluster_is(&split.control_plane, name, "True")
        });
    }
    let modes = "get clusters -o jsonpath='{range .items[*]}{.metadata.name}={.spec.syncMode} {end}'";
    assert_eq!(split.kubectl.ok(modes), "pull=Pull push=Push ");

    // The webhook server is asked: it fills in and refuses.
    split.kubectl.ok(&format!("apply -f {}", sample()));
    let policy = "get pp nginx-propagation -o jsonpath={.spec.conflictResolution}";
    assert_eq!(split.kubectl.ok(policy), "Abort");
    let wrong = r#"patch pp nginx-propagation --type=merge -p '{"spec":{"placement":{"spreadConstraints":[{"spreadByField":"cluster","minGroups":3,"maxGroups":1}]}}}'"#;
    let told = split.kubectl.fails(wrong);
    assert!(told.contains("admission webhook") && told.contains("denied the request"), "{told}");

    eventually(LATE, "nginx runs on both and its status is aggregated", || {
        let nginx = split.control_plane.get("apps/v1/deployments", "default", "nginx")?;
        ensure!(nginx.i64_at("/status/readyReplicas") == Some(3), "{:?}", nginx.at("/status"));
        Ok(())
    });
    for cluster in [push.cluster(), pull.cluster()] {
        cluster.get("apps/v1/deployments", "default", "nginx").unwrap();
    }
    split.kubectl.ok("delete deployment nginx");
    for cluster in [push.cluster(), pull.cluster()] {
        eventually(SOON, "it is gone", || cluster.check_gone("apps/v1/deployments", "default", "nginx"));
    }
    split.check_running();
    for part in &mut split.parts {
        assert!(part.stop(Duration::from_secs(20)).success(), "a part ends well when asked to");
    }
}

#[track_caller]
fn start_agent(split: &Split, member: &LocalCluster, folder: &Path) -> Program {
    let mut command = Command::new(tools::program("karmada"));
    command.arg("agent").arg("--kubeconfig").arg(member.kubeconfig());
    command.arg("--karmada-kubeconfig").arg(split.control_plane.kubeconfig());
    command.args(["--cluster-name", "pull"]).args(QUIET);
    Program::start("agent", command, folder)
}

#[test]
fn a_second_scheduler_takes_over_when_the_first_is_gone() {
    let mut split = Split::begin();
    let (url, ca) = split.start_webhook();
    split.install(&["--webhook-url", &url, "--webhook-ca-file", &ca]);
    split.start("kube-controller-manager", &QUIET);
    split.start("controller-manager", &[&QUIET[..], &["--cluster-status-update-frequency", "1s"]].concat());
    split.start("scheduler", &QUIET);
    let holder = |split: &Split| {
        let lease = split.control_plane.get(
            "coordination.k8s.io/v1/leases",
            "karmada-system",
            "karmada-scheduler",
        )?;
        let holder = lease.str_at("/spec/holderIdentity").unwrap_or_default().to_owned();
        ensure!(!holder.is_empty(), "nobody holds the lease");
        Ok(holder)
    };
    let first = eventually(SOON, "the first scheduler leads", || holder(&split));
    let mut scheduler = split.parts.pop().unwrap();
    split.start("scheduler", &QUIET);

    let member = LocalCluster::start("only");
    let join = format!("join only --cluster-kubeconfig {}", member.kubeconfig().display());
    karmadactl(&split.control_plane, &join).ok();
    eventually(LATE, "the member is ready", || cluster_is(&split.control_plane, "only", "True"));
    scheduler.kill();
    split.kubectl.ok(&format!("apply -f {}", sample()));
    eventually(LATE, "the second one schedules", || {
        member.cluster().get("apps/v1/deployments", "default", "nginx")
    });
    assert_ne!(holder(&split).unwrap(), first);
}

#[test]
fn what_is_wrong_with_a_command_is_said_in_one_line() {
    let call = |line: &str| {
        let mut command = Command::new(tools::program("karmada"));
        command.args(line.split_whitespace()).env_remove("KUBECONFIG");
        finish(&format!("karmada {line}"), command, "").complaint()
    };
    let told = call("scheduler --kubeconfig /does/not/exist");
    assert!(told.starts_with("error: ") && told.contains("/does/not/exist"), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    assert!(call("up --membres 3").contains("--members"), "a misspelt flag is put right");
    assert!(call("manifests --webhook-ca-file x").contains("--webhook-url"));
    let told = call("manifests --webhook-url https://x --webhook-ca-file /does/not/exist");
    assert!(told.contains("/does/not/exist"), "{told}");
}
