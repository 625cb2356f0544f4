//! Opening a directory: the newest snapshot, then the log after it.

use std::fs;
use std::path::{Path, PathBuf};

use super::Options;
use super::core::{Core, Entry, Live};
use super::frame::{
    FILE_HEADER, FRAME_HEADER, Record, Role, frame_at, later_frame, read_file_header, records,
};
use super::log::{Log, failure, segment_path, sync_dir};
use super::snapshot::{self, Snapshot, snapshot_path};
use crate::{Error, Event, KeyValue, Revision};

/// Revisions of the log segments (their first) and of the snapshots (where they begin) in a
/// directory, each ascending, and left-over unfinished files.
#[derive(Default)]
struct Contents {
    segments: Vec<Revision>,
    snapshots: Vec<Revision>,
    unfinished: Vec<PathBuf>,
}

fn contents(dir: &Path) -> Result<Contents, Error> {
    let mut found = Contents::default();
    for entry in fs::read_dir(dir).map_err(|e| failure(dir, e))? {
        let path = entry.map_err(|e| failure(dir, e))?.path();
        let revision =
            path.file_stem().and_then(|s| s.to_str()).and_then(|s| Revision::from_str_radix(s, 16).ok());
        match (path.extension().and_then(|e| e.to_str()), revision) {
            (Some("log"), Some(base)) => found.segments.push(base),
            (Some("snapshot"), Some(start)) => found.snapshots.push(start),
            (Some("tmp"), Some(_)) => found.unfinished.push(path),
            _ => {}
        }
    }
    found.segments.sort_unstable();
    found.snapshots.sort_unstable();
    Ok(found)
}

/// Removes segments and snapshots that the snapshot beginning after `start` replaces.
pub(super) fn remove_superseded(dir: &Path, start: Revision) -> Result<(), Error> {
    let found = contents(dir)?;
    // Oldest first: a crash in between leaves no gap in what remains.
    let segments = found.segments.iter().filter(|&&base| base <= start).map(|&b| segment_path(dir, b));
    let snapshots = found.snapshots.iter().filter(|&&other| other < start).map(|&s| snapshot_path(dir, s));
    for path in segments.chain(snapshots) {
        fs::remove_file(&path).map_err(|e| failure(&path, e))?;
    }
    sync_dir(dir)
}

/// Reads what is in the directory and returns it with the log's end.
///
/// # Errors
/// Names the file and the offset of damage. A frame at the very end of the log that is not intact is no
/// damage: it was being written when the process or the machine stopped, and nobody was told that it
/// is there.
pub(super) fn recover(dir: &Path, options: &Options) -> Result<(Core, Log), Error> {
    let found = contents(dir)?;
    for path in &found.unfinished {
        fs::remove_file(path).map_err(|e| failure(path, e))?;
    }
    let snapshot = match found.snapshots.last() {
        Some(&start) => snapshot::read(&snapshot_path(dir, start))?,
        None => Snapshot::default(),
    };
    remove_superseded(dir, snapshot.start)?;
    let mut replay = Replay::new(snapshot, options);
    let segments: Vec<Revision> =
        found.segments.into_iter().filter(|&base| base > replay.snapshot_start).collect();
    let mut end = None;
    for (index, &base) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        end = Some((base, replay.segment(&segment_path(dir, base), base, is_last)?));
    }
    let (core, bytes) = replay.finish(dir)?;
    let mut log = match end {
        Some((base, end)) => Log::resume(dir, base, end, options)?,
        None => Log::create(dir, core.revision() + 1, options)?,
    };
    log.set_grown(bytes);
    Ok((core, log))
}

/// The state while the log is read. Before the snapshot's exact point values are only put in place;
/// from there on events are applied as when they were written, so that watchers can resume.
struct Replay<'a> {
    snapshot_start: Revision,
    exact: Revision,
    revision: Revision,
    live: Live,
    core: Option<Core>,
    bytes: u64,
    options: &'a Options,
}

impl<'a> Replay<'a> {
    fn new(snapshot: Snapshot, options: &'a Options) -> Self {
        let mut replay = Self {
            snapshot_start: snapshot.start,
            exact: snapshot.exact,
            revision: snapshot.start,
            live: snapshot.live,
            core: None,
            bytes: 0,
            options,
        };
        replay.reach_exact();
        replay
    }

    fn reach_exact(&mut self) {
        if self.core.is_none() && self.revision == self.exact {
            let live = std::mem::take(&mut self.live);
            self.core = Some(Core::new(live, self.exact, self.options.history));
        }
    }

    /// Replays a segment and returns where its last intact frame ends.
    fn segment(&mut self, path: &Path, base: Revision, is_last: bool) -> Result<u64, Error> {
        let file = fs::read(path).map_err(|e| failure(path, e))?;
        if read_file_header(Role::Log, &file) != Some(base) {
            return Err(failure(path, "damaged at offset 0"));
        }
        if base != self.revision + 1 {
            return Err(failure(path, format_args!("revision {} is missing before it", self.revision + 1)));
        }
        let mut offset = FILE_HEADER;
        while let Some(payload) = frame_at(&file, base, offset) {
            self.frame(payload).map_err(|why| failure(path, format_args!("{why} at offset {offset}")))?;
            offset += FRAME_HEADER + payload.len();
        }
        if file[offset..].iter().any(|&byte| byte != 0) {
            if !is_last || later_frame(&file, base, offset).is_some() {
                return Err(failure(path, format_args!("damaged at offset {offset}")));
            }
            tracing::warn!(file = %path.display(), offset, "cut off a write that was not finished");
        }
        self.bytes += (offset - FILE_HEADER) as u64;
        Ok(offset as u64)
    }

    fn frame(&mut self, payload: &[u8]) -> Result<(), String> {
        for record in records(payload) {
            let record = record?;
            let (Record::Put { revision, .. }
            | Record::Delete { revision, .. }
            | Record::End { revision, .. }) = record;
            if revision != self.revision + 1 {
                return Err(format!("revision {revision} follows {}", self.revision));
            }
            match &self.core {
                Some(core) => core.apply(vec![event(core, record)?]),
                None => place(&mut self.live, record),
            }
            self.revision = revision;
            self.reach_exact();
        }
        Ok(())
    }

    /// The state and the bytes of log read.
    fn finish(self, dir: &Path) -> Result<(Core, u64), Error> {
        let core = self.core.ok_or_else(|| {
            let why = format!(
                "the log ends at revision {}, before the snapshot's end at {}",
                self.revision, self.exact
            );
            failure(dir, why)
        })?;
        Ok((core, self.bytes))
    }
}

/// Puts a record in place. Each key changed while the snapshot was taken gets its last change here,
/// whichever value the snapshot caught.
fn place(live: &mut Live, record: Record) {
    match record {
        Record::Put { key, value, revision } => {
            live.insert(key, Entry { value, revision });
        }
        Record::Delete { key, .. } => {
            live.remove(&key);
        }
        Record::End { .. } => {}
    }
}

/// The event a record stands for.
fn event(core: &Core, record: Record) -> Result<Event, String> {
    let current = |key: &str| core.get(key).map_err(|e| e.to_string());
    match record {
        Record::Put { key, value, revision } => {
            let previous = current(&key)?;
            let key = previous.as_ref().map_or(key, |kv| kv.key.clone());
            Ok(Event::Put { current: KeyValue { key, value, revision }, previous })
        }
        Record::Delete { key, revision } => {
            let previous = current(&key)?.ok_or("a deletion of a key that does not exist")?;
            Ok(Event::Delete { revision, previous })
        }
        Record::End { .. } => Err("a snapshot's end in the log".into()),
    }
}
