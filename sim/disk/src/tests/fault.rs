//! Every fault changes something, and counts it.

use std::io::ErrorKind;

use redb::StorageBackend as _;

use super::Clock;
use crate::{Disk, Effects, Faults, Operation, PAGE_BYTES};

const BLOCK: [u8; PAGE_BYTES] = [7; PAGE_BYTES];

fn started() -> (Clock, Disk, crate::DiskFile) {
    let clock = Clock::default();
    let disk = clock.disk(1);
    let file = disk.file("a").unwrap();
    file.write(0, &BLOCK).unwrap();
    file.sync_data().unwrap();
    clock.wait(&disk);
    (clock, disk, file)
}

#[test]
fn a_full_disk_takes_what_fits_and_overwrites_what_is_there() {
    let (_, disk, file) = started();
    disk.set_capacity(3 * PAGE_BYTES as u64);
    let error = file.write(PAGE_BYTES as u64, &[8; 3 * PAGE_BYTES]);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 3 * PAGE_BYTES as u64);
    file.write(0, &[9; 3 * PAGE_BYTES]).unwrap();
    // A hole takes nothing.
    file.set_len(1 << 30).unwrap();
    let small = disk.write_small("list", b"x").unwrap_err();
    assert_eq!(small.kind(), ErrorKind::StorageFull);
    assert!(!disk.exists("list"));
    file.set_len(0).unwrap();
    disk.write_small("list", b"x").unwrap();
    assert_eq!(disk.effects().full, 2);
}

#[test]
fn a_slow_disk_takes_longer() {
    let cost = |slow_factor| {
        let (_, disk, file) = started();
        disk.set_faults(Faults {
            slow_factor,
            ..Faults::default()
        });
        file.write(0, &BLOCK).unwrap();
        file.sync_data().unwrap();
        (disk.take_cost(), disk.effects().slowed)
    };
    let (usual, slow) = (cost(1.0), cost(50.0));
    assert_eq!((usual.1, slow.1), (0, 2));
    assert_eq!(slow.0, usual.0 * 50);
}

#[test]
fn every_change_fails_after_so_many_until_the_disk_is_mended() {
    let (_, disk, file) = started();
    let synced = disk.sync_count();
    disk.fail_after(2);
    file.write(0, &BLOCK).unwrap();
    file.sync_data().unwrap();
    for _ in 0..3 {
        assert!(file.write(0, &BLOCK).is_err() && file.sync_data().is_err());
        assert!(disk.write_small("list", b"x").is_err());
        file.read(0, &mut [0; 9]).unwrap();
    }
    disk.mend();
    file.write(0, &BLOCK).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.sync_count(), synced + 2);
}

#[test]
fn an_instant_disk_takes_no_time() {
    let disk = Disk::instant(1);
    let file = disk.file("a").unwrap();
    file.write(0, &BLOCK).unwrap();
    file.sync_data().unwrap();
    assert!(disk.take_cost().is_zero());
    drop(file);
    assert!(disk.crash().is_nothing());
}

#[test]
fn errors_are_counted_and_pass() {
    let (_, disk, file) = started();
    for operation in [Operation::Read, Operation::Write, Operation::Sync] {
        disk.fail_next(operation, 1);
    }
    let mut out = [0; 8];
    assert!(file.read(0, &mut out).is_err() && file.read(0, &mut out).is_ok());
    assert!(file.write(0, &BLOCK).is_err() && file.write(0, &[8; 512]).is_ok());
    assert!(file.sync_data().is_err() && file.sync_data().is_ok());
    disk.set_faults(Faults {
        read_error: 0.5,
        ..Faults::default()
    });
    let failed = (0..100).filter(|_| file.read(0, &mut out).is_err()).count();
    assert!((20..80).contains(&failed));
    let effects = Effects {
        read_errors: 1 + failed as u64,
        write_errors: 1,
        sync_errors: 1,
        ..Effects::default()
    };
    assert_eq!(disk.effects(), effects);
}

#[test]
fn a_lie_lasts_until_it_ends() {
    for ends in [false, true] {
        let mut lost = 0;
        for seed in 0..40 {
            let clock = Clock::default();
            let disk = clock.disk(seed);
            let file = disk.file("a").unwrap();
            disk.set_faults(Faults {
                lying_sync: 1.0,
                ..Faults::default()
            });
            file.write(0, &BLOCK).unwrap();
            file.sync_data().unwrap();
            clock.wait(&disk);
            assert_eq!(disk.effects().lies, 1);
            if ends {
                disk.set_faults(Faults::default());
            }
            let effect = disk.crash();
            assert_eq!(effect.lied_writes, effect.lost_writes + effect.torn_writes);
            lost += effect.lied_writes;
        }
        assert_eq!(lost == 0, ends);
    }
}

#[test]
fn what_a_failed_sync_gives_up_is_seen_until_a_crash() {
    let mut lost = 0;
    for seed in 0..40 {
        let clock = Clock::default();
        let disk = clock.disk(seed);
        let file = disk.file("a").unwrap();
        file.write(0, &[1; 2 * PAGE_BYTES]).unwrap();
        file.sync_data().unwrap();
        disk.set_faults(Faults {
            sync_error_drops: true,
            ..Faults::default()
        });
        disk.fail_next(Operation::Sync, 1);
        file.write(0, &BLOCK).unwrap();
        assert!(file.sync_data().is_err() && file.sync_data().is_ok());
        // A page that is written again is synced with what it holds.
        file.write(PAGE_BYTES as u64, &BLOCK).unwrap();
        file.sync_data().unwrap();
        clock.wait(&disk);
        let seen = disk.image();
        let effect = disk.crash();
        assert_eq!(effect.is_nothing(), disk.image() == seen);
        let bytes = disk.read_small("a").unwrap().unwrap();
        assert!(bytes[PAGE_BYTES..] == BLOCK);
        assert!(bytes.iter().all(|byte| [1, 7].contains(byte)));
        lost += effect.changed_sectors;
    }
    assert!(lost > 50, "{lost}");
}

#[test]
fn rot_shows_when_it_is_read() {
    let (_, disk, file) = started();
    assert_eq!(disk.rot("a", 1), 1);
    assert_eq!(disk.rot("b", 1), 0);
    let mut out = [0; PAGE_BYTES];
    file.read(0, &mut out).unwrap();
    let flipped = out.iter().map(|byte| (byte ^ 7).count_ones()).sum::<u32>();
    assert_eq!(flipped, 1);
    let effects = disk.effects();
    assert_eq!((effects.flipped_bits, effects.rotten_reads), (1, 1));
    file.write(0, &BLOCK).unwrap();
    file.read(0, &mut out).unwrap();
    assert_eq!(disk.effects().rotten_reads, 1);
    // What is on its way to the platter is not at rest.
    assert_eq!(disk.rot("a", 1), 0);
}

#[test]
fn a_cut_ends_everything_until_the_crash() {
    let (_, disk, file) = started();
    disk.cut_power_after(1);
    file.write(0, &[8; 512]).unwrap();
    assert!(!disk.is_power_cut());
    assert!(file.sync_data().is_err() && disk.is_power_cut());
    assert!(file.read(0, &mut [0; 8]).is_err() && disk.file("b").is_err());
    assert!(disk.write_small("list", b"x").is_err());
    assert_eq!(disk.effects().cut_off, 4);
    disk.crash();
    assert!(disk.write_small("list", b"x").is_ok());
}
