//! What every [`Store`] must do, as tests any engine can run: call [`suite`] from a test.
//!
//! Each function below is one guarantee; it gets an empty store.

#![expect(clippy::unwrap_used, reason = "a test suite says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use crate::{Error, Event, Expect, KeyValue, Revision, Store, Watch};

/// Runs the whole contract; `make` gives a new, empty store each time.
///
/// # Panics
/// When the store breaks a guarantee.
pub async fn suite<F, Fut>(make: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Arc<dyn Store>>,
{
    revisions_count_writes(make().await).await;
    expectations_guard_every_write(make().await).await;
    of_concurrent_writers_one_wins(make().await).await;
    independent_writers_do_not_disturb_each_other(make().await).await;
    lists_are_pages_in_key_order(make().await).await;
    prefixes_are_text_and_folders_end_with_a_slash(make().await).await;
    lists_see_the_past(make().await).await;
    random_pasts_are_remembered(make().await).await;
    a_watch_resumes_without_gap_or_duplicate(make().await).await;
    watches_see_only_their_prefix(make().await).await;
    watches_running_beside_writers_miss_nothing(make().await).await;
    events_carry_what_they_replaced(make().await).await;
    compaction_forgets_the_past_only(make().await).await;
    the_future_cannot_be_read(make().await).await;
    too_large_values_are_refused(make().await).await;
    any_text_is_a_key_and_any_bytes_a_value(make().await).await;
}

async fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    let expect = match store.get(key).await.unwrap() {
        Some(current) => Expect::Revision(current.revision),
        None => Expect::Absent,
    };
    store.put(key, Bytes::copy_from_slice(value.as_bytes()), expect).await.unwrap()
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let page = store.list(prefix, None, 0, None).await.unwrap();
    page.items.iter().map(|kv| kv.key.to_string()).collect()
}

/// Reads events until this revision has been seen.
async fn events_until(watch: &mut dyn Watch, revision: Revision) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    while events.last().is_none_or(|event| event.revision() < revision) {
        let next = watch.next().await.unwrap();
        assert!(!next.is_empty(), "a watch that returns has something to tell");
        events.extend(next);
    }
    events
}

fn revisions(events: &[Event]) -> Vec<Revision> {
    events.iter().map(Event::revision).collect()
}

async fn revisions_count_writes(store: Arc<dyn Store>) {
    assert_eq!(store.revision().await.unwrap(), 0);
    let first = put(&*store, "a", "1").await;
    let second = put(&*store, "b", "1").await;
    let third = put(&*store, "a", "2").await;
    let fourth = store.delete("b", second).await.unwrap();
    assert_eq!([first, second, third, fourth], [1, 2, 3, 4]);
    assert_eq!(store.revision().await.unwrap(), 4);
    assert_eq!(store.get("a").await.unwrap().unwrap().revision, 3);
    assert_eq!(store.get("b").await.unwrap(), None);
}

async fn expectations_guard_every_write(store: Arc<dyn Store>) {
    let one = put(&*store, "a", "1").await;
    let two = put(&*store, "a", "2").await;
    let stored = store.get("a").await.unwrap();
    let value = || Bytes::from_static(b"no");
    let refused = [
        ("a", store.put("a", value(), Expect::Absent).await),
        ("a", store.put("a", value(), Expect::Revision(one)).await),
        ("a", store.put("a", value(), Expect::Revision(two + 1)).await),
        ("a", store.delete("a", one).await),
        ("b", store.put("b", value(), Expect::Revision(two)).await),
        ("b", store.delete("b", two).await),
    ];
    for (index, (asked, answer)) in refused.into_iter().enumerate() {
        match answer {
            Err(Error::Unexpected { key, current }) => {
                assert_eq!(&*key, asked);
                assert_eq!(current, if asked == "a" { stored.clone() } else { None });
            }
            other => panic!("refusal {index} was {other:?}"),
        }
    }
    assert_eq!(store.revision().await.unwrap(), two, "a refused write makes no revision");
    let gone = store.delete("a", two).await.unwrap();
    let again = store.put("a", value(), Expect::Absent).await.unwrap();
    assert!(again > gone, "a deleted key can be created anew");
}

async fn of_concurrent_writers_one_wins(store: Arc<dyn Store>) {
    for round in 0..20 {
        let expect = match store.get("a").await.unwrap() {
            Some(current) => Expect::Revision(current.revision),
            None => Expect::Absent,
        };
        let writers = (0..16).map(|n| store.put("a", Bytes::from(format!("{round}/{n}")), expect));
        let answers = join_all(writers).await;
        let winners: Vec<usize> = (0..16).filter(|&n| answers[n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {answers:?}");
        let stored = store.get("a").await.unwrap().unwrap();
        assert_eq!(stored.value, format!("{round}/{}", winners[0]));
        for answer in answers {
            match answer {
                Ok(revision) => assert_eq!(revision, stored.revision),
                Err(Error::Unexpected { current, .. }) => assert_eq!(current.as_ref(), Some(&stored)),
                Err(other) => panic!("round {round}: {other}"),
            }
        }
    }
    assert_eq!(store.revision().await.unwrap(), 20);
}

async fn independent_writers_do_not_disturb_each_other(store: Arc<dyn Store>) {
    let writer = |n: usize| {
        let store = store.clone();
        async move {
            let key = format!("key/{n}");
            let mut expect = Expect::Absent;
            let mut given = Vec::new();
            for step in 0..20 {
                let revision = store.put(&key, Bytes::from(format!("{step}")), expect).await.unwrap();
                let read = store.get(&key).await.unwrap().unwrap();
                assert_eq!(read.revision, revision, "an acknowledged write can be read");
                expect = Expect::Revision(revision);
                given.push(revision);
            }
            assert!(given.is_sorted());
            given
        }
    };
    let given: Vec<Revision> = join_all((0..32).map(writer)).await.concat();
    let distinct: BTreeSet<Revision> = given.iter().copied().collect();
    assert_eq!(distinct, (1..=640).collect(), "each write has a revision of its own, without a gap");
}

async fn lists_are_pages_in_key_order(store: Arc<dyn Store>) {
    for n in [3, 1, 4, 0, 2] {
        put(&*store, &format!("k/{n}"), "v").await;
    }
    put(&*store, "z", "v").await;
    let mut after: Option<String> = None;
    let mut seen = Vec::new();
    for remaining in [3, 1, 0] {
        let page = store.list("k/", after.as_deref(), 2, None).await.unwrap();
        assert_eq!(page.remaining, remaining);
        assert_eq!(page.revision, 6);
        seen.extend(page.items.iter().map(|kv| kv.key.to_string()));
        after = seen.last().cloned();
    }
    assert_eq!(seen, ["k/0", "k/1", "k/2", "k/3", "k/4"]);
    let beyond = store.list("k/", Some("k/4"), 2, None).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.remaining), (0, 0));
    let all = store.list("k/", Some("a"), 0, None).await.unwrap();
    assert_eq!(all.items.len(), 5, "a start before the prefix is the start of the prefix");
    assert_eq!(store.list("none/", None, 0, None).await.unwrap().items, []);
}

async fn prefixes_are_text_and_folders_end_with_a_slash(store: Arc<dyn Store>) {
    for key in ["a/b", "a/b/", "a/b/x", "a/bc/x", "a/b0", "a", "b", "a/b/x/y"] {
        put(&*store, key, "v").await;
    }
    assert_eq!(keys(&*store, "a/b/").await, ["a/b/", "a/b/x", "a/b/x/y"]);
    assert_eq!(keys(&*store, "a/b").await, ["a/b", "a/b/", "a/b/x", "a/b/x/y", "a/b0", "a/bc/x"]);
    assert_eq!(keys(&*store, "").await.len(), 8);
    let mut watch = store.watch("a/b/", 0).await.unwrap();
    let events = events_until(&mut *watch, 8).await;
    let watched: Vec<&str> = events.iter().map(|e| &**e.key()).collect();
    assert_eq!(watched, ["a/b/", "a/b/x", "a/b/x/y"]);
}

async fn lists_see_the_past(store: Arc<dyn Store>) {
    put(&*store, "k/a", "1").await;
    put(&*store, "k/b", "1").await;
    put(&*store, "k/a", "2").await;
    store.delete("k/b", 2).await.unwrap();
    put(&*store, "k/c", "1").await;
    put(&*store, "k/b", "2").await;
    let story: [&[(&str, &str, Revision)]; 7] = [
        &[],
        &[("k/a", "1", 1)],
        &[("k/a", "1", 1), ("k/b", "1", 2)],
        &[("k/a", "2", 3), ("k/b", "1", 2)],
        &[("k/a", "2", 3)],
        &[("k/a", "2", 3), ("k/c", "1", 5)],
        &[("k/a", "2", 3), ("k/b", "2", 6), ("k/c", "1", 5)],
    ];
    for (at, expected) in story.iter().enumerate() {
        let page = store.list("k/", None, 0, Some(at as Revision)).await.unwrap();
        let found: Vec<(&str, &[u8], Revision)> =
            page.items.iter().map(|kv| (&*kv.key, &*kv.value, kv.revision)).collect();
        let expected: Vec<_> = expected.iter().map(|(k, v, r)| (*k, v.as_bytes(), *r)).collect();
        assert_eq!(found, expected, "at revision {at}");
        assert_eq!(page.revision, at as Revision);
    }
    let first = store.list("k/", None, 1, Some(3)).await.unwrap();
    assert_eq!((&*first.items[0].key, first.remaining), ("k/a", 1));
    let second = store.list("k/", Some("k/a"), 1, Some(3)).await.unwrap();
    assert_eq!((&*second.items[0].key, second.items[0].revision, second.remaining), ("k/b", 2, 0));
}

/// Numbers that look random and are the same every time.
fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

async fn random_pasts_are_remembered(store: Arc<dyn Store>) {
    let mut seed = 42;
    let mut model: BTreeMap<String, KeyValue> = BTreeMap::new();
    let mut pasts = vec![model.clone()];
    while pasts.len() < 300 {
        let key = format!("k/{}", scramble(&mut seed) % 12);
        let current = model.get(&key).map(|kv| kv.revision);
        match current {
            Some(revision) if scramble(&mut seed).is_multiple_of(3) => {
                store.delete(&key, revision).await.unwrap();
                model.remove(&key);
            }
            _ => {
                let value = Bytes::from(format!("{}", pasts.len()));
                let expect = current.map_or(Expect::Absent, Expect::Revision);
                let revision = store.put(&key, value.clone(), expect).await.unwrap();
                model.insert(key.clone(), KeyValue { key: key.into(), value, revision });
            }
        }
        pasts.push(model.clone());
    }
    for (at, past) in pasts.iter().enumerate() {
        let after = format!("k/{}", scramble(&mut seed) % 12);
        let limit = scramble(&mut seed) as usize % 5 + 1;
        let page = store.list("k/", Some(&after), limit, Some(at as Revision)).await.unwrap();
        let expected: Vec<&KeyValue> =
            past.iter().filter(|(key, _)| **key > after).map(|(_, kv)| kv).collect();
        let shown = expected.len().min(limit);
        assert!(page.items.iter().eq(expected[..shown].iter().copied()), "at {at} after {after}");
        assert_eq!(page.remaining, expected.len() - shown, "at {at} after {after}");
    }
}

async fn a_watch_resumes_without_gap_or_duplicate(store: Arc<dyn Store>) {
    for n in 0..30 {
        put(&*store, &format!("k/{}", n % 7), &format!("{n}")).await;
    }
    for start in 0..=29 {
        let mut watch = store.watch("k/", start).await.unwrap();
        let events = events_until(&mut *watch, 30).await;
        assert_eq!(revisions(&events), (start + 1..=30).collect::<Vec<_>>());
        assert_eq!(watch.progress(), 30);
    }
    let mut watch = store.watch("k/", 30).await.unwrap();
    let (events, _) = futures::join!(events_until(&mut *watch, 31), put(&*store, "k/new", "x"));
    assert_eq!(revisions(&events), [31]);
}

async fn watches_see_only_their_prefix(store: Arc<dyn Store>) {
    let mut watch = store.watch("a/", 0).await.unwrap();
    assert_eq!(watch.progress(), 0);
    put(&*store, "b/1", "x").await;
    assert_eq!(watch.progress(), 1, "what does not concern a watch does not hold it back");
    put(&*store, "a/1", "x").await;
    put(&*store, "b/2", "x").await;
    assert_eq!(watch.progress(), 1, "progress stops before what has not been returned");
    assert_eq!(revisions(&watch.next().await.unwrap()), [2]);
    assert_eq!(watch.progress(), 3);
}

async fn watches_running_beside_writers_miss_nothing(store: Arc<dyn Store>) {
    let writer = |n: usize| {
        let store = store.clone();
        async move {
            for step in 0..50 {
                put(&*store, &format!("k/{}/{n}", n % 2), &format!("{step}")).await;
            }
        }
    };
    let watcher = |prefix: &'static str, share: usize| {
        let store = store.clone();
        async move {
            let mut watch = store.watch(prefix, 0).await.unwrap();
            let mut events = Vec::new();
            while events.len() < share {
                events.extend(watch.next().await.unwrap());
            }
            assert_eq!(events.len(), share);
            assert!(events.windows(2).all(|pair| pair[0].revision() < pair[1].revision()));
            assert!(events.iter().all(|event| event.key().starts_with(prefix)));
        }
    };
    let watchers = join_all([watcher("k/", 400), watcher("k/0/", 200), watcher("k/1/", 200)]);
    futures::join!(watchers, join_all((0..8).map(writer)));
}

async fn events_carry_what_they_replaced(store: Arc<dyn Store>) {
    put(&*store, "a", "1").await;
    put(&*store, "a", "2").await;
    store.delete("a", 2).await.unwrap();
    put(&*store, "a", "3").await;
    let kv = |value: &'static str, revision| KeyValue { key: "a".into(), value: value.into(), revision };
    let mut watch = store.watch("", 0).await.unwrap();
    let events = events_until(&mut *watch, 4).await;
    let expected = [
        Event::Put { current: kv("1", 1), previous: None },
        Event::Put { current: kv("2", 2), previous: Some(kv("1", 1)) },
        Event::Delete { revision: 3, previous: kv("2", 2) },
        Event::Put { current: kv("3", 4), previous: None },
    ];
    assert_eq!(events, expected);
}

async fn compaction_forgets_the_past_only(store: Arc<dyn Store>) {
    for n in 0..10 {
        put(&*store, "k/a", &format!("{n}")).await;
    }
    let mut behind = store.watch("k/", 2).await.unwrap();
    store.compact(5).await.unwrap();
    store.compact(3).await.unwrap();
    let late = store.list("k/", None, 0, Some(4)).await.unwrap_err();
    assert!(matches!(late, Error::Compacted { asked: 4, oldest: 5 }), "{late:?}");
    let late = store.watch("k/", 4).await.err().unwrap();
    assert!(matches!(late, Error::Compacted { asked: 4, oldest: 5 }), "{late:?}");
    let late = behind.next().await.unwrap_err();
    assert!(matches!(late, Error::Compacted { .. }), "{late:?}");
    assert_eq!(store.list("k/", None, 0, Some(5)).await.unwrap().items[0].revision, 5);
    let mut watch = store.watch("k/", 5).await.unwrap();
    assert_eq!(revisions(&events_until(&mut *watch, 10).await), [6, 7, 8, 9, 10]);
    store.compact(10).await.unwrap();
    assert_eq!(store.get("k/a").await.unwrap().unwrap().value, "9");
    assert_eq!(put(&*store, "k/a", "10").await, 11);
    assert_eq!(revisions(&events_until(&mut *watch, 11).await), [11], "an up-to-date watch goes on");
}

async fn the_future_cannot_be_read(store: Arc<dyn Store>) {
    put(&*store, "a", "1").await;
    let answers = [
        store.list("", None, 0, Some(2)).await.err(),
        store.watch("", 2).await.err(),
        store.compact(2).await.err(),
    ];
    for answer in answers {
        assert!(matches!(answer, Some(Error::Future { asked: 2, current: 1 })), "{answer:?}");
    }
}

async fn too_large_values_are_refused(store: Arc<dyn Store>) {
    // No engine takes 64 MiB: etcd's limit, the largest in use, is 1.5 MiB unless raised.
    let size = 64 << 20;
    let answer = store.put("a", vec![0; size].into(), Expect::Absent).await;
    assert!(matches!(answer, Err(Error::TooLarge { size: s, max }) if s >= size && max < size), "{answer:?}");
    assert_eq!(store.revision().await.unwrap(), 0);
    let object = vec![b'x'; 3 << 19];
    let revision = store.put("a", object.clone().into(), Expect::Absent).await.unwrap();
    let stored = store.get("a").await.unwrap().unwrap();
    assert!(stored.revision == revision && stored.value == object, "an object of 1.5 MiB fits");
}

async fn any_text_is_a_key_and_any_bytes_a_value(store: Arc<dyn Store>) {
    let odd = ["ä/ö", "日本/東京", "\u{10ffff}", "a b", "\u{0}", "e\u{301}", "\u{e9}"];
    for (index, key) in odd.iter().enumerate() {
        let value = Bytes::from(vec![index as u8, 0, 255]);
        store.put(key, value.clone(), Expect::Absent).await.unwrap();
        assert_eq!(store.get(key).await.unwrap().unwrap().value, value, "{key:?}");
    }
    assert_eq!(keys(&*store, "日本/").await, ["日本/東京"]);
    assert_eq!(keys(&*store, "ä").await, ["ä/ö"]);
    let mut sorted = odd.to_vec();
    sorted.sort_unstable();
    assert_eq!(keys(&*store, "").await, sorted);
    store.put("empty", Bytes::new(), Expect::Absent).await.unwrap();
    assert_eq!(store.get("empty").await.unwrap().unwrap().value, Bytes::new());
}
