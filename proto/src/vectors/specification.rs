//! That `SPEC.md` says what the code does, as far as a machine can compare the two.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{context, limits};

const SPEC: &str = include_str!("../../SPEC.md");

#[test]
fn the_specification_holds_the_schema() {
    assert!(SPEC.contains(include_str!("../../schema/restante.proto")));
}

#[test]
fn the_specification_names_every_context() {
    for context in context::ALL {
        assert!(SPEC.contains(&format!("| `{context}` |")), "{context}");
    }
    assert_eq!(SPEC.matches("| `restante/v1/").count(), context::ALL.len());
}

/// Checks the line of the table of limits that names a constant.
macro_rules! check_limits {
    ($($name:ident),+ $(,)?) => {
        [$((stringify!($name), limits::$name.to_string())),+]
    };
}

fn limits_of_the_code() -> Vec<(&'static str, String)> {
    let limits = check_limits![
        HANDLE_CHARS_MAX,
        PHONE_DIGITS_MIN,
        TAG_BITS,
        LOCATORS,
        SALT_EPOCH_MS,
        EPOCH_MS,
        CLOCK_SKEW_MS,
        MESSAGE_TTL_DEFAULT_MS,
        MESSAGE_TTL_MAX_MS,
        CARD_TTL_MS,
        TOMBSTONE_TTL_MS,
        PREKEY_ROTATION_MS,
        PREKEY_GRACE_MS,
        EPOCHS_PAST_MAX,
        EPOCHS_AHEAD_MAX,
        SUBSCRIPTION_MS,
        ENVELOPE_BYTES_MAX,
        BODY_BYTES_MAX,
        FILE_NAME_BYTES_MAX,
        SEALED_CARD_BYTES,
        DEVICES_MAX,
        VERSIONS_MAX,
        CHUNK_BYTES_MAX,
        PAYLOAD_BYTES_MAX,
        ENVELOPES_BYTES_MAX,
        LISTING_COUNT_MAX,
        COMPARED_POINTS_MAX,
        COMPARED_RANGES_MAX,
        COMPARED_ELEMENTS_MAX,
        COPY_COUNT_MAX,
        REPLICAS_BYTES_MAX,
        REPLICA_HEAD_BYTES,
        GET_COUNT_MAX,
        ACK_COUNT_MAX,
        DELIVERED_COUNT_MAX,
        RECALLED_COUNT_MAX,
        REACTION_BYTES_MAX,
        GRANT_EPOCHS_MAX,
        FOUND_NODES_MAX,
        NODE_ADDRESSES_MAX,
        NODE_ADDRESS_BYTES_MAX,
        REPLICAS,
        CARD_SLOTS,
        STAMP_MAILBOX_COUNT_MAX,
        STAMP_MAILBOX_BYTES_MAX,
        CAPABILITY_MAILBOX_COUNT_MAX,
        CAPABILITY_MAILBOX_BYTES_MAX,
        MAILBOX_TOMBSTONES_MAX,
        TOMBSTONE_BYTES,
        ACK_MEMORY_MS,
        SUBSCRIPTIONS_PER_CONNECTION_MAX,
        STORE_OPS_MAX,
        SOURCE_OPS_MAX,
        SOURCE_CAP_PART,
        SOURCE_BYTES_MIN,
        STRANGER_SHARE_MAX,
    ];
    limits.into()
}

#[test]
fn the_specification_has_the_limits_of_the_code() {
    let limits = limits_of_the_code();
    for (name, value) in &limits {
        assert!(
            SPEC.contains(&format!("| `{name}` | {value} |")),
            "{name} is {value}"
        );
    }
    let rows = SPEC
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("_M"));
    let named = |row: &str| {
        limits
            .iter()
            .any(|(name, _)| row.contains(&format!("`{name}`")))
    };
    assert!(rows.clone().count() > 20);
    assert!(
        rows.into_iter().all(named),
        "a limit that the code does not have"
    );
}

/// Returns all files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|at| {
            if at.is_dir() {
                files_below(&at)
            } else {
                vec![at]
            }
        })
        .collect()
}

#[test]
fn every_citation_leads_to_a_section() {
    let heading = |line: &str| {
        let number = line
            .strip_prefix("##")?
            .trim_start_matches('#')
            .trim_start();
        Some(number.split(' ').next()?.trim_end_matches('.').to_owned())
    };
    let sections: BTreeSet<String> = SPEC.lines().filter_map(heading).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cited = 0;
    for file in files_below(&root.join("src"))
        .iter()
        .chain(&files_below(&root.join("schema")))
    {
        let text = fs::read_to_string(file).unwrap();
        for after in text.split("SPEC ").skip(1) {
            let end = after
                .find(|c: char| c != '.' && !c.is_ascii_digit())
                .unwrap_or(after.len());
            let section = after[..end].trim_end_matches('.');
            if !section.is_empty() {
                assert!(
                    sections.contains(section),
                    "{} cites SPEC {section}",
                    file.display()
                );
                cited += 1;
            }
        }
    }
    assert!(cited > 40);
}
