//! `restante init` and `run`: the commands that own a node.

use std::time::{Duration, UNIX_EPOCH};

use restante_interface::IdInfo;
use restante_proto::person::Handle;
use restante_proto::phrase::RecoveryPhrase;
use serde::Serialize;

use super::args::{Common, InitArgs, RunArgs};
use super::detach::detach;
use super::hints::shell_word;
use super::host::{host, runtime, start_logging};
use super::terminal::escape_line;
use super::{Failure, Output, passphrase, phrase, remembered};
use crate::clock;
use crate::config::{Config, Loaded};
use crate::home::{Home, HomeError, HomeKind, PERSON_FOLDER};
use crate::node::person::{self, Costs};
use crate::passphrase::{Passphrase, Purpose};

/// Dates at which an account may be made, in milliseconds since 1970: 2026 to 2090.
const DATES: (u64, u64) = (1_767_225_600_000, 3_786_912_000_000);

/// Makes an account and its home.
pub(super) fn init(common: &Common, args: &InitArgs, out: &mut Output) -> Result<(), Failure> {
    let handle = handle(&args.handle)?;
    check_date()?;
    let path = Home::locate(common.home.as_deref(), PERSON_FOLDER)?;
    // Before anybody has to think of a pass phrase; `create` looks again.
    if Home::open(&path).is_ok() {
        return Err(HomeError::Exists(path).into());
    }
    let settings = args.settings.to_raw();
    let kept = remembered::Kept::of(settings.clone());
    let file = path.join("config.toml");
    if kept.has_settings() && file.exists() {
        return Err(Failure::usage(
            format!("{} exists already", file.display()),
            "write the settings into it instead of giving flags",
        )
        .coded("configuration_exists"));
    }
    // Refused now rather than by the first `run`.
    Loaded::load(&Config::default(), &file, settings)?;
    let passphrase = Passphrase::obtain(common.passphrase_file.as_deref(), Purpose::Choose)?;
    passphrase::warn_if_short(&passphrase);
    let phrase = phrase::obtain(args)?;
    let (home, _) = Home::create(&path, |staging| {
        kept.write(staging)?;
        let info = create_account(staging, &phrase, &handle, &passphrase)?;
        tell(&info, &phrase, args, out)?;
        // An account whose phrase nobody has seen is not kept.
        out.flush()
    })?;
    if args.json {
        return Ok(());
    }
    if !args.recover {
        phrase::check(&phrase, out)?;
    }
    out.line(format!(
        "Everything is in {}. `restante backup FILE` copies it; never run two copies of the folder.",
        home.path().display()
    ))?;
    out.line(
        "Nobody can bring back a forgotten pass phrase, nor what it unlocks: the recovery phrase brings back the \
         account alone.",
    )?;
    if kept.has_settings() {
        out.line(format!(
            "The settings given here count at every start: they are in {}.",
            home.config_file().display()
        ))?;
    }
    out.line(format!(
        "Next: restante --home {} run",
        shell_word(home.path())
    ))?;
    out.line(match kept.has_entry_points() {
        true => "With `--detach` behind it, it goes to the background.",
        false => {
            "With `--bootstrap ADDRESS` behind it, it joins through a node you know; with `--detach`, it goes to the \
             background."
        }
    })
}

/// Tells the ID of an account that was made or brought back, and shows a new phrase.
fn tell(
    info: &IdInfo,
    phrase: &RecoveryPhrase,
    args: &InitArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    if args.json {
        let words = (!args.recover).then(|| phrase.words());
        let phrase = words.as_ref().map(|words| words.as_str());
        return out.json(&Made { id: info, phrase });
    }
    out.line(format!("Your ID is {}", escape_line(&info.id)))?;
    if args.recover {
        return out.line(
            "If it is not the ID you had, the phrase or the handle is another one: remove this home and try again. \
             Once this\nnode has run, all devices that the account had are shut out, and contacts write to this one.",
        );
    }
    phrase::show(phrase, out)
}

/// Runs the node until it is told to stop.
pub(super) fn run(common: &Common, args: &RunArgs, out: &mut Output) -> Result<(), Failure> {
    let home = Home::open(&Home::locate(common.home.as_deref(), PERSON_FOLDER)?)?;
    home.expect_kind(HomeKind::Person)?;
    let defaults = Config::default();
    let loaded = remembered::load(home.path(), &defaults, args.settings.to_raw())?;
    if args.print_config || args.check {
        return show(&loaded, args, out);
    }
    // Before anybody has to type a pass phrase.
    let lock = home.lock()?;
    remembered::remember(&home, &defaults, &loaded)?;
    let file = common.passphrase_file.as_deref();
    if args.detach {
        let typed = Passphrase::is_asked_for(file)
            .then(|| Passphrase::obtain(file, Purpose::Unlock))
            .transpose()?;
        drop(lock);
        let process = detach(&home, typed.as_ref())?;
        if args.json {
            return out.json(&Detached { process });
        }
        return out.line(format!("the node runs as process {process}"));
    }
    start_logging(&loaded)?;
    let passphrase = Passphrase::obtain(file, Purpose::Unlock)?;
    runtime()?.block_on(host(&lock, |calls, events, stop| async {
        let costs = Costs::production();
        let (home, config) = (lock.home(), loaded.config);
        person::run(home, config, passphrase, costs, calls, events, stop).await?;
        Ok(())
    }))
}

/// The output of `init --json`.
#[derive(Debug, Serialize)]
struct Made<'a> {
    #[serde(flatten)]
    id: &'a IdInfo,
    /// The recovery phrase, if it is a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    phrase: Option<&'a str>,
}

/// The output of `run --detach --json`.
#[derive(Debug, Serialize)]
struct Detached {
    process: u32,
}

/// The output of `run --check --json`.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    valid: bool,
    warnings: &'a [String],
}

/// Writes the settings in force, or that they are valid and what of them is passed over.
pub(super) fn show(loaded: &Loaded, args: &RunArgs, out: &mut Output) -> Result<(), Failure> {
    if args.print_config {
        return out.bytes(loaded.to_toml().as_bytes());
    }
    let warnings = &loaded.warnings;
    if args.json {
        let valid = true;
        return out.json(&Checked { valid, warnings });
    }
    for warning in warnings {
        out.line(format!("warning: {}", escape_line(warning)))?;
    }
    out.line("the configuration is valid")
}

/// Refuses a date before this program was made, or long after: the account would be found to be older, or newer, than
/// everything else for ever.
pub(super) fn check_date() -> Result<(), Failure> {
    let date = clock::now().get();
    if (DATES.0..DATES.1).contains(&date) {
        return Ok(());
    }
    Err(Failure::failed(
        format!(
            "by the clock of this machine it is {}",
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(date))
        ),
        "set it, then try again",
    )
    .coded("clock_wrong"))
}

fn handle(text: &str) -> Result<Handle, Failure> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(64).collect();
        Failure::usage(
            format!("{shown:?} is not a handle: {error}"),
            "choose another one with --handle",
        )
        .coded("handle_wrong")
    })
}

/// Makes the account's part of a home.
fn create_account(
    home: &Home,
    phrase: &RecoveryPhrase,
    handle: &Handle,
    passphrase: &Passphrase,
) -> Result<IdInfo, Failure> {
    Ok(person::create(
        home,
        phrase,
        handle,
        passphrase,
        &Costs::production(),
    )?)
}
