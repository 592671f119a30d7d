//! `restante-sim`: runs the protocol in virtual time, replayable by seed.

use std::process::ExitCode;

/// A run of thousands of nodes is one thread that allocates a lot, and asks for much more than it uses.
#[global_allocator]
static HEAP: restante_sim_heap::Heap = restante_sim_heap::Heap;

fn main() -> ExitCode {
    restante_sim::cli::main()
}
