//! Many writers at once: watches miss nothing, lists are of one moment, no write is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use clock::Random;
use futures::future::join_all;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;
use support::{admin, server};

const LIMIT: Duration = Duration::from_secs(60);
const NAMES: usize = 12;
const WRITERS: u64 = 6;
const STEPS: usize = 40;

fn map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

fn version(object: &ConfigMap) -> u64 {
    object.metadata.resource_version.as_deref().unwrap().parse().unwrap()
}

/// Creates, changes and deletes at random; what others did first is fine.
async fn write(maps: Api<ConfigMap>, seed: u64) {
    let random = Random::seeded(seed);
    for step in 0..STEPS {
        let name = format!("m{}", random.below(NAMES));
        let done = match random.below(4) {
            0 => maps.create(&PostParams::default(), &map(&name)).await.map(|_| ()),
            1 => maps.delete(&name, &DeleteParams::default()).await.map(|_| ()),
            _ => {
                let patch = Patch::Merge(json!({"data": {"step": format!("{seed}/{step}")}}));
                maps.patch(&name, &PatchParams::default(), &patch).await.map(|_| ())
            }
        };
        match done {
            Ok(()) | Err(kube::Error::Api(_)) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
}

type Events = BoxStream<'static, kube::Result<WatchEvent<ConfigMap>>>;

/// What a client that only watches believes to exist, once it has seen the end marker.
async fn follow(mut events: Events) -> BTreeMap<String, u64> {
    let mut known = BTreeMap::new();
    let mut last = 0;
    while let Some(event) = events.try_next().await.unwrap() {
        let (object, deleted) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            other => panic!("{other:?}"),
        };
        let version = version(&object);
        assert!(version > last, "events come in order: {version} after {last}");
        last = version;
        let name = object.metadata.name.unwrap();
        if name == "end" {
            break;
        }
        if deleted {
            assert!(known.remove(&name).is_some(), "{name} was deleted but never there");
        } else {
            known.insert(name, version);
        }
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watcher_ends_up_with_what_a_list_shows() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let mut followers = Vec::new();
    for _ in 0..3 {
        let events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
        followers.push(runtime::spawn("follower", follow(events)));
    }
    join_all((0..WRITERS).map(|seed| runtime::spawn("writer", write(maps.clone(), seed)))).await;
    let listed: BTreeMap<String, u64> = maps
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(|o| (o.metadata.name.clone().unwrap(), version(o)))
        .collect();
    maps.create(&PostParams::default(), &map("end")).await.unwrap();
    for follower in followers {
        assert_eq!(tokio::time::timeout(LIMIT, follower).await.unwrap().unwrap(), listed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_patch_is_lost_among_many() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    maps.create(&PostParams::default(), &map("one")).await.unwrap();
    let add = |i: usize| {
        let maps = maps.clone();
        async move {
            let patch = Patch::Merge(json!({"data": {format!("k{i}"): "v"}}));
            // With this many at once the server may give up on one; the client tries again.
            while let Err(error) = maps.patch("one", &PatchParams::default(), &patch).await {
                assert!(matches!(&error, kube::Error::Api(status) if status.code == 409), "{error}");
            }
        }
    };
    join_all((0..50).map(add)).await;
    assert_eq!(maps.get("one").await.unwrap().data.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_written_is_in_the_next_list() {
    let server = server().await;
    let maps: Api<ConfigMap> = Api::namespaced(admin(&server), "default");
    let write_and_look = |i: usize| {
        let maps = maps.clone();
        async move {
            let name = format!("m{i}");
            maps.create(&PostParams::default(), &map(&name)).await.unwrap();
            let list = maps.list(&ListParams::default()).await.unwrap();
            assert!(list.items.iter().any(|o| o.metadata.name.as_ref() == Some(&name)), "{name} is missing");
        }
    };
    join_all((0..40).map(write_and_look)).await;
}
