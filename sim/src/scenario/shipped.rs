//! The scenarios that come with the simulator.

/// Name and text of each.
pub const SHIPPED: [(&str, &str); 23] = [
    ("hello", include_str!("../../scenarios/hello.toml")),
    (
        "offline-recipient",
        include_str!("../../scenarios/offline-recipient.toml"),
    ),
    (
        "crash-keepers",
        include_str!("../../scenarios/crash-keepers.toml"),
    ),
    ("lossy", include_str!("../../scenarios/lossy.toml")),
    (
        "clock-skew",
        include_str!("../../scenarios/clock-skew.toml"),
    ),
    (
        "partition-heal",
        include_str!("../../scenarios/partition-heal.toml"),
    ),
    ("expiry", include_str!("../../scenarios/expiry.toml")),
    (
        "restart-storm",
        include_str!("../../scenarios/restart-storm.toml"),
    ),
    (
        "mass-failure-30",
        include_str!("../../scenarios/mass-failure-30.toml"),
    ),
    (
        "churn-ipfs",
        include_str!("../../scenarios/churn-ipfs.toml"),
    ),
    (
        "restart-full",
        include_str!("../../scenarios/restart-full.toml"),
    ),
    ("upkeep", include_str!("../../scenarios/upkeep.toml")),
    (
        "upkeep-thousand",
        include_str!("../../scenarios/upkeep-thousand.toml"),
    ),
    (
        "disk-faults",
        include_str!("../../scenarios/disk-faults.toml"),
    ),
    (
        "bootstrap-outage",
        include_str!("../../scenarios/bootstrap-outage.toml"),
    ),
    (
        "byzantine-keepers",
        include_str!("../../scenarios/byzantine-keepers.toml"),
    ),
    (
        "sybil-locator",
        include_str!("../../scenarios/sybil-locator.toml"),
    ),
    ("storms", include_str!("../../scenarios/storms.toml")),
    (
        "bumpy-return",
        include_str!("../../scenarios/bumpy-return.toml"),
    ),
    ("thousand", include_str!("../../scenarios/thousand.toml")),
    (
        "ten-thousand",
        include_str!("../../scenarios/ten-thousand.toml"),
    ),
    (
        "hundred-day",
        include_str!("../../scenarios/hundred-day.toml"),
    ),
    (
        "calibration",
        include_str!("../../scenarios/calibration.toml"),
    ),
];
