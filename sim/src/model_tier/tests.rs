use restante::client::WORDS_GATHER_MS;
use restante::net::limits::{HANDSHAKE_TIMEOUT, LOOKUP_NODES_MIN, REFRESH_NEAR_MAX};
use restante_proto::limits::{FOUND_NODES_MAX, MESSAGE_TTL_DEFAULT_MS, REPLICAS};
use restante_sim_model::{Options, Recipients, Routing, Senders, Span};

use super::{missing, options, simulate};
use crate::report::{Outcome, Report, Tier};
use crate::scenario::Scenario;

/// Small enough for a test, with all that a model has.
const SMALL: &str = r#"about = "a test"
tier = "model"
[population]
nodes = 2_000
people = 2
churn = "ipfs"
regions = "world"
[time]
duration = "4d"
settle = "6d"
[workload]
messages = 300
from = "1h"
over = "3d"
bytes = [1, 400]
ttl = ["6d", "6d"]
pattern = "everybody"
[model]
senders = { here = "2h", away = "10h" }
recipients = { away = ["1h", "5d"], here = "1h" }
repair = { after = ["1m", "3m"], every = "6h", below = 4, copies = 5 }
dead = 0.01
life = "60d"
[expect]
written = 300
stored_min = 290
"#;

fn run(text: &str, seed: u64) -> Report {
    let scenario = Scenario::parse("small.toml", text).unwrap();
    simulate(&scenario, seed, None, &|_| ()).unwrap()
}

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

#[test]
fn the_model_goes_by_the_nodes_numbers() {
    let routing = Routing::default();
    assert_eq!(routing.bucket, FOUND_NODES_MAX);
    assert_eq!(routing.wanted, LOOKUP_NODES_MIN);
    // A node that has gone costs a handshake.
    assert_eq!(routing.timeout_ms, ms(HANDSHAKE_TIMEOUT));
    // Neighbours look for each other so often: on average half of it passes until one is missed.
    assert_eq!(routing.stale_ms, ms(REFRESH_NEAR_MAX) / 2);
    let options = Options::default();
    assert_eq!(options.copies, REPLICAS);
    assert_eq!(options.receipts, None, "the protocol's own rule");
    assert_eq!(options.word_ms, WORDS_GATHER_MS);
    assert_eq!(options.ttl, Span::Fixed(MESSAGE_TTL_DEFAULT_MS));
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    let first = run(SMALL, 1);
    assert_eq!(first, run(SMALL, 1));
    assert_ne!(first.trace_hash, run(SMALL, 2).trace_hash);
    assert_eq!(
        (first.tier, first.outcome.clone()),
        (Tier::Model, Outcome::Passed)
    );
    assert_eq!(first.counts.written, 300);
    assert!(first.counts.shown > 200 && first.counts.delivered <= first.counts.shown);
    assert!(first.trace_lines > 4 * first.counts.delivered);
    let json = serde_json::to_string(&first).unwrap();
    let back: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(back.trace_hash, first.trace_hash);
    let page = crate::page::page(&first, SMALL.to_owned(), "again".to_owned()).html();
    assert!(page.contains("Is the work spread over the keepers?"));
}

#[test]
fn an_expectation_that_is_missed_fails_the_run() {
    let report = run(&SMALL.replace("stored_min = 290", "expired = 299"), 1);
    let Outcome::Violated(violation) = report.outcome else {
        panic!("{:?}", report.counts);
    };
    assert_eq!(violation.rule, "expectation");
}

#[test]
fn what_the_model_does_not_have_is_named() {
    let with =
        |more: &str| Scenario::parse("small.toml", &SMALL.replace("[expect]", more)).unwrap();
    let small = with("[expect]");
    assert_eq!(missing(&small), None);
    assert_eq!(small.missing_on(Tier::Full), Some("[model]"));
    let crash = "[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"30s\"\n[expect]";
    assert_eq!(missing(&with(crash)), Some("faults"));
    let loss = "[network]\nloss = 0.1\n[expect]";
    assert_eq!(missing(&with(loss)), Some("loss"));
    let away = "[[away]]\nwho = \"recipients\"\nfrom = \"5m\"\nlasts = \"1h\"\n[expect]";
    assert_eq!(
        missing(&with(away)),
        Some("absence beside `model.recipients`")
    );
    let hello = Scenario::shipped("hello").unwrap().unwrap();
    assert_eq!(hello.missing_on(Tier::Model), None);
}

#[test]
fn a_scenario_becomes_options() {
    let small = options::of(&Scenario::parse("small.toml", SMALL).unwrap()).unwrap();
    assert_eq!((small.nodes, small.messages), (1_998, 300));
    assert!(matches!(small.senders, Senders::Sometimes { .. }));
    assert!(matches!(small.recipients, Recipients::Sometimes { .. }));
    assert_eq!(small.sizes[1..], [0, 0]);
    assert_eq!(
        small.repair.and_then(|repair| repair.after),
        Some(Span::Uniform(60_000, 180_000))
    );
    assert_eq!(small.mean_life_ms, Some(60 * 86_400_000));
    let million = Scenario::shipped("million").unwrap().unwrap();
    assert!(million.heavy && million.missing_on(Tier::Model).is_none());
    let million = options::of(&million).unwrap();
    let preset = Options::million();
    assert_eq!(million.duration_ms, preset.duration_ms);
    assert_eq!(
        (million.senders, million.recipients),
        (preset.senders, preset.recipients)
    );
    assert!(1_000_000 - million.nodes <= 2);
}
