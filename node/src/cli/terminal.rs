//! Text made safe for a terminal: other people's words cannot move its cursor or pass for ours.

use std::fmt::Write;

use crate::config::units::approximate_duration_ms;

/// Escapes the characters that a terminal acts upon or that reorder text; line breaks stay, a tab becomes a space.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push('\n'),
            '\t' => escaped.push(' '),
            _ if is_unsafe(character) => {
                let _infallible = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Escapes as [`escape`] does, and line breaks too, so that the text stays one line.
pub fn escape_line(text: &str) -> String {
    escape(text).replace('\n', "\\n")
}

/// Writes the characters of JSON that [`escape`] would escape as JSON does, so that it says the same.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unsafe(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _infallible = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Aligns the columns of rows, two spaces apart; the last column is not padded.
pub fn align(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (index, cell) in row.iter().enumerate() {
                let padding = if index + 1 == row.len() {
                    0
                } else {
                    widths[index] + 2 - cell.chars().count()
                };
                let _infallible = write!(line, "{cell}{:padding$}", "");
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Returns a moment relative to now: `in 5 d 23 h`, `3 min ago`, `just now`.
pub fn relative(now_ms: u64, moment_ms: u64) -> String {
    match moment_ms.cmp(&now_ms) {
        std::cmp::Ordering::Greater => {
            format!("in {}", approximate_duration_ms(moment_ms - now_ms))
        }
        std::cmp::Ordering::Less if now_ms - moment_ms >= 1_000 => {
            format!("{} ago", approximate_duration_ms(now_ms - moment_ms))
        }
        _ => "just now".to_owned(),
    }
}

/// Returns the date in milliseconds since 1970; 0 if the clock is set before that.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Tells whether a character controls a terminal, changes the direction of text, hides, or breaks lines.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0001}'
        )
}
