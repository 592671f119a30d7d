//! `restante backup` and `restore`.

use std::path::{Path, PathBuf};

use restante_interface::{BackupInfo, BackupRequest, Reply, Request, RestoredInfo};

use super::args::{BackupArgs, Common, RestoreArgs};
use super::hints::shell_word;
use super::output::note;
use super::session::unexpected;
use super::terminal::{escape_line, now_ms, relative};
use super::words::plural;
use super::{Failure, Output, Session, run};
use crate::account::backup::{self, Examined, Target};
use crate::account::{AccountDisk as _, VaultDisk};
use crate::clock;
use crate::config::units::approximate_size_bytes;
use crate::control::client::CallError;
use crate::home::{Home, HomeError, HomeKind, PERSON_FOLDER};
use crate::node::person::PersonError;
use crate::passphrase::{Passphrase, Purpose};
use crate::vault::{PassCost, Vault};

/// The file of a home that may be there before it.
const CONFIGURATION: &str = "config.toml";

/// Writes a backup: the node that runs does it, or this command where none runs.
pub(super) fn back_up(common: &Common, args: &BackupArgs, out: &mut Output) -> Result<(), Failure> {
    let session = Session::open(common.home.as_deref())?;
    session.home().expect_kind(HomeKind::Person)?;
    let path = absolute(&args.file)?;
    let Some(text) = path.to_str() else {
        return Err(Failure::usage(
            format!("the path {} is not UTF-8", path.display()),
            "choose another name",
        )
        .coded("path_wrong"));
    };
    let request = Request::Backup(BackupRequest {
        path: text.to_owned(),
        force: args.force,
    });
    let info = match session.try_call(request, |_| {})? {
        Ok(Reply::Backup(info)) => info,
        Ok(other) => return Err(unexpected(&other)),
        Err(CallError::NotRunning) => back_up_stopped(common, args, &session, path)?,
        Err(error) => return Err(session.failure(error)),
    };
    if args.json {
        return out.json(&info);
    }
    describe(&info).iter().try_for_each(|line| out.line(line))
}

fn back_up_stopped(
    common: &Common,
    args: &BackupArgs,
    session: &Session,
    path: PathBuf,
) -> Result<BackupInfo, Failure> {
    // Before anybody has to type a pass phrase.
    let lock = session.home().lock()?;
    let passphrase = Passphrase::obtain(common.passphrase_file.as_deref(), Purpose::Unlock)?;
    let folder = lock.home().path();
    let vault = Vault::open(folder, passphrase.as_bytes(), &mut rand::rng());
    let disk = VaultDisk::in_home(vault.map_err(PersonError::from)?, folder);
    let replace = args.force;
    let target = Target::File { path, replace };
    Ok(disk.back_up(&target, clock::now())?)
}

fn describe(info: &BackupInfo) -> Vec<String> {
    let mut lines = vec![format!(
        "{} has {} and {} in {}; the pass phrase of now opens it, as long as it is there",
        escape_line(&info.path),
        plural(info.messages, "message", "messages"),
        plural(info.contacts, "contact", "contacts"),
        approximate_size_bytes(info.bytes),
    )];
    if info.unreadable > 0 {
        lines.push(format!(
            "{} cannot be opened any more and are not in it",
            plural(info.unreadable, "message", "messages")
        ));
    }
    lines
}

/// Makes a home of a backup.
pub(super) fn restore(
    common: &Common,
    args: &RestoreArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    run::check_date()?;
    let path = Home::locate(common.home.as_deref(), PERSON_FOLDER)?;
    // Before anybody has to type a pass phrase; `create` looks again.
    if Home::open(&path).is_ok() {
        return Err(HomeError::Exists(path).into());
    }
    let file = absolute(&args.file)?;
    std::fs::File::open(&file).map_err(|error| {
        Failure::usage(
            format!("cannot read {}: {error}", file.display()),
            "name a file that `restante backup` has written",
        )
        .coded("backup_unreadable")
    })?;
    let passphrase = Passphrase::obtain(common.passphrase_file.as_deref(), Purpose::Unlock)?;
    let mut examined = backup::examine(&file, &passphrase)?;
    let has_own = path.join(CONFIGURATION).exists();
    if has_own {
        examined.without(CONFIGURATION);
        note(format!(
            "the settings that are in {} already stay, and those of the backup do not come back",
            shell_word(&path.join(CONFIGURATION))
        ));
    }
    let (home, info) = Home::create(&path, |staging| fill(examined, staging, &passphrase))?;
    if args.json {
        return out.json(&info);
    }
    tell(&home, &info)
        .iter()
        .try_for_each(|line| out.line(line))
}

fn fill(
    examined: Examined,
    staging: &Home,
    passphrase: &Passphrase,
) -> Result<RestoredInfo, Failure> {
    Ok(examined.restore(staging, passphrase, PassCost::Production, clock::now())?)
}

fn tell(home: &Home, info: &RestoredInfo) -> Vec<String> {
    let mut lines = vec![format!(
        "{} is back as of {}, with {} and {}, in {}",
        escape_line(&info.id.id),
        relative(now_ms(), info.made_ms),
        plural(info.messages, "message", "messages"),
        plural(info.contacts, "contact", "contacts"),
        home.path().display(),
    )];
    if info.ended > 0 {
        lines.push(format!(
            "{} ended since and did not come back",
            plural(info.ended, "message has", "messages have")
        ));
    }
    if info.doubtful > 0 {
        lines.push(format!(
            "{} after reading, may have been read since, and did not come back",
            plural(info.doubtful, "message burns", "messages burn")
        ));
    }
    lines.push(
        "It goes on as a new device of the account: what was sent since the backup comes as far as it still waits, and \
         what\nthe home before had taken in since has to be sent again."
            .to_owned(),
    );
    lines.push(format!(
        "Next: restante --home {} run",
        shell_word(home.path())
    ));
    lines
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::usage(
            format!("there is no file {:?}: {error}", path.display().to_string()),
            "name one",
        )
        .coded("path_wrong")
    })
}
