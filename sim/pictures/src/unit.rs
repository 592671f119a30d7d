//! Units, and how figures read in them.

use serde::Serialize;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Read as ms, s, min, h or days.
    Seconds,
    /// Read as B, KiB, MiB and so on.
    Bytes,
    BytesPerSecond,
    Count,
    /// A part of a whole from 0 to 1; read as percent.
    Share,
    /// A number whose unit, if it has one, is named in words beside it.
    Number,
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const TWO_DAYS: f64 = 172_800.0;

const BYTE_UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/// Keeps a number and its unit on one line.
const GLUE: char = '\u{a0}';
/// Between groups of three digits.
const GROUP: char = '\u{202f}';

impl Unit {
    /// Writes a figure for people, with about three digits and the unit that suits its size; `show` in `page.html`
    /// does the same.
    ///
    /// A share of less than all never reads as 100 %, and one of more than nothing never as 0 %. What is not finite is
    /// a dash.
    pub fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "\u{2013}".to_owned();
        }
        if value < 0.0 {
            return format!("\u{2212}{}", self.show(-value));
        }
        match self {
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Count if value.fract() == 0.0 || value >= 1000.0 => whole(value),
            Self::Share => percent(value),
            Self::Count | Self::Number => digits(value),
        }
    }
}

fn seconds(value: f64) -> String {
    let (divisor, unit) = match value {
        0.0 | 1.0..MINUTE => (1.0, "s"),
        TWO_DAYS.. => (TWO_DAYS / 2.0, "days"),
        HOUR.. => (HOUR, "h"),
        MINUTE.. => (MINUTE, "min"),
        1e-3.. => (1e-3, "ms"),
        _ => (1e-6, "\u{b5}s"),
    };
    format!("{}{GLUE}{unit}", digits(value / divisor))
}

fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, 0);
    while value >= 1024.0 && unit + 1 < BYTE_UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{}{GLUE}{}", digits(value), BYTE_UNITS[unit])
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let whole = percent.round();
    // More places near both ends: there the distance from the end is what matters.
    let end = percent.min((100.0 - percent).abs());
    let places = [1.0, 0.1, 0.01, 0.001, 0.0001];
    let number = match places.iter().position(|from| end >= *from) {
        _ if percent == whole => whole.to_string(),
        Some(_) if (percent - whole).abs() < 1e-9 => whole.to_string(),
        Some(0) => format!("{percent:.1}"),
        Some(more) => read(&format!("{percent:.0$}", more + 1)).to_string(),
        None if percent < 50.0 => digits(percent),
        // Rounded down, so that it does not become 100.
        None => format!("{:.6}", (percent * 1e6).floor() / 1e6),
    };
    format!("{number}{GLUE}%")
}

/// Writes a number with three digits, or all that are before its point.
fn digits(value: f64) -> String {
    let three = read(&format!("{value:.2e}"));
    match value {
        0.0 | 100.0.. => whole(value),
        1e-4.. => three.to_string(),
        _ => format!("{three:e}"),
    }
}

/// Reads a number that was just written, which leaves out zeros at its end.
fn read(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// Writes a number without places, and its digits in groups of three.
fn whole(value: f64) -> String {
    let plain = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in plain.chars().enumerate() {
        // Four digits read well without a gap.
        if index > 0 && (plain.len() - index).is_multiple_of(3) && plain.len() > 4 {
            grouped.push(GROUP);
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests;
