//! Writes a page with every kind of plot, from made-up figures that look like those of a run.
//!
//! `cargo run -p restante-sim-pictures --example page -- OUT.html`

mod faults;
mod figures;
mod sample;

use std::io;

fn main() -> io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err(io::Error::other("name the file to write: page -- OUT.html"));
    };
    std::fs::write(path, sample::page().html())
}
