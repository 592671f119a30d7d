//! The binary `restante`.

mod demo;

use std::process::ExitCode;

fn main() -> ExitCode {
    restante::cli::main(demo::demo)
}
