//! An open file, as redb wants it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

use crate::disk::Disk;
use crate::names::FileId;

/// A handle on a file, the only one; dropping it lets go of the file's lock.
///
/// It is for one life of the host's process: after a crash every call fails.
#[derive(Debug)]
pub struct DiskFile {
    disk: Disk,
    id: FileId,
    life: u64,
    closed: AtomicBool,
}

impl DiskFile {
    pub(crate) const fn new(disk: Disk, id: FileId, life: u64) -> Self {
        Self {
            disk,
            id,
            life,
            closed: AtomicBool::new(false),
        }
    }

    fn unlock(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.disk.lock().unlock(self.life, self.id);
        }
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        self.disk.lock().len(self.life, self.id)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.lock().read(self.life, self.id, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.lock().set_len(self.life, self.id, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.lock().sync(self.life, self.id)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.lock().write(self.life, self.id, offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.unlock();
        Ok(())
    }
}
