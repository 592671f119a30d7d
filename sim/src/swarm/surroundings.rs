//! Where machines of a drawn scenario are, and how well their networks, clocks and disks work.

use restante_proto::limits::{DAY_MS, MINUTE_MS, SALT_EPOCH_MS, SECOND_MS};
use restante_proto::time::UnixMillis;

use super::{Feature, one_of, push, set, share, spread, time, whole};
use crate::report::Tier;
use crate::scenario::Date;

/// Everything around the machines.
pub(super) const FEATURES: &[Feature] = &[
    Feature {
        name: "regions",
        chance_ppm: 300_000,
        write: |_, _, table| set(table, "population", "regions", "world"),
    },
    Feature {
        name: "churn",
        chance_ppm: 350_000,
        write: |_, random, table| {
            let kind = one_of(random, &["kad", "ipfs", "diurnal"]);
            set(table, "population", "churn", kind);
        },
    },
    Feature {
        name: "homes",
        chance_ppm: 200_000,
        write: |_, random, table| {
            let entry = [
                ("name", "homes".into()),
                ("kind", "home".into()),
                ("share", share(random, 500)),
                (
                    "nat",
                    one_of(random, &["public", "cone", "symmetric"]).into(),
                ),
                ("ends", one_of(random, &["stops", "crashes"]).into()),
            ];
            push(table, "class", entry);
        },
    },
    Feature {
        name: "arrive",
        chance_ppm: 250_000,
        write: |_, random, table| {
            let arrive = spread(random, SECOND_MS, 5 * MINUTE_MS);
            set(table, "time", "arrive", time(arrive));
        },
    },
    Feature {
        name: "latency",
        chance_ppm: 500_000,
        write: |_, random, table| {
            set(table, "network", "latency", time(spread(random, 1, 400)));
        },
    },
    Feature {
        name: "jitter",
        chance_ppm: 500_000,
        write: |frame, random, table| {
            let high = match frame.tier {
                Tier::Full => SECOND_MS / 4,
                _ => 3 * SECOND_MS,
            };
            set(table, "network", "jitter", time(spread(random, 1, high)));
        },
    },
    Feature {
        name: "loss",
        chance_ppm: 350_000,
        write: |frame, random, table| {
            let high = match frame.tier {
                Tier::Full => 40,
                _ => 150,
            };
            set(table, "network", "loss", share(random, high));
        },
    },
    Feature {
        name: "duplicates",
        chance_ppm: 350_000,
        write: |_, random, table| set(table, "network", "duplicates", share(random, 100)),
    },
    Feature {
        name: "skew",
        chance_ppm: 400_000,
        write: |_, random, table| {
            let skew = spread(random, SECOND_MS, 5 * MINUTE_MS);
            set(table, "time", "skew", time(skew));
        },
    },
    Feature {
        name: "disk latency",
        chance_ppm: 400_000,
        write: |_, random, table| {
            set(table, "disk", "latency", time(spread(random, 1, 500)));
        },
    },
    Feature {
        name: "disk size",
        chance_ppm: 200_000,
        write: |_, random, table| {
            // Far more than is ever written, far less than keepers usually take.
            let mib = spread(random, 16, 128);
            set(table, "disk", "cap", format!("{mib}MiB"));
        },
    },
    Feature {
        name: "start",
        chance_ppm: 250_000,
        write: |frame, random, table| {
            // Mostly so that locators change in the middle of it, or that a day ends.
            let year = 57 + random.below(30);
            let change_ms = year * SALT_EPOCH_MS;
            let before_ms = random.between(0, frame.duration_ms);
            let start = match random.below(4) {
                0 => change_ms + random.below(300 * DAY_MS),
                _ => change_ms - before_ms,
            };
            let start = Date(UnixMillis::new(start / SECOND_MS * SECOND_MS));
            set(table, "time", "start", start.to_string());
        },
    },
    Feature {
        name: "addresses",
        chance_ppm: 400_000,
        write: |_, random, table| {
            let kinds = [
                "one-group",
                "two-groups",
                "half-one-group",
                "one-address",
                "random",
            ];
            set(table, "population", "addresses", one_of(random, &kinds));
        },
    },
    Feature {
        name: "few",
        chance_ppm: 150_000,
        write: |frame, random, table| {
            let nodes = frame.people + random.between(1, 5);
            set(table, "population", "nodes", whole(nodes));
        },
    },
];
