//! What can be typed in a conversation.

/// One line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing.
    Empty,
    /// A message.
    Say(String),
    /// An answer to a message.
    Reply(usize, String),
    /// What somebody feels about a message.
    React(usize, String),
    /// That is taken back.
    Unreact(usize),
    /// Other words for a message of one's own.
    Edit(usize, String),
    /// A message of one's own is taken back.
    Recall(usize),
    /// A message is destroyed here.
    Delete(usize),
    /// A message that burns is opened.
    Open(usize),
    /// What was said before.
    Older,
    /// What can be typed.
    Help,
    /// The end.
    Quit,
}

/// What can be typed, line by line.
pub(super) const HELP: [&str; 9] = [
    "what you type is sent; // at the beginning sends a line that begins with /",
    "/reply N TEXT    answers message N",
    "/react N EMOJI   shows what you feel about it; /react N takes that back",
    "/edit N TEXT     changes the words of a message of yours",
    "/recall N        takes a message of yours back, here and there",
    "/delete N        destroys a message here",
    "/open N          opens a message that burns",
    "/older           shows what was said before",
    "/quit            ends this, as does Ctrl-D",
];

/// Reads a line; the error says what is wrong with it.
pub(super) fn parse(line: &str) -> Result<Line, String> {
    let line = line.trim();
    let Some(rest) = line.strip_prefix('/') else {
        return Ok(match line.is_empty() {
            true => Line::Empty,
            false => Line::Say(line.to_owned()),
        });
    };
    if rest.starts_with('/') {
        return Ok(Line::Say(rest.to_owned()));
    }
    let (name, rest) = split(rest);
    let numbered = || -> Result<(usize, &str), String> {
        let (number, rest) = split(rest);
        match number.parse() {
            Ok(number) => Ok((number, rest)),
            Err(_) => Err(format!(
                "/{name} takes the number of a message, as in /{name} 3"
            )),
        }
    };
    let worded = || -> Result<(usize, String), String> {
        match numbered()? {
            (_, "") => Err(format!("/{name} takes a number and a text")),
            (number, text) => Ok((number, text.to_owned())),
        }
    };
    Ok(match name {
        "reply" | "r" => worded().map(|(number, text)| Line::Reply(number, text))?,
        "edit" | "e" => worded().map(|(number, text)| Line::Edit(number, text))?,
        "react" => match numbered()? {
            (number, "") => Line::Unreact(number),
            (number, emoji) => Line::React(number, emoji.to_owned()),
        },
        "recall" => Line::Recall(numbered()?.0),
        "delete" => Line::Delete(numbered()?.0),
        "open" => Line::Open(numbered()?.0),
        "older" => Line::Older,
        "help" | "h" | "?" => Line::Help,
        "quit" | "q" | "exit" => Line::Quit,
        _ => return Err(format!("there is no /{name}; /help shows what there is")),
    })
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        let say = |text: &str| Ok(Line::Say(text.to_owned()));
        let text = || "see you".to_owned();
        for (line, expected) in [
            ("", Ok(Line::Empty)),
            ("   ", Ok(Line::Empty)),
            (" see you ", say("see you")),
            ("//etc/hosts", say("/etc/hosts")),
            ("/reply 3 see you", Ok(Line::Reply(3, text()))),
            ("/r 3   see you", Ok(Line::Reply(3, text()))),
            ("/edit 12 see you", Ok(Line::Edit(12, text()))),
            ("/react 3 +", Ok(Line::React(3, "+".to_owned()))),
            ("/react 3", Ok(Line::Unreact(3))),
            ("/recall 3", Ok(Line::Recall(3))),
            ("/delete 3", Ok(Line::Delete(3))),
            ("/open 3", Ok(Line::Open(3))),
            ("/older", Ok(Line::Older)),
            ("/help", Ok(Line::Help)),
            ("/quit", Ok(Line::Quit)),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
        for line in [
            "/reply 3",
            "/reply see you",
            "/edit 3 ",
            "/recall",
            "/open x",
            "/dance",
            "/",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
