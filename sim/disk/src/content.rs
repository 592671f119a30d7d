//! The bytes of a file, in pages that are shared until they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How much of a file is allocated at once.
///
/// # Units
///
/// Bytes.
pub const PAGE_BYTES: usize = 4_096;
/// What a disk writes whole or not at all.
///
/// # Units
///
/// Bytes.
pub const SECTOR_BYTES: usize = 512;

/// All sectors of a page, one bit for each.
pub(crate) const ALL_SECTORS: u8 = u8::MAX;
const _: () = assert!(PAGE_BYTES / SECTOR_BYTES == u8::BITS as usize);

/// The longest file: its pages can be numbered.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 43;

/// What a page, its place in the tree and its allocation take beside its bytes, about.
const OVERHEAD_BYTES: usize = 48;

/// A page without the run of one byte at its end: that byte first, then what is before the run.
///
/// No bytes at all are a page of zeros. The bytes of a page always give the same ones here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page(Arc<[u8]>);

/// A page in full.
pub(crate) type Full = [u8; PAGE_BYTES];

/// A file's length and those of its pages that were ever written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pages: BTreeMap<u32, Page>,
    len: u64,
}

impl Page {
    pub(crate) fn new(full: &Full) -> Self {
        let fill = full[PAGE_BYTES - 1];
        match full.iter().rposition(|byte| *byte != fill) {
            // Allocates nothing.
            None if fill == 0 => Self::default(),
            last => {
                let length = last.map_or(0, |last| last + 1);
                let bytes = std::iter::once(&fill).chain(&full[..length]);
                let bytes: Vec<u8> = bytes.copied().collect();
                Self(bytes.into())
            }
        }
    }

    pub(crate) fn full(&self) -> Full {
        let Some((fill, bytes)) = self.0.split_first() else {
            return [0; PAGE_BYTES];
        };
        let mut full = [*fill; PAGE_BYTES];
        full[..bytes.len()].copy_from_slice(bytes);
        full
    }

    /// Returns this page with `piece` at `at`.
    pub(crate) fn with(&self, at: usize, piece: &[u8]) -> Self {
        let mut full = self.full();
        full[at..at + piece.len()].copy_from_slice(piece);
        Self::new(&full)
    }

    /// Returns this page with some sectors of another one.
    pub(crate) fn with_sectors(&self, other: &Self, sectors: u8) -> Self {
        if sectors == ALL_SECTORS {
            return other.clone();
        }
        let (mut full, other) = (self.full(), other.full());
        for sector in each_sector(sectors) {
            full[sector.clone()].copy_from_slice(&other[sector]);
        }
        Self::new(&full)
    }

    /// Returns the first `len` bytes of this page, and zeros.
    pub(crate) fn cut(&self, len: usize) -> Self {
        let mut full = self.full();
        full[len..].fill(0);
        Self::new(&full)
    }

    pub(crate) fn with_bit_flipped(&self, bit: usize) -> Self {
        let mut full = self.full();
        full[bit / 8] ^= 1 << (bit % 8);
        Self::new(&full)
    }

    /// Counts the sectors in which two pages differ.
    pub(crate) fn differing(&self, other: &Self) -> u64 {
        if self == other {
            return 0;
        }
        let (one, other) = (self.full(), other.full());
        let differs =
            |sector: &std::ops::Range<usize>| one[sector.clone()] != other[sector.clone()];
        each_sector(ALL_SECTORS).filter(differs).count() as u64
    }

    /// Returns how many bytes there are before the run at the end, and one of it; none in a page of
    /// zeros.
    pub(crate) fn stored(&self) -> usize {
        self.0.len()
    }
}

impl Content {
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn pages(&self) -> &BTreeMap<u32, Page> {
        &self.pages
    }

    pub(crate) fn page(&self, number: u32) -> Option<&Page> {
        self.pages.get(&number)
    }

    /// Copies the bytes at `offset` into `out`; the caller has checked that they are there.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) {
        let mut done = 0;
        for (number, at, length) in pieces(offset, out.len()) {
            let out = &mut out[done..done + length];
            match self.pages.get(&number) {
                Some(page) => out.copy_from_slice(&page.full()[at..at + length]),
                None => out.fill(0),
            }
            done += length;
        }
    }

    /// Puts a page in its place, or a hole.
    pub(crate) fn put(&mut self, number: u32, page: Option<Page>) {
        match page {
            Some(page) => drop(self.pages.insert(number, page)),
            None => drop(self.pages.remove(&number)),
        }
    }

    /// Cuts the file or makes it longer with zeros; no page stays behind its end.
    pub(crate) fn set_len(&mut self, len: u64) {
        let (first_gone, rest) = split(len);
        let mut gone = self.pages.split_off(&first_gone);
        if rest > 0
            && let Some(page) = gone.remove(&first_gone)
        {
            self.pages.insert(first_gone, page.cut(rest));
        }
        self.len = len;
    }

    /// Returns how much memory all pages take, whoever has them as well.
    pub(crate) fn footprint_bytes(&self) -> usize {
        let pages = self.pages.values();
        pages.map(|page| OVERHEAD_BYTES + page.0.len()).sum()
    }
}

/// Returns how much memory these pages take, but for what somebody else has as well.
pub(crate) fn footprint_of<'a>(pages: impl Iterator<Item = &'a Page>) -> usize {
    let mut held: BTreeMap<*const u8, (usize, &Page)> = BTreeMap::new();
    let mut total = 0;
    for page in pages {
        held.entry(page.0.as_ptr()).or_insert((0, page)).0 += 1;
        total += OVERHEAD_BYTES;
    }
    let own = held
        .into_values()
        .filter(|(count, page)| Arc::strong_count(&page.0) == *count);
    total + own.map(|(_, page)| page.0.len()).sum::<usize>()
}

/// Cuts a stretch of bytes into page numbers, where in the page it lies, and how long it is there.
pub(crate) fn pieces(
    offset: u64,
    length: usize,
) -> impl Iterator<Item = (u32, usize, usize)> + use<> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let (number, at) = split(offset + done as u64);
        let step = (PAGE_BYTES - at).min(length - done);
        done += step;
        Some((number, at, step))
    })
}

/// Returns the number of the page that an offset lies in, and where in it.
pub(crate) fn split(offset: u64) -> (u32, usize) {
    let number = u32::try_from(offset / PAGE_BYTES as u64);
    let at = usize::try_from(offset % PAGE_BYTES as u64);
    // Offsets are below `FILE_BYTES_MAX` and a remainder is below a page.
    (number.unwrap_or(u32::MAX), at.unwrap_or(0))
}

/// Returns the sectors that `length` bytes at `at` touch in a page, one bit for each.
pub(crate) fn sectors(at: usize, length: usize) -> u8 {
    let touched = at / SECTOR_BYTES..(at + length).div_ceil(SECTOR_BYTES);
    touched.fold(0, |mask, sector| mask | 1 << sector)
}

fn each_sector(mask: u8) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..8_usize)
        .filter(move |sector| mask & (1 << sector) != 0)
        .map(|sector| sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES)
}
