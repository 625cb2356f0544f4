//! Snapshots: the live values in one file, so that the log before it can go.
//!
//! A snapshot is taken while writes go on, a chunk of keys at a time, so no write ever waits for it.
//! It begins after revision S, where the log continues in a new segment, and ends at revision E: each
//! value in it was live at some moment in between. Replaying the log from S to E sets every key that
//! changed meanwhile to what it was at E, so the two are exact from E on, and there history begins after
//! a restart.

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::core::{Core, Entry, Live};
use super::frame::{
    FILE_HEADER, FRAME_HEADER, Frame, Record, Role, file_header, is_intact, read_file_header,
    read_frame_header, records,
};
use super::log::{create_private, failure, sync_dir};
use crate::{Error, Revision};

/// Keys read under one hold of the lock: some tens of microseconds.
const CHUNK: usize = 256;
/// Bytes after which a frame is written.
const FRAME: usize = 256 << 10;

/// Path of the snapshot that begins after this revision.
pub(super) fn snapshot_path(dir: &Path, after: Revision) -> PathBuf {
    dir.join(format!("{after:016x}.snapshot"))
}

/// Writes a snapshot that begins after revision `start`, then removes what it makes superfluous.
/// Stops early, with nothing changed, when `abort` becomes true.
pub(super) fn take(core: &Core, dir: &Path, start: Revision, abort: &AtomicBool) -> Result<(), Error> {
    let path = snapshot_path(dir, start);
    let new = path.with_extension("tmp");
    let written = write(core, &new, start, abort);
    if !matches!(written, Ok(true)) {
        let _ = std::fs::remove_file(&new);
        return written.map(|_| ()).map_err(|e| failure(&path, e));
    }
    std::fs::rename(&new, &path).map_err(|e| failure(&path, e))?;
    sync_dir(dir)?;
    super::recovery::remove_superseded(dir, start)
}

/// Says whether the snapshot is complete.
fn write(core: &Core, path: &Path, start: Revision, abort: &AtomicBool) -> std::io::Result<bool> {
    let mut file = create_private(path)?;
    file.write_all(&file_header(Role::Snapshot, start))?;
    let mut offset = FILE_HEADER as u64;
    let mut frame = Frame::default();
    let mut count = 0;
    let mut after = None;
    loop {
        if abort.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let chunk = core.chunk(after.as_deref(), CHUNK);
        let Some(last) = chunk.last() else { break };
        after = Some(last.key.clone());
        for kv in &chunk {
            frame.put(&kv.key, &kv.value, kv.revision);
            if frame.len() >= FRAME {
                flush(&mut file, &mut frame, start, &mut offset)?;
            }
        }
        count += chunk.len() as u64;
    }
    frame.end(core.revision(), count);
    flush(&mut file, &mut frame, start, &mut offset)?;
    file.sync_all()?;
    Ok(true)
}

fn flush(file: &mut File, frame: &mut Frame, start: Revision, offset: &mut u64) -> std::io::Result<()> {
    file.write_all(frame.seal(start, *offset))?;
    *offset += frame.len() as u64;
    frame.reset();
    Ok(())
}

/// A snapshot as read.
#[derive(Default)]
pub(super) struct Snapshot {
    /// The values.
    pub(super) live: Live,
    /// The log from after this revision on completes it.
    pub(super) start: Revision,
    /// From this revision on the two together are exact.
    pub(super) exact: Revision,
}

/// Reads a whole snapshot. Snapshots are written completely before they get their name, so any damage
/// is an error.
pub(super) fn read(path: &Path) -> Result<Snapshot, Error> {
    let io = |e: std::io::Error| failure(path, e);
    let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io)?);
    let mut header = [0; FILE_HEADER];
    file.read_exact(&mut header).map_err(io)?;
    let start =
        read_file_header(Role::Snapshot, &header).ok_or_else(|| failure(path, "damaged at offset 0"))?;
    let mut entries = Vec::new();
    let mut offset = FILE_HEADER as u64;
    let mut payload = Vec::new();
    loop {
        let damaged = || failure(path, format_args!("damaged at offset {offset}"));
        read_frame(&mut file, start, offset, &mut payload).ok_or_else(damaged)?;
        for record in records(&payload) {
            match record.map_err(|_| damaged())? {
                Record::Put { key, value, revision } => entries.push((key, Entry { value, revision })),
                Record::End { revision, count } if count == entries.len() as u64 => {
                    // Sorted input makes the map in one pass.
                    return Ok(Snapshot { live: entries.into_iter().collect(), start, exact: revision });
                }
                Record::End { .. } | Record::Delete { .. } => return Err(damaged()),
            }
        }
        offset += (FRAME_HEADER + payload.len()) as u64;
    }
}

fn read_frame(file: &mut impl Read, base: Revision, offset: u64, payload: &mut Vec<u8>) -> Option<()> {
    let mut header = [0; FRAME_HEADER];
    file.read_exact(&mut header).ok()?;
    let (length, crc) = read_frame_header(&header)?;
    payload.clear();
    // Reading through `take` allocates only what is really there, whatever a damaged length says.
    file.take(length as u64).read_to_end(payload).ok()?;
    (payload.len() == length && is_intact(base, offset, crc, payload)).then_some(())
}
