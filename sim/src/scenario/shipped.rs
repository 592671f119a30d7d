//! The scenarios that come with the simulator.

/// Name and text of each.
pub const SHIPPED: [(&str, &str); 10] = [
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
];
