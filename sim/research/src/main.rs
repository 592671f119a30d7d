//! `restante-sim-research`: figures that parameters of the protocol rest on.

use std::env;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};

mod deliveries;
mod durability;
mod model;
mod random;
mod statistics;
mod telling;

use self::model::Options;

/// Computes and measures what parameters of the protocol rest on. All tables are Markdown.
#[derive(Debug, Parser)]
#[command(name = "restante-sim-research", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A million nodes that come and go for a month: what becomes of 200,000 messages, and what it takes.
    Million(ModelArgs),
    /// Ten thousand nodes, one in ten dead: how long people wait, beside the least possible.
    Latency(ModelArgs),
    /// How likely all copies of a message are lost, and how long repair may take.
    Durability(DurabilityArgs),
    /// What becomes of messages to people who are away for an hour, a day, five days, on whole nodes.
    Deliveries(DeliveriesArgs),
}

#[derive(Debug, clap::Args)]
struct ModelArgs {
    /// Nodes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    nodes: Option<u32>,
    /// Messages.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    messages: Option<u32>,
    /// What all randomness comes from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct DurabilityArgs {
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
}

#[derive(Debug, clap::Args)]
struct DeliveriesArgs {
    /// How many seeds each row is run with.
    #[arg(long, value_name = "N", default_value_t = 20)]
    seeds: u64,
    /// How many seeds the last row is run with.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds_last: u64,
    /// Absences of the recipients, a row each: 1h, 1d and 5d if there is none.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    away: Vec<Duration>,
    /// How many runs at once; one on each core if it is not said.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// The program restante-sim, if it does not lie beside this one.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    match run(&mut out, &Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what is asked and tells whether nothing is wrong with what came out.
fn run(out: &mut impl Write, command: &Command) -> Result<bool, Box<dyn std::error::Error>> {
    match command {
        Command::Million(args) => model(out, args, Options::million()),
        Command::Latency(args) => model(out, args, Options::latency()),
        Command::Durability(args) => durability(out, args),
        Command::Deliveries(args) => deliveries(out, args),
    }
}

fn model(
    out: &mut impl Write,
    args: &ModelArgs,
    preset: Options,
) -> Result<bool, Box<dyn std::error::Error>> {
    let options = Options {
        nodes: args.nodes.unwrap_or(preset.nodes),
        messages: args.messages.unwrap_or(preset.messages),
        ..preset
    };
    let found = model::run(&options, args.seed, &mut telling::progress)?;
    telling::report(out, &found)?;
    Ok(found.messages.twice == 0)
}

fn durability(
    out: &mut impl Write,
    args: &DurabilityArgs,
) -> Result<bool, Box<dyn std::error::Error>> {
    let or = |given: &[Duration], usual: &[Duration]| match given {
        [] => usual.to_vec(),
        given => given.to_vec(),
    };
    let asked = durability::Asked {
        lives: or(&args.life, &durability::LIVES),
        repairs: or(&args.repair, &durability::REPAIRS),
        compare: args.compare,
        lasts: args.lasts,
        below: args.below,
        messages: args.messages,
        seed: args.seed,
    };
    let found = asked.answer()?;
    write!(out, "{}", durability::markdown(&found))?;
    let wrong = found.checks.iter().filter(|check| !check.agrees());
    for check in wrong.clone() {
        writeln!(out, "simulations contradict what was computed: {check:?}")?;
    }
    Ok(wrong.count() == 0)
}

fn deliveries(
    out: &mut impl Write,
    args: &DeliveriesArgs,
) -> Result<bool, Box<dyn std::error::Error>> {
    let away = match &args.away[..] {
        [] => &deliveries::ROWS[..],
        given => given,
    };
    let mut rows: Vec<(Duration, u64)> = away.iter().map(|away| (*away, args.seeds)).collect();
    if let Some((_, seeds)) = rows.last_mut() {
        *seeds = args.seeds_last;
    }
    let plan = deliveries::Plan {
        program: match &args.program {
            Some(program) => program.clone(),
            None => env::current_exe()?.with_file_name("restante-sim"),
        },
        rows,
        jobs: match args.jobs {
            Some(jobs) => jobs,
            None => thread::available_parallelism()?,
        },
    };
    let rows = plan.table()?;
    write!(out, "{}", deliveries::markdown(&rows))?;
    let broken = rows.iter().flat_map(|row| &row.broken);
    for (seed, rule) in broken.clone() {
        writeln!(out, "seed {seed} broke a rule: {rule}")?;
    }
    Ok(broken.count() == 0)
}
