//! How much memory ten thousand hosts would take.

use super::{Clock, keeper, rng, vault};
use crate::Disk;

fn with_keeper(disk: &Disk, clock: &Clock) {
    let store = keeper::open(disk).unwrap();
    clock.wait(disk);
    store.close().unwrap();
    clock.wait(disk);
}

#[test]
fn a_fresh_host_takes_little() {
    let clock = Clock::default();
    let disk = clock.disk(1);
    let empty = disk.footprint_bytes();
    with_keeper(&disk, &clock);
    let keeper = disk.footprint_bytes() - empty;
    let used = disk.used_bytes();
    let (vault, _) = vault::create(&disk, &mut rng(1));
    clock.wait(&disk);
    vault.close().unwrap();
    clock.wait(&disk);
    let both = disk.footprint_bytes();
    let image = disk.image();
    let shared: Vec<Disk> = (0..10).map(|seed| clock.disk_from(&image, seed)).collect();
    let untouched = shared[0].footprint_bytes();
    with_keeper(&shared[0], &clock);
    let opened = shared[0].footprint_bytes();
    println!(
        "empty {empty}, keeper {keeper} ({used} on the disk), with vault {both}, from an image \
         {untouched}, keeper opened {opened}, image {}",
        image.footprint_bytes()
    );
    assert!(both < 64 * 1_024 && untouched < 8 * 1_024 && opened < 32 * 1_024);
}
