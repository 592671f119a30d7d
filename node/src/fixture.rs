//! What tests share: one file on a simulated disk on which nothing takes time, and the status of a node that has just
//! started.

pub(crate) mod refusals;

use std::io;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use restante_interface::{KeeperStatus, MailboxStatus, NetworkLoad, NodeMode, StatusInfo};
use restante_sim_disk::{Disk, DiskFile, PAGE_BYTES};

const FILE: &str = "file";

/// Opens the file, which must not be open.
pub(crate) fn file(disk: &Disk) -> DiskFile {
    disk.file(FILE).unwrap()
}

/// Returns how a store comes by the file, once and again.
pub(crate) fn storage(disk: &Disk) -> impl Fn() -> io::Result<DiskFile> + Send + 'static {
    let disk = disk.clone();
    move || disk.file(FILE)
}

/// Puts these bytes in the place of the file, durably.
pub(crate) fn fill(disk: &Disk, bytes: &[u8]) {
    disk.write_small(FILE, bytes).unwrap();
}

pub(crate) fn disk_with(bytes: &[u8]) -> Disk {
    let disk = Disk::instant(1);
    fill(&disk, bytes);
    disk
}

/// Returns what a program sees in the file now.
pub(crate) fn bytes(disk: &Disk) -> Vec<u8> {
    disk.read_small(FILE).unwrap().unwrap()
}

pub(crate) fn rot(disk: &Disk, bits: usize) -> usize {
    disk.rot(FILE, bits)
}

/// Leaves room for so many more pages of 4 KiB than are in use now.
pub(crate) fn leave_room(disk: &Disk, pages: u64) {
    disk.set_capacity(disk.used_bytes() + pages * PAGE_BYTES as u64);
}

/// A generator for a test, the same on every run.
pub(crate) fn seeded(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// The status of a node without an account that has just started.
pub(crate) fn status() -> StatusInfo {
    StatusInfo {
        id: String::new(),
        network: "main".into(),
        mode: NodeMode::Client,
        peers: 0,
        routing_table: 0,
        listen: Vec::new(),
        errors: Default::default(),
        keeper: KeeperStatus::default(),
        outbox: Vec::new(),
        outbox_count: 0,
        mailboxes: MailboxStatus::default(),
        unread: 0,
        card_published_ms: None,
        card_effort_asked: None,
        stamp_effort_max: 0,
        account_read_only: None,
        account_recovered_ms: None,
        account_lost: 0,
        clock: None,
        copy: None,
        backup: None,
        network_load: NetworkLoad::default(),
        entry_points: Vec::new(),
        invite: Vec::new(),
        states: Vec::new(),
        traffic: Default::default(),
        uptime_ms: 61_000,
    }
}
