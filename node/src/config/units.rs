//! Durations and sizes as people write them: `6d`, `1h 30m`, `64 MiB`.

/// Something is not a duration or not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    #[error("{0:?} is not a duration; write for example \"30s\", \"90m\" or \"6d\"")]
    Duration(String),
    #[error("{0:?} is not a size; write for example \"500 MiB\" or \"2 GiB\"")]
    Size(String),
}

/// Units of durations, longest first, in milliseconds.
const DURATIONS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of sizes, largest first, in bytes.
const SIZES: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Units of sizes that are read and not written.
const DECIMAL_SIZES: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// Parses a duration and returns it in milliseconds.
///
/// # Errors
///
/// [`UnitError::Duration`] when the text is no duration, is finer than a millisecond, or is too
/// long for 64 bits.
pub fn parse_duration_ms(text: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError::Duration(text.to_owned());
    let duration = humantime::parse_duration(text.trim()).map_err(|_| wrong())?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(wrong());
    }
    u64::try_from(duration.as_millis()).map_err(|_| wrong())
}

/// Returns a duration in the way [`parse_duration_ms`] reads, exactly.
pub fn format_duration_ms(ms: u64) -> String {
    let mut parts = Vec::new();
    let mut rest = ms;
    for (name, unit) in DURATIONS {
        if rest >= unit {
            parts.push(format!("{}{name}", rest / unit));
        }
        rest %= unit;
    }
    if parts.is_empty() {
        return "0s".to_owned();
    }
    parts.join(" ")
}

/// Returns a duration for people: its two largest units, such as `5 d 23 h`.
pub fn approximate_duration_ms(ms: u64) -> String {
    let whole = &DURATIONS[..4];
    let Some(largest) = whole.iter().position(|(_, unit)| ms >= *unit) else {
        return "less than 1 s".to_owned();
    };
    let mut parts = Vec::new();
    let mut rest = ms;
    for (name, unit) in whole.iter().skip(largest).take(2) {
        if rest >= *unit {
            let name = if *name == "m" { "min" } else { name };
            parts.push(format!("{} {name}", rest / unit));
        }
        rest %= unit;
    }
    parts.join(" ")
}

/// Parses a size and returns it in bytes.
///
/// # Errors
///
/// [`UnitError::Size`] when the text is not a whole number with one of the units B, KiB, MiB, GiB,
/// TiB, kB, MB, GB, TB, or is too large for 64 bits.
pub fn parse_size_bytes(text: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError::Size(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed
        .find(|character: char| !character.is_ascii_digit())
        .ok_or_else(wrong)?;
    let (number, unit) = trimmed.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim_start();
    let (_, factor) = SIZES
        .iter()
        .chain(&DECIMAL_SIZES)
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .ok_or_else(wrong)?;
    number.checked_mul(*factor).ok_or_else(wrong)
}

/// Returns a size in the way [`parse_size_bytes`] reads, exactly.
pub fn format_size_bytes(bytes: u64) -> String {
    let (name, factor) = SIZES
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(&SIZES[SIZES.len() - 1]);
    format!("{} {name}", bytes / factor)
}

/// Returns a size for people: one decimal of its largest unit, such as `1.5 MiB`.
pub fn approximate_size_bytes(bytes: u64) -> String {
    let Some((name, factor)) = SIZES.iter().find(|(_, factor)| bytes >= *factor) else {
        return "0 B".to_owned();
    };
    let whole = bytes / factor;
    let tenth = u128::from(bytes % factor) * 10 / u128::from(*factor);
    if tenth == 0 {
        format!("{whole} {name}")
    } else {
        format!("{whole}.{tenth} {name}")
    }
}
