//! The slots themselves: where they lie, which are free, and writing them in place.

use std::collections::BTreeSet;
use std::fmt;

use rand::CryptoRng;
use redb::StorageBackend;
use zeroize::Zeroizing;

use super::super::disk::DiskError;
use super::super::store_key::SubKey;
use super::{ALLOCATE_COUNT_MAX, KeyError, Reconciled, SLOT_COUNT_MAX};

/// The length of a slot's ID in a row.
pub const SLOT_ID_BYTES: usize = 4 + TAG_BYTES;

/// The name of one message key; never names another one, even when the place is used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    index: u32,
    tag: [u8; TAG_BYTES],
}

/// The key of one message and its slot; wiped from memory when dropped.
pub struct MessageKey {
    slot: SlotId,
    bytes: SlotBytes,
}

impl SlotId {
    /// Returns the ID as it lies in a row.
    ///
    /// # Layout
    ///
    /// | bytes | field                                            |
    /// |-------|--------------------------------------------------|
    /// | 4     | index of the slot, little-endian                 |
    /// | 8     | keyed hash of the index and the key that is there |
    #[must_use]
    pub fn to_bytes(self) -> [u8; SLOT_ID_BYTES] {
        let mut bytes = [0; SLOT_ID_BYTES];
        bytes[..4].copy_from_slice(&self.index.to_le_bytes());
        bytes[4..].copy_from_slice(&self.tag);
        bytes
    }

    /// Reads an ID from a row; any bytes are one, though perhaps of no key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SLOT_ID_BYTES]) -> Self {
        let [i0, i1, i2, i3, tag @ ..] = bytes;
        Self {
            index: u32::from_le_bytes([i0, i1, i2, i3]),
            tag,
        }
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SlotId({})", self.index)
    }
}

impl MessageKey {
    /// Returns the name under which a row refers to this key.
    #[must_use]
    pub const fn slot(&self) -> SlotId {
        self.slot
    }

    pub(in super::super) fn as_bytes(&self) -> &[u8; SLOT_BYTES] {
        &self.bytes
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "MessageKey({:?}, ..)", self.slot)
    }
}

/// The open file and what is known of it.
pub(super) struct Slots {
    file: Box<dyn StorageBackend>,
    tag_key: SubKey,
    /// One bit for each slot of the file: set when it is not known to be free and durable so.
    used: Vec<u64>,
    /// Slots whose burning failed half way: they may hold part of a key, and are never given out
    /// before they were burnt well.
    half_burnt: BTreeSet<u32>,
    /// No key is made any more: a write or a sync failed.
    stopped: bool,
    /// Keys were made since the file was opened.
    allocated: bool,
}

impl Slots {
    pub(super) fn create<R: CryptoRng + ?Sized>(
        file: Box<dyn StorageBackend>,
        mac_key: &SubKey,
        tag_key: SubKey,
        rng: &mut R,
    ) -> Result<Self, KeyError> {
        if file.len().map_err(DiskError::from)? != 0 {
            return Err(KeyError::AlreadyThere);
        }
        let mut header = [0; PAGE_BYTES];
        header[..IDENTITY_AT].copy_from_slice(MAGIC);
        rng.fill_bytes(&mut header[IDENTITY_AT..MAC_AT]);
        let mac = blake3::keyed_hash(mac_key, &header[..MAC_AT]);
        header[MAC_AT..MAC_AT + 32].copy_from_slice(mac.as_bytes());
        file.write(0, &header).map_err(DiskError::from)?;
        file.sync_data().map_err(DiskError::from)?;
        Ok(Self::new(file, tag_key))
    }

    pub(super) fn open(
        file: Box<dyn StorageBackend>,
        mac_key: &SubKey,
        tag_key: SubKey,
    ) -> Result<Self, KeyError> {
        let length = file.len().map_err(DiskError::from)?;
        check_header(&*file, length, mac_key)?;
        // A crash while the file grew may leave part of a page. It is made whole rather than cut
        // off: had damage cut the file, the keys in front of the cut are still good.
        let whole = length.next_multiple_of(PAGE_BYTES as u64);
        if whole != length {
            file.set_len(whole).map_err(DiskError::from)?;
        }
        let mut slots = Self::new(file, tag_key);
        let pages = usize::try_from(whole / PAGE_BYTES as u64 - 1).unwrap_or(0);
        slots.used = vec![0; pages * WORDS_PER_PAGE];
        slots.for_each_filled(|slots, index, _| {
            slots.mark(index, true);
            Ok(())
        })?;
        Ok(slots)
    }

    fn new(file: Box<dyn StorageBackend>, tag_key: SubKey) -> Self {
        Self {
            file,
            tag_key,
            used: Vec::new(),
            half_burnt: BTreeSet::new(),
            stopped: false,
            allocated: false,
        }
    }

    pub(super) const fn needs_reopen(&self) -> bool {
        self.stopped
    }

    pub(super) fn used_count(&self) -> u32 {
        self.used.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn allocate<R: CryptoRng + ?Sized>(
        &mut self,
        count: usize,
        rng: &mut R,
    ) -> Result<Vec<MessageKey>, KeyError> {
        if count > ALLOCATE_COUNT_MAX {
            return Err(KeyError::TooMany {
                got: count,
                limit: ALLOCATE_COUNT_MAX,
            });
        }
        if self.stopped {
            return Err(KeyError::NeedsReopen);
        }
        let indexes = self.take_free(count)?;
        self.allocated = true;
        let keys: Vec<MessageKey> = indexes
            .into_iter()
            .map(|index| self.new_key(index, rng))
            .collect();
        for key in &keys {
            // Marked before it is written: a write that fails leaves the slot in doubt.
            self.mark(key.slot.index, true);
        }
        match self.write_keys(&keys) {
            Ok(()) => Ok(keys),
            Err(error) => {
                self.stopped = true;
                self.half_burnt
                    .extend(keys.iter().map(|key| key.slot.index));
                Err(error.into())
            }
        }
    }

    pub(super) fn read(&self, slot: SlotId) -> Result<Option<MessageKey>, KeyError> {
        if slot.index >= self.slot_count() {
            return Ok(None);
        }
        let bytes = self.read_slot(slot.index)?;
        // A row names the tag it wants; both sides are ours and neither is secret to the other.
        let holds = !is_free(&bytes) && self.tag(slot.index, &bytes) == slot.tag;
        Ok(holds.then_some(MessageKey { slot, bytes }))
    }

    pub(super) fn burn(&mut self, slots: &[SlotId]) -> Result<usize, KeyError> {
        let mut burnt = BTreeSet::new();
        let mut found_count = 0;
        for &slot in slots.iter().filter(|slot| slot.index < self.slot_count()) {
            let bytes = self.read_slot(slot.index)?;
            let free = is_free(&bytes);
            let named = !free && self.tag(slot.index, &bytes) == slot.tag;
            // Zeros are written again, because after a failed sync they may be in memory alone.
            if (named || free || self.half_burnt.contains(&slot.index)) && burnt.insert(slot.index)
            {
                found_count += usize::from(named);
            }
        }
        self.overwrite(&burnt)?;
        Ok(found_count)
    }

    pub(super) fn reconcile(&mut self, live: &BTreeSet<SlotId>) -> Result<Reconciled, KeyError> {
        if self.allocated {
            return Err(KeyError::TooLateToReconcile);
        }
        // A key is on disk before the row that names it, and the file never shrinks: going on
        // from here would destroy messages that a copy of the file still opens.
        if live.iter().any(|slot| slot.index >= self.slot_count()) {
            return Err(KeyError::Damaged {
                why: "it is cut short, and keys of stored messages are missing",
            });
        }
        let mut orphans = BTreeSet::new();
        let mut absent = live.clone();
        let mut burnt_count = 0;
        self.for_each_filled(|slots, index, bytes| {
            let slot = SlotId {
                index,
                tag: slots.tag(index, bytes),
            };
            if !absent.remove(&slot) {
                orphans.insert(index);
                burnt_count += 1;
            }
            if orphans.len() == ORPHAN_COUNT_MAX {
                slots.overwrite(&orphans)?;
                orphans.clear();
            }
            Ok(())
        })?;
        self.overwrite(&orphans)?;
        Ok(Reconciled {
            burnt_count,
            absent: absent.into_iter().collect(),
        })
    }

    /// Finds `count` free slots, the lowest first, making the file longer when needed.
    fn take_free(&mut self, count: usize) -> Result<Vec<u32>, KeyError> {
        let mut found = self.free_slots(count);
        while found.len() < count {
            if self.slot_count() >= SLOT_COUNT_MAX {
                return Err(KeyError::Full {
                    limit: SLOT_COUNT_MAX,
                });
            }
            self.grow().inspect_err(|_| self.stopped = true)?;
            found = self.free_slots(count);
        }
        Ok(found)
    }

    fn free_slots(&self, count: usize) -> Vec<u32> {
        let mut found = Vec::with_capacity(count);
        for (word, at) in self.used.iter().zip((0..).step_by(64)) {
            let mut free = !word;
            while free != 0 && found.len() < count {
                found.push(at + free.trailing_zeros());
                free &= free - 1;
            }
            if found.len() == count {
                break;
            }
        }
        found
    }

    fn grow(&mut self) -> Result<(), DiskError> {
        let end = slot_offset(self.slot_count());
        // Written, not only made longer, so that the disk gives the space now.
        self.file.write(end, &[0; PAGE_BYTES])?;
        self.used.resize(self.used.len() + WORDS_PER_PAGE, 0);
        Ok(())
    }

    fn new_key<R: CryptoRng + ?Sized>(&self, index: u32, rng: &mut R) -> MessageKey {
        let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
        // Zeros mean free; a good generator makes them once in 2^256 keys.
        while is_free(&bytes) {
            rng.fill_bytes(bytes.as_mut_slice());
        }
        MessageKey {
            slot: SlotId {
                index,
                tag: self.tag(index, &bytes),
            },
            bytes,
        }
    }

    fn write_keys(&mut self, keys: &[MessageKey]) -> Result<(), DiskError> {
        for key in keys {
            self.file
                .write(slot_offset(key.slot.index), key.as_bytes())?;
        }
        Ok(self.file.sync_data()?)
    }

    /// Burns slots whatever they hold, durably.
    fn overwrite(&mut self, indexes: &BTreeSet<u32>) -> Result<(), KeyError> {
        if indexes.is_empty() {
            return Ok(());
        }
        // In doubt until the sync is through: a failure on the way keeps them so.
        self.half_burnt.extend(indexes);
        for &index in indexes {
            self.mark(index, true);
        }
        let done = self.write_zeros(indexes);
        self.stopped |= done.is_err();
        done?;
        for &index in indexes {
            self.half_burnt.remove(&index);
            self.mark(index, false);
        }
        Ok(())
    }

    fn write_zeros(&mut self, indexes: &BTreeSet<u32>) -> Result<(), DiskError> {
        for &index in indexes {
            self.file.write(slot_offset(index), &[0; SLOT_BYTES])?;
        }
        Ok(self.file.sync_data()?)
    }

    /// Calls `visitor` with every slot that is not free, reading the file in pieces.
    fn for_each_filled(
        &mut self,
        mut visitor: impl FnMut(&mut Self, u32, &SlotBytes) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let mut piece = Zeroizing::new([0; PIECE_BYTES]);
        let mut first = 0;
        while first < self.slot_count() {
            let count = (self.slot_count() - first).min(SLOTS_PER_PIECE);
            let piece = &mut piece[..count as usize * SLOT_BYTES];
            self.file
                .read(slot_offset(first), piece)
                .map_err(DiskError::from)?;
            let (slots, _) = piece.as_chunks::<SLOT_BYTES>();
            for (index, bytes) in (first..).zip(slots) {
                let bytes = Zeroizing::new(*bytes);
                if !is_free(&bytes) {
                    visitor(self, index, &bytes)?;
                }
            }
            first += count;
        }
        Ok(())
    }

    fn read_slot(&self, index: u32) -> Result<SlotBytes, DiskError> {
        let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
        self.file.read(slot_offset(index), bytes.as_mut_slice())?;
        Ok(bytes)
    }

    fn tag(&self, index: u32, bytes: &SlotBytes) -> [u8; TAG_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.tag_key);
        hasher.update(&index.to_le_bytes()).update(bytes.as_slice());
        let mut tag = [0; TAG_BYTES];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }

    fn mark(&mut self, index: u32, used: bool) {
        let bit = 1 << (index % 64);
        let word = &mut self.used[index as usize / 64];
        *word = if used { *word | bit } else { *word & !bit };
    }

    fn slot_count(&self) -> u32 {
        u32::try_from(self.used.len() * 64).unwrap_or(SLOT_COUNT_MAX)
    }
}

type SlotBytes = Zeroizing<[u8; SLOT_BYTES]>;

/// The length of a slot: one key.
const SLOT_BYTES: usize = 32;

/// The length of the tag in a slot's ID: 64 bits, so that an old ID meets a new key in the same
/// place by accident once in 1.8e19 times.
const TAG_BYTES: usize = 8;

/// The header's length, and the step in which the file grows.
const PAGE_BYTES: usize = 4096;

/// Words of the map of used slots that stand for one page.
const WORDS_PER_PAGE: usize = PAGE_BYTES / SLOT_BYTES / 64;

/// How much of the file is read at once.
const PIECE_BYTES: usize = 64 * 1024;

const SLOTS_PER_PIECE: u32 = (PIECE_BYTES / SLOT_BYTES) as u32;

/// How many keys without a row are collected before they are burnt with one sync.
pub(super) const ORPHAN_COUNT_MAX: usize = 4096;

const MAGIC: &[u8; 8] = b"RSTKEYS1";
const IDENTITY_AT: usize = MAGIC.len();
const MAC_AT: usize = IDENTITY_AT + 32;

/// The longest file there can be.
const FILE_BYTES_MAX: u64 = PAGE_BYTES as u64 + SLOT_COUNT_MAX as u64 * SLOT_BYTES as u64;

fn check_header(file: &dyn StorageBackend, length: u64, mac_key: &SubKey) -> Result<(), KeyError> {
    let damaged = |why| Err(KeyError::Damaged { why });
    if length < PAGE_BYTES as u64 {
        return damaged("it is cut short");
    }
    if length > FILE_BYTES_MAX {
        return damaged("it is longer than any version of this program made it");
    }
    let mut header = [0; PAGE_BYTES];
    file.read(0, &mut header).map_err(DiskError::from)?;
    if &header[..IDENTITY_AT] != MAGIC {
        return damaged("it does not start as a key file does");
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(&header[MAC_AT..MAC_AT + 32]);
    // `blake3::Hash` compares in constant time.
    if blake3::keyed_hash(mac_key, &header[..MAC_AT]) != blake3::Hash::from_bytes(mac) {
        return damaged("its header does not belong to this home");
    }
    Ok(())
}

fn is_free(bytes: &SlotBytes) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}

fn slot_offset(index: u32) -> u64 {
    PAGE_BYTES as u64 + u64::from(index) * SLOT_BYTES as u64
}
