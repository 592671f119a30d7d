//! What was said with a contact, on both sides, in the order in which it came.

use std::collections::BTreeMap;

use restante_interface::{
    CONVERSATION_PAGE_COUNT_MAX, ContactState, ConversationInfo, ConversationPage, DeliveryState,
    HISTORY_PAGE_COUNT_MAX, HistoryMessage, HistoryPage, HistoryRequest, InboxMessage,
    ReactionInfo, Refusal, Reply, Stored,
};
use restante_proto::keys::PublicKey;
use restante_proto::message::{MessageId, Reference};
use restante_proto::time::UnixMillis;

use crate::collecting::shown_id;
use crate::contacts;
use crate::cx::Cx;
use crate::io::CallId;
use crate::model::{Contact, Header, Sent, Slot, Words};
use crate::pending::Question;
use crate::placing::Placing;
use crate::records::Records;

/// A message of either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Received, at this place.
    Received(u64),
    /// One's own.
    Own(MessageId),
}

/// Where the words of a message were when they were asked for.
type WordsAt = Option<(u64, Slot)>;

/// Messages whose words are being read.
pub(crate) type Page = Vec<(Item, WordsAt)>;

/// Conversations whose last messages are being read, each with the number of its unread ones.
pub(crate) type Previews = Vec<(PublicKey, u32, Option<(Item, WordsAt)>)>;

/// Begins to return what was said with a contact.
pub(crate) fn on_request(cx: &mut Cx<'_>, call: CallId, request: &HistoryRequest) {
    let count = request
        .count
        .map_or(HISTORY_PAGE_COUNT_MAX, |count| count as usize);
    if !(1..=HISTORY_PAGE_COUNT_MAX).contains(&count) {
        let name = "count".to_owned();
        return cx.refuse(call, Refusal::InvalidParameter { name });
    }
    let account = match contacts::account_of(cx.records, &request.who) {
        Ok(account) => account,
        Err(refusal) => return cx.refuse(call, refusal),
    };
    let mut items = items(cx, &account);
    items.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
    if let Some(before) = &request.before {
        let mut found = items.iter();
        let found = found.find(|(_, item)| name_of(cx, item).starts_with(before));
        let Some(place) = found.map(|(place, _)| *place) else {
            let id = before.clone();
            return cx.refuse(call, Refusal::NoSuchMessage { id });
        };
        items.retain(|(other, _)| *other < place);
    }
    let more = items.len() > count;
    let items: Vec<Item> = items
        .into_iter()
        .take(count)
        .map(|(_, item)| item)
        .collect();
    let items: Page = items
        .into_iter()
        .map(|item| (item, words_of(cx.records, &item)))
        .collect();
    let places = items.iter().filter_map(|(_, at)| *at).collect();
    cx.read(Question::History(call, items, more), places);
}

/// Answers with the words that were read.
pub(crate) fn on_words(
    cx: &mut Cx<'_>,
    placing: &Placing,
    (call, items, mut more): (CallId, Page, bool),
    bodies: Option<Vec<Option<Vec<u8>>>>,
) {
    let Some(bodies) = bodies else {
        let what = Stored::Inbox;
        return cx.refuse(call, Refusal::NotRead { what });
    };
    let mut bodies = bodies.into_iter();
    let mut messages = Vec::new();
    for (item, at) in items {
        let body = match at {
            None => None,
            Some(_) => match bodies.next() {
                Some(body) => body,
                None => {
                    more = true;
                    break;
                }
            },
        };
        // Words that were destroyed or changed meanwhile are not shown any more.
        let body = body.filter(|_| words_of(cx.records, &item) == at);
        messages.extend(shown(cx, placing, &item, body));
    }
    let page = HistoryPage { messages, more };
    cx.reply(call, Ok(Reply::History(page)));
}

/// Begins to list the conversations.
pub(crate) fn on_conversations(cx: &mut Cx<'_>, call: CallId, after: Option<&str>) {
    let mut last: BTreeMap<PublicKey, (u64, Item)> = BTreeMap::new();
    let mut unread: BTreeMap<PublicKey, u32> = BTreeMap::new();
    for (account, place, item) in all(cx) {
        let known = last.entry(account).or_insert((place, item));
        if known.0 < place {
            *known = (place, item);
        }
    }
    let waiting = cx.records.inbox().values();
    for header in waiting.filter(|it| it.read.is_none() && it.recalled.is_none()) {
        *unread.entry(header.sender).or_default() += 1;
    }
    let contacts = cx.records.contacts().values();
    let is_listed = |contact: &&Contact| {
        contact.state == ContactState::Accepted || last.contains_key(&contact.account)
    };
    let mut listed: Vec<&Contact> = contacts.filter(is_listed).collect();
    let place = |contact: &Contact| last.get(&contact.account).map(|(place, _)| *place);
    listed.sort_by_cached_key(|contact| {
        let order = (contact.wishes.is_pinned, place(contact));
        (std::cmp::Reverse(order), contact.id().to_string())
    });
    let begins = match after {
        None => 0,
        Some(after) => {
            let mut all = listed.iter();
            let found = all.position(|contact| contact.id().to_string() == after);
            found.map_or(listed.len(), |at| at + 1)
        }
    };
    let rest = listed.get(begins..).unwrap_or_default();
    let page = rest.iter().take(CONVERSATION_PAGE_COUNT_MAX);
    let page: Previews = page
        .map(|contact| {
            let account = contact.account;
            let last = last.get(&account).map(|(_, item)| *item);
            let last = last.map(|item| (item, preview_of(cx, &item)));
            (account, unread.get(&account).copied().unwrap_or(0), last)
        })
        .collect();
    let has_more = rest.len() > page.len();
    let places = page.iter().filter_map(|(.., last)| last.as_ref()?.1);
    let places = places.collect();
    cx.read(Question::Conversations(call, page, has_more), places);
}

/// Answers with the conversations, and what was said last in each.
pub(crate) fn on_previews(
    cx: &mut Cx<'_>,
    placing: &Placing,
    (call, page, mut has_more): (CallId, Previews, bool),
    bodies: Option<Vec<Option<Vec<u8>>>>,
) {
    let Some(bodies) = bodies else {
        let what = Stored::Inbox;
        return cx.refuse(call, Refusal::NotRead { what });
    };
    let mut bodies = bodies.into_iter();
    let mut conversations = Vec::new();
    for (account, unread, last) in page {
        let at = last.and_then(|(_, at)| at);
        let body = match at.map(|_| bodies.next()) {
            None => None,
            Some(Some(body)) => body,
            // The page ends where the words that were read do.
            Some(None) => {
                has_more = true;
                break;
            }
        };
        let Some(contact) = cx.records.contacts().get(&account) else {
            continue;
        };
        let contact = contacts::info_of(contact);
        let last = last.and_then(|(item, at)| {
            let body = body.filter(|_| words_of(cx.records, &item) == at);
            shown(cx, placing, &item, body)
        });
        conversations.push(ConversationInfo {
            contact,
            unread,
            last_ms: last.as_ref().map(|last| last.received_ms),
            last,
        });
    }
    let last = conversations.last().filter(|_| has_more);
    let next = last.map(|last| last.contact.id.clone());
    let page = ConversationPage {
        conversations,
        next,
    };
    cx.reply(call, Ok(Reply::Conversations(page)));
}

/// Finds a message by the name that it is shown under, or the beginning of that if no other begins so.
pub(crate) fn find(cx: &Cx<'_>, id: &str) -> Option<Item> {
    let own = cx.records.sent().iter();
    let own = own.filter(|(_, sent)| is_shown(cx, sent));
    let own = own.filter(|(own, _)| own.to_string().starts_with(id));
    let own = own.map(|(id, _)| Item::Own(*id));
    let inbox = cx.records.inbox().iter();
    let received = inbox.filter(|(_, header)| header.shown_id().starts_with(id));
    let mut found = own.chain(received.map(|(place, _)| Item::Received(*place)));
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Returns the name of a message, and the other side of the conversation that it is in.
pub(crate) fn reference(cx: &Cx<'_>, item: &Item) -> Option<(Reference, PublicKey)> {
    match item {
        Item::Received(place) => {
            let header = cx.records.inbox().get(place)?;
            Some((header.reference(), header.sender))
        }
        Item::Own(id) => {
            let author = cx.records.account().identity.account;
            let to = cx.records.sent().get(id)?.to;
            Some((Reference { author, id: *id }, to))
        }
    }
}

/// Returns all messages that are shown, each with the other side and its place.
fn all(cx: &Cx<'_>) -> impl Iterator<Item = (PublicKey, u64, Item)> {
    let date = cx.now.date;
    let inbox = cx.records.inbox().iter();
    let inbox = inbox.filter(move |(_, header)| header.destroy_at() > date);
    let received = inbox.map(|(place, header)| (header.sender, *place, Item::Received(*place)));
    let sent = cx.records.sent().iter();
    let sent = sent.filter(move |(_, sent)| is_shown(cx, sent));
    let own = sent.map(|(id, sent)| (sent.to, sent.place, Item::Own(*id)));
    received.chain(own)
}

/// Tells whether a message of one's own is shown: not what is not on the disk yet, nor what has taken the place of
/// another, which is shown there, nor what has arrived and is over.
fn is_shown(cx: &Cx<'_>, sent: &Sent) -> bool {
    let has_arrived = sent.state == DeliveryState::Delivered;
    let is_over = has_arrived && sent.destroy_at() <= cx.now.date;
    let is_there = sent.words != Words::Staged && !sent.is_hidden;
    sent.replaces.is_none() && is_there && !is_over
}

fn items(cx: &Cx<'_>, account: &PublicKey) -> Vec<(u64, Item)> {
    let all = all(cx).filter(|(with, ..)| with == account);
    all.map(|(_, place, item)| (place, item)).collect()
}

fn name_of(cx: &Cx<'_>, item: &Item) -> String {
    let reference = reference(cx, item);
    reference.map_or_else(String::new, |(reference, _)| shown_id(cx, &reference))
}

/// Returns the newest form of a message of one's own.
pub(crate) fn newest<'a>(records: &'a Records, id: &MessageId) -> Option<(MessageId, &'a Sent)> {
    let sent = records.sent().get(id)?;
    let newest = sent.replaced_by.unwrap_or(*id);
    Some((newest, records.sent().get(&newest)?))
}

fn words_of(records: &Records, item: &Item) -> Option<(u64, Slot)> {
    match item {
        Item::Received(place) => {
            let header = records.inbox().get(place)?;
            // What burns is opened by reading it.
            let is_sealed = header.burn_ms > 0 && header.read.is_none();
            Some((*place, header.slot.filter(|_| !is_sealed)?))
        }
        Item::Own(id) => {
            let (_, newest) = newest(records, id)?;
            Some((newest.place, newest.words.slot()?))
        }
    }
}

/// Returns where the words are that are shown of a conversation's last message: none of a file.
fn preview_of(cx: &Cx<'_>, item: &Item) -> WordsAt {
    let name = match item {
        Item::Received(place) => &cx.records.inbox().get(place)?.file_name,
        Item::Own(id) => &cx.records.sent().get(id)?.file_name,
    };
    words_of(cx.records, item).filter(|_| name.is_empty())
}

fn shown(
    cx: &Cx<'_>,
    placing: &Placing,
    item: &Item,
    body: Option<Vec<u8>>,
) -> Option<HistoryMessage> {
    let (reference, _) = reference(cx, item)?;
    let (text, base64) = body.map_or((None, None), InboxMessage::body);
    let own = cx.records.account().identity.account;
    let reactions = cx.records.reactions(&reference);
    let reactions = reactions.filter(|(_, reaction)| !reaction.emoji.is_empty());
    let reactions = reactions.map(|(by, reaction)| ReactionInfo {
        own: *by == own,
        emoji: reaction.emoji.clone(),
    });
    let message = match item {
        Item::Received(place) => received(cx, cx.records.inbox().get(place)?),
        Item::Own(id) => own_message(cx, placing, id)?,
    };
    Some(HistoryMessage {
        id: shown_id(cx, &reference),
        text,
        base64,
        reactions: reactions.collect(),
        ..message
    })
}

fn received(cx: &Cx<'_>, header: &Header) -> HistoryMessage {
    HistoryMessage {
        own: false,
        sent_ms: header.sent.get(),
        received_ms: header.received.get(),
        expires_ms: header.expires.get(),
        burn_ms: Some(header.burn_ms).filter(|burn_ms| *burn_ms > 0),
        read_ms: header.read.map(UnixMillis::get),
        file_name: Some(header.file_name.clone()).filter(|name| !name.is_empty()),
        reply_to: header.reply_to.as_ref().map(|to| shown_id(cx, to)),
        edited_ms: header.edited.map(UnixMillis::get),
        recalled_ms: header.recalled.map(UnixMillis::get),
        unknown: header.unknown_kind != 0,
        ..HistoryMessage::default()
    }
}

fn own_message(cx: &Cx<'_>, placing: &Placing, id: &MessageId) -> Option<HistoryMessage> {
    let sent = cx.records.sent().get(id)?;
    let (newest_id, newest) = newest(cx.records, id)?;
    let standing = placing.standing_of(cx.records, cx.settled(), newest_id);
    let how = placing.shown(cx.records, cx.settled(), newest_id, newest, &standing);
    let edited = sent.replaced_by.map(|_| newest.sent.get());
    Some(HistoryMessage {
        own: true,
        sent_ms: sent.sent.get(),
        received_ms: sent.sent.get(),
        expires_ms: sent.expires.get(),
        burn_ms: Some(sent.burn_ms).filter(|burn_ms| *burn_ms > 0),
        read_ms: sent.read.or(newest.read).map(UnixMillis::get),
        code: Some(how.code),
        file_name: Some(sent.file_name.clone()).filter(|name| !name.is_empty()),
        reply_to: sent.reply_to.as_ref().map(|to| shown_id(cx, to)),
        edited_ms: edited,
        recalled_ms: sent.recalled.map(UnixMillis::get),
        ..HistoryMessage::default()
    })
}
