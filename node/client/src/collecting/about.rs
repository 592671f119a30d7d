//! Messages about messages, as they arrive (SPEC 10.10).

use restante_interface::Event;
use restante_proto::keys::PublicKey;
use restante_proto::limits::DAY_MS;
use restante_proto::message::{MessageId, Reference, Text};
use restante_proto::time::UnixMillis;
use tracing::debug;

use super::Collecting;
use super::arrival::Arrival;
use crate::cx::Cx;
use crate::model::{Header, Reaction};
use crate::signal::Signal;

/// How far back a contact is told again of what arrived when it has lost a conversation, in milliseconds.
const LOST_LATELY_MS: u64 = 2 * DAY_MS;
/// Messages of which it is told then, at most.
const ANSWERED_AGAIN_MAX: usize = 256;

/// What becomes of a text that takes the place of another.
pub(super) enum Replacing {
    /// It takes this place.
    At(u64, Box<Header>),
    /// It comes before the one that it replaces.
    First(MessageId),
    /// There is nothing to replace any more.
    Nothing,
}

impl Collecting {
    /// Finds what a text of an accepted contact replaces.
    pub(super) fn replaced(
        &self,
        cx: &Cx<'_>,
        arrival: &Arrival,
        text: &Text,
    ) -> Option<Replacing> {
        let id = text.replaces?;
        let of = Reference {
            author: arrival.sender,
            id,
        };
        Some(match self.find(cx, &of) {
            Some((place, header)) if is_newer(header, arrival.sent) => {
                Replacing::At(place, Box::new(header.clone()))
            }
            Some(_) => Replacing::Nothing,
            None if cx.records.seen().contains_key(&(of.author, of.id)) => Replacing::Nothing,
            None => Replacing::First(id),
        })
    }

    /// Takes back what a contact takes back of its own.
    pub(super) fn recall(
        &self,
        cx: &mut Cx<'_>,
        arrival: &Arrival,
        ids: &[MessageId],
        until: UnixMillis,
    ) {
        for id in ids {
            let of = Reference {
                author: arrival.sender,
                id: *id,
            };
            // One that has not come yet is not taken any more.
            let seen = cx.records.seen().get(&(of.author, of.id));
            if seen.is_none_or(|seen| *seen < until) {
                cx.records.put_seen((of.author, of.id), until);
            }
            let found = self.find(cx, &of);
            let found = found.filter(|(_, header)| header.recalled.is_none());
            let Some((place, mut header)) = found.map(|(place, it)| (place, it.clone())) else {
                continue;
            };
            header.recalled = Some(cx.date());
            header.slot = None;
            header.file_name.clear();
            let id = header.shown_id();
            cx.records.drop_reactions(&of);
            cx.records.put_header(place, header);
            cx.event(Event::Changed { id });
        }
    }

    /// Finds a message in the inbox, or on its way there.
    fn find<'a>(&'a self, cx: &'a Cx<'_>, of: &Reference) -> Option<(u64, &'a Header)> {
        let inbox = cx.records.inbox().iter().rev();
        let mut all = inbox.chain(&self.arriving);
        let found = all.find(|(_, header)| header.reference() == *of);
        found.map(|(place, header)| (*place, header))
    }
}

/// Takes what a contact feels about a message that was said between the two.
pub(super) fn react(
    cx: &mut Cx<'_>,
    arrival: &Arrival,
    to: Reference,
    emoji: &str,
    until: UnixMillis,
) {
    let own = cx.records.account().identity.account;
    let is_own = to.author == own;
    let is_theirs = to.author == arrival.sender;
    let sent = cx.records.sent().get(&to.id);
    let is_between = match sent.filter(|_| is_own) {
        Some(sent) => sent.to == arrival.sender && sent.recalled.is_none(),
        None => is_own || is_theirs,
    };
    let mut inbox = cx.records.inbox().values();
    let is_recalled = inbox.any(|it| it.recalled.is_some() && it.reference() == to);
    let is_between = is_between && !is_recalled;
    if !is_between || emoji.chars().any(char::is_control) {
        debug!("a reaction is to nothing that was said here");
        return;
    }
    let reaction = Reaction {
        emoji: emoji.to_owned(),
        at: arrival.sent,
        until,
    };
    if cx.records.react(to, arrival.sender, reaction) {
        let id = shown_id(cx, &to);
        cx.event(Event::Changed { id });
    }
}

/// Has a contact told again of what arrived lately: what it was told inside of a conversation that it has lost, it has
/// not read.
pub(super) fn answer_again(cx: &mut Cx<'_>, account: &PublicKey) {
    let since = cx.date().minus(LOST_LATELY_MS);
    let inbox = cx.records.inbox().values().rev();
    let lately = inbox.filter(|header| header.sender == *account && header.received >= since);
    let lately = lately.map(|header| (header.sender, header.message));
    let lately: Vec<_> = lately.take(ANSWERED_AGAIN_MAX).collect();
    for named in lately {
        cx.records.put_due(named);
    }
    cx.signal(Signal::ReceiptsDue);
}

/// Returns the name that a message is shown under.
pub(crate) fn shown_id(cx: &Cx<'_>, of: &Reference) -> String {
    let own = cx.records.account().identity.account;
    match of.author == own {
        true => of.id.to_string(),
        false => Header::shown_id_of(of),
    }
}

fn is_newer(header: &Header, sent: UnixMillis) -> bool {
    header.recalled.is_none() && header.edited.is_none_or(|edited| edited < sent)
}
