//! The scenarios that come with the simulator.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Name and text of each.
pub const SHIPPED: [(&str, &str); 44] = shipped![
    "hello",
    "offline-recipient",
    "crash-keepers",
    "lossy",
    "clock-skew",
    "partition-heal",
    "expiry",
    "restart-storm",
    "mass-failure-30",
    "churn-ipfs",
    "restart-full",
    "upkeep",
    "upkeep-thousand",
    "disk-faults",
    "disk-full",
    "bootstrap-outage",
    "byzantine-keepers",
    "sybil-locator",
    "storms",
    "bumpy-return",
    "thousand",
    "ten-thousand",
    "hundred-day",
    "calibration",
    "people-crash",
    "salt-epoch",
    "clock-jumps",
    "rollback",
    "twin",
    "suspended",
    "busy-restarts",
    "one-group",
    "two-groups",
    "half-one-group",
    "one-address",
    "two-communities",
    "communities-meet",
    "communities-part",
    "one-keeper",
    "three-keepers",
    "sybil-mailbox",
    "idle-ten",
    "idle-thousand",
    "idle-full",
];
