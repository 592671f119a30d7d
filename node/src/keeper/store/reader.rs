//! Rows in the tables, the same within a transaction that writes and on a snapshot.

use bytes::Bytes;
use redb::{Error, ReadOnlyTable, ReadableTable};
use restante_proto::{
    keeper::{
        ElementKey,
        rules::{Content, KeyRange, Rows},
    },
    time::UnixMillis,
};

use super::{
    packs::{OpenPacks, row_at},
    tables::{KEY_BYTES, Pointer, PointerValue, SPAN_MS, TallyValue, is_of_tombstones},
};

/// Looks things up at one moment.
#[derive(Debug)]
pub(super) struct Reader<'a, P, T, X> {
    pub(super) packs: &'a P,
    pub(super) tombstones: &'a P,
    pub(super) tallies: &'a T,
    pub(super) index: &'a X,
    /// Packs that are still to be written.
    pub(super) open: Option<&'a OpenPacks>,
    /// Lines of the index with an expiry up to then can be left over.
    pub(super) swept: Option<UnixMillis>,
}

/// What was committed last.
pub(super) type SnapshotReader<'a> = Reader<
    'a,
    ReadOnlyTable<(u64, u64), &'static [u8]>,
    ReadOnlyTable<(u64, u64), TallyValue>,
    ReadOnlyTable<&'static [u8; KEY_BYTES], PointerValue>,
>;

/// The rows that were committed last.
pub(super) struct Snapshot<'a> {
    pub(super) reader: SnapshotReader<'a>,
    /// Items that turned out to be damaged; they are left out of every answer.
    pub(super) damaged: Vec<ElementKey>,
}

/// Tells lines that are left over from those of items.
pub(super) struct Gone {
    swept: UnixMillis,
    /// The first pack there is.
    first: (u64, u64),
}

impl Gone {
    /// Makes it for lines with an expiry up to `swept`.
    pub(super) fn new<T>(tallies: &T, swept: UnixMillis) -> Result<Self, Error>
    where
        T: ReadableTable<(u64, u64), TallyValue>,
    {
        let first = tallies.first()?.map(|(at, _)| at.value());
        Ok(Self {
            swept,
            first: first.unwrap_or((u64::MAX, u64::MAX)),
        })
    }

    /// Tells whether the pack of an item is gone, which then has expired.
    pub(super) fn has<T>(&self, tallies: &T, pointer: Pointer) -> Result<bool, Error>
    where
        T: ReadableTable<(u64, u64), TallyValue>,
    {
        if pointer.expires > self.swept {
            return Ok(false);
        }
        // Nearly always what is gone is before all that is there.
        Ok(pointer.pack() < self.first || tallies.get(pointer.pack())?.is_none())
    }
}

impl<P, T, X> Reader<'_, P, T, X>
where
    P: ReadableTable<(u64, u64), &'static [u8]>,
    T: ReadableTable<(u64, u64), TallyValue>,
    X: ReadableTable<&'static [u8; KEY_BYTES], PointerValue>,
{
    /// Returns a time before which nothing expires, never if there is nothing.
    pub(super) fn first_expiry(&self) -> Result<UnixMillis, Error> {
        let first = self.tallies.first()?;
        let end = first.map_or(u64::MAX, |(at, _)| at.value().0);
        Ok(UnixMillis::new(end.saturating_sub(SPAN_MS)))
    }

    /// Returns the item's pointer, be it expired, if the item is there.
    pub(super) fn pointer(&self, key: &ElementKey) -> Result<Option<Pointer>, Error> {
        match self.line(key)? {
            Some(pointer) if self.is_there(pointer)? => Ok(Some(pointer)),
            _ => Ok(None),
        }
    }

    /// Returns what the index has, be it left over.
    pub(super) fn line(&self, key: &ElementKey) -> Result<Option<Pointer>, Error> {
        let found = self.index.get(&key.to_bytes())?;
        Ok(found.map(|value| Pointer::from_value(value.value())))
    }

    /// See [`Rows::scan`].
    pub(super) fn scan(
        &self,
        (first, last): KeyRange,
        end: UnixMillis,
        visit: &mut dyn FnMut(&ElementKey, Pointer) -> bool,
    ) -> Result<(), Error> {
        let (first, last) = (
            first.map(|key| key.to_bytes()),
            last.map(|key| key.to_bytes()),
        );
        let range = (first.as_ref(), last.as_ref());
        for entry in self.index.range::<&[u8; KEY_BYTES]>(range)? {
            let (key, value) = entry?;
            let Some(key) = ElementKey::from_bytes(key.value()) else {
                continue;
            };
            let pointer = Pointer::from_value(value.value());
            if pointer.expires > end && self.is_there(pointer)? && !visit(&key, pointer) {
                break;
            }
        }
        Ok(())
    }

    /// Returns what the row at `pointer` holds; `None` if that is not what was written.
    pub(super) fn content(
        &self,
        key: &ElementKey,
        pointer: Pointer,
    ) -> Result<Option<Content>, Error> {
        let at = pointer.pack();
        if let Some(open) = self.open.and_then(|open| open.get(at)) {
            return Ok(content_of(&open.bytes, key, pointer));
        }
        let table = if is_of_tombstones(at) {
            self.tombstones
        } else {
            self.packs
        };
        let pack = table.get(at)?;
        Ok(pack.and_then(|bytes| content_of(bytes.value(), key, pointer)))
    }

    /// Tells whether a line of the index is that of an item and not left over; one is left over while its pack is gone.
    ///
    /// That is a question for clocks that were set back: what is left over has expired.
    fn is_there(&self, pointer: Pointer) -> Result<bool, Error> {
        if self.swept.is_none_or(|swept| pointer.expires > swept) {
            return Ok(true);
        }
        let at = pointer.pack();
        let is_open = self.open.is_some_and(|open| open.get(at).is_some());
        Ok(is_open || self.tallies.get(at)?.is_some())
    }
}

impl Rows for Snapshot<'_> {
    type Line = Pointer;
    type Error = Error;

    fn line(&self, key: &ElementKey) -> Result<Option<Pointer>, Error> {
        self.reader.pointer(key)
    }

    fn scan(
        &self,
        range: KeyRange,
        end: UnixMillis,
        visit: &mut dyn FnMut(&ElementKey, Pointer) -> bool,
    ) -> Result<(), Error> {
        self.reader.scan(range, end, visit)
    }

    fn content(&mut self, key: &ElementKey, pointer: Pointer) -> Result<Option<Content>, Error> {
        let content = self.reader.content(key, pointer)?;
        if content.is_none() {
            self.damaged.push(*key);
        }
        Ok(content)
    }

    fn on_damaged(&mut self, key: &ElementKey) {
        self.damaged.push(*key);
    }
}

/// Returns what the row at `pointer` holds, if it is what was written.
fn content_of(pack: &[u8], key: &ElementKey, pointer: Pointer) -> Option<Content> {
    let row = row_at(pack, pointer.offset)?;
    let is_it = row.key == *key && row.expires == pointer.expires;
    is_it.then(|| Content {
        payload: Bytes::copy_from_slice(row.payload),
        deletion_key: row.deletion_key,
        proof: Bytes::copy_from_slice(row.proof),
    })
}
