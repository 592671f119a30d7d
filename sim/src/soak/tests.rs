use super::known_seeds;
use crate::report::Tier;
use crate::scenario::Scenario;

#[test]
fn the_list_of_seeds_names_scenarios_that_exist() {
    for (_, name, _) in known_seeds(super::SEEDS).unwrap() {
        if name == crate::swarm::SEEDS_NAME {
            continue;
        }
        assert!(Scenario::shipped(name).is_some(), "{name}");
    }
}

#[test]
fn a_line_is_a_scenario_a_seed_and_a_remark() {
    let text = "# heading\n\nfull hello 7 # what was wrong\n  fast lossy   18446744073709551615\n";
    assert_eq!(
        known_seeds(text).unwrap(),
        [(Tier::Full, "hello", 7), (Tier::Fast, "lossy", u64::MAX)]
    );
    for (wrong, message) in [
        (
            "hello 7",
            "seeds.txt:1:1: \"hello 7\" is not a tier, a scenario and a seed",
        ),
        (
            "\nfull hello seven",
            "seeds.txt:2:1: \"full hello seven\" is not a tier, a scenario and a seed",
        ),
        (
            "half hello 1",
            "seeds.txt:1:1: \"half hello 1\" is not a tier, a scenario and a seed",
        ),
    ] {
        assert_eq!(known_seeds(wrong).unwrap_err(), message);
    }
}
