//! The binary `restante-bootstrap`: the entry point of a community, and a keeper.
//!
//! It is a node without a person: no account, no pass phrase, nothing to send. The commands of
//! `restante` that show how a node is doing work on its home as well.

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use restante::cli::args::RunArgs;
use restante::cli::detach::detach;
use restante::cli::host::{host, runtime, start_logging};
use restante::cli::{Exit, Failure, usage};
use restante::config::{Config, Loaded};
use restante::home::{COMMUNITY_FOLDER, Home, HomeError, HomeKind};
use restante::node::server;

/// Lets a community's nodes find each other, and keeps sealed items for strangers.
#[derive(Debug, Parser)]
#[command(
    name = "restante-bootstrap",
    version,
    after_help = "Example:\n  \
        restante-bootstrap --home /srv/restante run --external /ip4/ADDRESS/udp/4717/quic-v1\n  \
        restante --home /srv/restante status\n\n\
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
        restante-bootstrap run --external /ip4/ADDRESS/udp/4717/quic-v1\n\n\
        It listens at port 4717, UDP and TCP, and gives 20 GiB to other people's items, unless\n\
        told otherwise. A setting comes from its flag, else RESTANTE_<NAME>, else config.toml in\n\
        the home folder, else its default.")]
    Run(RunArgs),
}

fn main() -> ExitCode {
    restante::engine_panic::silence_caught_panics();
    let Arguments { home, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return usage(&error).into();
        }
    };
    let Command::Run(args) = command;
    match run(home.as_deref(), &args) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report("restante-bootstrap"),
    }
}

/// Runs the server until it is told to stop.
fn run(home: Option<&Path>, args: &RunArgs) -> Result<(), Failure> {
    let path = Home::locate(home, COMMUNITY_FOLDER)?;
    let file = path.join("config.toml");
    let loaded = Loaded::load(&Config::community(), &file, args.settings.to_raw())?;
    if args.print_config || args.check {
        return show(&loaded, args.print_config);
    }
    if args.detach {
        let home = open_or_create(&path)?;
        drop(home.lock()?);
        let process = detach(&home, None)?;
        return say(&format!("the server runs as process {process}\n"));
    }
    start_logging(&loaded)?;
    let home = open_or_create(&path)?;
    let lock = home.lock()?;
    runtime()?.block_on(host(&lock, |calls, stop| async {
        server::run(lock.home(), loaded.config, calls, stop).await?;
        Ok(())
    }))
}

/// Writes the configuration, or only that it is valid, to standard output.
fn show(loaded: &Loaded, all: bool) -> Result<(), Failure> {
    let text = if all {
        loaded.to_toml()
    } else {
        "the configuration is valid\n".to_owned()
    };
    say(&text)
}

fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::failed(
            format!("cannot write to standard output: {error}"),
            "check where it goes",
        )),
        _ => Ok(()),
    }
}

fn open_or_create(path: &Path) -> Result<Home, Failure> {
    match Home::open(path) {
        Ok(home) => {
            home.expect_kind(HomeKind::Community)?;
            Ok(home)
        }
        Err(HomeError::Missing(_)) => Ok(Home::create(path, create)?.0),
        Err(error) => Err(error.into()),
    }
}

/// Writes what a community server's home begins with.
fn create(staging: &Home) -> Result<(), Failure> {
    let path = staging.community_file();
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    made.map_err(|error| {
        Failure::failed(
            format!("cannot create {}: {error}", path.display()),
            "check the disk",
        )
    })?;
    Ok(server::create_key(&staging.node_key_file())?)
}
