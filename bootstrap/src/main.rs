//! The binary `restante-bootstrap`: the entry point of a community, and a keeper.
//!
//! It is a node without a person: no account, no pass phrase, nothing to send. The commands that show how a node is
//! doing are those of `restante`.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use restante::cli::args::{LookCommand, RunArgs};
use restante::cli::detach::detach;
use restante::cli::host::{host, runtime, start_logging};
use restante::cli::remembered::Kept;
use restante::cli::{Exit, Failure, Program, invite, look, remembered, show_configuration, usage};
use restante::config::Config;
use restante::home::{COMMUNITY_FOLDER, Home, HomeError, HomeKind};
use restante::net::check_free;
use restante::node::{NodeError, server};

/// Lets a community's nodes find each other, and keeps sealed items for strangers.
#[derive(Debug, Parser)]
#[command(
    name = "restante-bootstrap",
    version,
    after_help = "Example:\n  \
        restante-bootstrap --home /srv/restante run --external /ip4/1.2.3.4/udp/4717/quic-v1\n  \
        restante-bootstrap --home /srv/restante status\n\n\
        1.2.3.4 stands for the machine's own public address.\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
struct Arguments {
    /// The home folder, made when it is missing [env: RESTANTE_HOME] [default:
    /// ~/.restante-bootstrap].
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server in the foreground.
    #[command(after_help = "Example:\n  \
        restante-bootstrap run --external /ip4/1.2.3.4/udp/4717/quic-v1\n  \
        restante-bootstrap run --profile lan --network family   # on a LAN or VPN of your own\n\n\
        It listens at port 4717, UDP and TCP, gives 20 GiB to other people's items unless told\n\
        otherwise, and prints where others join through it. 1.2.3.4 stands for the machine's own\n\
        public address; others try it, and it counts no longer if they cannot reach it. A setting\n\
        comes from its flag, else RESTANTE_<NAME>, else config.toml in the home folder, else its\n\
        default. The flags of the first run, which makes the home, are written into config.toml\n\
        there and count at every start. What --bootstrap names is remembered in entry-points.toml:\n\
        delete that file to forget it.\n\
        With --json: process, network, invite.")]
    Run(RunArgs),
    /// What can be asked about any node.
    #[command(flatten)]
    Look(LookCommand),
}

/// Returns the definition of the command line; the examples of the commands that `restante` has too name this program.
fn definition() -> clap::Command {
    let own = Arguments::command().get_name().to_owned();
    Arguments::command().mut_subcommands(|command| {
        let help = command.get_after_help().map(ToString::to_string);
        match help {
            Some(help) if !help.contains(&own) => {
                command.after_help(help.replace("restante", &own))
            }
            _ => command,
        }
    })
}

fn main() -> ExitCode {
    Program::Bootstrap.begin();
    restante::engine_panic::silence_caught_panics();
    let matches = definition().try_get_matches();
    let arguments = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    let Arguments { home, command } = match arguments {
        Ok(arguments) => arguments,
        Err(error) => {
            return usage(&error).into();
        }
    };
    let done = match command {
        Command::Run(args) => run(home.as_deref(), &args),
        Command::Look(command) => look(home.as_deref(), &command, definition()),
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

/// Runs the server until it is told to stop.
fn run(home: Option<&Path>, args: &RunArgs) -> Result<(), Failure> {
    let path = Home::locate(home, COMMUNITY_FOLDER)?;
    let defaults = Config::community();
    let loaded = remembered::load(&path, &defaults, args.settings.to_raw())?;
    if args.print_config || args.check {
        return show_configuration(&loaded, args);
    }
    if args.detach {
        let (home, is_new) = open_or_create(&path, &loaded.config, args)?;
        drop(home.lock()?);
        remembered::remember(&home, &defaults, &loaded)?;
        let process = detach(&home, None).inspect_err(|_| forget(&home, is_new))?;
        return invite::announce_now(&home, &loaded.config, process, args.json);
    }
    start_logging(&loaded)?;
    let (home, is_new) = open_or_create(&path, &loaded.config, args)?;
    let lock = home.lock()?;
    remembered::remember(&home, &defaults, &loaded)?;
    runtime()?.block_on(host(&lock, |calls, _events, stop| async {
        let (asked, config, json) = (home.clone(), loaded.config.clone(), args.json);
        let saying = tokio::spawn(async move {
            // That nobody reads it does not end the server.
            let _closed = invite::announce(&asked, &config, process::id(), json).await;
        });
        let ran = server::run(lock.home(), loaded.config, calls, stop).await;
        saying.abort();
        ran.inspect_err(|error| forget(&home, is_new && matches!(error, NodeError::Net(_))))
            .map_err(Failure::from)
    }))
}

/// Opens the home, or makes it: the settings given then count at every start.
///
/// Tells whether it was made with settings.
fn open_or_create(path: &Path, config: &Config, args: &RunArgs) -> Result<(Home, bool), Failure> {
    match Home::open(path) {
        Ok(home) => {
            home.expect_kind(HomeKind::Community)?;
            Ok((home, false))
        }
        Err(HomeError::Incomplete { .. }) => Ok((Home::restore_community(path)?, false)),
        Err(HomeError::Missing(_)) => {
            // Settings that cannot work are not kept.
            check_free(&config.listen).map_err(NodeError::from)?;
            let kept = Kept::of(args.settings.to_raw());
            // What was written there before counts.
            let is_configured = path.join("config.toml").exists();
            let fill = |staging: &Home| create(staging, (!is_configured).then_some(&kept));
            let (home, ()) = Home::create(path, fill)?;
            let is_new = kept.has_settings() && !is_configured;
            if is_new {
                remembered::note_kept(&home);
            }
            Ok((home, is_new))
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes back the settings of a first run that could not run with them.
fn forget(home: &Home, is_new: bool) {
    if is_new {
        // They are told at the next start otherwise.
        let _kept = std::fs::remove_file(home.config_file());
    }
}

/// Writes what a community server's home begins with.
fn create(staging: &Home, kept: Option<&Kept>) -> Result<(), Failure> {
    if let Some(kept) = kept {
        kept.write(staging)?;
    }
    staging.mark_community()?;
    Ok(server::create_key(&staging.node_key_file())?)
}
