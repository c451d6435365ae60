//! The bytes of the log: a header with two marks, then batches of entries, all under checksums.
//! It never touches a file; positions are arguments.

/// Length of the header; the first batch begins here.
pub(crate) const HEADER: u64 = 4096;
pub(crate) const HEADER_LEN: usize = 4096;
/// Where the two marks stand: in sectors of their own, written in turn, so that a write cut
/// short spoils one of them at most.
pub(crate) const MARKS: [u64; 2] = [512, 1024];
pub(crate) const MARK_LEN: usize = 12;
pub(crate) const BATCH_HEAD: usize = 12;
pub(crate) const ENTRY_HEAD: usize = 20;
/// No batch is longer: a group ends at 4 MiB, and one more value of 1 MiB may go over that.
pub(crate) const LONGEST_BATCH: usize = 8 << 20;

const MAGIC: [u8; 8] = *b"GIGALOG1";
pub(crate) const BATCH_MAGIC: [u8; 4] = *b"\xF5gb\n";
const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// The header of a new log. No revision up to `base` will be given again.
pub(crate) fn header(base: u64) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&base.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..16]);
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    for at in [512, 1024] {
        bytes[at..at + MARK_LEN].copy_from_slice(&mark(HEADER));
    }
    bytes
}

/// The base revision and the furthest acknowledged end, if the header is whole.
pub(crate) fn read_header(bytes: &[u8; HEADER_LEN]) -> Option<(u64, u64)> {
    let whole = bytes[..8] == MAGIC && crc32fast::hash(&bytes[..16]) == u32_at(bytes, 16)?;
    let marks = [512, 1024].map(|at| read_mark(&bytes[at..at + MARK_LEN]));
    let end = marks.into_iter().flatten().max()?;
    whole.then_some((u64_at(bytes, 8)?, end))
}

/// A mark: every byte before `end` was acknowledged.
pub(crate) fn mark(end: u64) -> [u8; MARK_LEN] {
    let mut bytes = [0; MARK_LEN];
    bytes[..8].copy_from_slice(&end.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn read_mark(bytes: &[u8]) -> Option<u64> {
    (crc32fast::hash(bytes.get(..8)?) == u32_at(bytes, 8)?).then(|| u64_at(bytes, 0))?
}

/// Begins a batch in an emptied buffer; [`seal`] ends it.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[0; BATCH_HEAD]);
}

/// Completes the head of the batch that will stand at `offset` of the file.
/// The position is under the checksum, so that no stray copy of a batch passes for one.
pub(crate) fn seal(buffer: &mut [u8], offset: u64) {
    let length = u32::try_from(buffer.len() - BATCH_HEAD).expect("a batch is bounded");
    buffer[..4].copy_from_slice(&BATCH_MAGIC);
    buffer[4..8].copy_from_slice(&length.to_le_bytes());
    let sum = head_sum(length, offset);
    buffer[8..12].copy_from_slice(&sum.to_le_bytes());
}

/// The length of what follows this batch head, if it is one and belongs at `offset`.
pub(crate) fn read_head(head: &[u8], offset: u64) -> Option<usize> {
    let length = u32_at(head, 4)?;
    let good = head.get(..4)? == BATCH_MAGIC && u32_at(head, 8)? == head_sum(length, offset);
    usize::try_from(length).ok().filter(|length| good && (1..=LONGEST_BATCH).contains(length))
}

fn head_sum(length: u32, offset: u64) -> u32 {
    let mut under = [0; 12];
    under[..4].copy_from_slice(&length.to_le_bytes());
    under[4..].copy_from_slice(&offset.to_le_bytes());
    crc32fast::hash(&under)
}

/// One write as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a [u8],
    /// `None` is a removal.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) revision: u64,
}

impl<'a> Entry<'a> {
    pub(crate) fn encode(&self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        let value = self.value.unwrap_or_default();
        let key_length = u16::try_from(self.key.len()).expect("a key is bounded");
        let length = u32::try_from(value.len()).expect("a value is bounded");
        buffer.extend_from_slice(&[0; 4]);
        buffer.push(if self.value.is_some() { PUT } else { REMOVE });
        buffer.push(0);
        buffer.extend_from_slice(&key_length.to_le_bytes());
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(&self.revision.to_le_bytes());
        buffer.extend_from_slice(self.key);
        buffer.extend_from_slice(value);
        let sum = crc32fast::hash(&buffer[start + 4..]);
        buffer[start..start + 4].copy_from_slice(&sum.to_le_bytes());
    }

    /// The entry at the start of `bytes` and its length, if it is whole.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let key_end = ENTRY_HEAD + usize::from(u16_at(bytes, 6)?);
        let end = key_end + usize::try_from(u32_at(bytes, 8)?).ok()?;
        let whole = bytes.get(..end)?;
        if crc32fast::hash(&whole[4..]) != u32_at(whole, 0)? {
            return None;
        }
        let value = match whole[4] {
            PUT => Some(&whole[key_end..]),
            REMOVE => None,
            _ => return None,
        };
        let entry = Self { key: &whole[ENTRY_HEAD..key_end], value, revision: u64_at(whole, 12)? };
        Some((entry, end))
    }
}

/// All entries of a batch's payload with their positions in it, if every one is whole.
pub(crate) fn entries(payload: &[u8]) -> Option<Vec<(usize, Entry<'_>)>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < payload.len() {
        let (entry, length) = Entry::decode(&payload[at..])?;
        found.push((at, entry));
        at += length;
    }
    Some(found)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
