//! What is wrong in a scenario is told with its place.

use super::{BASE, Scenario, read};

/// What replaces a part of a scenario that is right, and what is said of it.
const WRONG_BASE: [(&str, &str, &str); 12] = [
    (
        "settle",
        "setle",
        "t:3:28: unknown field `setle`, expected one of `duration`",
    ),
    (", people = 4", "", "t:2:14: missing field `people`"),
    (
        "people = 4",
        "people = 1",
        "t:2:37: 1 is not between 2 and 1000",
    ),
    (
        "nodes = 20",
        "nodes = 4",
        "t:2:24: 4 is not between 5 and 10000",
    ),
    (
        "nodes = 20",
        "nodes = -1",
        "t:2:24: invalid value: integer `-1`, expected usize",
    ),
    (
        "\"1m\"",
        "\"-1m\"",
        "t:4:35: \"-1m\" is not a duration such as \"40ms\", \"30s\" or \"6d\"",
    ),
    ("\"5m\"", "\"11m\"", "t:4:48: 11m is not between 0s and 10m"),
    ("[1, 9]", "[9, 1]", "t:4:66: 1 is not between 9 and 61440"),
    (
        "\"6d\"",
        "\"31d\"",
        "t:4:83: 1month 13h 26m 24s is not between 1day and 30days",
    ),
    ("\"6d\"", "\"6\"", "t:4:83: \"6\" is not a duration"),
    (
        "\"everybody\"",
        "\"nobody\"",
        "t:4:100: unknown variant `nobody`, expected `everybody` or `one-way`",
    ),
    (
        "settle = \"30m\"",
        "settle = \"30m\", start = \"today\"",
        "t:3:52: \"today\" is not a date such as",
    ),
];

/// What is added to a scenario that is right, and what is said of it; the added text begins in line 5.
const WRONG: &[(&str, &str)] = &[
    (
        "heavy = 1",
        "t:5:9: invalid type: integer `1`, expected a boolean",
    ),
    ("nodes = 4", "t:5:1: unknown field `nodes`, expected one of"),
    ("about = \"again\"", "t:5:1: duplicate key"),
    ("[[fault", "t:5:8: unclosed array table, expected `]]`"),
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
        "t:6:11: 6s is not between 0s and 5s",
    ),
    (
        "[network]\nlatency = 6",
        "t:6:11: invalid type: a number, expected a duration such as",
    ),
    ("[disk]\ncap = 0", "t:6:7: 0 is not between 1 and"),
    (
        "[disk]\ncap = \"1GB\"",
        "t:6:7: \"1GB\" is not a size such as 4096, \"64KiB\" or \"16MiB\"",
    ),
    (
        "[[away]]\nwho = \"me\"\nfrom = \"1m\"",
        "t:6:7: unknown variant `me`, expected one of `senders`, `recipients`, `everybody`",
    ),
    (
        "[[away]]\nwho = \"senders\"\nfrom = \"11m\"",
        "t:7:8: 11m is not between 0s and 10m",
    ),
    // Faults.
    (
        "[[fault]]\nkind = \"crash\"\nat = \"5m\"",
        "t:5:1: crash: missing field `down`",
    ),
    (
        "[[fault]]\nkind = \"crash\"\ndown = \"5m\"",
        "t:5:1: crash: missing field `at`",
    ),
    ("[[fault]]\nat = \"5m\"", "t:5:1: missing field `kind`"),
    (
        "[[fault]]\nkind = \"flood\"\nat = \"5m\"",
        "t:5:1: flood: unknown variant `flood`, expected one of `crash`, `kill`,",
    ),
    (
        "[[fault]]\nkind = \"crash\"\nat = \"1m\"\ndown = \"1m\"\nlasts = \"1m\"",
        "t:5:1: crash: unknown field `lasts`, expected one of `target`, `count`, `down`",
    ),
    (
        "[[fault]]\nkind = \"kill\"\nat = \"1m\"\n[[fault]]\nkind = \"crash\"\nat = \"1m\"\ndown = \"1x\"",
        "t:8:1: crash: \"1x\" is not a duration",
    ),
    (
        "[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"30s\"\ntarget = \"all\"",
        "t:5:1: crash: unknown variant `all`, expected one of `any`, `holders`, `busy`, `people`",
    ),
    (
        "[[fault]]\nkind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"\nwhat = \"full\"\ntarget = \"busy\"",
        "t:10:10: \"busy\" is none of what disk takes: any, holders, people",
    ),
    (
        "[[fault]]\nkind = \"disk\"\nat = \"5m\"\nlasts = \"1m\"\nwhat = \"rot\"\ntarget = \"people\"",
        "t:9:8: disks that lie or rot are for keepers alone",
    ),
    (
        "[[fault]]\nkind = \"weather\"\nat = \"5m\"\nlasts = \"1m\"",
        "t:5:1: weather needs `loss`, `duplicates` or `latency`",
    ),
    (
        "[[fault]]\nkind = \"partition\"\nat = \"5m\"\nlasts = \"30s\"\nkeepers = 1.5",
        "t:5:1: partition: 1.5 is not a share from 0.0 to 1.0",
    ),
    (
        "[[fault]]\nkind = \"partition\"\nat = \"5m\"\nlasts = \"30s\"",
        "t:5:1: partition needs a share of `keepers` or `people`",
    ),
    (
        "[[fault]]\nkind = \"clock\"\nat = \"5m\"\nlasts = \"1m\"\nahead = \"1m\"\nbehind = \"1m\"",
        "t:5:1: clock needs either `ahead` or `behind`",
    ),
    (
        "[[fault]]\nkind = \"clock\"\nat = \"5m\"\nlasts = \"1m\"\nbehind = \"31d\"",
        "t:9:10: 1month 13h 26m 24s is not between 1ms and 30days",
    ),
    // What would do nothing.
    (
        "[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"1m\"\ncount = 17",
        "t:9:9: 17 is not between 1 and 16",
    ),
    (
        "[[fault]]\nkind = \"suspend\"\nat = \"5m\"\nlasts = \"1m\"\ncount = 5\ntarget = \"people\"",
        "t:9:9: 5 is not between 1 and 4",
    ),
    (
        "[[fault]]\nkind = \"kill\"\nat = \"5m\"\ncount = 6\ntimes = 3",
        "t:9:9: 18 die, and there are 16 keepers",
    ),
    (
        "[[fault]]\nkind = \"kill\"\nat = \"10m\"",
        "t:7:6: the last of it comes at 10m, and the faults end at 10m",
    ),
    (
        "[[fault]]\nkind = \"crash\"\nat = \"5m\"\ndown = \"5s\"\ntimes = 4\nevery = \"2m\"",
        "t:9:9: the last of it comes at 11m, and the faults end at 10m",
    ),
    (
        "[[fault]]\nkind = \"offline\"\nat = \"1m\"\nlasts = \"90s\"\ntimes = 2",
        "t:5:1: it lasts 1m 30s and comes again after 1m, before it is over",
    ),
    // Adversaries.
    (
        "[[adversary]]\nkind = \"drop\"",
        "t:5:1: drop: missing field `share`",
    ),
    (
        "[[adversary]]\nkind = \"spy\"",
        "t:5:1: spy: unknown variant `spy`, expected one of `drop`, `stale`, `route`, `sybil`",
    ),
    (
        "[[adversary]]\nkind = \"drop\"\nshare = 0.2\ncount = 3",
        "t:5:1: drop: unknown field `count`, expected `share`",
    ),
    (
        "[[adversary]]\nkind = \"drop\"\nshare = 0.0",
        "t:7:9: this is a share of nobody",
    ),
    (
        "[[adversary]]\nkind = \"sybil\"\nnear = \"locator\"\nperson = 4",
        "t:8:10: 4 is not between 0 and 3",
    ),
    // Classes.
    ("[[class]]\nname = \"a\"", "t:5:1: missing field `kind`"),
    (
        "[[class]]\nname = \"a\"\nkind = \"tablet\"\nshare = 1.0",
        "t:7:8: unknown variant `tablet`, expected one of `server`, `home`, `phone`",
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
        "[[class]]\nname = \"a\"\nkind = \"home\"\ncount = 15",
        "t:8:9: class \"a\" takes 15 keepers, and only 14 are left",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.01",
        "t:8:9: class \"a\" is nobody: there are 14 keepers",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"phone\"\nwho = \"keepers\"\nshare = 0.1",
        "t:8:7: phones keep nothing for others, and cannot be keepers",
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
        "t:9:8: unknown variant `modem`, expected one of `fibre`, `home`, `mobile`,",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nskew = \"1h\"",
        "t:9:8: 1h is not between 0s and 30m",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nregion = \"europe\"",
        "t:9:10: there are no regions: `population.regions` or [[region]] make some",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\ndisk = { size = 1 }",
        "t:9:10: unknown field `size`, expected `latency` or `cap`",
    ),
    // Churn.
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = \"nightly\"",
        "t:9:9: unknown variant `nightly`, expected one of `always`, `kad`, `ipfs`, `diurnal`, `exponential`,",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn = 3",
        "t:9:9: wanted string or table",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn.exponential = { up = \"1h\" }",
        "t:9:21: missing field `down`",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn.exponential = { up = \"1h\", down = \"-1h\" }",
        "t:9:41: \"-1h\" is not a duration",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn.daily = { up = \"25h\" }",
        "t:9:1: 90000000 ms up in a day of 86400000 ms leaves no time down",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\n\
         churn.weibull = { up = \"1h\", down = \"1h\", up_shape = 99.0, down_shape = 1.0 }",
        "t:9:1: a Weibull shape of 99 is not between 0.1 and 10",
    ),
    (
        "[[class]]\nname = \"a\"\nkind = \"home\"\nshare = 0.1\nchurn.trace = { file = \"a.csv\" }",
        "t:9:1: \"a.csv\" cannot be read: only a scenario that is a file of its own has others beside it",
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
        "t:9:1: region \"b\" needs `rtt`, as the others have it",
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
        "t:12:7: from \"b\" to \"a\" and back it takes 41ms, and 40ms the other way round",
    ),
    // Expectations.
    (
        "[expect]\nfound_min = 3",
        "t:6:1: \"found_min\" is none of, with _min or _max behind it: written, stored,",
    ),
    (
        "[expect]\nlost = -1",
        "t:6:8: invalid value: integer `-1`, expected u64",
    ),
    (
        "[expect]\nshown_after_p99_max = 2",
        "t:6:23: invalid type: a number, expected a duration such as",
    ),
    (
        "[expect]\nshown_after_p99 = \"2s\"",
        "t:6:1: `shown_after_p99` is never exact: say `shown_after_p99_min` or `shown_after_p99_max`",
    ),
];

#[test]
fn every_mistake_gets_one_line_with_its_place() {
    assert!(read("").is_ok());
    let added = WRONG.iter().map(|(added, said)| (read(added), *said));
    let replaced = WRONG_BASE.iter().map(|(part, wrong, said)| {
        assert!(BASE.contains(part), "{part}");
        let read = Scenario::parse("t", &BASE.replacen(part, wrong, 1));
        (read.map_err(|error| error.to_string()), *said)
    });
    let mut others = Vec::new();
    for (got, said) in added.chain(replaced) {
        let error = got.map_or_else(|error| error, |_| "nothing".to_owned());
        if !error.starts_with(said) || error.lines().count() != 1 {
            others.push(format!("{error}, instead of {said}"));
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
