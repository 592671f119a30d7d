//! Messages that are destroyed some time after they were read, as their senders asked.

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::InboxMessage;
use restante_proto::limits::MINUTE_MS;
use restante_proto::time::UnixMillis;

/// How long after its time a message may still be there, in milliseconds.
const LINGER_MS: u64 = MINUTE_MS;

/// What is to be destroyed when; a rule of its own beside the letters'.
#[derive(Default)]
pub(super) struct Burns {
    /// What the sender of each letter asked for, by the letter's number.
    asked: Vec<Option<u64>>,
    /// How long after being read each message that was shown lives.
    shown: BTreeMap<(usize, String), u64>,
    /// When each message that was read ends, by its reader's clock.
    due: BTreeMap<(usize, String), UnixMillis>,
    /// Those of them that were looked for after that and were gone.
    gone: BTreeSet<(usize, String)>,
}

impl Burns {
    pub(super) fn new(asked: Vec<Option<u64>>) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    /// Returns how long a letter may live once it was read, in milliseconds, if that is limited.
    pub(super) fn asked(&self, letter: usize) -> Option<u64> {
        self.asked.get(letter).copied().flatten()
    }

    /// Returns the people who have read what is to be destroyed.
    pub(super) fn readers(&self) -> BTreeSet<usize> {
        self.due.keys().map(|(person, _)| *person).collect()
    }

    /// Returns how many were destroyed in time.
    pub(super) fn count(&self) -> u64 {
        self.gone.len() as u64
    }

    /// Notes that a letter was shown; tells what is wrong if its sender had asked for something else.
    pub(super) fn on_shown(
        &mut self,
        person: usize,
        letter: usize,
        message: &InboxMessage,
    ) -> Option<String> {
        let (asked, shown) = (self.asked(letter), message.burn_ms);
        if let Some(burn_ms) = shown {
            self.shown.insert((person, message.id.clone()), burn_ms);
        }
        (asked != shown).then(|| {
            format!("m{letter} burns after {shown:?} ms, and its sender asked for {asked:?}")
        })
    }

    /// Notes that somebody's node knows that these were read.
    pub(super) fn on_read(&mut self, person: usize, ids: &[String], clock: UnixMillis) {
        for id in ids {
            let name = (person, id.clone());
            if let Some(burn_ms) = self.shown.get(&name) {
                let end = clock.plus(*burn_ms);
                self.due.entry(name).or_insert(end);
            }
        }
    }

    /// Forgets what somebody has read, whose home is an older one now.
    pub(super) fn forget(&mut self, person: usize) {
        self.shown.retain(|(whose, _), _| *whose != person);
        self.due.retain(|(whose, _), _| *whose != person);
    }

    /// Holds a whole inbox against what was to be destroyed; tells what is still there.
    pub(super) fn on_inbox(
        &mut self,
        person: usize,
        inbox: &BTreeSet<String>,
        clock: UnixMillis,
    ) -> Option<String> {
        let own = (person, String::new())..(person + 1, String::new());
        for (name, due) in self.due.range(own) {
            if *due > clock {
                continue;
            }
            if !inbox.contains(&name.1) {
                self.gone.insert(name.clone());
            } else if due.plus(LINGER_MS) <= clock {
                return Some(format!("p{person} can still read {}, which burnt", name.1));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: UnixMillis = UnixMillis::new(1_800_000_000_000);

    fn message(burn_ms: Option<u64>) -> InboxMessage {
        InboxMessage {
            id: "id".to_owned(),
            from: "p0".to_owned(),
            known_as: None,
            contact: true,
            blocked: false,
            read: false,
            received_ms: 1,
            sent_ms: 1,
            expires_ms: 2,
            burn_ms,
            text: None,
            base64: None,
            file_name: None,
            reply_to: None,
            edited_ms: None,
            unknown: false,
        }
    }

    #[test]
    fn a_message_that_burns_otherwise_than_asked_is_told() {
        for (asked, shown, is_told) in [
            (Some(5), Some(5), false),
            (None, None, false),
            (Some(5), None, true),
            (None, Some(5), true),
            (Some(5), Some(6), true),
        ] {
            let mut burns = Burns::new(vec![asked]);
            let told = burns.on_shown(1, 0, &message(shown));
            assert_eq!(told.is_some(), is_told, "{asked:?} {shown:?}");
        }
    }

    #[test]
    fn a_message_that_stays_after_its_time_is_told() {
        let mut burns = Burns::new(vec![Some(5)]);
        burns.on_shown(1, 0, &message(Some(5)));
        burns.on_read(1, &["id".to_owned()], CLOCK);
        let there = BTreeSet::from(["id".to_owned()]);
        let latest = CLOCK.plus(5 + LINGER_MS);
        assert_eq!(burns.on_inbox(1, &there, latest.minus(1)), None);
        assert!(burns.on_inbox(1, &there, latest).is_some());
        assert_eq!(burns.on_inbox(1, &BTreeSet::new(), CLOCK.plus(5)), None);
        assert_eq!(burns.count(), 1);
    }
}
