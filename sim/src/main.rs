//! `restante-sim`: runs the protocol in virtual time, replayable by seed.

use std::process::ExitCode;

/// A run of thousands of nodes is one thread that allocates a lot: with the system's allocator it takes a quarter more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    restante_sim::cli::main()
}
