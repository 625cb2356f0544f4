//! Kills a writing process at any moment and looks at what is left.
//!
//! The test starts its own executable again as the writer, reads the acknowledgements from its output,
//! and kills it (SIGKILL) after a seeded number of them.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use store::embedded::{Engine, Options};
use store::{Expect, Revision, Store};

const DIRECTORY: &str = "STORE_CRASH_DIRECTORY";
const ROUNDS: usize = 12;
const WRITERS: usize = 24;

fn options() -> Options {
    // Small, so that snapshots and rotations are among what gets interrupted.
    Options { snapshot_bytes: 60_000, segment_bytes: 30_000, ..Options::default() }
}

fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// A value that says whose it is and shows when a byte of it is missing or strange.
fn value(key: &str, step: u64) -> String {
    let fill = "abcdefghij".repeat((step % 97) as usize);
    let text = format!("{key} {step} {fill}");
    format!("{text} {}", sum(&text))
}

fn sum(text: &str) -> u64 {
    text.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

fn is_whole(key: &str, value: &str) -> bool {
    value
        .rsplit_once(' ')
        .is_some_and(|(text, s)| s == sum(text).to_string() && text.split(' ').next() == Some(key))
}

#[test]
#[ignore = "the writer that the other test starts and kills"]
fn the_writer_that_gets_killed() {
    let Ok(dir) = std::env::var(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let engine = Engine::open(dir, options()).unwrap();
        futures::future::join_all((0..WRITERS).map(|writer| write_forever(&engine, writer))).await;
    });
}

async fn write_forever(engine: &Engine, writer: usize) {
    let mut seed = writer as u64 + 1;
    loop {
        let key = format!("w{writer}/k{}", scramble(&mut seed) % 6);
        let current = engine.get(&key).await.unwrap().map(|kv| kv.revision);
        match current {
            Some(expected) if scramble(&mut seed).is_multiple_of(4) => {
                let revision = engine.delete(&key, expected).await.unwrap();
                acknowledge(&format!("ack {revision} {key} deleted"));
            }
            _ => {
                let expect = current.map_or(Expect::Absent, Expect::Revision);
                let step = scramble(&mut seed);
                let revision = engine.put(&key, Bytes::from(value(&key, step)), expect).await.unwrap();
                acknowledge(&format!("ack {revision} {key} {step}"));
            }
        }
    }
}

fn acknowledge(line: &str) {
    // One write each, so that no line is torn when the process dies.
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What was acknowledged last for each key: its revision and, unless deleted, the step written.
type Acknowledged = BTreeMap<String, (Revision, Option<u64>)>;

/// Runs the writer until it has acknowledged `count` writes, kills it, and returns how many
/// acknowledgements came in all.
fn run_and_kill(dir: &Path, count: usize, acknowledged: &mut Acknowledged) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_writer_that_gets_killed", "--ignored", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seen = 0;
    let output = BufReader::new(child.stdout.take().unwrap());
    for line in output.lines() {
        let line = line.unwrap();
        // The test harness begins the first line with the test's name.
        let Some(at) = line.find("ack ") else { continue };
        let words: Vec<&str> = line[at..].split(' ').collect();
        let revision: Revision = words[1].parse().unwrap();
        let entry = acknowledged.entry(words[2].to_owned()).or_default();
        if revision > entry.0 {
            *entry = (revision, words[3].parse().ok());
        }
        seen += 1;
        if seen == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen >= count, "the writer ended by itself after {seen} of {count} writes");
    seen
}

/// Compares the store with what was acknowledged, then takes what is stored as acknowledged: who reads
/// it may rely on it.
fn check(dir: &Path, acknowledged: &mut Acknowledged, round: usize) -> Revision {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::open(dir, options()).unwrap();
        let page = engine.list("", None, 0, None).await.unwrap();
        for kv in &page.items {
            let text = std::str::from_utf8(&kv.value).unwrap();
            assert!(is_whole(&kv.key, text), "round {round}: {} is torn", kv.key);
            assert!(kv.revision <= page.revision, "round {round}: {kv:?}");
            acknowledged.entry(kv.key.to_string()).or_default();
        }
        let stored: BTreeMap<&str, _> = page.items.iter().map(|kv| (&*kv.key, kv)).collect();
        // Each key has one writer, and each writer has one write under way: it may be there or not.
        let mut ahead: BTreeMap<String, usize> = BTreeMap::new();
        for (key, (revision, step)) in acknowledged.iter_mut() {
            assert!(page.revision >= *revision, "round {round}: revisions went back");
            let mut is_ahead = || *ahead.entry(key.split('/').next().unwrap().to_owned()).or_default() += 1;
            match (stored.get(key.as_str()), *step) {
                (Some(kv), Some(step)) if kv.revision == *revision => {
                    assert_eq!(kv.value, value(key, step), "round {round}: {key}");
                }
                (Some(kv), _) => {
                    assert!(kv.revision > *revision, "round {round}: {key} went back");
                    is_ahead();
                    let text = std::str::from_utf8(&kv.value).unwrap();
                    (*revision, *step) = (kv.revision, text.split(' ').nth(1).unwrap().parse().ok());
                }
                (None, None) => {}
                (None, Some(_)) => {
                    assert!(
                        deleted_after(&engine, key, *revision).await,
                        "round {round}: {key}@{revision} is lost"
                    );
                    is_ahead();
                    *step = None;
                }
            }
        }
        assert!(ahead.values().all(|&count| count == 1), "round {round}: {ahead:?}");
        page.revision
    })
}

/// Whether the history knows a deletion of the key after this revision, or no longer reaches back there.
async fn deleted_after(engine: &Engine, key: &str, revision: Revision) -> bool {
    if engine.stats().oldest > revision {
        return true;
    }
    let mut watch = engine.watch(key, revision).await.unwrap();
    watch.progress() < engine.stats().revision
        && watch.next().await.unwrap().iter().any(|event| matches!(event, store::Event::Delete { .. }))
}

#[test]
fn every_acknowledged_write_survives_being_killed() {
    let dir = std::env::temp_dir().join(format!("store-crash-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut acknowledged = Acknowledged::new();
    let mut seed = 20;
    let mut before = 0;
    for round in 0..ROUNDS {
        let count = 1 + scramble(&mut seed) as usize % 1_500;
        run_and_kill(&dir, count, &mut acknowledged);
        let revision = check(&dir, &mut acknowledged, round);
        assert!(revision > before, "round {round}: revision {revision} after {before}");
        before = revision;
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
