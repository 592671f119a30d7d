use std::io::Write as _;

use super::{Filter, Filtered};

const TRACE: &str = "0.000 k0 starts\n\
    5.250 p2 starts\n\
    600.000 p2 writes m3\n\
    600.900 m3 is Stored with 3 of 5\n\
    900.000 p20 is shown m3\n\
    1200.000 all faults are over\n";

fn read(filters: &[&str]) -> String {
    let typed: Vec<String> = filters.iter().map(|&filter| filter.to_owned()).collect();
    let mut out = Vec::new();
    let mut sink = Filtered::new(Filter::parse(&typed).unwrap(), &mut out);
    for line in TRACE.split_inclusive('\n') {
        sink.write_all(line.as_bytes()).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn check(filters: &[&str], lines: &[usize]) {
    let all: Vec<&str> = TRACE.split_inclusive('\n').collect();
    let wanted: String = lines.iter().map(|line| all[*line]).collect();
    assert_eq!(read(filters), wanted, "{filters:?}");
}

#[test]
fn lines_are_chosen_by_name_and_time() {
    check(&[], &[0, 1, 2, 3, 4, 5]);
    check(&["p2"], &[1, 2]);
    check(&["m3"], &[2, 3, 4]);
    check(&["k0,p20"], &[0, 4]);
    check(&["10m..20m"], &[2, 3, 4]);
    check(&["..10m", "20m.."], &[0, 1, 5]);
    check(&["m3", "15m.."], &[4]);
    check(&["p3"], &[]);
}

#[test]
fn what_cannot_be_a_filter_is_refused() {
    for (typed, said) in [
        ("", "\"\" is neither a name"),
        ("p2,", "\"\" is neither a name"),
        ("p-2", "\"p-2\" is neither a name such as p2, k7 or m3"),
        ("10..20m", "\"10\" in \"10..20m\" is not a duration"),
        ("20m..10m", "\"20m..10m\" ends before it begins"),
    ] {
        let fault = Filter::parse(&[typed.to_owned()]).unwrap_err();
        assert!(fault.starts_with(said), "{fault}");
    }
}
