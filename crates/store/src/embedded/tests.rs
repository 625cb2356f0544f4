use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

/// Makes the disk under a log fail on demand.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    full: AtomicBool,
    sync: AtomicBool,
    cut: AtomicBool,
}

impl Faults {
    /// A full disk takes half of what it is given.
    pub(super) fn before_write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn before_sync(&self) -> io::Result<()> {
        if self.sync.load(Ordering::SeqCst) { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }

    pub(super) fn before_cut(&self) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

/// A directory of its own that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("store-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Engine {
        self.open_with(options()).unwrap()
    }

    fn open_with(&self, options: Options) -> Result<Engine, Error> {
        Engine::open(&self.0, options)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().path());
        let mut files: Vec<PathBuf> =
            entries.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
        files.sort();
        files
    }

    fn only_log(&self) -> PathBuf {
        let files = self.files("log");
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Without waiting for the disk: what these tests look at does not depend on it.
fn options() -> Options {
    Options { durability: Durability::Written, ..Options::default() }
}

async fn put(engine: &Engine, key: &str, value: &str) -> Result<Revision, Error> {
    let expect = engine.get(key).await?.map_or(Expect::Absent, |kv| Expect::Revision(kv.revision));
    engine.put(key, Bytes::copy_from_slice(value.as_bytes()), expect).await
}

async fn dump(engine: &Engine) -> Vec<(String, String, Revision)> {
    let text = |value: &Bytes| String::from_utf8(value.to_vec()).unwrap();
    let page = engine.list("", None, 0, None).await.unwrap();
    page.items.iter().map(|kv| (kv.key.to_string(), text(&kv.value), kv.revision)).collect()
}

#[tokio::test]
async fn the_engine_in_memory_keeps_the_contract() {
    crate::contract::suite(|| async { Arc::new(Engine::memory()) as Arc<dyn Store> }).await;
}

#[tokio::test]
async fn the_engine_on_disk_keeps_the_contract() {
    let dirs = Mutex::new(Vec::new());
    crate::contract::suite(|| async {
        let dir = Dir::new();
        let engine = dir.open_with(Options::default()).unwrap();
        dirs.lock().unwrap().push(dir);
        Arc::new(engine) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_with_snapshots_and_rotations_all_the_time() {
    let dirs = Mutex::new(Vec::new());
    crate::contract::suite(|| async {
        let dir = Dir::new();
        let busy = Options { snapshot_bytes: 500, segment_bytes: 300, ..options() };
        let engine = dir.open_with(busy).unwrap();
        dirs.lock().unwrap().push(dir);
        Arc::new(engine) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn everything_is_there_after_a_restart_and_revisions_go_on() {
    let dir = Dir::new();
    let before = {
        let engine = dir.open();
        for n in 0..50 {
            put(&engine, &format!("k/{}", n % 9), &format!("value {n}")).await.unwrap();
        }
        let last = engine.get("k/3").await.unwrap().unwrap();
        engine.delete("k/3", last.revision).await.unwrap();
        dump(&engine).await
    };
    let engine = dir.open();
    assert_eq!(dump(&engine).await, before);
    assert_eq!(engine.revision().await.unwrap(), 51);
    let mut watch = engine.watch("k/", 45).await.unwrap();
    let missed: Vec<Revision> = watch.next().await.unwrap().iter().map(Event::revision).collect();
    assert_eq!(missed, [46, 47, 48, 49, 50, 51], "a watch resumes across the restart");
    assert_eq!(put(&engine, "k/3", "again").await.unwrap(), 52);
}

#[tokio::test]
async fn a_deleted_last_key_does_not_take_revisions_with_it() {
    let dir = Dir::new();
    for round in 0..5 {
        let engine = dir.open_with(Options { snapshot_bytes: 1, ..options() }).unwrap();
        let revision = put(&engine, "only", "x").await.unwrap();
        assert_eq!(revision, round * 2 + 1);
        engine.delete("only", revision).await.unwrap();
        engine.compact(revision + 1).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_keep_the_disk_bounded_and_lose_nothing() {
    let dir = Dir::new();
    let small = Options { snapshot_bytes: 20_000, segment_bytes: 8_000, ..options() };
    let mut expected = Vec::new();
    for round in 0..6 {
        let engine = dir.open_with(small.clone()).unwrap();
        assert_eq!(dump(&engine).await, expected, "round {round}");
        for n in 0..400 {
            let key = format!("k/{}", (n * 7 + round) % 23);
            if n % 5 == 4
                && let Some(kv) = engine.get(&key).await.unwrap()
            {
                engine.delete(&key, kv.revision).await.unwrap();
            } else {
                put(&engine, &key, &format!("{round} {n} {}", "x".repeat(200))).await.unwrap();
            }
        }
        expected = dump(&engine).await;
    }
    assert!(!dir.files("snapshot").is_empty(), "snapshots were taken");
    let frames: u64 = dir.files("log").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    // 2,400 writes of some 250 bytes would be 600 kB; the zeros ahead of the end are one MiB a segment.
    assert!(dir.files("log").len() <= 30, "{frames} bytes in {:?}", dir.files("log"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_taken_beside_writers_is_completed_by_the_log() {
    let dir = Dir::new();
    let small = Options { snapshot_bytes: 30_000, ..options() };
    let expected = {
        let engine = dir.open_with(small.clone()).unwrap();
        let writer = async |n: usize| {
            for step in 0..200 {
                let key = format!("k/{:03}", (n * 37 + step * 11) % 300);
                if let Some(kv) = engine.get(&key).await.unwrap().filter(|_| step % 4 == 0) {
                    let _ = engine.delete(&key, kv.revision).await;
                } else {
                    let _ = put(&engine, &key, &format!("{n} {step} {}", "y".repeat(60))).await;
                }
            }
        };
        futures::future::join_all((0..16).map(writer)).await;
        dump(&engine).await
    };
    assert_eq!(dump(&dir.open_with(small).unwrap()).await, expected);
}

/// A snapshot reads key after key while writes go on, so it may catch each key before or after a change.
#[tokio::test]
async fn whatever_values_a_snapshot_caught_the_log_completes_it() {
    let text = |key: &str, value: &str, revision| (key.to_owned(), value.to_owned(), revision);
    for caught in 0..8 {
        let dir = Dir::new();
        let one_per_segment = Options { segment_bytes: 1, ..options() };
        let expected = {
            let engine = dir.open_with(one_per_segment.clone()).unwrap();
            put(&engine, "a", "old").await.unwrap();
            put(&engine, "b", "old").await.unwrap();
            // Here the snapshot begins ...
            put(&engine, "a", "new").await.unwrap();
            engine.delete("b", 2).await.unwrap();
            put(&engine, "c", "short-lived").await.unwrap();
            engine.delete("c", 5).await.unwrap();
            // ... and here it ends.
            put(&engine, "d", "later").await.unwrap();
            dump(&engine).await
        };
        assert_eq!(expected, [text("a", "new", 3), text("d", "later", 7)]);
        let mut snapshot = frame::Frame::default();
        let (a, at) = if caught & 1 == 0 { ("old", 1) } else { ("new", 3) };
        snapshot.put("a", a.as_bytes(), at);
        if caught & 2 == 0 {
            snapshot.put("b", b"old", 2);
        }
        if caught & 4 == 0 {
            snapshot.put("c", b"short-lived", 5);
        }
        snapshot.end(6, 1 + u64::from(caught & 2 == 0) + u64::from(caught & 4 == 0));
        let mut file = frame::file_header(frame::Role::Snapshot, 2).to_vec();
        let offset = file.len() as u64;
        file.extend_from_slice(snapshot.seal(2, offset));
        fs::write(snapshot::snapshot_path(&dir.0, 2), file).unwrap();

        let engine = dir.open_with(one_per_segment).unwrap();
        assert_eq!(dump(&engine).await, expected, "caught {caught}");
        assert_eq!((engine.stats().oldest, engine.stats().revision), (6, 7));
    }
}

#[tokio::test]
async fn a_log_that_ends_before_its_snapshot_is_an_error() {
    let dir = Dir::new();
    let one_per_segment = Options { segment_bytes: 1, ..options() };
    {
        let engine = dir.open_with(one_per_segment.clone()).unwrap();
        for n in 0..5 {
            put(&engine, &format!("k/{n}"), "x").await.unwrap();
        }
    }
    let mut snapshot = frame::Frame::default();
    snapshot.end(9, 0);
    let mut file = frame::file_header(frame::Role::Snapshot, 2).to_vec();
    let offset = file.len() as u64;
    file.extend_from_slice(snapshot.seal(2, offset));
    fs::write(snapshot::snapshot_path(&dir.0, 2), file).unwrap();
    let error = dir.open_with(one_per_segment).err().unwrap().to_string();
    assert!(error.contains("ends at revision 5") && error.contains('9'), "{error}");
}

#[tokio::test]
async fn a_torn_end_is_cut_at_any_byte() {
    let dir = Dir::new();
    let (start, whole) = {
        let engine = dir.open();
        put(&engine, "a", "1").await.unwrap();
        put(&engine, "b", "2").await.unwrap();
        let before = end_of_frames(&fs::read(dir.only_log()).unwrap());
        put(&engine, "c", "the last write").await.unwrap();
        (before, fs::read(dir.only_log()).unwrap())
    };
    let end = end_of_frames(&whole);
    for cut in start..end {
        for tail in [0, 500] {
            let mut torn = whole[..cut].to_vec();
            torn.resize(cut + tail, 0);
            fs::write(dir.only_log(), &torn).unwrap();
            let engine = dir.open();
            assert_eq!(dump(&engine).await.len(), 2, "cut at {cut} of {end}");
            assert_eq!(put(&engine, "d", "after").await.unwrap(), 3);
            drop(engine);
            assert_eq!(dump(&dir.open()).await.len(), 3, "cut at {cut} of {end}, second restart");
        }
    }
}

/// Where the zeros begin. The last record's value does not end in zeros.
fn end_of_frames(file: &[u8]) -> usize {
    file.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[tokio::test]
async fn damage_in_the_middle_is_an_error_that_names_the_place() {
    let dir = Dir::new();
    let (first_end, middle_end) = {
        let engine = dir.open();
        put(&engine, "a", "1").await.unwrap();
        let first = end_of_frames(&fs::read(dir.only_log()).unwrap());
        put(&engine, "b", "2").await.unwrap();
        let middle = end_of_frames(&fs::read(dir.only_log()).unwrap());
        put(&engine, "c", "3").await.unwrap();
        (first, middle)
    };
    let good = fs::read(dir.only_log()).unwrap();
    for byte in first_end..middle_end {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        fs::write(dir.only_log(), &bad).unwrap();
        let error = dir.open_with(options()).err().expect("damage must not be passed over").to_string();
        assert!(error.contains(".log") && error.contains(&format!("offset {first_end}")), "{error}");
    }
    let mut bad = good.clone();
    bad[3] ^= 1;
    fs::write(dir.only_log(), &bad).unwrap();
    let error = dir.open_with(options()).err().unwrap().to_string();
    assert!(error.contains("offset 0"), "{error}");
}

#[tokio::test]
async fn any_damage_to_a_snapshot_is_an_error() {
    let dir = Dir::new();
    let expected = {
        let engine = dir.open();
        for n in 0..20 {
            put(&engine, &format!("k/{n}"), "x").await.unwrap();
        }
        let expected = dump(&engine).await;
        engine.close();
        snapshot::take(&engine.core, &dir.0, 20, &AtomicBool::new(false)).unwrap();
        expected
    };
    assert_eq!(dir.files("log"), [] as [PathBuf; 0], "the snapshot replaces the log");
    let path = dir.files("snapshot").pop().unwrap();
    let good = fs::read(&path).unwrap();
    let bad = |byte: usize| {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        bad
    };
    for bad in (0..good.len()).map(bad).chain((0..good.len()).map(|cut| good[..cut].to_vec())) {
        fs::write(&path, &bad).unwrap();
        let error = dir.open_with(options()).err().expect("damage must be noticed").to_string();
        assert!(error.contains(".snapshot"), "{error}");
    }
    fs::write(&path, &good).unwrap();
    let engine = dir.open();
    assert_eq!(dump(&engine).await, expected);
    assert_eq!(put(&engine, "k/0", "y").await.unwrap(), 21);
}

#[tokio::test]
async fn a_missing_segment_is_an_error() {
    let dir = Dir::new();
    let segments = Options { segment_bytes: 100, ..options() };
    {
        let engine = dir.open_with(segments.clone()).unwrap();
        for n in 0..20 {
            put(&engine, &format!("k/{n}"), "x").await.unwrap();
        }
    }
    let logs = dir.files("log");
    for missing in &logs[..logs.len() - 1] {
        let away = missing.with_extension("away");
        fs::rename(missing, &away).unwrap();
        let error = dir.open_with(segments.clone()).err().unwrap().to_string();
        assert!(error.contains("missing"), "{error}");
        fs::rename(&away, missing).unwrap();
    }
    assert_eq!(dir.open_with(segments).unwrap().stats().keys, 20);
}

#[tokio::test]
async fn a_directory_belongs_to_one_engine() {
    let dir = Dir::new();
    let engine = dir.open();
    let error = dir.open_with(options()).err().unwrap().to_string();
    assert!(error.contains("in use"), "{error}");
    engine.close();
    dir.open();
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let dir = Dir::new();
    let engine = dir.open();
    put(&engine, "a", "secret").await.unwrap();
    assert_eq!(fs::metadata(&dir.0).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.only_log()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_recovers() {
    let dir = Dir::new();
    let options = options();
    let engine = dir.open_with(options.clone()).unwrap();
    put(&engine, "a", "1").await.unwrap();
    options.faults.full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let answer = put(&engine, "a", "2").await;
        assert!(matches!(answer, Err(Error::Engine(_))), "{answer:?}");
    }
    assert_eq!(dump(&engine).await, [("a".into(), "1".into(), 1)], "nobody sees a write that failed");
    options.faults.full.store(false, Ordering::SeqCst);
    assert_eq!(put(&engine, "a", "3").await.unwrap(), 2);
    drop(engine);
    assert_eq!(dump(&dir.open()).await, [("a".into(), "3".into(), 2)]);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_any_more() {
    let dir = Dir::new();
    let options = Options::default();
    let engine = dir.open_with(options.clone()).unwrap();
    put(&engine, "a", "1").await.unwrap();
    options.faults.sync.store(true, Ordering::SeqCst);
    assert!(put(&engine, "a", "2").await.is_err());
    options.faults.sync.store(false, Ordering::SeqCst);
    let error = put(&engine, "a", "3").await.unwrap_err().to_string();
    assert!(error.contains("restart"), "{error}");
    assert_eq!(dump(&engine).await, [("a".into(), "1".into(), 1)], "reading goes on");
    drop(engine);
    let found = dump(&dir.open()).await;
    assert!(found[0].2 <= 2, "the write that was not acknowledged may or may not be there: {found:?}");
}

#[tokio::test]
async fn a_write_that_cannot_be_taken_back_ends_writing() {
    let dir = Dir::new();
    let options = options();
    let engine = dir.open_with(options.clone()).unwrap();
    put(&engine, "a", "1").await.unwrap();
    options.faults.full.store(true, Ordering::SeqCst);
    options.faults.cut.store(true, Ordering::SeqCst);
    assert!(put(&engine, "a", "2").await.is_err());
    options.faults.full.store(false, Ordering::SeqCst);
    assert!(put(&engine, "a", "3").await.is_err());
    drop(engine);
    assert_eq!(dump(&dir.open()).await, [("a".into(), "1".into(), 1)], "half a frame is cut");
}

#[tokio::test]
async fn history_is_bounded_by_count_and_by_bytes() {
    let by_count = Options { history: History { events: 10, bytes: usize::MAX }, ..options() };
    let by_bytes = Options { history: History { events: usize::MAX, bytes: 1_000 }, ..options() };
    // Ten values of 100 bytes each, whichever way it is said.
    for options in [by_count, by_bytes] {
        let engine = Engine::memory_with(&options);
        let mut slow = engine.watch("k/", 0).await.unwrap();
        let mut idle = engine.watch("other/", 0).await.unwrap();
        for n in 0..100 {
            put(&engine, "k/a", &format!("{n:0>100}")).await.unwrap();
        }
        assert_eq!(engine.stats().oldest, 90, "{options:?}");
        let late = slow.next().await.unwrap_err();
        assert!(matches!(late, Error::Compacted { asked: 0, oldest: 90 }), "{late:?}");
        assert_eq!(idle.progress(), 100);
        put(&engine, "other/a", "x").await.unwrap();
        assert_eq!(idle.next().await.unwrap().len(), 1, "a watch with nothing to miss is never too slow");
    }
}

#[tokio::test]
async fn a_large_store_keeps_a_quarter_of_its_size_as_history() {
    let engine = Engine::memory_with(&Options { history: History { events: 1_000, bytes: 0 }, ..options() });
    put(&engine, "large", &"x".repeat(4_000)).await.unwrap();
    for n in 0..100 {
        put(&engine, "k", &format!("{n:0>100}")).await.unwrap();
    }
    assert_eq!(engine.stats().oldest, 101 - 10);
}

#[tokio::test]
async fn a_far_behind_watch_reads_in_portions() {
    let engine = Engine::memory();
    for n in 0..2_500 {
        put(&engine, &format!("k/{n}"), "x").await.unwrap();
    }
    let mut watch = engine.watch("k/", 0).await.unwrap();
    let mut sizes = Vec::new();
    while watch.progress() < 2_500 {
        sizes.push(watch.next().await.unwrap().len());
    }
    assert_eq!(sizes, [1_000, 1_000, 500]);
}

#[tokio::test]
async fn closing_ends_watches_after_what_they_missed() {
    for engine in [Engine::memory(), Dir::new().open()] {
        let mut watch = engine.watch("", 0).await.unwrap();
        put(&engine, "a", "1").await.unwrap();
        engine.close();
        assert_eq!(watch.next().await.unwrap().len(), 1);
        assert!(matches!(watch.next().await, Err(Error::Closed)));
        assert!(matches!(engine.get("a").await, Err(Error::Closed)));
        assert!(matches!(engine.put("a", Bytes::new(), Expect::Absent).await, Err(Error::Closed)));
    }
}

#[tokio::test]
async fn a_dropped_watch_is_forgotten() {
    let engine = Engine::memory();
    let watch = engine.watch("", 0).await.unwrap();
    assert_eq!(engine.stats().watchers, 1);
    drop(watch);
    assert_eq!(engine.stats().watchers, 0);
}

#[tokio::test]
async fn closing_while_more_wait_than_the_queue_holds_lets_nobody_hang() {
    let dir = Dir::new();
    let engine = dir.open();
    let writes: Vec<_> =
        (0..3 * WAITING).map(|n| engine.put(format!("k/{n}").leak(), Bytes::new(), Expect::Absent)).collect();
    let mut writes = futures::future::join_all(writes);
    // Poll once: every write is queued or waits for room.
    let first = futures::poll!(&mut writes);
    assert!(first.is_pending());
    engine.close();
    let answers = writes.await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(_) | Err(Error::Closed))));
    drop(engine);
    assert_eq!(dir.open().stats().keys, done, "exactly what was acknowledged is there");
}

#[tokio::test]
async fn live_bytes_follow_every_change() {
    let engine = Engine::memory();
    put(&engine, "ab", "1234").await.unwrap();
    put(&engine, "ab", "12").await.unwrap();
    put(&engine, "c", "1").await.unwrap();
    assert_eq!(engine.stats().bytes, 6);
    engine.delete("ab", 2).await.unwrap();
    assert_eq!((engine.stats().bytes, engine.stats().keys), (2, 1));
}
