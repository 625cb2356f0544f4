//! Kinds that Karmada learns about while it runs: from Lua, and from a webhook.

use std::process::Command;

use anyhow::{Context as _, ensure};
use clock::Clock;
use e2e::{LATE, SOON, Up, alone};
use pki::{Authority, Profile};
use serde_json::{Value, json};
use testkit::{Cluster, Program, Version, eventually, free_port};

use crate::{Stage, aggregated};

/// Brings a kind `example.org/v1` to all members and waits until they are known to serve it.
#[track_caller]
fn teach(up: &Up, kind: &str) {
    let plural = format!("{}s", kind.to_lowercase());
    let definition = format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.example.org}}
spec:
  group: example.org
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}, singular: {}}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {{name: {plural}}}
spec:
  resourceSelectors:
  - {{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, name: {plural}.example.org}}
  placement: {{}}
",
        kind.to_lowercase()
    );
    let control_plane = up.control_plane();
    up.kubectl(Version::Current, &control_plane).ok_with("apply -f -", &definition);
    for name in ["member1", "member2", "member3"] {
        eventually(LATE, &format!("{name} serves {kind}"), || {
            let cluster = control_plane.get(crate::CLUSTERS, "", name)?;
            let enablements = cluster.at("/status/apiEnablements").and_then(Value::as_array);
            let mut kinds =
                enablements.into_iter().flatten().filter_map(|e| e["resources"].as_array()).flatten();
            ensure!(kinds.any(|r| r["kind"] == kind), "not yet");
            Ok(())
        });
    }
}

fn thing(kind: &str, size: u32) -> String {
    format!("apiVersion: example.org/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{size: {size}}}\n---\n")
}

fn divided(kind: &str) -> String {
    crate::policy(
        "x",
        &format!("{{apiVersion: example.org/v1, kind: {kind}, name: x}}"),
        "{clusterAffinity: {clusterNames: [member1, member2]}, replicaScheduling: {replicaSchedulingType: Divided, \
         replicaDivisionPreference: Weighted}}",
        "",
    )
}

fn path(kind: &str) -> String {
    format!("example.org/v1/{}s", kind.to_lowercase())
}

/// Waits until the members' copies have these sizes.
#[track_caller]
fn sized(stage: &Stage, kind: &str, expected: [i64; 2]) {
    for (member, expected) in stage.members.iter().zip(expected) {
        eventually(SOON, &format!("the copy in {} has size {expected}", member.context()), || {
            let copy = member.get(&path(kind), &stage.namespace, "x")?;
            let found = copy.i64_at("/spec/size");
            ensure!(found == Some(expected), "it has {found:?}");
            Ok(())
        });
    }
}

#[track_caller]
fn health(stage: &Stage, kind: &str, cluster: &str, expected: &str) {
    eventually(SOON, &format!("{cluster} is {expected}"), || {
        let binding = stage.binding(&format!("x-{}", kind.to_lowercase()))?;
        let items = aggregated(&binding);
        let item = items.get(cluster).context("it has not reported")?;
        ensure!(item["health"] == expected, "{item}");
        Ok(())
    });
}

fn ready(member: &Cluster, stage: &Stage, kind: &str, ready: u32) {
    member
        .patch(&path(kind), &stage.namespace, "x", json!({ "status": { "ready": ready } }))
        .expect("members accept it");
}

const GADGET: &str = r#"
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {name: gadgets}
spec:
  target: {apiVersion: example.org/v1, kind: Gadget}
  customizations:
    replicaResource:
      luaScript: |
        function GetReplicas(obj)
          return obj.spec.size, nil
        end
    replicaRevision:
      luaScript: |
        function ReviseReplica(obj, n)
          obj.spec.size = n
          return obj
        end
    healthInterpretation:
      luaScript: |
        function InterpretHealth(obj)
          return obj.status ~= nil and obj.status.ready == obj.spec.size
        end
    retention:
      luaScript: |
        function Retain(desired, observed)
          desired.spec.tuned = observed.spec.tuned
          return desired
        end
"#;

#[test]
fn lua_teaches_karmada_a_kind_and_can_be_changed_while_it_runs() {
    let up = alone();
    teach(&up, "Gadget");
    let stage = Stage::set(&up, "gadgets");
    stage.apply(&(GADGET.to_owned() + "---\n" + &thing("Gadget", 4) + &divided("Gadget")));
    stage.assigned("x-gadget", "member1=2 member2=2");
    sized(&stage, "Gadget", [2, 2]);
    health(&stage, "Gadget", "member1", "Unhealthy");
    // The kind has no status subresource rule in Lua: the whole status is reported.
    ready(&stage.members[0], &stage, "Gadget", 2);
    health(&stage, "Gadget", "member1", "Healthy");
    // What the member tunes stays.
    stage.members[0]
        .patch(&path("Gadget"), &stage.namespace, "x", json!({ "spec": { "tuned": "by hand" } }))
        .expect("members accept it");
    stage.user.ok("patch gadget x --type merge -p {\"spec\":{\"size\":6}}");
    sized(&stage, "Gadget", [3, 3]);
    let copy = stage.members[0].get(&path("Gadget"), &stage.namespace, "x").expect("it is there");
    assert_eq!(copy.str_at("/spec/tuned"), Some("by hand"));
    // Another rule, and the next change follows it.
    let doubled = GADGET.replace("obj.spec.size = n", "obj.spec.size = n * 10");
    stage.apply(&doubled);
    eventually(SOON, "copies follow the new rule", || {
        stage.user.ok("annotate gadget x --overwrite round=two");
        stage.user.ok("annotate gadget x --overwrite round=three");
        let copy = stage.members[0].get(&path("Gadget"), &stage.namespace, "x")?;
        ensure!(copy.i64_at("/spec/size") == Some(30), "{:?}", copy.at("/spec/size"));
        Ok(())
    });
    // Two customizations must not claim one operation, and a script must compile.
    let rival = GADGET.replace("name: gadgets", "name: rivals");
    let refused = stage.user.fails_with("apply -f -", &rival);
    assert!(refused.contains("denied") || refused.contains("conflict"), "{refused}");
    let broken = GADGET.replace("return obj.spec.size, nil", "return return");
    let refused = stage.user.fails_with("apply -f -", &broken);
    assert!(refused.to_lowercase().contains("lua"), "{refused}");
}

/// An interpreter webhook for Widgets, in Python's standard library.
const WEBHOOK: &str = r#"
import base64, http.server, json, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        context = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = context["request"]
        widget = request.get("object", {})
        response = {"uid": request["uid"], "successful": True}
        operation = request["operation"]
        if operation == "InterpretReplica":
            response["replicas"] = widget["spec"]["size"]
        elif operation == "ReviseReplica":
            patch = [{"op": "replace", "path": "/spec/size", "value": request["replicas"]}]
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(patch).encode()).decode()
        elif operation == "InterpretHealth":
            response["healthy"] = widget.get("status", {}).get("ready") == widget["spec"]["size"]
        context["response"] = response
        del context["request"]
        body = json.dumps(context).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

port, certificate, key = sys.argv[1:]
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

#[test]
fn a_webhook_interprets_a_kind() {
    let up = alone();
    teach(&up, "Widget");
    let stage = Stage::set(&up, "widgets");
    let folder = up.folder().join("interpreter");
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    let authority = Authority::create("story", &Clock::system()).expect("an authority");
    let issued =
        authority.issue(&Profile::server("interpreter", ["localhost", "127.0.0.1"])).expect("a certificate");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        path
    };
    let (script, certificate, key) = (
        write("webhook.py", WEBHOOK),
        write("tls.crt", &issued.certificate_pem),
        write("tls.key", &issued.key_pem),
    );
    let port = free_port();
    let mut command = Command::new("python3");
    command.arg(script).arg(port.to_string()).arg(certificate).arg(key);
    let _webhook = Program::start("interpreter", command, &folder);
    let ca = base64_of(authority.certificate_pem());
    stage.apply(&format!(
        "
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterWebhookConfiguration
metadata: {{name: widgets}}
webhooks:
- name: widgets.example.org
  rules:
  - operations: [InterpretReplica, ReviseReplica, InterpretHealth]
    apiGroups: [example.org]
    apiVersions: [v1]
    kinds: [Widget]
  clientConfig: {{url: 'https://127.0.0.1:{port}/interpret', caBundle: {ca}}}
  interpreterContextVersions: [v1alpha1]
  timeoutSeconds: 3
"
    ));
    stage.apply(&(thing("Widget", 6) + &divided("Widget")));
    stage.assigned("x-widget", "member1=3 member2=3");
    sized(&stage, "Widget", [3, 3]);
    health(&stage, "Widget", "member2", "Unhealthy");
    ready(&stage.members[1], &stage, "Widget", 3);
    health(&stage, "Widget", "member2", "Healthy");
    stage.user.ok("delete resourceinterpreterwebhookconfiguration widgets");
}

fn base64_of(pem: &str) -> String {
    let mut command = Command::new("base64");
    command.arg("-w0");
    testkit::finish("base64", command, pem).ok().trim().to_owned()
}
