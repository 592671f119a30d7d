//! `restante-sim`: runs the protocol in virtual time, replayable by seed.

use std::process::ExitCode;

fn main() -> ExitCode {
    restante_sim::cli::main()
}
