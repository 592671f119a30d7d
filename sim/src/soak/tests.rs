use super::known_seeds;
use crate::scenario::Scenario;

#[test]
fn the_list_of_seeds_names_scenarios_that_exist() {
    for (name, _) in known_seeds(super::SEEDS).unwrap() {
        assert!(Scenario::shipped(name).is_some(), "{name}");
    }
}

#[test]
fn a_line_is_a_scenario_a_seed_and_a_remark() {
    let text = "# heading\n\nhello 7 # what was wrong\n  lossy   18446744073709551615\n";
    assert_eq!(
        known_seeds(text).unwrap(),
        [("hello", 7), ("lossy", u64::MAX)]
    );
    for (wrong, message) in [
        (
            "hello",
            "seeds.txt:1:1: \"hello\" is not a scenario and a seed",
        ),
        (
            "\nhello seven",
            "seeds.txt:2:1: \"hello seven\" is not a scenario and a seed",
        ),
        (
            "hello -1",
            "seeds.txt:1:1: \"hello -1\" is not a scenario and a seed",
        ),
    ] {
        assert_eq!(known_seeds(wrong).unwrap_err(), message);
    }
}
