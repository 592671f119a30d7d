//! A conversation as a terminal shows it: a line for each thing that happens, and a number for each message.

use std::collections::BTreeMap;

use restante_interface::{HistoryMessage, MessageCode};

use crate::cli::history;
use crate::cli::terminal::escape_line;

/// What was shown so far.
#[derive(Debug)]
pub(super) struct View {
    /// What the other is called here.
    who: String,
    /// Messages in the order of their numbers, which begin at 1.
    order: Vec<String>,
    shown: BTreeMap<String, HistoryMessage>,
    oldest: Option<String>,
}

impl View {
    pub(super) fn new(who: &str) -> Self {
        Self {
            who: escape_line(who),
            order: Vec::new(),
            shown: BTreeMap::new(),
            oldest: None,
        }
    }

    /// Returns the message with a number.
    pub(super) fn at(&self, number: usize) -> Option<&HistoryMessage> {
        let id = self.order.get(number.checked_sub(1)?)?;
        self.shown.get(id)
    }

    /// Tells whether a message was shown.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.shown.contains_key(id)
    }

    /// Returns the oldest message that was shown.
    pub(super) fn oldest(&self) -> Option<String> {
        self.oldest.clone()
    }

    /// Takes messages from before all others, the oldest first, and returns their lines. Numbers stay as they are, so
    /// that these have the next ones.
    pub(super) fn take_older(&mut self, messages: Vec<HistoryMessage>) -> Vec<String> {
        let first = messages.first().map(|first| first.id.clone());
        let lines = self.take(messages);
        self.oldest = first.or_else(|| self.oldest.take());
        lines
    }

    /// Takes messages, the oldest first, and returns the lines for what is new about them.
    pub(super) fn take(&mut self, messages: Vec<HistoryMessage>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.oldest.is_none() {
            self.oldest = messages.first().map(|first| first.id.clone());
        }
        for message in messages {
            let before = self.shown.insert(message.id.clone(), message.clone());
            match before {
                None => {
                    self.order.push(message.id.clone());
                    lines.extend(self.message(self.order.len(), &message));
                }
                Some(before) => lines.extend(self.changes(&before, &message)),
            }
        }
        lines
    }

    /// Returns what is shown of a message.
    fn message(&self, number: usize, message: &HistoryMessage) -> Vec<String> {
        let mut head = format!("{number:>4} {}", self.author(message.own));
        if let Some(to) = &message.reply_to {
            head.push_str(&match self.number_of(to) {
                Some(number) => format!(" (to {number})"),
                None => " (to a message before)".to_owned(),
            });
        }
        if let Some(name) = &message.file_name {
            head.push_str(&format!(" [file {}]", escape_line(name)));
        }
        let mut words = words(message, number).into_iter();
        let mut lines = vec![format!("{head}> {}", words.next().unwrap_or_default())];
        // So that what somebody writes cannot pass for a line of its own.
        lines.extend(words.map(|line| format!("     | {line}")));
        lines.extend(reactions(message).map(|(own, emoji)| self.reaction(number, own, emoji)));
        lines
    }

    /// Returns what is told of a message that has changed.
    fn changes(&self, before: &HistoryMessage, now: &HistoryMessage) -> Vec<String> {
        let Some(number) = self.number_of(&now.id) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let author = self.author(now.own);
        if now.recalled_ms.is_some() && before.recalled_ms.is_none() {
            lines.push(format!("   * {author} took {number} back"));
            return lines;
        }
        if now.text != before.text && now.text.is_some() {
            let mut words = words(now, number).into_iter();
            let what = match before.edited_ms == now.edited_ms {
                true => format!("{number} is open"),
                false => format!("{author} changed {number}"),
            };
            lines.push(format!("   * {what}> {}", words.next().unwrap_or_default()));
            lines.extend(words.map(|line| format!("     | {line}")));
        }
        let told = now.code.filter(|code| before.code != Some(*code));
        lines.extend(
            told.and_then(state)
                .map(|state| format!("   * {number} {state}")),
        );
        for own in [false, true] {
            let one = |message: &HistoryMessage| {
                let mut reactions = reactions(message);
                let found = reactions.find(|(by, _)| *by == own);
                found.map(|(_, emoji)| emoji.to_owned())
            };
            match (one(before), one(now)) {
                (before, Some(emoji)) if before.as_deref() != Some(&emoji) => {
                    lines.push(self.reaction(number, own, &emoji));
                }
                (Some(_), None) => lines.push(format!(
                    "   * {} took the reaction to {number} back",
                    self.author(own)
                )),
                _ => {}
            }
        }
        lines
    }

    fn reaction(&self, number: usize, own: bool, emoji: &str) -> String {
        let (author, emoji) = (self.author(own), escape_line(emoji));
        format!("   * {author} reacted to {number} with {emoji}")
    }

    fn number_of(&self, id: &str) -> Option<usize> {
        let at = self.order.iter().position(|other| other == id)?;
        Some(at + 1)
    }

    fn author(&self, own: bool) -> &str {
        if own { "you" } else { &self.who }
    }
}

fn words(message: &HistoryMessage, number: usize) -> Vec<String> {
    let sealed = format!("[sealed: /open {number} opens it, and it burns from then on]");
    history::words(message, &sealed)
}

fn reactions(message: &HistoryMessage) -> impl Iterator<Item = (bool, &str)> {
    let reactions = message.reactions.iter();
    reactions.map(|reaction| (reaction.own, reaction.emoji.as_str()))
}

/// Returns what is told of how a message of one's own stands; nothing while it is on its way as it should be.
fn state(code: MessageCode) -> Option<&'static str> {
    match code {
        MessageCode::Delivered => Some("is delivered"),
        MessageCode::Read => Some("was read"),
        MessageCode::Expired => Some("has expired before it was taken"),
        MessageCode::Refused => Some("waits: keepers do not take it (see `restante status`)"),
        MessageCode::TooDear => Some("waits: keepers ask for more work (see `restante status`)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use restante_interface::{ReactionInfo, Redacted};

    use super::*;

    fn message(id: &str, own: bool, text: &str) -> HistoryMessage {
        HistoryMessage {
            id: id.to_owned(),
            own,
            text: Some(Redacted(text.to_owned())),
            ..HistoryMessage::default()
        }
    }

    #[test]
    fn messages_have_numbers_and_what_happens_to_them_is_told_once() {
        let mut view = View::new("Bob");
        let (theirs, ours) = (message("a", false, "one\ntwo"), message("b", true, "three"));
        let lines = view.take(vec![theirs.clone(), ours.clone()]);
        assert_eq!(lines, ["   1 Bob> one", "     | two", "   2 you> three"]);
        assert_eq!(view.take(vec![theirs, ours.clone()]), [""; 0]);
        assert_eq!(view.at(2).unwrap().id, "b");
        assert!(view.at(0).is_none() && view.at(3).is_none());

        let answer = HistoryMessage {
            reply_to: Some("b".to_owned()),
            ..message("c", false, "to you")
        };
        let lines = view.take(vec![answer]);
        assert_eq!(lines, ["   3 Bob (to 2)> to you"]);
        let edited = HistoryMessage {
            edited_ms: Some(5),
            ..message("a", false, "better")
        };
        let lines = view.take(vec![edited.clone()]);
        assert_eq!(lines, ["   * Bob changed 1> better"]);
        let read = HistoryMessage {
            code: Some(MessageCode::Read),
            ..ours
        };
        assert_eq!(view.take(vec![read.clone()]), ["   * 2 was read"]);
        let emoji = "\u{1f44d}".to_owned();
        let reacted = HistoryMessage {
            reactions: vec![ReactionInfo { own: false, emoji }],
            ..read.clone()
        };
        let lines = view.take(vec![reacted]);
        assert_eq!(lines, ["   * Bob reacted to 2 with \u{1f44d}"]);
        assert_eq!(
            view.take(vec![read]),
            ["   * Bob took the reaction to 2 back"]
        );
        let recalled = HistoryMessage {
            recalled_ms: Some(7),
            text: None,
            ..edited
        };
        assert_eq!(view.take(vec![recalled]), ["   * Bob took 1 back"]);
    }

    #[test]
    fn what_others_write_reaches_the_terminal_escaped_and_cannot_pass_for_a_line_of_its_own() {
        let mut view = View::new("Bob\u{1b}[2J");
        let shown = view.take(vec![message(
            "a",
            false,
            "x\u{1b}[2J\n   9 you> never said",
        )]);
        let shown = shown.join("\n");
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(shown.contains("     |    9 you> never said"), "{shown}");
    }
}
