//! The command line: `run`, `list`, `soak`, `ci` and others.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, error::ErrorKind};

mod completions;
mod list;
mod memory;
mod power_cuts;
mod progress;
mod run;
mod shrink;
mod soak;
mod source;
mod stopwatch;
mod words;

use self::completions::{CompletionsArgs, completions};
use self::list::list;
use self::power_cuts::{PowerCutsArgs, power_cuts};
use self::run::{RunArgs, run_one};
use self::soak::{SoakArgs, ci, soak_all};

/// Runs Restante in virtual time, replayable by seed.
#[derive(Debug, Parser)]
#[command(
    name = "restante-sim",
    version,
    after_help = "Example:\n  \
        restante-sim run hello --seed 7\n  \
        restante-sim soak --seeds 200\n\n\
        Exit codes: 0 done, 1 a rule was broken, 2 wrong usage or scenario."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one scenario with one seed.
    #[command(after_help = "Example:\n  restante-sim run sim/scenarios/hello.toml --seed 7")]
    Run(RunArgs),
    /// Lists the scenarios that come with the simulator.
    List,
    /// Runs what decides whether a change lands: seeds that once failed, and a few of each scenario.
    Ci,
    /// Runs many seeds, after those that once failed, on all cores.
    #[command(after_help = "Example:\n  \
        restante-sim soak --seeds 200 --from 1000 lossy\n  \
        restante-sim soak --swarm --seeds 2000\n  \
        restante-sim soak --each --seeds 20 upkeep upkeep-thousand=1")]
    Soak(SoakArgs),
    /// Cuts the power under a keeper's store, on a simulated disk, and looks whether it keeps what it promised.
    #[command(after_help = "Example:\n  \
        restante-sim power-cuts --cuts 100000\n  \
        restante-sim power-cuts --skip-sync 3")]
    PowerCuts(PowerCutsArgs),
    /// Prints a completion script for a shell.
    #[command(after_help = "Example:\n  \
        restante-sim completions bash > ~/.local/share/bash-completion/completions/restante-sim")]
    Completions(CompletionsArgs),
}

/// Why a command did not end well.
enum Failure {
    /// A rule was broken, and that has been said.
    Broken,
    /// Something else failed.
    Failed(String),
    /// The command or the scenario is wrong.
    Usage(String),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _closed = error.print();
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return ExitCode::from(if asked { 0 } else { 2 });
        }
    };
    let mut out = BufWriter::new(io::stdout());
    let done = match arguments.command {
        Command::Run(run) => run_one(&mut out, &run),
        Command::List => list(&mut out),
        Command::Ci => ci(&mut out),
        Command::PowerCuts(args) => power_cuts(&mut out, &args),
        Command::Completions(args) => completions(&mut out, args),
        Command::Soak(args) => soak_all(&mut out, &args),
    };
    let done = done.and_then(|()| out.flush().map_err(closed));
    let _closed = out.flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Broken) => ExitCode::from(1),
        Err(Failure::Failed(text)) => complain(&text, 1),
        Err(Failure::Usage(text)) => complain(&text, 2),
    }
}

fn complain(text: &dyn Display, code: u8) -> ExitCode {
    let _closed = writeln!(io::stderr(), "{text}");
    ExitCode::from(code)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be written: {error}", path.display()))
}

/// A reader that has gone away, as `head` does, ends the command quietly.
fn closed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Failure::Broken;
    }
    Failure::Failed(format!("standard output cannot be written: {error}"))
}
