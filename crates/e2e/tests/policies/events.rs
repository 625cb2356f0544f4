//! What happens to an object is told where users look: at the object, its binding and its Works.

use e2e::stage::{DEPLOYMENTS, EVERYWHERE, SERVICES, Stage, deployment, on, policy};
use e2e::together;
use testkit::eventually;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{name: http, protocol: TCP, port: 80, targetPort: 8080}]}
---
";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: web}
spec:
  backoffLimit: 4
  template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}
---
";

#[test]
fn the_way_of_an_object_can_be_read_from_events() {
    let up = together();
    let stage = Stage::set(&up, "events");
    let kinds = [("apps/v1", "Deployment"), ("v1", "Service"), ("batch/v1", "Job")];
    let selectors =
        kinds.map(|(version, kind)| format!("{{apiVersion: {version}, kind: {kind}, name: web}}"));
    let everywhere = on("member1, member2, member3");
    stage.apply(
        &(deployment("web", 1) + SERVICE + JOB + &policy("web", &selectors.join(", "), &everywhere, "")),
    );
    stage.is_on(DEPLOYMENTS, "web", EVERYWHERE);
    stage.is_on(SERVICES, "web", EVERYWHERE);
    // All three templates have one name, and so the events are told apart by what they say.
    stage.told("events", "web", "ApplyPolicySucceed", "events/web");
    stage.told("events", "web", "GetReplicasSucceed", "");
    for kind in ["deployment", "service", "job"] {
        let binding = format!("web-{kind}");
        stage.told("events", "web", "SyncWorkSucceed", &binding);
        for reason in ["ScheduleBindingSucceed", "SyncWorkSucceed", "AggregateStatusSucceed"] {
            stage.told("events", &binding, reason, "");
        }
    }
    stage.told("events", "web", "ScheduleBindingSucceed", "member1");
    stage.told("events", "web", "AggregateStatusSucceed", "");
    for member in EVERYWHERE {
        for kind in ["Deployment", "Service", "Job"] {
            let work = stage.work(member, kind, "web").unwrap();
            stage.told(work.namespace(), work.name(), "SyncSucceed", "");
            let dispatching = "Work is being dispatched to member clusters.";
            stage.told(work.namespace(), work.name(), "WorkDispatching", dispatching);
            if kind != "Job" {
                stage.told(work.namespace(), work.name(), "InterpretHealthSucceed", kind);
            }
        }
        let work = stage.work(member, "Deployment", "web").unwrap();
        stage.told(work.namespace(), work.name(), "ReflectStatusSucceed", "Deployment");
    }
}

#[test]
fn events_of_one_object_can_be_selected() {
    let up = together();
    let stage = Stage::set(&up, "selected-events");
    stage.apply(
        &(SERVICE.to_owned() + &policy("web", "{apiVersion: v1, kind: Service, name: web}", "{}", "")),
    );
    stage.told("selected-events", "web-service", "AggregateStatusSucceed", "");
    eventually(e2e::SOON, "the events of the binding and no others are listed", || {
        let listed = stage.user.ok(
            "get events --field-selector involvedObject.name=web-service -o jsonpath={.items[*].involvedObject.name}",
        );
        anyhow::ensure!(
            !listed.is_empty() && listed.split(' ').all(|name| name == "web-service"),
            "{listed}"
        );
        Ok(())
    });
}
