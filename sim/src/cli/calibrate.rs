//! `restante-sim calibrate`.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use super::source::load;
use super::{Failure, closed, unwritten};
use crate::calibration::{Calibration, Ground, Plan, SCENARIO, calibrate, page, shown};

/// Programs that are run for real.
const PROGRAMS: [&str; 2] = ["restante", "restante-bootstrap"];

#[derive(Debug, clap::Args)]
pub(super) struct CalibrateArgs {
    /// How many runs on whole nodes and on the model, each with another seed.
    #[arg(long, value_name = "N", default_value = "10")]
    seeds: NonZero<u64>,
    /// How many runs on real processes.
    #[arg(long, value_name = "N", default_value = "3")]
    batches: NonZero<u64>,
    /// Where to write what was found out as JSON; - is standard output.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Where to write a page of pictures that stands alone.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Where the programs restante and restante-bootstrap lie; beside this program if it is not said.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
}

/// Runs one scenario on whole nodes, on the model and on real processes, and compares.
pub(super) fn compare(out: &mut impl Write, args: &CalibrateArgs) -> Result<(), Failure> {
    let plan = Plan {
        seeds: args.seeds,
        batches: args.batches,
        programs: programs(args.bin_dir.as_deref())?,
    };
    let source = load(SCENARIO, &[])?;
    let found = calibrate(&source.scenario, &plan, &far);
    let found = found.map_err(|error| Failure::Failed(format!("calibrate: {error}")))?;
    let piped = args.json.as_deref() == Some(Path::new("-"));
    if let Some(path) = &args.json {
        let json = serde_json::to_string(&found)
            .map_err(|error| Failure::Failed(format!("the report cannot be written: {error}")))?;
        if piped {
            writeln!(out, "{json}").map_err(closed)?;
        } else {
            fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
        }
    }
    if let Some(path) = &args.html {
        let (seeds, batches) = (args.seeds, args.batches);
        let command = format!("restante-sim calibrate --seeds {seeds} --batches {batches}");
        let html = page(&found, source.text, command).html();
        fs::write(path, html).map_err(|error| unwritten(path, &error))?;
    }
    if piped {
        return Ok(());
    }
    tell(out, &found).map_err(closed)
}

/// Finds the folder with the programs.
fn programs(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let own = env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let folder = given.or(beside).unwrap_or_else(|| Path::new("."));
    match PROGRAMS.iter().find(|name| !folder.join(name).is_file()) {
        None => Ok(folder.to_owned()),
        Some(name) => Err(Failure::Usage(format!(
            "there is no program {name} in {}; build it with `cargo build --workspace --bins`, or say --bin-dir",
            folder.display()
        ))),
    }
}

/// Tells a person at a terminal which run begins.
fn far(ground: Ground, number: u64, of: u64) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _closed = write!(stderr, "\r{}: {number} of {of}          ", ground.name());
    }
}

fn tell(out: &mut impl Write, found: &Calibration) -> io::Result<()> {
    let [processes, full, model] = found.messages;
    writeln!(
        out,
        "{SCENARIO}: {} runs on real processes ({processes} messages compared), {} on the full tier ({full}) and on \
         the model ({model})",
        found.batches, found.seeds
    )?;
    let [one, two, three] = Ground::ALL.map(Ground::name);
    writeln!(out, "  {:<27} {one:>28} {two:>28} {three:>28}", "")?;
    for row in &found.rows {
        let cell = |estimate: Option<crate::statistics::Estimate>| match estimate {
            None => "does not say".to_owned(),
            Some(found) => {
                let [value, low, high] =
                    [found.value, found.low, found.high].map(|one| shown(row.measure, one));
                format!("{value} ({low} to {high})")
            }
        };
        let [one, two, three] = row.estimates().map(cell);
        writeln!(
            out,
            "  {:<27} {one:>28} {two:>28} {three:>28}",
            row.figure.name()
        )?;
    }
    let differences = found.rows.iter().flat_map(|row| row.differences.iter());
    let mut agree = true;
    for difference in differences {
        agree = false;
        writeln!(out, "  differs: {difference}")?;
    }
    if agree {
        writeln!(out, "  no two differ by more than their error bars")?;
    }
    for note in &found.notes {
        writeln!(out, "  note: {note}")?;
    }
    Ok(())
}
