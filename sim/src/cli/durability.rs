//! `restante-sim durability`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::stopwatch::Stopwatch;
use super::words::brief;
use super::{Failure, closed, complain, unwritten};
use crate::durability::{self, Asked, Durability, LIVES, REPAIRS};

#[derive(Debug, clap::Args)]
pub(super) struct DurabilityArgs {
    /// Mean lives of nodes, after which they are gone for good: 8h, 24h and 72h if there is none.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    life: Vec<Duration>,
    /// Times from a loss to the copy that makes up for it: 1m, 5m, 10m, 20m and 60m if there is none.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    repair: Vec<Duration>,
    /// How often neighbours compare what they hold, which brings a message to those the sender did not reach.
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = humantime::parse_duration)]
    compare: Duration,
    /// How long messages have to last.
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// Repairs only when fewer than so many hold a message; at once if it is not said.
    #[arg(long, value_name = "N")]
    below: Option<usize>,
    /// Messages of each batch of the simulations that check the figures; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    messages: usize,
    /// What the randomness of the simulations comes from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where to write a page of pictures that stands alone.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Prints them as Markdown.
    #[arg(long)]
    markdown: bool,
}

impl DurabilityArgs {
    fn asked(&self) -> Asked {
        let or = |given: &[Duration], usual: &[Duration]| match given {
            [] => usual.to_vec(),
            given => given.to_vec(),
        };
        Asked {
            lives: or(&self.life, &LIVES),
            repairs: or(&self.repair, &REPAIRS),
            compare: self.compare,
            lasts: self.lasts,
            below: self.below,
            messages: self.messages,
            seed: self.seed,
        }
    }

    /// Returns the command that finds the same again.
    fn again(&self) -> String {
        let show = |time: Duration| {
            humantime::format_duration(time)
                .to_string()
                .replace(' ', "")
        };
        let mut again = "restante-sim durability".to_owned();
        for (name, times) in [("life", &self.life), ("repair", &self.repair)] {
            for time in times {
                again += &format!(" --{name} {}", show(*time));
            }
        }
        again += &format!(
            " --compare {} --lasts {} --messages {} --seed {}",
            show(self.compare),
            show(self.lasts),
            self.messages,
            self.seed
        );
        if let Some(below) = self.below {
            again += &format!(" --below {below}");
        }
        again
    }
}

/// Says how likely a message is lost, by copies, life of nodes and time of repair.
pub(super) fn durability(out: &mut impl Write, args: &DurabilityArgs) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let answer = args.asked().answer();
    let found = answer.map_err(|fault| Failure::Usage(fault.to_string()))?;
    let took = brief(watch.elapsed());
    if args.markdown {
        write!(out, "{}", durability::markdown(&found)).map_err(closed)?;
    } else {
        writeln!(out, "{}computed in {took}", durability::plain(&found)).map_err(closed)?;
    }
    out.flush().map_err(closed)?;
    save(args, &found)?;
    let wrong: Vec<_> = found
        .checks
        .iter()
        .filter(|check| !check.agrees())
        .collect();
    for check in &wrong {
        complain(
            &format!("simulations contradict what was computed: {check:?}"),
            1,
        );
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::Broken)
    }
}

fn save(args: &DurabilityArgs, found: &Durability) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        let json = serde_json::to_string(found)
            .map_err(|error| Failure::Failed(format!("the figures cannot be written: {error}")))?;
        fs::write(path, json + "\n").map_err(|error| unwritten(path, &error))?;
    }
    if let Some(path) = &args.html {
        let page = durability::page(found, args.seed, args.again());
        fs::write(path, page.html()).map_err(|error| unwritten(path, &error))?;
    }
    Ok(())
}
