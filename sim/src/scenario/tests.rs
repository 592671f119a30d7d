use std::path::Path;

use proptest::prelude::*;
use restante_sim_network::Nat;
use restante_sim_population::{self as population, Link};

use super::{Churn, Ends, FaultKind, Group, Kind, Ms, Quantity, SHIPPED, Scenario, Side, Target};
use crate::report::Tier;
use crate::swarm;

mod mistakes;

/// Four lines to begin with, and then whatever a test adds.
const BASE: &str = r#"about = "a test"
population = { nodes = 20, people = 4 }
time = { duration = "10m", settle = "30m" }
workload = { messages = 2, from = "1m", over = "5m", bytes = [1, 9], ttl = ["1d", "6d"], pattern = "everybody" }
"#;

fn read(added: &str) -> Result<Scenario, String> {
    let text = format!("{BASE}{added}\n");
    Scenario::parse("t", &text).map_err(|error| error.to_string())
}

fn set(overrides: &[&str]) -> Result<Scenario, String> {
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    let text = format!("{BASE}[[away]]\nwho = \"recipients\"\nfrom = \"1m\"\nlasts = \"2m\"\n");
    Scenario::parse_with("t", &text, None, &overrides).map_err(|error| error.to_string())
}

#[test]
fn every_shipped_scenario_is_valid() {
    for (name, _) in SHIPPED {
        let scenario = Scenario::shipped(name).unwrap().unwrap();
        assert!(!scenario.about.is_empty(), "{name}");
    }
    assert!(Scenario::shipped("no-such").is_none());
}

fn written_and_read(scenario: &Scenario) -> Scenario {
    let text = scenario.to_toml();
    let read = Scenario::parse(&scenario.name, &text);
    read.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn every_shipped_scenario_is_the_same_written_and_read_again() {
    for (name, _) in SHIPPED {
        let scenario = Scenario::shipped(name).unwrap().unwrap();
        assert_eq!(written_and_read(&scenario), scenario, "{name}");
    }
}

proptest! {
    #[test]
    fn a_drawn_scenario_is_the_same_written_and_read_again(seed: u64) {
        let text = swarm::draw(seed, None).to_string();
        let scenario = Scenario::parse("drawn", &text).unwrap();
        prop_assert_eq!(written_and_read(&scenario), scenario);
    }
}

#[test]
fn what_a_fault_does_not_say_is_as_usual() {
    let scenario = read("[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"30s\"").unwrap();
    let [fault] = &scenario.faults[..] else {
        panic!("{:?}", scenario.faults);
    };
    assert_eq!((fault.times, fault.every), (1, Ms(60_000)));
    let kind = FaultKind::Crash {
        target: Target::Any,
        count: 1,
        down: Ms(30_000),
    };
    assert_eq!(fault.kind, kind);
}

#[test]
fn the_fast_tier_refuses_what_it_does_not_have() {
    let fault = "[[fault]]\nat = \"5m\"\n";
    for (added, missing) in [
        (
            "kind = \"crash\"\ndown = \"30s\"\ntarget = \"people\"",
            None,
        ),
        ("kind = \"suspend\"\nlasts = \"1m\"", None),
        ("kind = \"disk\"\nlasts = \"1m\"\nwhat = \"full\"", None),
        ("kind = \"disk\"\nlasts = \"1m\"\nwhat = \"errors\"", None),
        (
            "kind = \"kill\"\n[[adversary]]\nkind = \"drop\"\nshare = 0.2",
            None,
        ),
        (
            "kind = \"disk\"\nlasts = \"1m\"\nwhat = \"slow\"",
            Some("disks that are slow, lie or rot"),
        ),
        (
            "kind = \"bootstrap-outage\"\nlasts = \"1m\"",
            Some("entry points"),
        ),
        (
            "kind = \"kill\"\n[[adversary]]\nkind = \"route\"\nshare = 0.2",
            Some("routing that could be lied about"),
        ),
    ] {
        let scenario = read(&format!("{fault}{added}")).unwrap();
        assert_eq!(scenario.missing_on(Tier::Full), None, "{added}");
        assert_eq!(scenario.missing_on(Tier::Fast), missing, "{added}");
    }
}

#[test]
fn a_class_is_what_its_kind_is_unless_it_says_otherwise() {
    let scenario = read(
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.5\n\
         [[class]]\nname = \"b\"\nkind = \"phone\"\nwho = \"recipients\"\ncount = 2\n\
         nat = \"cone\"\nlink = \"veilid\"\nends = \"stops\"\n\
         churn.exponential = { up = \"1h\", down = \"2h\" }\n",
    )
    .unwrap();
    let [home, phone] = &scenario.classes[..] else {
        panic!("{:?}", scenario.classes);
    };
    assert_eq!((home.kind, home.group()), (Kind::Home, Group::Keepers));
    assert_eq!((home.nat(), home.link()), (Nat::Cone, Link::HOME));
    assert_eq!((home.churn(), home.ends), (Churn::Diurnal, Ends::Crashes));
    assert_eq!((phone.nat(), phone.link()), (Nat::Cone, Link::VEILID));
    assert_eq!(
        (phone.group(), phone.ends),
        (Group::Recipients, Ends::Stops)
    );
    let stays = population::Churn::exponential(3_600_000, 7_200_000);
    assert_eq!(phone.churn().stays(), Ok(stays.unwrap()));
    assert_eq!(scenario.class_sizes(), [7, 2]);
}

/// Classes of 22 keepers, two of which are entry points, and 9 people.
#[track_caller]
fn check_sizes(classes: &[(&str, &str)], sizes: Result<&[usize], &str>) {
    let mut text = BASE.replace("nodes = 20, people = 4", "nodes = 31, people = 9");
    for (number, (who, amount)) in classes.iter().enumerate() {
        let class = "[[class]]\nkind = \"server\"\nname";
        text += &format!("{class} = \"c{number}\"\nwho = \"{who}\"\n{amount}\n");
    }
    let got = Scenario::parse("t", &text).map(|scenario| scenario.class_sizes());
    let wanted = sizes.map(<[usize]>::to_vec).map_err(str::to_owned);
    assert_eq!(got.map_err(|error| error.message), wanted);
}

#[test]
fn shares_that_make_one_make_everybody() {
    let (third, rest) = ("share = 0.333333", "share = 0.333334");
    let keepers = "keepers";
    check_sizes(
        &[(keepers, third), (keepers, third), (keepers, rest)],
        Ok(&[7, 6, 7]),
    );
    check_sizes(&[("recipients", "share = 1.0")], Ok(&[5]));
    check_sizes(&[("senders", "share = 0.5")], Ok(&[2]));
}

#[test]
fn no_machine_belongs_to_two_classes() {
    let all = "share = 1.0";
    check_sizes(&[("senders", all), ("people", "count = 5")], Ok(&[4, 5]));
    check_sizes(
        &[("senders", all), ("people", "count = 6")],
        Err("class \"c1\" takes 6 people, and only 5 are left"),
    );
    check_sizes(
        &[("people", "count = 6"), ("senders", all)],
        Err("class \"c1\" takes 4 senders, and only 3 are left"),
    );
    check_sizes(
        &[("keepers", "count = 21")],
        Err("class \"c0\" takes 21 keepers, and only 20 are left"),
    );
    check_sizes(
        &[("keepers", "count = 0")],
        Err("class \"c0\" is nobody: there are 20 keepers"),
    );
}

#[test]
fn regions_have_the_round_trips_that_were_typed() {
    let scenario = read(
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"8ms\", \"41ms\"]\n\
         [[region]]\nname = \"b\"\nshare = 0.5\nrtt = [\"41ms\", \"10ms\"]\n\
         [[class]]\nname = \"c\"\nkind = \"server\"\ncount = 1\nregion = \"b\"\n",
    );
    let regions = scenario.unwrap().regions().unwrap();
    let (a, b) = (regions.named("a").unwrap(), regions.named("b").unwrap());
    assert_eq!(regions.round_trip_ms(a, b), 41);
    assert_eq!(
        (regions.round_trip_ms(a, a), regions.round_trip_ms(b, b)),
        (8, 10)
    );
    let world = read("[[region]]\nname = \"africa\"\nshare = 1.0").unwrap();
    let world = world.regions().unwrap();
    assert!(world.share(world.named("africa").unwrap()) > 0.99);
}

#[test]
fn churn_is_read_from_a_file_beside_the_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/tests");
    let class = "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn";
    let text = format!("{BASE}{class} = {{ trace = {{ file = \"churn.csv\" }} }}\n");
    let scenario = Scenario::parse_with("t", &text, Some(&folder), &[]).unwrap();
    let Ok(population::Churn::Trace(trace)) = scenario.classes[0].churn().stays() else {
        panic!("{:?}", scenario.classes);
    };
    assert_eq!(trace.nodes(), 2);
    let text = text.replace("churn.csv", "none.csv");
    let error = Scenario::parse_with("t", &text, Some(&folder), &[]).unwrap_err();
    assert_eq!(error.place, "t:9:9");
    assert!(error.message.contains("none.csv cannot be read"), "{error}");
}

#[test]
fn expectations_are_limits_from_one_side_or_both() {
    let text = "[expect]\nlost = 0\nshown_min = 1\nshown_after_p99_max = \"2s\"\n";
    let bounds = read(text).unwrap().expect.bounds;
    let plain: Vec<_> = bounds
        .iter()
        .map(|bound| (bound.quantity, bound.side, bound.limit))
        .collect();
    assert_eq!(
        plain,
        [
            (Quantity::Lost, Side::Exactly, 0),
            (Quantity::ShownAfterP99, Side::Most, 2_000),
            (Quantity::Shown, Side::Least, 1),
        ]
    );
}

#[test]
fn a_run_ends_an_hour_after_the_last_thing_planned_unless_it_says_when() {
    let text = BASE.replace("duration = \"10m\", ", "");
    let read = |added: &str| Scenario::parse("t", &format!("{text}{added}\n")).unwrap();
    assert_eq!(read("").duration_ms(), 66 * 60_000);
    let away = "[[away]]\nwho = \"senders\"\nfrom = \"1h\"\nlasts = \"5d\"";
    assert_eq!(read(away).duration_ms(), (5 * 24 + 2) * 3_600_000);
    let crash =
        "[[fault]]\nkind = \"crash\"\nat = \"1h\"\ndown = \"50m\"\ntimes = 3\nevery = \"1h\"";
    assert_eq!(read(crash).duration_ms(), 4 * 3_600_000 + 50 * 60_000);
}

#[test]
fn keys_can_be_set_from_outside() {
    let scenario = set(&[
        "away.0.lasts=5m",
        "network.loss=0.25",
        "population={ nodes = 30, people = 6 }",
        "about=two words",
        "away.1.who=senders",
        "away.1.from=\"2m\"",
    ])
    .unwrap();
    assert_eq!(scenario.away[0].lasts, Some(Ms(300_000)));
    assert_eq!(scenario.network.loss.ppm(), 250_000);
    assert_eq!(
        (scenario.population.nodes, scenario.population.people),
        (30, 6)
    );
    assert_eq!(scenario.about, "two words");
    assert_eq!(scenario.away[1].from, Ms(120_000));
    assert_eq!(scenario.overrides.len(), 6);
    assert_eq!(set(&["about=1\nnodes=2"]).unwrap().about, "1\nnodes=2");
}

#[test]
fn a_class_can_be_named_in_a_path() {
    let text = format!("{BASE}[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n");
    let set = ["class.a.count=3".to_owned()];
    let error = Scenario::parse_with("t", &text, None, &set).unwrap_err();
    let said = "--set class.a.count=3: a class takes `share` or `count`, not both";
    assert_eq!(error.to_string(), said);
}

#[test]
fn a_wrong_override_is_named() {
    for (typed, said) in [
        ("loss", "this is not PATH=VALUE, such as network.loss=0.1"),
        ("=3", "this is not PATH=VALUE, such as network.loss=0.1"),
        ("network..loss=0", "the path has an empty key"),
        ("network.los=0.1", "unknown field `los`, expected one of"),
        (
            "network.loss=2.0",
            "2 is not a share from 0.0 to 1.0 in `network.loss`",
        ),
        (
            "network.loss=much",
            "invalid type: string \"much\", expected a share",
        ),
        ("away.0.lasts=5x", "\"5x\" is not a duration"),
        ("away.0.lasts=15m", "15m is not between 0s and 10m"),
        (
            "away.9.lasts=5m",
            "\"9\" is neither a place, from 0 to 1, nor the name of one of these",
        ),
        ("workload.bytes=[1, 0]", "0 is not between 1 and 61440"),
        (
            "about.x=1",
            "the path leads into a string, which has no keys",
        ),
    ] {
        let error = set(&["heavy=true", typed]).unwrap_err();
        let wanted = format!("--set {typed}: {said}");
        assert!(error.starts_with(&wanted), "{error}");
    }
    // What is wrong in the file is said of the file.
    let text = format!("{BASE}[disk]\nlatency = \"0s\"\n");
    let error = Scenario::parse_with("t", &text, None, &["heavy=true".to_owned()]).unwrap_err();
    assert!(
        error.to_string().starts_with("t:6:11: 0s is not"),
        "{error}"
    );
}

#[test]
fn the_first_scenario_of_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let scenario = Scenario::parse("mine.toml", text).unwrap();
    let population = &scenario.population;
    assert_eq!((population.nodes, population.people), (20, 4));
    assert_eq!(scenario.faults.len(), 1);
}
