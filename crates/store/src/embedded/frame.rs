//! The bytes of the log and of snapshots: a file header, then frames of records.
//!
//! A frame is what was made durable together: `mark | length | crc | payload`, all numbers
//! little-endian. The checksum also covers the file's base revision and the frame's offset, so that
//! bytes which merely look like a frame (a stored value that holds a copy of a log) are not taken for
//! one. The payload is a row of records: `kind | revision | key length | value length | key | value`.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Event, Revision};

/// Bytes before the first frame of a file: magic, base revision, checksum of both.
pub(super) const FILE_HEADER: usize = 20;
/// Bytes of a frame before its payload.
pub(super) const FRAME_HEADER: usize = 12;
const MARK: [u8; 4] = *b"fRm1";
const RECORD_HEADER: usize = 17;
/// Bytes of memory kept from one frame to the next.
const KEPT: usize = 1 << 20;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const END: u8 = 3;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Log,
    Snapshot,
}

impl Role {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Log => b"storlog1",
            Self::Snapshot => b"storsnp1",
        }
    }
}

/// The header of a file whose first record has, or follows, this revision.
pub(super) fn file_header(role: Role, base: Revision) -> [u8; FILE_HEADER] {
    let mut header = [0; FILE_HEADER];
    header[..8].copy_from_slice(role.magic());
    header[8..16].copy_from_slice(&base.to_le_bytes());
    let crc = crc32fast::hash(&header[..16]);
    header[16..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The base revision in a file's header, nothing when the header is damaged.
pub(super) fn read_file_header(role: Role, bytes: &[u8]) -> Option<Revision> {
    let header = bytes.get(..FILE_HEADER)?;
    let base = u64_at(header, 8)?;
    (header == file_header(role, base)).then_some(base)
}

/// A frame being put together.
#[derive(Default)]
pub(super) struct Frame(Vec<u8>);

impl Frame {
    /// Empties it and gives back the memory of an unusually large frame.
    pub(super) fn reset(&mut self) {
        self.0.clear();
        self.0.shrink_to(KEPT);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn record(&mut self, kind: u8, revision: Revision, key: &str, value: &[u8]) {
        if self.0.is_empty() {
            self.0.extend_from_slice(&[0; FRAME_HEADER]);
        }
        self.0.push(kind);
        self.0.extend_from_slice(&revision.to_le_bytes());
        // Writes are limited far below 4 GiB before they come here.
        self.0.extend_from_slice(&(key.len() as u32).to_le_bytes());
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(value);
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Put { current, .. } => self.put(&current.key, &current.value, current.revision),
            Event::Delete { revision, previous } => self.record(DELETE, *revision, &previous.key, &[]),
        }
    }

    pub(super) fn put(&mut self, key: &str, value: &[u8], revision: Revision) {
        self.record(PUT, revision, key, value);
    }

    /// The end of a snapshot of `count` keys that is consistent with the log from `revision` on.
    pub(super) fn end(&mut self, revision: Revision, count: u64) {
        self.record(END, revision, "", &count.to_le_bytes());
    }

    /// The finished bytes, for this place in a file with this base revision.
    pub(super) fn seal(&mut self, base: Revision, offset: u64) -> &[u8] {
        let length = (self.0.len() - FRAME_HEADER) as u32;
        let crc = checksum(base, offset, length, &self.0[FRAME_HEADER..]);
        self.0[..4].copy_from_slice(&MARK);
        self.0[4..8].copy_from_slice(&length.to_le_bytes());
        self.0[8..12].copy_from_slice(&crc.to_le_bytes());
        &self.0
    }
}

fn checksum(base: Revision, offset: u64, length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&base.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Payload length a frame header states and its checksum, nothing when it is not a frame header.
pub(super) fn read_frame_header(header: &[u8]) -> Option<(usize, u32)> {
    if header.get(..4)? != MARK {
        return None;
    }
    Some((u32_at(header, 4)? as usize, u32_at(header, 8)?))
}

/// Whether a payload is the one its header was written for.
pub(super) fn is_intact(base: Revision, offset: u64, crc: u32, payload: &[u8]) -> bool {
    u32::try_from(payload.len()).is_ok_and(|length| checksum(base, offset, length, payload) == crc)
}

/// The payload of the frame at `offset`, nothing when there is no intact frame.
pub(super) fn frame_at(file: &[u8], base: Revision, offset: usize) -> Option<&[u8]> {
    let (length, crc) = read_frame_header(file.get(offset..)?)?;
    let start = offset + FRAME_HEADER;
    let payload = file.get(start..start.checked_add(length)?)?;
    is_intact(base, offset as u64, crc, payload).then_some(payload)
}

/// Offset of the first intact frame after `offset`.
pub(super) fn later_frame(file: &[u8], base: Revision, offset: usize) -> Option<usize> {
    (offset + 1..file.len()).find(|&at| file[at..].starts_with(&MARK) && frame_at(file, base, at).is_some())
}

/// A record as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Put { key: Arc<str>, value: Bytes, revision: Revision },
    Delete { key: Arc<str>, revision: Revision },
    End { revision: Revision, count: u64 },
}

/// The records of an intact payload; an error means that it was written wrongly, not that it was damaged.
pub(super) fn records(payload: &[u8]) -> impl Iterator<Item = Result<Record, &'static str>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = take_record(&mut rest);
        if read.is_none() {
            rest = &[];
        }
        Some(read.ok_or("a record does not have the expected form"))
    })
}

fn take_record(rest: &mut &[u8]) -> Option<Record> {
    let kind = *rest.first()?;
    let revision = u64_at(rest, 1)?;
    let key_end = RECORD_HEADER.checked_add(u32_at(rest, 9)? as usize)?;
    let value_end = key_end.checked_add(u32_at(rest, 13)? as usize)?;
    let key = std::str::from_utf8(rest.get(RECORD_HEADER..key_end)?).ok()?;
    let value = rest.get(key_end..value_end)?;
    *rest = &rest[value_end..];
    match kind {
        PUT => Some(Record::Put { key: key.into(), value: Bytes::copy_from_slice(value), revision }),
        DELETE => Some(Record::Delete { key: key.into(), revision }),
        END => Some(Record::End { revision, count: u64_at(value, 0)? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(base: Revision, offset: u64) -> Vec<u8> {
        let mut frame = Frame::default();
        frame.put("a/ä", b"value", 7);
        frame.end(8, 1);
        frame.seal(base, offset).to_vec()
    }

    #[test]
    fn a_frame_reads_as_it_was_written() {
        let bytes = sealed(1, 0);
        let read: Vec<Record> = records(frame_at(&bytes, 1, 0).unwrap()).map(Result::unwrap).collect();
        let put = Record::Put { key: "a/ä".into(), value: Bytes::from_static(b"value"), revision: 7 };
        assert_eq!(read, [put, Record::End { revision: 8, count: 1 }]);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = sealed(1, 0);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(frame_at(&bad, 1, 0), None, "bit {bit}");
        }
    }

    #[test]
    fn a_frame_in_another_place_or_file_is_not_a_frame() {
        let bytes = sealed(1, 0);
        assert_eq!(frame_at(&bytes, 2, 0), None);
        let moved = [vec![0; 9], bytes].concat();
        assert_eq!(later_frame(&moved, 1, 0), None);
        let placed = [vec![0; 9], sealed(1, 9)].concat();
        assert_eq!(later_frame(&placed, 1, 0), Some(9));
    }

    #[test]
    fn headers_tell_files_apart() {
        let header = file_header(Role::Log, 42);
        assert_eq!(read_file_header(Role::Log, &header), Some(42));
        assert_eq!(read_file_header(Role::Snapshot, &header), None);
        assert_eq!(read_file_header(Role::Log, &header[..FILE_HEADER - 1]), None);
    }

    #[test]
    fn records_of_a_strange_form_are_an_error_not_a_panic() {
        for payload in [&[9u8][..], &[1; 17], &[2; 40]] {
            assert!(records(payload).any(|r| r.is_err()), "{payload:?}");
        }
    }
}
