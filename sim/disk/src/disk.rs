//! The disk of one host.

mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::state::State;
use crate::content::Content;
use crate::fault::{CrashEffect, Effects, Faults, Operation};
use crate::file::DiskFile;

/// The disk of one host; clones are the same disk.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// How large and how fast a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// What fits, in whole pages; holes take nothing.
    ///
    /// # Units
    ///
    /// Bytes.
    pub capacity_bytes: u64,
    /// How long a read takes beside its bytes.
    ///
    /// # Units
    ///
    /// Microseconds; each draws its own.
    pub read_us: RangeInclusive<u32>,
    /// How long a write or a change of length takes beside its bytes.
    ///
    /// # Units
    ///
    /// Microseconds; each draws its own.
    pub write_us: RangeInclusive<u32>,
    /// How long a sync or a change of names takes.
    ///
    /// # Units
    ///
    /// Microseconds; each draws its own.
    pub sync_us: RangeInclusive<u32>,
    /// How fast bytes are read and written.
    ///
    /// # Units
    ///
    /// Bytes per second; zero: bytes take no time.
    pub bytes_per_s: u64,
}

/// What is on a disk, to start others from; they share its pages until they write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(BTreeMap<String, Content>);

impl Default for DiskOptions {
    /// Returns a middling SSD behind a page cache: 64 GiB, 500 MB/s, syncs of 1 to 8 ms.
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 30,
            read_us: 60..=200,
            write_us: 5..=20,
            sync_us: 1_000..=8_000,
            bytes_per_s: 500_000_000,
        }
    }
}

impl DiskOptions {
    /// Returns a disk of 64 GiB on which nothing takes time, for tests that have no clock.
    #[must_use]
    pub fn instant() -> Self {
        Self {
            read_us: 0..=0,
            write_us: 0..=0,
            sync_us: 0..=0,
            bytes_per_s: 0,
            ..Self::default()
        }
    }
}

impl Image {
    /// Returns how much memory the image takes beside what disks share with it.
    #[must_use]
    pub fn footprint_bytes(&self) -> usize {
        self.0.values().map(Content::footprint_bytes).sum()
    }
}

impl Disk {
    /// Makes an empty disk whose chances come from `seed` and whose time from `now`.
    ///
    /// `now` never goes back.
    pub fn new(
        seed: u64,
        options: DiskOptions,
        now: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self::from_image(&Image::default(), seed, options, now)
    }

    /// Makes an empty disk on which nothing takes time, for tests that have no clock.
    #[must_use]
    pub fn instant(seed: u64) -> Self {
        Self::new(seed, DiskOptions::instant(), || Duration::ZERO)
    }

    /// Makes a disk with the files of an image, all durable.
    ///
    /// As [`Disk::new`] otherwise.
    pub fn from_image(
        image: &Image,
        seed: u64,
        options: DiskOptions,
        now: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self {
            state: Arc::new(Mutex::new(State::new(&image.0, seed, options))),
            now: Arc::new(now),
        }
    }

    /// Returns what a program sees on the disk now, whether it is durable or not.
    #[must_use]
    pub fn image(&self) -> Image {
        Image(self.lock().contents())
    }

    /// Puts these files of an image in the place of those there are, durable: they are as they were once. Handles that
    /// are open are worth nothing from now on.
    pub fn restore(&self, image: &Image, names: &[&str]) {
        self.lock().restore(&image.0, names);
    }

    /// Opens a file, or makes an empty one; while the handle is there, no other one is.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it is open; else what is wrong with the disk.
    pub fn file(&self, name: &str) -> io::Result<DiskFile> {
        let (id, life) = self.lock().open(name)?;
        Ok(DiskFile::new(self.clone(), id, life))
    }

    /// Tells whether a file has this name.
    #[must_use]
    pub fn exists(&self, name: &str) -> bool {
        self.lock().exists(name)
    }

    /// Takes a file's name away; one that is open is there until it is closed.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what is wrong with the disk.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.lock().remove(name)
    }

    /// Gives a file another name, in place of what has that name; both may be open.
    ///
    /// # Errors
    ///
    /// `NotFound`, or what is wrong with the disk.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.lock().rename(from, to)
    }

    /// Reads a file as a whole; `None` when there is none.
    ///
    /// # Errors
    ///
    /// What is wrong with the disk.
    pub fn read_small(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.lock().read_small(name)
    }

    /// Replaces a file as a whole, durably: written beside it, synced, renamed.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it is open; else what is wrong with the disk. Then the old file is there.
    pub fn write_small(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.lock().write_small(name, bytes)
    }

    /// Returns how long to wait until everything done so far has taken its time, if anything was
    /// done since the last call, and zero otherwise.
    #[must_use = "the time passes only if somebody waits for it"]
    pub fn take_cost(&self) -> Duration {
        self.lock().take_cost()
    }

    /// Lets everything done so far have taken its time already, as things done before a run have.
    pub fn settle(&self) {
        self.lock().settle();
    }

    /// Cuts the power: the process is gone, and what was not synced can be.
    ///
    /// When [`Disk::cut_power_after`] has taken effect, the crash is at that moment, and all that
    /// was done before has taken its time.
    pub fn crash(&self) -> CrashEffect {
        self.lock().crash()
    }

    /// Ends the process alone: the operating system keeps what it was told, and may yet lose it.
    ///
    /// What the process would have begun only after this moment has not happened. Once the power is
    /// cut this is a crash.
    pub fn kill(&self) -> CrashEffect {
        self.lock().kill()
    }

    /// Closes what the process left open, as its end does; its handles are worth nothing from now on.
    pub fn close_all(&self) {
        self.lock().close_all();
    }

    /// Sets what goes wrong from now on; when it lies no more, it first does what it lied about.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().set_faults(faults);
    }

    /// Makes the next `count` operations of a kind fail.
    pub fn fail_next(&self, operation: Operation, count: u64) {
        self.lock().fail_next(operation, count);
    }

    /// Lets `count` more writes, changes of length or name, and syncs succeed; from then on each of
    /// them fails until [`Disk::mend`].
    pub fn fail_after(&self, count: u64) {
        self.lock().fail_after(count);
    }

    /// Ends what [`Disk::fail_after`] and [`Disk::fail_next`] asked for.
    pub fn mend(&self) {
        self.lock().mend();
    }

    /// Returns how many syncs succeeded since the disk was made, those that lied included.
    #[must_use]
    pub fn sync_count(&self) -> u64 {
        self.lock().sync_count()
    }

    /// Sets how much fits; what is there already stays.
    ///
    /// # Units
    ///
    /// Bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().set_capacity(bytes);
    }

    /// Returns how much of the capacity is in use.
    ///
    /// # Units
    ///
    /// Bytes.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// Lets `count` more writes, changes of length or name, and syncs happen; from then on every
    /// operation fails until [`Disk::crash`].
    pub fn cut_power_after(&self, count: u64) {
        self.lock().cut_power_after(count);
    }

    /// Tells whether the power is cut and [`Disk::crash`] is due.
    #[must_use]
    pub fn is_power_cut(&self) -> bool {
        self.lock().is_power_cut()
    }

    /// Flips bits of a file in pages that are at rest; returns how many, which is fewer than asked
    /// for when there is no such page.
    pub fn rot(&self, name: &str, bits: usize) -> usize {
        self.lock().rot(name, bits)
    }

    /// Returns how often each fault changed something.
    #[must_use]
    pub fn effects(&self) -> Effects {
        self.lock().effects()
    }

    /// Returns how much memory the disk takes, about; pages shared with an image count there.
    #[must_use]
    pub fn footprint_bytes(&self) -> usize {
        self.lock().footprint_bytes()
    }

    /// Locks the state, with all that time has done by now.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let now = (self.now)();
        // A panic elsewhere leaves a disk as good as any crash does.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now);
        state
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}
