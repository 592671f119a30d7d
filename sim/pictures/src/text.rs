//! Text: escaping, and how wide it is without a font at hand.

/// Pixels of the plots' text, before scaling.
pub(crate) const TEXT_PX: f64 = 13.0;
/// Pixels from one line of text to the next.
pub(crate) const LINE_PX: f64 = 17.0;

/// Writes text so that HTML and XML show it as it is.
///
/// What XML cannot hold, and marks that turn the direction of writing, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(character),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

/// How wide a text is at most, in pixels: a bit more than the widest of the usual fonts makes it.
pub(crate) fn width(text: &str) -> f64 {
    text.chars().map(|character| ems(character) * TEXT_PX).sum()
}

/// Breaks a text into lines of at most `most` pixels that are about equally long; what does not
/// fit into `lines` is cut off with an ellipsis.
pub(crate) fn wrap(text: &str, most: f64, lines: usize) -> Vec<String> {
    let mut out = broken(text, most);
    if out.len() > lines {
        let rest = out.split_off(lines.max(1) - 1);
        out.push(rest.join(" "));
        return out.iter().map(|line| cut(line, most)).collect();
    }
    let mut narrower = most;
    while out.len() > 1 && narrower > 0.0 {
        narrower -= 4.0;
        let next = broken(text, narrower);
        if next.len() > out.len() || next.iter().any(|line| width(line) > narrower) {
            break;
        }
        out = next;
    }
    out.iter().map(|line| cut(line, most)).collect()
}

/// Fills lines with words; a word that is too wide has a line for itself.
fn broken(text: &str, most: f64) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match out.last_mut() {
            Some(line) if width(line) + width(" ") + width(word) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => out.push(word.to_owned()),
        }
    }
    out
}

/// Cuts a line off at `most` pixels, with an ellipsis.
pub(crate) fn cut(line: &str, most: f64) -> String {
    if width(line) <= most {
        return line.to_owned();
    }
    let room = most - ems('\u{2026}') * TEXT_PX;
    let mut used = 0.0;
    let kept: String = line
        .chars()
        .take_while(|character| {
            used += ems(*character) * TEXT_PX;
            used <= room
        })
        .collect();
    format!("{}\u{2026}", kept.trim_end())
}

/// A name with the first letter large, at the beginning of a line.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

fn ems(character: char) -> f64 {
    match character {
        // It is shown as U+FFFD.
        _ if character.is_control() => 1.05,
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.34,
        ' ' | '\u{a0}' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' | 'I' => 0.42,
        '\u{202f}' => 0.25,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.98,
        'A'..='Z' => 0.76,
        '0'..='9' => 0.64,
        _ if character.is_ascii() => 0.64,
        '\u{80}'..='\u{5ff}' => 0.84,
        '\u{1f000}'.. => 1.35,
        _ => 1.05,
    }
}

#[cfg(test)]
mod tests;
