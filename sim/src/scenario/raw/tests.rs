use std::path::Path;

use restante_sim_network::Nat;
use restante_sim_population::{Churn, Link};

use super::super::Scenario;
use crate::options::{Amount, Ends, Group, Kind, Quantity, Side};

/// Two lines to begin with, and then whatever a test adds.
const BASE: &str = r#"about = "a test"
population = { nodes = 20, people = 4 }
time = { duration = "10m", settle = "30m" }
workload = { messages = 2, from = "1m", over = "5m", bytes = [1, 9], ttl = ["1d", "6d"], pattern = "everybody" }
"#;

fn read(added: &str) -> Result<Scenario, String> {
    let text = format!("{BASE}{added}\n");
    Scenario::parse("t", &text).map_err(|fault| fault.to_string())
}

fn set(overrides: &[&str]) -> Result<Scenario, String> {
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    let text = format!("{BASE}[[away]]\nwho = \"recipients\"\nfrom = \"1m\"\nlasts = \"2m\"\n");
    Scenario::parse_with("t", &text, None, &overrides).map_err(|fault| fault.to_string())
}

/// What is added to a scenario that is right, and what is said of it; the added text begins in line 5.
const WRONG: [(&str, &str); 46] = [
    (
        "heavy = 1",
        "t:5:9: invalid type: integer `1`, expected a boolean",
    ),
    ("nodes = 4", "t:5:1: unknown field `nodes`, expected one of"),
    ("about = \"again\"", "t:5:1: duplicate key"),
    (
        "[network]\nloss = 1.5",
        "t:6:8: 1.5 is not a share from 0.0 to 1.0",
    ),
    (
        "[network]\nloss = nan",
        "t:6:8: NaN is not a share from 0.0 to 1.0",
    ),
    (
        "[network]\nlatency = \"6s\"",
        "t:6:11: \"6s\" is not between 0s and 5s",
    ),
    ("[disk]\ncap_bytes = 0", "t:6:13: 0 is not between 1 and"),
    (
        "[[away]]\nwho = \"me\"\nfrom = \"1m\"",
        "t:6:7: \"me\" is none of: senders, recipients, everybody",
    ),
    (
        "[[away]]\nwho = \"senders\"\nfrom = \"11m\"",
        "t:7:8: \"11m\" is not between 0s and 10m",
    ),
    // Classes.
    ("[[class]]\nname = \"a\"", "t:5:1: missing field `kind`"),
    (
        "[[class]]\nname = \"a\"\nkind = \"tablet\"\nshare = 1.0",
        "t:7:8: \"tablet\" is none of: server, home, phone",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"",
        "t:6:8: a class needs `share` or `count`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\ncount = 1",
        "t:9:9: a class takes `share` or `count`, not both",
    ),
    (
        "[[class]]\nname = \"a b\"\nkind = \"home\"\nshare = 0.1",
        "t:6:8: \"a b\" is not a name of 1 to 32 letters, digits, - and _",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = -0.1",
        "t:8:9: -0.1 is not a share from 0.0 to 1.0",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\ncount = 15",
        "t:8:9: class \"a\" takes 15 keepers, and only 14 are left",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"phone\"\nwho = \"keepers\"\nshare = 0.1",
        "t:8:7: phones keep nothing for others, and cannot be keepers",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nwho = \"robots\"\nshare = 0.1",
        "t:8:7: \"robots\" is none of: keepers, people, senders, recipients",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.7\n\
         [[class]]\nname = \"b\"\nkind = \"server\"\nshare = 0.5",
        "t:12:9: the shares of keepers come to 1.2, which is more than 1",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n\
         [[class]]\nname = \"a\"\nkind = \"server\"\nshare = 0.1",
        "t:10:8: there are two classes called \"a\"",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nlink = \"modem\"",
        "t:9:8: there is no link called \"modem\", only fibre, home, mobile, veilid, server",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nnat = \"full\"",
        "t:9:7: \"full\" is none of: public, cone, symmetric",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nends = \"badly\"",
        "t:9:8: \"badly\" is none of: stops, crashes",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nskew = \"1h\"",
        "t:9:8: \"1h\" is not between 0s and 30m",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nregion = \"europe\"",
        "t:9:10: there are no regions: `population.regions` or [[region]] make some",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\ndisk = { cap = 1 }",
        "t:9:10: unknown field `cap`, expected `latency` or `cap_bytes`",
    ),
    // Churn.
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = \"nightly\"",
        "t:9:9: there is no churn called \"nightly\", only always, kad, ipfs, diurnal; \
         and as tables with a `kind`, exponential, weibull, diurnal, trace",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = 3",
        "t:9:9: invalid type: integer `3`, expected a name such as \"ipfs\", or a table with a `kind`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = { up = \"1h\" }",
        "t:9:9: missing field `kind`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = { kind = \"exponential\", mean = \"1h\" }",
        "t:9:33: unknown field `mean`, expected one of",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = { kind = \"exponential\", up = \"1h\" }",
        "t:9:18: exponential churn needs `down`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n\
         churn = { kind = \"exponential\", up = \"1h\", down = \"-1h\" }",
        "t:9:51: \"-1h\" is not a duration",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n\
         churn = { kind = \"diurnal\", up = \"1h\", down = \"1h\" }",
        "t:9:47: diurnal churn takes no `down`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = { kind = \"diurnal\", up = \"24h\" }",
        "t:9:18: 86400000 ms up in a day of 86400000 ms leaves no time down",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n\
         churn = { kind = \"weibull\", up = \"1h\", down = \"1h\", up_shape = 99.0, down_shape = 1.0 }",
        "t:9:64: a Weibull shape of 99 is not between 0.1 and 10",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = { kind = \"trace\", file = \"a.csv\" }",
        "t:9:34: \"a.csv\" cannot be read: only a scenario that is a file of its own has others beside it",
    ),
    // Regions.
    (
        "[[region]]\nname = \"atlantis\"\nshare = 0.5",
        "t:6:8: there is no region called \"atlantis\", only europe,",
    ),
    (
        "[[region]]\nname = \"europe\"\nshare = 0.0",
        "t:7:9: no region has a share",
    ),
    (
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"9ms\", \"40ms\"]\n[[region]]\nname = \"b\"\nshare = 0.5",
        "t:10:8: region \"b\" needs `rtt`, as the others have it",
    ),
    (
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"9ms\"]\n\
         [[region]]\nname = \"b\"\nshare = 0.5\nrtt = [\"9ms\"]",
        "t:8:7: region \"a\" has 1 round trips for 2 regions",
    ),
    (
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"9ms\", \"40ms\"]\n\
         [[region]]\nname = \"b\"\nshare = 0.6\nrtt = [\"40ms\", \"9ms\"]",
        "t:11:9: the shares of regions come to 1.1, which is more than 1",
    ),
    (
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"9ms\", \"40ms\"]\n\
         [[region]]\nname = \"b\"\nshare = 0.5\nrtt = [\"41ms\", \"9ms\"]",
        "t:12:7: from \"b\" to \"a\" and back it takes 41 ms, and 40 ms the other way round",
    ),
    // Expectations.
    (
        "[expect]\nfound_min = 3",
        "t:6:1: \"found_min\" is none of, with _min or _max behind it: written, stored,",
    ),
    (
        "[expect]\nlost = -1",
        "t:6:8: -1 is not a whole number from 0",
    ),
    (
        "[expect]\nshown_after_p99_max = 2",
        "t:6:23: this takes a duration such as",
    ),
    (
        "[expect]\nshown_after_p99 = \"2s\"",
        "t:6:1: `shown_after_p99` is never exact: say `shown_after_p99_min` or `shown_after_p99_max`",
    ),
];

#[test]
fn every_mistake_gets_one_line_with_its_place() {
    assert!(read("").is_ok());
    let mut others = Vec::new();
    for (added, said) in WRONG {
        let fault = read(added).unwrap_err();
        if !fault.starts_with(said) || fault.lines().count() != 1 {
            others.push(format!("{fault}, instead of {said}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_class_is_what_its_kind_is_unless_it_says_otherwise() {
    let scenario = read(
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.5\n\
         [[class]]\nname = \"b\"\nkind = \"phone\"\nwho = \"recipients\"\ncount = 2\n\
         nat = \"cone\"\nlink = \"veilid\"\nends = \"stops\"\n\
          churn = { kind = \"exponential\", up = \"1h\", down = \"2h\" }\n",
    )
    .unwrap();
    let [home, phone] = &scenario.population.classes[..] else {
        panic!("{:?}", scenario.population.classes);
    };
    assert_eq!((home.kind, home.group), (Kind::Home, Group::Keepers));
    assert_eq!((home.nat, home.link), (Nat::Cone, Link::HOME));
    assert_eq!(home.churn, Churn::named("diurnal").unwrap());
    assert_eq!(
        (home.amount, home.ends),
        (Amount::Share(500_000), Ends::Crashes)
    );
    assert_eq!(
        (phone.group, phone.amount),
        (Group::Recipients, Amount::Count(2))
    );
    assert_eq!((phone.nat, phone.link), (Nat::Cone, Link::VEILID));
    assert_eq!(phone.ends, Ends::Stops);
    assert_eq!(
        phone.churn,
        Churn::exponential(3_600_000, 7_200_000).unwrap()
    );
}

#[test]
fn regions_have_the_round_trips_that_were_typed() {
    let scenario = read(
        "[[region]]\nname = \"a\"\nshare = 0.5\nrtt = [\"8ms\", \"41ms\"]\n\
         [[region]]\nname = \"b\"\nshare = 0.5\nrtt = [\"41ms\", \"10ms\"]\n\
         [[class]]\nname = \"c\"\nkind = \"server\"\ncount = 1\nregion = \"b\"\n",
    )
    .unwrap();
    let regions = scenario.population.regions.unwrap();
    let (a, b) = (regions.named("a").unwrap(), regions.named("b").unwrap());
    assert_eq!(regions.round_trip_ms(a, b), 41);
    assert_eq!(
        (regions.round_trip_ms(a, a), regions.round_trip_ms(b, b)),
        (8, 10)
    );
    assert_eq!(scenario.population.classes[0].region, Some(b));
    let world = read("[[region]]\nname = \"africa\"\nshare = 1.0").unwrap();
    let world = world.population.regions.unwrap();
    assert!(world.share(world.named("africa").unwrap()) > 0.99);
}

#[test]
fn churn_is_read_from_a_file_beside_the_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/raw/tests");
    let class = "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn";
    let text = format!("{BASE}{class} = {{ kind = \"trace\", file = \"churn.csv\" }}\n");
    let scenario = Scenario::parse_with("t", &text, Some(&folder), &[]).unwrap();
    let Churn::Trace(trace) = &scenario.population.classes[0].churn else {
        panic!("{:?}", scenario.population.classes);
    };
    assert_eq!(trace.nodes(), 2);
    let text = text.replace("churn.csv", "none.csv");
    let fault = Scenario::parse_with("t", &text, Some(&folder), &[]).unwrap_err();
    assert_eq!((fault.line, fault.column), (9, 34));
    assert!(fault.message.contains("none.csv cannot be read"), "{fault}");
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
    assert_eq!(read("").duration_ms, 66 * 60_000);
    let away = "[[away]]\nwho = \"senders\"\nfrom = \"1h\"\nlasts = \"5d\"";
    assert_eq!(read(away).duration_ms, (5 * 24 + 2) * 3_600_000);
    let crash =
        "[[fault]]\nkind = \"crash\"\nat = \"1h\"\ndown = \"1h\"\ntimes = 3\nevery = \"1h\"";
    assert_eq!(read(crash).duration_ms, 5 * 3_600_000);
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
    assert_eq!(scenario.away[0].lasts_ms, Some(300_000));
    assert_eq!(scenario.network.loss_ppm, 250_000);
    assert_eq!((scenario.nodes, scenario.people), (30, 6));
    assert_eq!(scenario.about, "two words");
    assert_eq!(scenario.away[1].from_ms, 120_000);
    assert_eq!(scenario.overrides.len(), 6);
}

#[test]
fn a_class_can_be_named_in_a_path() {
    let text = format!("{BASE}[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n");
    let set = ["class.a.count=3".to_owned()];
    let fault = Scenario::parse_with("t", &text, None, &set).unwrap_err();
    let said = "--set class.a.count=3:1:15: a class takes `share` or `count`, not both";
    assert_eq!(fault.to_string(), said);
}

#[test]
fn a_wrong_override_is_named() {
    for (typed, said) in [
        (
            "loss",
            "1:1: this is not PATH=VALUE, such as network.loss=0.1",
        ),
        (
            "=3",
            "1:1: this is not PATH=VALUE, such as network.loss=0.1",
        ),
        ("network..loss=0", "1:1: the path has an empty key"),
        (
            "network.los=0.1",
            "1:9: unknown field `los`, expected one of",
        ),
        ("network.loss=2.0", "1:14: 2 is not a share from 0.0 to 1.0"),
        (
            "network.loss=much",
            "1:14: invalid type: string \"much\", expected f64",
        ),
        ("away.0.lasts=5x", "1:14: \"5x\" is not a duration"),
        (
            "away.9.lasts=5m",
            "1:1: \"9\" is neither a place, from 0 to 1, nor the name of one of these",
        ),
        (
            "workload.bytes=[1, 0]",
            "1:20: 0 is not between 1 and 61440",
        ),
        (
            "about.x=1",
            "1:1: the path leads into a string, which has no keys",
        ),
        ("about=1\nnodes=2", "1:1: "),
    ] {
        let fault = match set(&[typed]) {
            Err(fault) => fault,
            // Taken as it stands, and as nothing but a text.
            Ok(scenario) => {
                assert_eq!(scenario.about, "1\nnodes=2");
                continue;
            }
        };
        let wanted = format!("--set {typed}:{said}");
        assert!(fault.starts_with(&wanted), "{fault}");
    }
}
