//! The binary `restante`.

use std::process::ExitCode;

fn main() -> ExitCode {
    restante::cli::main()
}
