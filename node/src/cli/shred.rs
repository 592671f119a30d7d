//! `restante shred`.

use std::fs;

use serde::Serialize;

use super::args::{Common, ShredArgs};
use super::words::plural;
use super::{Failure, Output, Session};
use crate::account::VaultDisk;
use crate::config::units::approximate_size_bytes;
use crate::home::{Home, HomeKind};
use crate::node::person::PersonError;
use crate::passphrase::{Passphrase, Purpose};
use crate::vault::{PassCost, Vault};

/// The output of `shred --json`.
#[derive(Debug, Serialize)]
struct Shredded {
    /// Messages that were written anew.
    messages: u32,
    /// Contacts that were.
    contacts: u32,
    /// Messages that could not be opened any more, and are gone.
    unreadable: u32,
    /// How long the files were.
    before_bytes: u64,
    /// How long they are.
    after_bytes: u64,
}

/// Writes what the account has anew, and overwrites the files that it was in.
pub(super) fn shred(common: &Common, args: &ShredArgs, out: &mut Output) -> Result<(), Failure> {
    let session = Session::open(common.home.as_deref())?;
    session.home().expect_kind(HomeKind::Person)?;
    // Before anybody has to type a pass phrase.
    let lock = session.home().lock()?;
    let passphrase = Passphrase::obtain(common.passphrase_file.as_deref(), Purpose::Unlock)?;
    let folder = lock.home().path();
    let vault = Vault::open(folder, passphrase.as_bytes(), &mut rand::rng());
    let disk = VaultDisk::in_home(vault.map_err(PersonError::from)?, folder);
    let before_bytes = length(lock.home());
    let rewritten = lock.shred(|staging| {
        let written = disk.write_anew(staging, &passphrase, PassCost::Production);
        // Its files are overwritten behind it.
        drop(disk);
        written.map_err(Failure::from)
    })?;
    let shredded = Shredded {
        messages: rewritten.messages,
        contacts: rewritten.contacts,
        unreadable: rewritten.unreadable,
        before_bytes,
        after_bytes: length(lock.home()),
    };
    if args.json {
        return out.json(&shredded);
    }
    if shredded.unreadable > 0 {
        out.line(format!(
            "{} could not be opened any more and are gone",
            plural(shredded.unreadable, "message", "messages")
        ))?;
    }
    out.line(format!(
        "{} and {} are written anew, under new keys; the files they were in are overwritten ({} before, {} now)",
        plural(shredded.messages, "message", "messages"),
        plural(shredded.contacts, "contact", "contacts"),
        approximate_size_bytes(shredded.before_bytes),
        approximate_size_bytes(shredded.after_bytes),
    ))
}

fn length(home: &Home) -> u64 {
    let files = [home.client_database(), home.message_keys_file()];
    let lengths = files
        .iter()
        .map(|path| fs::metadata(path).map_or(0, |it| it.len()));
    lengths.sum()
}
