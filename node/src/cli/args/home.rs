//! Arguments of the commands about the home itself.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// The file to write.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// The file that `backup` has written.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `shred`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ShredArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `passphrase`.
#[derive(Debug, Clone, Default, Args)]
pub struct PassphraseArgs {
    /// A private file with the new pass phrase, rather than asking for it at the terminal.
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
