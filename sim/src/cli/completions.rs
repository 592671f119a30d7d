//! `restante-sim completions`.

use std::io::Write;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{generate, shells};

use super::{Arguments, Failure, closed};

/// What the completed command is called.
const NAME: &str = "restante-sim";

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    /// GNU Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Z shell.
    Zsh,
}

/// Prints a completion script.
pub(super) fn completions(out: &mut impl Write, args: CompletionsArgs) -> Result<(), Failure> {
    let mut command = Arguments::command();
    let mut script = Vec::new();
    match args.shell {
        Shell::Bash => generate(shells::Bash, &mut command, NAME, &mut script),
        Shell::Elvish => generate(shells::Elvish, &mut command, NAME, &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, NAME, &mut script),
        Shell::Powershell => generate(shells::PowerShell, &mut command, NAME, &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, NAME, &mut script),
    }
    out.write_all(&script).map_err(closed)
}
