//! `restante passphrase`.

use serde::Serialize;

use super::args::{Common, PassphraseArgs};
use super::output::warn;
use super::{Failure, Output, Session};
use crate::home::HomeKind;
use crate::node::person::PersonError;
use crate::passphrase::{Passphrase, Purpose};
use crate::vault::{self, PassCost, VaultError, unlock};

/// The output of `passphrase --json`.
#[derive(Debug, Serialize)]
struct Changed {
    changed: bool,
}

/// Changes the pass phrase of a home, whether or not its node runs: a node looks at the unlock file at its start alone.
pub(super) fn change(
    common: &Common,
    args: &PassphraseArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let session = Session::open(common.home.as_deref())?;
    let home = session.home();
    home.expect_kind(HomeKind::Person)?;
    if home.is_half_shredded() {
        // What was begun there ends with another unlock file.
        drop(home.lock()?);
    }
    let old = Passphrase::obtain(common.passphrase_file.as_deref(), Purpose::Unlock)?;
    // Before anybody has to think of a new one.
    let opened = unlock::open(&home.unlock_file(), old.as_bytes());
    opened.map_err(|error| PersonError::from(VaultError::from(error)))?;
    let new = Passphrase::obtain_new(args.new_passphrase_file.as_deref())?;
    if new.as_bytes() == old.as_bytes() {
        return Err(
            Failure::usage("the new pass phrase is the old one", "choose another one")
                .coded("passphrase_same"),
        );
    }
    warn_if_short(&new);
    let (cost, rng) = (PassCost::Production, &mut rand::rng());
    vault::change_passphrase(home.path(), old.as_bytes(), new.as_bytes(), cost, rng)
        .map_err(|error| PersonError::from(VaultError::from(error)))?;
    if args.json {
        return out.json(&Changed { changed: true });
    }
    out.line("the pass phrase is changed; copies of the home made before open with the old one")
}

/// Warns of a pass phrase that is soon guessed.
pub(super) fn warn_if_short(passphrase: &Passphrase) {
    if passphrase.is_short() {
        warn(
            "whoever gets hold of the disk guesses so short a pass phrase; several words that nobody else would put \
             together are better",
        );
    }
}
