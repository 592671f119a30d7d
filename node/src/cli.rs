//! The commands of `restante`: what a person types, and what they read.
//!
//! Each command checks what it can before it speaks to the node, says in one line what is wrong and
//! what to do, and ends with 0 (done), 1 (failed) or 2 (wrong usage or configuration).

mod about;
pub mod args;
mod backup;
mod chat;
mod check;
mod completions;
mod contact;
pub mod detach;
mod doctor;
mod failure;
mod hints;
mod history;
mod holdings;
pub mod host;
mod identity;
mod inbox;
pub mod invite;
mod node_failure;
mod output;
mod passphrase;
mod phrase;
mod program;
pub mod remembered;
mod run;
mod send;
mod session;
pub mod settings;
mod shred;
mod status;
mod stop;
pub mod terminal;
mod words;

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use args::{Arguments, Command, DemoArgs, LookCommand, RunArgs};
use output::Output;
use session::Session;

pub use failure::{Exit, Failure};
pub use program::Program;

use crate::config::Loaded;
use crate::engine_panic;

/// Says what clap has to say: help on standard output, complaints on standard error, with what was typed made safe for
/// a terminal. A closed pipe is no reason to complain.
pub fn usage(error: &clap::Error) -> Exit {
    let text = terminal::escape(&error.render().to_string());
    if !error.use_stderr() {
        let _closed = io::stdout().write_all(text.as_bytes());
        return Exit::Done;
    }
    if program::wants_json() {
        // What is wrong goes to the first empty line; how it is used follows.
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        let message = lines.join(" ").trim_start_matches("error: ").to_owned();
        let failure = Failure::usage(message, "see the same command with --help");
        failure.report();
        return Exit::Usage;
    }
    let _closed = io::stderr().write_all(text.as_bytes());
    Exit::Usage
}

/// Runs the command this process was started with and returns its exit code; `demo` is the command of that name.
pub fn main(demo: fn(&DemoArgs) -> Result<(), Failure>) -> ExitCode {
    engine_panic::silence_caught_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return usage(&error).into();
        }
    };
    match dispatch(arguments, demo) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

fn dispatch(
    arguments: Arguments,
    demo: fn(&DemoArgs) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    let mut out = Output::stdout();
    let open = || Session::open(common.home.as_deref());
    match command {
        Command::Demo(args) => demo(&args),
        Command::Init(args) => run::init(&common, &args, &mut out),
        Command::Run(args) => run::run(&common, &args, &mut out),
        Command::Id(args) => identity::id(&open()?, &args, &mut out),
        Command::Send(args) => send::send(&common, &args, &mut out),
        Command::Inbox(args) => inbox::inbox(&open()?, &args, &mut out),
        Command::Conversations(args) => history::conversations(&open()?, &args, &mut out),
        Command::Chat(args) => chat::chat(&open()?, &args, &mut out),
        Command::History(args) => history::history(&open()?, &args, &mut out),
        Command::React(args) => about::react(&open()?, &args, &mut out),
        Command::Edit(args) => send::edit(&common, &args, &mut out),
        Command::Recall(args) => about::recall(&open()?, &args, &mut out),
        Command::Delete(args) => about::delete(&open()?, &args, &mut out),
        Command::Contact(args) => contact::contact(&common, &args.command, &mut out),
        Command::Backup(args) => backup::back_up(&common, &args, &mut out),
        Command::Restore(args) => backup::restore(&common, &args, &mut out),
        Command::Shred(args) => shred::shred(&common, &args, &mut out),
        Command::Passphrase(args) => passphrase::change(&common, &args, &mut out),
        Command::Look(command) => {
            let definition = Arguments::command();
            return look(common.home.as_deref(), &command, definition);
        }
    }?;
    out.flush()
}

/// Writes the settings in force, or that they are valid, as the flags of `run` ask for.
///
/// # Errors
///
/// A failure when standard output cannot be written.
pub fn show_configuration(loaded: &Loaded, args: &RunArgs) -> Result<(), Failure> {
    let mut out = Output::stdout();
    run::show(loaded, args, &mut out)?;
    out.flush()
}

/// Carries out a command about whatever node runs on a home; `definition` is that of the program, for completions.
///
/// # Errors
///
/// What the command says.
pub fn look(
    home: Option<&Path>,
    command: &LookCommand,
    definition: clap::Command,
) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let open = || Session::open(home);
    match command {
        LookCommand::Status(args) => status::status(&open()?, args, &mut out),
        LookCommand::Doctor(args) => doctor::doctor(&open()?, args, &mut out),
        LookCommand::Holdings(args) => holdings::holdings(&open()?, args, &mut out),
        LookCommand::Stop(args) => stop::stop(&open()?, args, &mut out),
        LookCommand::Completions(args) => completions::completions(args, definition, &mut out),
    }?;
    out.flush()
}
