//! kube, the Rust client: typed and untyped objects, caches, a controller, discovery.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use e2e::{SOON, together};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, WatchStreamExt as _, predicates, reflector, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;
use testkit::{background, block_on};

/// A client for the control plane, or one of its members, and a namespace for the story.
async fn client(cluster: &testkit::Cluster, story: &str) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let options =
        KubeConfigOptions { context: Some(cluster.context().into()), ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_namespace = story.into();
    let client = Client::try_from(config).unwrap();
    let namespace = Namespace { metadata: named(story), ..Namespace::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    client
}

fn named(name: &str) -> kube::core::ObjectMeta {
    kube::core::ObjectMeta { name: Some(name.into()), ..kube::core::ObjectMeta::default() }
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    let data = BTreeMap::from([("value".to_owned(), value.to_owned())]);
    ConfigMap { metadata: named(name), data: Some(data), ..ConfigMap::default() }
}

/// Waits for a future, with the limit that all stories have.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap_or_else(|_| panic!("not within {SOON:?}: {what}"))
}

fn refusal(error: kube::Error) -> kube::core::Status {
    match error {
        kube::Error::Api(status) => *status,
        other => panic!("the server should have refused: {other}"),
    }
}

#[test]
fn typed_objects_are_created_read_changed_and_deleted() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-typed").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        let post = PostParams::default();
        let created = config_maps.create(&post, &config_map("c", "1")).await.unwrap();
        assert!(created.uid().is_some() && created.resource_version().is_some());
        let exists = refusal(config_maps.create(&post, &config_map("c", "1")).await.unwrap_err());
        assert!(exists.is_already_exists(), "{exists:?}");

        let mut changed = created.clone();
        changed.data.as_mut().unwrap().insert("value".into(), "2".into());
        let replaced = config_maps.replace("c", &post, &changed).await.unwrap();
        assert_ne!(replaced.resource_version(), created.resource_version());
        let conflict = refusal(config_maps.replace("c", &post, &changed).await.unwrap_err());
        assert!(conflict.is_conflict(), "{conflict:?}");

        let merge = Patch::Merge(json!({ "data": { "more": "3" } }));
        let patched = config_maps.patch("c", &PatchParams::default(), &merge).await.unwrap();
        assert_eq!(patched.data.as_ref().unwrap().len(), 2);
        let metadata = config_maps.get_metadata("c").await.unwrap();
        assert_eq!(metadata.uid(), created.uid());

        let list = config_maps.list(&ListParams::default().fields("metadata.name=c")).await.unwrap();
        assert_eq!(list.items.len(), 1);
        assert_eq!(config_maps.get_opt("nope").await.unwrap(), None);

        config_maps.delete("c", &DeleteParams::default()).await.unwrap();
        let gone = refusal(config_maps.get("c").await.unwrap_err());
        assert!(gone.is_not_found(), "{gone:?}");
    });
}

#[test]
fn an_entry_retries_until_its_change_is_in() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-entry").await;
        let secrets: Api<Secret> = Api::default_namespaced(client);
        let entry = secrets.entry("s").await.unwrap();
        let mut occupied = entry.or_insert(|| Secret { metadata: named("s"), ..Secret::default() });
        occupied.get_mut().string_data = Some(BTreeMap::from([("door".into(), "open".into())]));
        occupied.commit(&PostParams::default()).await.unwrap();
        let read = secrets.get("s").await.unwrap();
        assert_eq!(read.data.unwrap()["door"].0, b"open");
    });
}

#[test]
fn lists_come_in_pages_that_fit_together() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-pages").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        for n in 0..23 {
            let mut object = config_map(&format!("n{n:02}"), "1");
            object.labels_mut().insert("page".into(), "yes".into());
            config_maps.create(&PostParams::default(), &object).await.unwrap();
        }
        let mut params = ListParams::default().labels("page=yes").limit(10);
        let mut names = Vec::new();
        let mut versions = std::collections::BTreeSet::new();
        loop {
            let page = config_maps.list(&params).await.unwrap();
            assert!(page.items.len() <= 10);
            names.extend(page.items.iter().map(kube::ResourceExt::name_any));
            versions.insert(page.metadata.resource_version.clone());
            // What is created between pages does not show.
            let late = config_map(&format!("z{}", names.len()), "1");
            config_maps.create(&PostParams::default(), &late).await.unwrap();
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        assert_eq!(names, (0..23).map(|n| format!("n{n:02}")).collect::<Vec<_>>());
        assert_eq!(versions.len(), 1, "all pages are of one moment");
        let all = ListParams::default().labels("page=yes");
        config_maps.delete_collection(&DeleteParams::default(), &all).await.unwrap();
        assert_eq!(config_maps.list(&all).await.unwrap().items.len(), 0);
    });
}

#[test]
fn a_watch_tells_of_every_change_in_order() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-watch").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        let from = config_maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        config_maps.create(&PostParams::default(), &config_map("c", "1")).await.unwrap();
        let merge = Patch::Merge(json!({ "data": { "value": "2" } }));
        config_maps.patch("c", &PatchParams::default(), &merge).await.unwrap();
        config_maps.delete("c", &DeleteParams::default()).await.unwrap();
        let params = WatchParams::default().fields("metadata.name=c").timeout(10);
        let events = config_maps.watch(&params, &from).await.unwrap();
        let told: Vec<String> = soon("three events", async {
            let told = events.map_ok(|event| match event {
                WatchEvent::Added(object) => format!("added {}", object.data.unwrap()["value"]),
                WatchEvent::Modified(object) => format!("modified {}", object.data.unwrap()["value"]),
                WatchEvent::Deleted(object) => format!("deleted {}", object.data.unwrap()["value"]),
                other => format!("{other:?}"),
            });
            told.take(3).try_collect().await.unwrap()
        })
        .await;
        assert_eq!(told, ["added 1", "modified 2", "deleted 2"]);
    });
}

#[test]
fn a_reflector_holds_what_the_server_holds() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-reflector").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        config_maps.create(&PostParams::default(), &config_map("early", "1")).await.unwrap();
        for settings in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
            let (reader, writer) = reflector::store();
            let stream = watcher(config_maps.clone(), settings).default_backoff();
            let (news, mut told) = tokio::sync::watch::channel(());
            let touched = reflector(writer, stream).touched_objects();
            let task = background(touched.for_each(move |_| {
                news.send_replace(());
                std::future::ready(())
            }));
            soon("the cache is filled", reader.wait_until_ready()).await.unwrap();
            let early = ObjectRef::<ConfigMap>::new("early").within("kube-reflector");
            assert!(reader.get(&early).is_some());
            config_maps.create(&PostParams::default(), &config_map("late", "1")).await.unwrap();
            let late = ObjectRef::<ConfigMap>::new("late").within("kube-reflector");
            soon("the new object is in the cache", async {
                while reader.get(&late).is_none() {
                    told.changed().await.unwrap();
                }
            })
            .await;
            config_maps.delete("late", &DeleteParams::default()).await.unwrap();
            soon("the deleted object is not", async {
                while reader.get(&late).is_some() {
                    told.changed().await.unwrap();
                }
            })
            .await;
            task.abort();
        }
    });
}

#[test]
fn a_controller_keeps_a_copy_of_every_marked_object() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-controller").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        let secrets: Api<Secret> = Api::default_namespaced(client);
        let marked = watcher::Config::default().labels("copy=yes");
        let controller =
            Controller::new(config_maps.clone(), marked).owns(secrets.clone(), watcher::Config::default());
        let writing = secrets.clone();
        let reconcile = move |original: Arc<ConfigMap>, _: Arc<()>| {
            let secrets = writing.clone();
            async move {
                let owner: OwnerReference = original.controller_owner_ref(&()).unwrap();
                let copy = json!({
                    "apiVersion": "v1", "kind": "Secret",
                    "metadata": { "name": original.name_any(), "ownerReferences": [owner] },
                    "stringData": original.data,
                });
                let apply = PatchParams::apply("copier").force();
                secrets.patch(&original.name_any(), &apply, &Patch::Apply(copy)).await?;
                Ok::<_, kube::Error>(Action::await_change())
            }
        };
        let on_error =
            |_: Arc<ConfigMap>, _: &kube::Error, _: Arc<()>| Action::requeue(Duration::from_millis(100));
        let task = background(controller.run(reconcile, on_error, Arc::new(())).for_each(|_| async {}));

        let mut original = config_map("c", "1");
        original.labels_mut().insert("copy".into(), "yes".into());
        config_maps.create(&PostParams::default(), &original).await.unwrap();
        let copied = |value: &'static str| {
            await_condition(secrets.clone(), "c", move |secret: Option<&Secret>| {
                let data = secret.and_then(|secret| secret.data.as_ref());
                data.is_some_and(|data| data.get("value").is_some_and(|v| v.0 == value.as_bytes()))
            })
        };
        soon("it is copied", copied("1")).await.unwrap();
        let merge = Patch::Merge(json!({ "data": { "value": "2" } }));
        config_maps.patch("c", &PatchParams::default(), &merge).await.unwrap();
        soon("the change is copied", copied("2")).await.unwrap();
        secrets.delete("c", &DeleteParams::default()).await.unwrap();
        soon("the copy is made again", copied("2")).await.unwrap();
        let uid = secrets.get("c").await.unwrap().uid().unwrap();
        config_maps.delete("c", &DeleteParams::default()).await.unwrap();
        soon("the copy goes with its owner", await_condition(secrets, "c", conditions::is_deleted(&uid)))
            .await
            .unwrap();
        task.abort();
    });
}

#[test]
fn everything_that_is_served_is_discovered_and_can_be_listed() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-discovery").await;
        for discovery in [
            Discovery::new(client.clone()).run().await,
            Discovery::new(client.clone()).run_aggregated().await,
        ] {
            let discovery = discovery.unwrap();
            for (group, kind) in [("apps", "Deployment"), ("policy.karmada.io", "PropagationPolicy")] {
                let (resource, _) = discovery
                    .groups()
                    .filter(|g| g.name() == group)
                    .find_map(|g| g.recommended_kind(kind))
                    .unwrap_or_else(|| panic!("{group} has no {kind}"));
                assert_eq!(resource.kind, kind);
            }
            for group in discovery.groups() {
                for (resource, capabilities) in group.recommended_resources() {
                    if !capabilities.supports_operation(verbs::LIST) {
                        continue;
                    }
                    assert!(matches!(capabilities.scope, Scope::Cluster | Scope::Namespaced));
                    let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                    let list = all.list(&ListParams::default().limit(2)).await;
                    list.unwrap_or_else(|e| {
                        panic!("{}/{} cannot be listed: {e}", resource.api_version, resource.plural)
                    });
                }
            }
        }
        let version = client.apiserver_version().await.unwrap();
        assert_eq!(version.major, "1");
    });
}

#[test]
fn karmadas_kinds_are_dynamic_objects() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-dynamic").await;
        let kind = GroupVersionKind::gvk("policy.karmada.io", "v1alpha1", "PropagationPolicy");
        let (resource, _) = kube::discovery::pinned_kind(&client, &kind).await.unwrap();
        assert_eq!(resource, ApiResource::from_gvk_with_plural(&kind, "propagationpolicies"));
        let policies: Api<DynamicObject> = Api::default_namespaced_with(client, &resource);
        let policy = DynamicObject::new("p", &resource).data(json!({
            "spec": {
                "resourceSelectors": [{ "apiVersion": "v1", "kind": "ConfigMap" }],
                "placement": { "clusterAffinity": { "clusterNames": ["member1"] } },
            },
        }));
        let created = policies.create(&PostParams::default(), &policy).await.unwrap();
        assert_eq!(created.data["spec"]["conflictResolution"], "Abort");
        let refused = json!({ "spec": { "resourceSelectors": "all" } });
        let refused = policies.patch("p", &PatchParams::default(), &Patch::Merge(refused)).await;
        let refused = refusal(refused.unwrap_err());
        assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
        assert!(!refused.details.unwrap().causes.is_empty());
        policies.delete("p", &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn server_side_apply_tells_who_is_in_the_way() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-apply").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        let wanted = |value: &str| {
            Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "value": value } }))
        };
        config_maps.patch("c", &PatchParams::apply("first"), &wanted("1")).await.unwrap();
        let refused = config_maps.patch("c", &PatchParams::apply("second"), &wanted("2")).await;
        let refused = refusal(refused.unwrap_err());
        assert!(refused.is_conflict(), "{refused:?}");
        let cause = &refused.details.as_ref().unwrap().causes[0];
        assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".data.value"));
        assert!(cause.message.contains("\"first\""), "{cause:?}");
        let taken =
            config_maps.patch("c", &PatchParams::apply("second").force(), &wanted("2")).await.unwrap();
        let managers: Vec<String> = taken.managed_fields().iter().filter_map(|f| f.manager.clone()).collect();
        assert!(managers.contains(&"second".to_owned()), "{managers:?}");
        let dry = PatchParams::apply("second").dry_run();
        config_maps.patch("c", &dry, &wanted("3")).await.unwrap();
        assert_eq!(config_maps.get("c").await.unwrap().data.unwrap()["value"], "2");
    });
}

#[test]
fn a_deployment_on_a_member_is_waited_for_scaled_and_removed() {
    let up = together();
    let member = up.member("member1");
    block_on(async {
        let client = client(&member, "kube-deployment").await;
        let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
        let pods: Api<Pod> = Api::default_namespaced(client);
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": {
                "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "nginx", "image": "nginx" }] },
                },
            },
        });
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        deployments.create(&PostParams::default(), &deployment).await.unwrap();
        let completed = await_condition(deployments.clone(), "web", conditions::is_deployment_completed());
        soon("it is rolled out", completed).await.unwrap();
        let scale = deployments.get_scale("web").await.unwrap();
        assert_eq!(scale.status.unwrap().replicas, 2);
        let more = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
        let scaled = deployments.patch_scale("web", &PatchParams::default(), &more).await.unwrap();
        assert_eq!(scaled.spec.unwrap().replicas, Some(3));
        soon(
            "three are ready",
            await_condition(deployments.clone(), "web", |d: Option<&Deployment>| {
                d.and_then(|d| d.status.as_ref()).is_some_and(|s| s.ready_replicas == Some(3))
            }),
        )
        .await
        .unwrap();
        let running = pods.list(&ListParams::default().fields("status.phase=Running")).await.unwrap();
        assert_eq!(running.items.len(), 3);
        deployments.restart("web").await.unwrap();
        let foreground = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        deployments.delete("web", &foreground).await.unwrap();
        soon("nothing of it is left", async {
            while !pods.list(&ListParams::default()).await.unwrap().items.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    });
}

#[test]
fn predicates_see_generations() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-predicates").await;
        let deployments: Api<Deployment> = Api::default_namespaced(client);
        let stream = watcher(deployments.clone(), watcher::Config::default()).applied_objects();
        let mut specs = std::pin::pin!(stream.predicate_filter(predicates::generation, Default::default()));
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": {
                "replicas": 1, "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "nginx", "image": "nginx" }] },
                },
            },
        });
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        deployments.create(&PostParams::default(), &deployment).await.unwrap();
        let first = soon("the creation", specs.next()).await.unwrap().unwrap();
        assert_eq!(first.meta().generation, Some(1));
        let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
        deployments.patch("web", &PatchParams::default(), &label).await.unwrap();
        let scale = Patch::Merge(json!({ "spec": { "replicas": 2 } }));
        deployments.patch("web", &PatchParams::default(), &scale).await.unwrap();
        let second = soon("the change of the spec", specs.next()).await.unwrap().unwrap();
        assert_eq!(second.meta().generation, Some(2), "the label made no generation");
    });
}

#[test]
fn no_increment_of_a_counter_is_lost() {
    let up = together();
    let control_plane = up.control_plane();
    block_on(async {
        let client = client(&control_plane, "kube-counter").await;
        let config_maps: Api<ConfigMap> = Api::default_namespaced(client);
        config_maps.create(&PostParams::default(), &config_map("counter", "0")).await.unwrap();
        let increments = (0..8).map(|_| async {
            for _ in 0..10 {
                loop {
                    let mut counter = config_maps.get("counter").await.unwrap();
                    let value = counter.data.as_mut().unwrap().get_mut("value").unwrap();
                    *value = (value.parse::<u32>().unwrap() + 1).to_string();
                    match config_maps.replace("counter", &PostParams::default(), &counter).await {
                        Ok(_) => break,
                        Err(error) => assert!(refusal(error).is_conflict()),
                    }
                }
            }
        });
        soon("eighty increments", futures::future::join_all(increments)).await;
        assert_eq!(config_maps.get("counter").await.unwrap().data.unwrap()["value"], "80");
    });
}
