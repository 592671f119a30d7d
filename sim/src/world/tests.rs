use super::simulate;
use crate::{
    report::{Outcome, Report},
    scenario::Scenario,
};

const BASE: &str = r#"about = "a test"
[population]
nodes = 9
people = 2
[time]
duration = "3m"
settle = "30m"
[workload]
messages = 2
from = "30s"
over = "1m"
bytes = [1, 100]
ttl = ["1d", "6d"]
pattern = "one-way"
"#;

fn run(more: &str, seed: u64) -> (Report, String) {
    let scenario = Scenario::parse("test.toml", &format!("{BASE}{more}")).unwrap();
    let mut lines = Vec::new();
    let report = simulate(&scenario, seed, Some(&mut lines)).unwrap();
    (report, String::from_utf8(lines).unwrap())
}

#[track_caller]
fn broken(more: &str) -> (&'static str, String) {
    match run(more, 1).0.outcome {
        Outcome::Violated(violation) => {
            let std::borrow::Cow::Borrowed(rule) = violation.rule else {
                panic!("a rule has no name of its own");
            };
            (rule, violation.what)
        }
        Outcome::Passed => panic!("nothing was broken"),
    }
}

#[test]
fn the_hash_is_that_of_the_lines_and_a_seed_decides_both() {
    let (report, lines) = run("", 1);
    assert!(report.passed());
    assert_eq!(
        report.trace_hash,
        blake3::hash(lines.as_bytes()).to_hex().as_str()
    );
    assert_eq!(report.trace_lines, lines.lines().count() as u64);
    assert_eq!(run("", 1), (report.clone(), lines));
    assert_ne!(run("", 2).0.trace_hash, report.trace_hash);
}

#[test]
fn messages_pass_and_their_senders_hear_of_it() {
    let (report, lines) = run("", 3);
    let counts = &report.counts;
    assert_eq!((counts.written, counts.shown, counts.delivered), (2, 2, 2));
    assert_eq!(lines.matches(" is shown ").count(), 2);
    assert!(report.settled_after_ms.is_some());
}

#[test]
fn a_fault_that_changes_nothing_breaks_the_run() {
    let nobody = "[[fault]]\nkind = \"kill\"\nat = \"1s\"\ntarget = \"holders\"\n";
    let kill = (
        "fault-without-effect",
        "kill (fault 1) changed nothing".to_owned(),
    );
    assert_eq!(broken(nobody), kill);
    let unmissed = "[[away]]\nwho = \"senders\"\nfrom = \"2m30s\"\n";
    let away = (
        "fault-without-effect",
        "senders away (away 1) changed nothing".to_owned(),
    );
    assert_eq!(broken(unmissed), away);
}

#[test]
fn a_message_lost_with_all_its_keepers_and_its_sender_is_not_held_against_them() {
    // More than the fault budget: three of the five may not be lost at once.
    let more = "[[away]]\nwho = \"recipients\"\nfrom = \"20s\"\nlasts = \"2m\"\n\
                [[away]]\nwho = \"senders\"\nfrom = \"1m40s\"\n\
                [[fault]]\nkind = \"kill\"\nat = \"2m15s\"\ntarget = \"holders\"\ncount = 5\n";
    let (report, _) = run(more, 5);
    assert!(report.passed(), "{:?}", report.outcome);
    assert!(
        report.counts.shown < report.counts.stored,
        "{:?}",
        report.counts
    );
}

#[test]
fn what_a_scenario_expects_decides() {
    let (rule, what) = broken("[expect]\nshown_min = 3\n");
    assert_eq!(
        (rule, &*what),
        ("expectation", "`shown` is 2, expected was at least 3")
    );
}
