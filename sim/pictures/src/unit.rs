//! Units, and how figures read in them.

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds; read as ms, s, min, h or days.
    Seconds,
    /// Bytes; read as B, KiB, MiB and so on.
    Bytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Whole things.
    Count,
    /// A part of a whole from 0 to 1; read as percent.
    Share,
    /// A number whose unit, if it has one, is named in words beside it.
    Number,
}

pub(crate) const MINUTE: f64 = 60.0;
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 86_400.0;

const BYTE_UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/// Keeps a number and its unit on one line.
const GLUE: char = '\u{a0}';
/// Between groups of three digits.
const GROUP: char = '\u{202f}';

impl Unit {
    /// Writes a figure for people, with about three digits and the unit that suits its size.
    ///
    /// A share that is not all never reads as 100 %, and one that is not nothing never as 0 %.
    pub fn show(self, value: f64) -> String {
        if value < 0.0 {
            return format!("\u{2212}{}", self.show(-value));
        }
        match self {
            Self::Seconds => seconds(value),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Count => count(value),
            Self::Share => percent(value),
            Self::Number => digits(value),
        }
    }

    /// Whether it has no parts.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Count | Self::Bytes | Self::BytesPerSecond)
    }

    /// Writes the figures at the ticks of an axis,, which are `step` apart, alike.
    pub(crate) fn show_ticks(self, values: &[f64], step: f64) -> Vec<String> {
        let largest = values
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        let write = self.tick_writer(largest, step);
        values
            .iter()
            .map(|value| {
                if *value == 0.0 {
                    "0".into()
                } else {
                    write(*value)
                }
            })
            .collect()
    }

    fn tick_writer(self, largest: f64, step: f64) -> Box<dyn Fn(f64) -> String> {
        match self {
            Self::Seconds => seconds_writer(largest, step),
            Self::Bytes => bytes_writer(largest, step, ""),
            Self::BytesPerSecond => bytes_writer(largest, step, "/s"),
            Self::Share => {
                let places = places(step * 100.0);
                Box::new(move |value| with_unit(fixed(value * 100.0, places), "%"))
            }
            Self::Count | Self::Number => {
                let (divisor, suffix) = match largest {
                    1e9.. => (1e9, "G"),
                    1e6.. => (1e6, "M"),
                    1e5.. => (1e3, "k"),
                    _ => (1.0, ""),
                };
                let places = places(step / divisor);
                Box::new(move |value| with_unit(fixed(value / divisor, places), suffix))
            }
        }
    }
}

fn seconds(value: f64) -> String {
    let (divisor, unit) = match value {
        0.0 => (1.0, "s"),
        DAY.. if value >= 2.0 * DAY => (DAY, "days"),
        HOUR.. => (HOUR, "h"),
        MINUTE.. => (MINUTE, "min"),
        1.0.. => (1.0, "s"),
        1e-3.. => (1e-3, "ms"),
        _ => (1e-6, "\u{b5}s"),
    };
    with_unit(digits(value / divisor), unit)
}

fn seconds_writer(largest: f64, step: f64) -> Box<dyn Fn(f64) -> String> {
    let parts = |whole: f64, part: f64, unit: &'static str| {
        move |value: f64| {
            let units = (value.abs() / part).round() as u64;
            let each = (whole / part) as u64;
            let sign = if value < 0.0 { "\u{2212}" } else { "" };
            with_unit(format!("{sign}{}:{:02}", units / each, units % each), unit)
        }
    };
    let plain = |divisor: f64, unit: &'static str| {
        let places = places(step / divisor);
        move |value: f64| with_unit(fixed(value / divisor, places), unit)
    };
    if step >= DAY {
        Box::new(plain(DAY, "days"))
    } else if step >= HOUR {
        Box::new(plain(HOUR, "h"))
    } else if step >= MINUTE && largest >= 2.0 * HOUR {
        Box::new(parts(HOUR, MINUTE, "h"))
    } else if step >= MINUTE {
        Box::new(plain(MINUTE, "min"))
    } else if step >= 1.0 && largest >= 3.0 * MINUTE {
        Box::new(parts(MINUTE, 1.0, "min"))
    } else if largest >= 1.0 {
        Box::new(plain(1.0, "s"))
    } else if largest > 1e-3 {
        Box::new(plain(1e-3, "ms"))
    } else {
        Box::new(plain(1e-6, "\u{b5}s"))
    }
}

fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, 0);
    while value >= 1024.0 && unit + 1 < BYTE_UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    with_unit(digits(value), BYTE_UNITS[unit])
}

fn bytes_writer(largest: f64, step: f64, suffix: &'static str) -> Box<dyn Fn(f64) -> String> {
    let (mut divisor, mut unit) = (1.0, 0);
    while largest >= divisor * 1024.0 && step * 8.0 >= divisor && unit + 1 < BYTE_UNITS.len() {
        divisor *= 1024.0;
        unit += 1;
    }
    let places = places(step / divisor);
    let unit = format!("{}{suffix}", BYTE_UNITS[unit]);
    Box::new(move |value| with_unit(fixed(value / divisor, places), &unit))
}

fn count(value: f64) -> String {
    if value.fract() == 0.0 || value >= 1000.0 {
        fixed(value, 0)
    } else {
        digits(value)
    }
}

fn percent(value: f64) -> String {
    let percent = value * 100.0;
    let whole = percent.round();
    let inside = whole > 0.0 && whole < 100.0 && (percent - whole).abs() < 1e-9;
    if percent == whole || inside {
        return with_unit(fixed(whole, 0), "%");
    }
    // More places near both ends: there the distance from the end is what matters.
    let places = match percent.min((100.0 - percent).abs()) {
        1.0.. => return with_unit(fixed(percent, 1), "%"),
        0.1.. => 2,
        0.01.. => 3,
        0.001.. => 4,
        0.0001.. => 5,
        _ if percent < 50.0 => return with_unit(digits(percent), "%"),
        // Rounding down, so that it does not become 100.
        _ => return with_unit(fixed((percent * 1e6).floor() / 1e6, 6), "%"),
    };
    with_unit(trimmed(fixed(percent, places)), "%")
}

/// Writes a number with three digits, or all that are before its point.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        0.01.. => 4,
        0.001.. => 5,
        1e-4.. => 6,
        _ => {
            let text = format!("{value:.2e}");
            let (number, power) = text.split_once('e').unwrap_or((&text, "0"));
            return format!("{}e{power}", trimmed(number.to_owned()));
        }
    };
    trimmed(fixed(value, places))
}

fn with_unit(number: String, unit: &str) -> String {
    if unit.is_empty() {
        number
    } else {
        format!("{number}{GLUE}{unit}")
    }
}

fn trimmed(number: String) -> String {
    if !number.contains('.') {
        return number;
    }
    number
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// How many places behind the point show all of a round step.
fn places(step: f64) -> usize {
    let mut scaled = step.abs();
    for places in 0..12 {
        if (scaled - scaled.round()).abs() <= 1e-6 * scaled {
            return places;
        }
        scaled *= 10.0;
    }
    12
}

/// Writes a number with so many places, and its digits in groups of three.
fn fixed(value: f64, places: usize) -> String {
    let plain = format!("{:.places$}", value.abs());
    let (whole, rest) = match plain.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (plain.as_str(), String::new()),
    };
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        // Four digits read well without a gap.
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            grouped.push(GROUP);
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 { "\u{2212}" } else { "" };
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests;
