//! The commands of `restante`: what a person types, and what they read.
//!
//! Each command checks what it can before it speaks to the node, says in one line what is wrong and
//! what to do, and ends with 0 (done), 1 (failed) or 2 (wrong usage or configuration).

pub mod args;
mod check;
mod completions;
mod contact;
pub mod detach;
mod doctor;
mod failure;
mod hints;
mod holdings;
pub mod host;
mod identity;
mod inbox;
mod node_failure;
mod output;
mod run;
mod send;
mod session;
pub mod settings;
mod status;
mod stop;
pub mod terminal;
mod words;

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, DemoArgs};
use output::Output;
use session::Session;

pub use failure::{Exit, Failure};

use crate::engine_panic;

/// Says what clap has to say: help on standard output, complaints on standard error, with what was typed made safe for
/// a terminal. A closed pipe is no reason to complain.
pub fn usage(error: &clap::Error) -> Exit {
    let text = terminal::escape(&error.render().to_string());
    if error.use_stderr() {
        let _closed = io::stderr().write_all(text.as_bytes());
        return Exit::Usage;
    }
    let _closed = io::stdout().write_all(text.as_bytes());
    Exit::Done
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
        Err(failure) => failure.report("restante"),
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
        Command::Contact(args) => contact::contact(&common, &args.command, &mut out),
        Command::Status(args) => status::status(&open()?, &args, &mut out),
        Command::Doctor(args) => doctor::doctor(&open()?, &args, &mut out),
        Command::Holdings(args) => holdings::holdings(&open()?, &args, &mut out),
        Command::Stop => stop::stop(&open()?, &mut out),
        Command::Completions(args) => completions::completions(&args, &mut out),
    }?;
    out.flush()
}
