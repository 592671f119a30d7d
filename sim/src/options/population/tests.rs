use restante_sim_network::Nat;
use restante_sim_population::{Churn, Link};

use super::{Amount, ClassOptions, Ends, Group, Kind, PopulationOptions};

fn population(classes: &[(Group, Amount)]) -> PopulationOptions {
    let class = |(number, (group, amount)): (usize, &(Group, Amount))| ClassOptions {
        name: format!("c{number}"),
        kind: Kind::Server,
        group: *group,
        amount: *amount,
        nat: Nat::Public,
        link: Link::SERVER,
        churn: Churn::Always,
        ends: Ends::Crashes,
        region: None,
        skew_ms: None,
        disk: None,
    };
    PopulationOptions {
        churn: Churn::Always,
        regions: None,
        classes: classes.iter().enumerate().map(class).collect(),
        arrive_ms: 10_000,
    }
}

/// Of 22 keepers, two of which are entry points, and 9 people.
#[track_caller]
fn check(classes: &[(Group, Amount)], sizes: Result<&[usize], &str>) {
    let got = population(classes).sizes(22, 9);
    let wanted = sizes.map(<[usize]>::to_vec).map_err(str::to_owned);
    assert_eq!(got.map_err(|fault| fault.what), wanted);
}

#[test]
fn shares_that_make_one_make_everybody() {
    let third = Amount::Share(333_333);
    let rest = Amount::Share(333_334);
    let keepers = Group::Keepers;
    check(
        &[(keepers, third), (keepers, third), (keepers, rest)],
        Ok(&[7, 6, 7]),
    );
    check(&[(Group::Recipients, Amount::Share(1_000_000))], Ok(&[5]));
    check(&[(Group::Senders, Amount::Share(500_000))], Ok(&[2]));
}

#[test]
fn nobody_belongs_to_two_classes() {
    let all = Amount::Share(1_000_000);
    check(
        &[(Group::Senders, all), (Group::People, Amount::Count(5))],
        Ok(&[4, 5]),
    );
    check(
        &[(Group::Senders, all), (Group::People, Amount::Count(6))],
        Err("class \"c1\" takes 6 people, and only 5 are left"),
    );
    check(
        &[(Group::People, Amount::Count(6)), (Group::Senders, all)],
        Err("class \"c1\" takes 4 senders, and only 3 are left"),
    );
    check(
        &[(Group::Keepers, Amount::Count(21))],
        Err("class \"c0\" takes 21 keepers, and only 20 are left"),
    );
    let half = Amount::Share(600_000);
    check(
        &[(Group::Keepers, half), (Group::Keepers, half)],
        Err("the shares of keepers come to 1.2, which is more than 1"),
    );
}
