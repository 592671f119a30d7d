//! How much memory ten thousand hosts would take.

use redb::{Database, TableDefinition};

use super::{Clock, file};
use crate::Disk;

const ROWS: TableDefinition<'_, u64, u64> = TableDefinition::new("rows");

/// Opens the databases of a keeper and of a person, and writes a row to each.
fn open_databases(disk: &Disk, clock: &Clock) {
    for name in ["keeper.redb", "client.redb"] {
        let database = Database::builder().create_with_backend(file(disk, name));
        let database = database.unwrap();
        let tx = database.begin_write().unwrap();
        tx.open_table(ROWS).unwrap().insert(1, 1).unwrap();
        tx.commit().unwrap();
        drop(database);
        clock.wait(disk);
    }
}

#[test]
fn a_fresh_host_takes_little() {
    let clock = Clock::default();
    let disk = clock.disk(1);
    open_databases(&disk, &clock);
    let used = disk.used_bytes();
    let fresh = disk.footprint_bytes();
    let copy = clock.disk_from(&disk.image(), 2);
    let untouched = copy.footprint_bytes();
    open_databases(&copy, &clock);
    let opened = copy.footprint_bytes();
    println!("{used} on the disk take {fresh}, from an image {untouched}, opened {opened}");
    assert!(fresh < 64 * 1_024 && untouched < 8 * 1_024 && opened < 32 * 1_024);
}
