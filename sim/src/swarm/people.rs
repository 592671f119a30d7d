//! What people of a drawn scenario do.

use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use toml::{Table, Value};

use super::{Feature, Frame, one_of, push, set, share, spread, time, whole};
use crate::random::Random;
use crate::report::Tier;

/// Absences, people's machines and messages that burn.
pub(super) const FEATURES: &[Feature] = &[
    Feature {
        name: "recipients away",
        chance_ppm: 350_000,
        write: |frame, random, table| away("recipients", frame, random, table),
    },
    Feature {
        name: "senders away",
        chance_ppm: 300_000,
        write: |frame, random, table| away("senders", frame, random, table),
    },
    Feature {
        name: "everybody away",
        chance_ppm: 100_000,
        write: |frame, random, table| away("everybody", frame, random, table),
    },
    Feature {
        name: "phones",
        chance_ppm: 250_000,
        write: |_, random, table| {
            let who = one_of(random, &["people", "senders", "recipients"]);
            let entry = [
                ("name", "phones".into()),
                ("kind", "phone".into()),
                ("who", who.into()),
                ("share", share(random, 1_000)),
                ("ends", one_of(random, &["stops", "crashes"]).into()),
            ];
            push(table, "class", entry);
        },
    },
    Feature {
        name: "people at home",
        chance_ppm: 150_000,
        write: |_, random, table| {
            let entry = [
                ("name", "people-at-home".into()),
                ("kind", "home".into()),
                ("who", "people".into()),
                ("share", share(random, 500)),
                (
                    "nat",
                    one_of(random, &["public", "cone", "symmetric"]).into(),
                ),
            ];
            push(table, "class", entry);
        },
    },
    Feature {
        name: "burns",
        chance_ppm: 200_000,
        write: |frame, random, table| {
            let shortest = spread(random, SECOND_MS, 10 * MINUTE_MS);
            let longest = spread(random, shortest, shortest.max(frame.duration_ms / 2));
            let burn = Value::Array(vec![time(shortest), time(longest)]);
            set(table, "workload", "burn", burn);
        },
    },
    Feature {
        name: "senders gone",
        chance_ppm: 200_000,
        write: |frame, random, table| {
            let from = time(frame.moment(random));
            push(table, "away", [("who", "senders".into()), ("from", from)]);
        },
    },
];

/// Writes who writes what to whom, which every scenario has.
pub(super) fn workload(frame: &Frame, random: &mut Random, table: &mut Table) {
    // What waits in one mailbox for strangers must not be more than it takes.
    let (bytes, most) = match random.below(6) {
        0 => (50_000, 20),
        1 => (6_000, 60),
        _ => (1_500, 60),
    };
    let most = match frame.tier {
        Tier::Full => most.min(30),
        _ => most,
    };
    let messages = spread(random, 2, most);
    let ttl = match random.below(8) {
        0 => (MINUTE_MS, 20 * MINUTE_MS),
        1 => (10 * MINUTE_MS, 3 * HOUR_MS),
        2 => (10 * MINUTE_MS, 6 * DAY_MS),
        _ => (DAY_MS, 6 * DAY_MS),
    };
    let pattern = if random.chance(500_000) {
        "one-way"
    } else {
        "everybody"
    };
    let list = |low, high| Value::Array(vec![low, high]);
    set(table, "workload", "messages", whole(messages));
    set(table, "workload", "from", time(frame.from_ms));
    set(table, "workload", "over", time(frame.over_ms));
    set(table, "workload", "bytes", list(whole(1), whole(bytes)));
    set(table, "workload", "ttl", list(time(ttl.0), time(ttl.1)));
    set(table, "workload", "pattern", pattern);
}

fn away(who: &str, frame: &Frame, random: &mut Random, table: &mut Table) {
    // Mostly while messages are written.
    let middle_ms = frame.from_ms + frame.over_ms / 2;
    let from = random.between(20 * SECOND_MS, middle_ms);
    let lasts = spread(random, MINUTE_MS, frame.duration_ms - from);
    let entry = [
        ("who", who.into()),
        ("from", time(from)),
        ("lasts", time(lasts)),
    ];
    push(table, "away", entry);
}
