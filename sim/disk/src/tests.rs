//! A disk against a reference, through crashes, and with every fault it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Disk, DiskFile, DiskOptions, Image};

mod crash;
mod fault;
mod footprint;
mod model;

/// A clock that goes when it is told to.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Waits out what was done, as a worker does.
    fn wait(&self, disk: &Disk) {
        self.advance(disk.take_cost());
    }

    fn disk(&self, seed: u64) -> Disk {
        self.disk_from(&Image::default(), seed)
    }

    fn disk_from(&self, image: &Image, seed: u64) -> Disk {
        let clock = self.clone();
        Disk::from_image(image, seed, DiskOptions::default(), move || clock.now())
    }
}

/// Opens a file that nobody has open.
fn file(disk: &Disk, name: &str) -> DiskFile {
    disk.file(name).unwrap()
}
