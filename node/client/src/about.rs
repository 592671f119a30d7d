//! What a person does about messages: reacting, taking back, destroying here (SPEC 10.10).

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::{ContactState, DeliveryState, Refusal, Reply, Stored};
use restante_proto::ItemId;
use restante_proto::card::VerifiedCard;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{MESSAGE_TTL_MAX_MS, REACTION_BYTES_MAX, RECALLED_COUNT_MAX};
use restante_proto::message::{Content, Message, MessageId, Reference};

use crate::cx::Cx;
use crate::history::{self, Item};
use crate::io::CallId;
use crate::model::Reaction;
use crate::sealing::{self, Granting};
use crate::signal::Signal;
use crate::then::{Sealed, SealedFor, Then};

/// Tells a contact what the person feels about a message.
pub(crate) fn on_react(cx: &mut Cx<'_>, call: CallId, id: &str, emoji: String) {
    if emoji.len() > REACTION_BYTES_MAX || emoji.chars().any(char::is_control) {
        let name = "emoji".to_owned();
        return cx.refuse(call, Refusal::InvalidParameter { name });
    }
    let found = history::find(cx, id).and_then(|item| history::reference(cx, &item));
    let Some((to, account)) = found else {
        let id = id.to_owned();
        return cx.refuse(call, Refusal::NoSuchMessage { id });
    };
    let until = cx.date().plus(MESSAGE_TTL_MAX_MS);
    let content = Content::Reaction {
        to,
        emoji: emoji.clone(),
    };
    match tell(cx, &account, content) {
        Ok(envelopes) => {
            let at = cx.date();
            let by = cx.records.account().identity.account;
            cx.records.react(to, by, Reaction { emoji, at, until });
            leave(cx, envelopes);
            cx.records.then(Then::AnswerDone(call, Stored::Message));
        }
        Err(refusal) => cx.refuse(call, refusal),
    }
}

/// Takes messages of one's own back, everywhere.
pub(crate) fn on_recall(cx: &mut Cx<'_>, call: CallId, ids: &[String]) {
    let mut recalled: BTreeMap<PublicKey, BTreeSet<MessageId>> = BTreeMap::new();
    for id in ids {
        let item = history::find(cx, id);
        let own = match item {
            Some(Item::Own(own)) => cx.records.sent().get(&own).map(|sent| (sent.to, own)),
            _ => None,
        };
        let Some((to, own)) = own else {
            let id = id.clone();
            return cx.refuse(call, Refusal::NoSuchMessage { id });
        };
        recalled.entry(to).or_default().insert(own);
    }
    // Before any of it leaves.
    for account in recalled.keys() {
        if let Err(refusal) = card_of(cx, account) {
            return cx.refuse(call, refusal);
        }
    }
    for (account, messages) in &recalled {
        let messages: Vec<MessageId> = messages.iter().copied().collect();
        for ids in messages.chunks(RECALLED_COUNT_MAX) {
            let ids = ids.to_vec();
            match tell(cx, account, Content::Recall { ids }) {
                Ok(envelopes) => leave(cx, envelopes),
                Err(refusal) => return cx.refuse(call, refusal),
            }
        }
    }
    let mut withdrawn = Vec::new();
    for id in recalled.into_values().flatten() {
        withdrawn.extend(take_back(cx, &id));
    }
    cx.records.then(Then::Recalled(call, withdrawn));
}

/// Answers somebody who took messages back, and offers these no longer.
pub(crate) fn on_recalled(cx: &mut Cx<'_>, call: CallId, messages: Vec<MessageId>, ok: bool) {
    let what = Stored::Message;
    cx.reply(
        call,
        ok.then_some(Reply::Done).ok_or(Refusal::NotStored { what }),
    );
    if ok {
        cx.signal(Signal::Withdrawn(messages));
    }
}

/// Destroys messages here.
pub(crate) fn on_delete(cx: &mut Cx<'_>, call: CallId, ids: &[String]) {
    for id in ids {
        match history::find(cx, id) {
            Some(Item::Received(place)) => cx.records.destroy(place),
            Some(Item::Own(id)) => {
                for version in versions(cx, &id) {
                    cx.records.destroy_words(&version);
                    hide(cx, &version);
                }
                drop_reactions(cx, id);
            }
            None => {}
        }
    }
    cx.records.then(Then::AnswerDone(call, Stored::Inbox));
}

/// Seals something about messages for all devices of a contact, and stages the envelopes.
fn tell(cx: &mut Cx<'_>, account: &PublicKey, content: Content) -> Result<Vec<ItemId>, Refusal> {
    let (card, id) = card_of(cx, account)?;
    let name = MessageId::random(&mut cx.rng);
    let identity = &cx.records.account().identity;
    let message = Message::new(identity, name, cx.now.date, content);
    let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
    let all = BTreeSet::new();
    let sealed = sealing::seal(cx, &card, &message, expires, Granting::WhenDue, &all);
    let sealed = sealed.map_err(|error| sealing::refusal_of(error, id))?;
    Ok(sealed.iter().map(|it| it.envelope.id()).collect())
}

/// Returns the card of a contact that can be told something, and its ID.
fn card_of(cx: &Cx<'_>, account: &PublicKey) -> Result<(VerifiedCard, String), Refusal> {
    let contact = cx.records.contacts().get(account);
    let contact = contact.filter(|contact| contact.state == ContactState::Accepted);
    let Some(contact) = contact else {
        let id = account_name(cx, account);
        return Err(Refusal::NotAContact { id });
    };
    let id = contact.id().to_string();
    match contact.card(cx.now.date) {
        Some(card) => Ok((card, id)),
        None => Err(Refusal::StaleKeys { id }),
    }
}

/// Has envelopes leave once they are committed.
fn leave(cx: &mut Cx<'_>, envelopes: Vec<ItemId>) {
    let what = SealedFor::Notice;
    cx.records.then(Then::Send(Sealed { envelopes, what }));
}

/// Destroys a message of one's own in all its forms, and returns these: they are to be offered no longer.
fn take_back(cx: &mut Cx<'_>, id: &MessageId) -> Vec<MessageId> {
    let versions = versions(cx, id);
    for version in &versions {
        cx.records.destroy_words(version);
        let Some(mut sent) = cx.records.sent().get(version).cloned() else {
            continue;
        };
        sent.recalled.get_or_insert(cx.now.date);
        if sent.state != DeliveryState::Delivered {
            sent.state = DeliveryState::Expired;
        }
        cx.records.put_sent(*version, sent);
    }
    drop_reactions(cx, *id);
    versions
}

/// Forgets the reactions to a message of one's own.
pub(crate) fn drop_reactions(cx: &mut Cx<'_>, id: MessageId) {
    let author = cx.records.account().identity.account;
    cx.records.drop_reactions(&Reference { author, id });
}

/// Returns a message of one's own with all that have taken its place.
pub(crate) fn versions(cx: &Cx<'_>, id: &MessageId) -> Vec<MessageId> {
    let sent = cx.records.sent().iter();
    let of = sent.filter(|(other, sent)| *other == id || sent.replaces == Some(*id));
    of.map(|(id, _)| *id).collect()
}

fn hide(cx: &mut Cx<'_>, id: &MessageId) {
    if let Some(mut sent) = cx.records.sent().get(id).cloned() {
        sent.is_hidden = true;
        cx.records.put_sent(*id, sent);
    }
}

fn account_name(cx: &Cx<'_>, account: &PublicKey) -> String {
    let contact = cx.records.contacts().get(account);
    contact.map_or_else(String::new, |contact| contact.id().to_string())
}
