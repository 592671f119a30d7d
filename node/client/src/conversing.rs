//! Conversations: being invited and inviting, speaking, and taking what members say (SPEC 15.7).
//!
//! What is said goes to each device of a contact by itself. A device that is known to be in the conversation gets it
//! there; every other one gets it sealed to its prekey, as a first message. So nothing is lost while a conversation
//! begins, and when one is.

use std::collections::{BTreeMap, BTreeSet};

use restante_conversation::conversation::{Committed, Opened, WINDOW_MS, Wanted};
use restante_conversation::outer::OuterKeys;
use restante_conversation::{
    Accounts, Conversation, ConversationError, ConversationId, EpochName, Turn, key_package,
};
use restante_interface::ContactState;
use restante_proto::account::Identity;
use restante_proto::card::Card;
use restante_proto::envelope;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{CLOCK_SKEW_MS, DAY_MS};
use restante_proto::message::{Content, Message};
use restante_proto::time::UnixMillis;
use tracing::debug;

use crate::cx::Cx;
use crate::model::{Contact, Membership, OwnPackage};
use crate::records::Records;

/// Conversations with one account, at most: both sides may begin one at once, and again after a loss.
const CONVERSATIONS_EACH_MAX: usize = 4;
/// How often an account is offered this device's key packages, at most, in milliseconds.
const OFFER_MS: u64 = DAY_MS;

/// How long after it was last heard inside a device must have offered its key packages to be taken for one that has
/// lost the conversation, in milliseconds: commits show the reader's date, and clocks may differ.
const LOST_MS: u64 = 2 * CLOCK_SKEW_MS;

/// How often others are told that a conversation is lost, at most, in milliseconds.
const LOST_AGAIN_MS: u64 = DAY_MS;

/// What a conversation makes of a message, before any of it is staged.
pub(crate) struct Inside {
    pub(crate) conversation: Conversation,
    pub(crate) opened: Opened,
}

/// Something sealed for the members of an epoch, with what seals its envelopes.
pub(crate) struct Spoken {
    pub(crate) keys: OuterKeys,
    pub(crate) bytes: Vec<u8>,
}

/// An invitation that is to be sent.
pub(crate) struct Invited {
    pub(crate) welcome: Vec<u8>,
    pub(crate) devices: BTreeSet<PublicKey>,
}

/// Finds the conversation that this device speaks in with the devices of a card, and those that are known to be in it.
///
/// Of several it is the one with the smallest name, so that both sides choose the same.
pub(crate) fn with(cx: &Cx<'_>, card: &Card) -> Option<(ConversationId, BTreeSet<PublicKey>)> {
    // An older copy of this home must not use the keys of a newer one again.
    if !cx.is_newest {
        return None;
    }
    let own = cx.records.account().identity.device.public();
    let memberships = cx.records.memberships().iter();
    let mut theirs = memberships.filter(|(_, it)| it.speaks_with(&card.account, &own));
    theirs.find_map(|(id, membership)| {
        let conversation = cx.records.conversation(id)?;
        if conversation.removed_by().is_some() {
            return None;
        }
        let members = conversation.members().ok()?;
        let members: BTreeSet<PublicKey> = members.iter().map(|member| member.device).collect();
        let shown = card.devices.iter().map(|it| it.certificate.device);
        let known = |device: &PublicKey| membership.heard.contains_key(device);
        let heard: BTreeSet<PublicKey> = shown
            .filter(|device| known(device) && members.contains(device))
            .collect();
        (!heard.is_empty() && members.contains(&own)).then_some((*id, heard))
    })
}

/// Renews this device's keys in a conversation if it should before it speaks; the commit is staged, for all members
/// beside this one.
pub(crate) fn renew(cx: &mut Cx<'_>, id: &ConversationId) -> Option<Spoken> {
    let account = cx.records.account().clone();
    let mut conversation = (**cx.records.conversation(id)?).clone();
    let is_renewed = cx.records.is_renewed(id);
    let mut turn = turn(cx, &account.identity);
    if !conversation.is_stale(&turn) && is_renewed {
        return None;
    }
    let committed = conversation.commit(&mut turn, &Wanted::default());
    let Committed {
        parent, message, ..
    } = committed
        .inspect_err(|error| debug!(%error, "a conversation cannot be renewed"))
        .ok()?;
    let keys = keys_of(&conversation, &parent)?;
    cx.records.note_renewed(Some(*id));
    cx.records.put_conversation(conversation);
    Some(Spoken {
        keys,
        bytes: message,
    })
}

/// Seals something for the members of a conversation, and stages that its keys are used.
pub(crate) fn speak(cx: &mut Cx<'_>, id: &ConversationId, body: &[u8]) -> Option<Spoken> {
    let account = cx.records.account().clone();
    let mut conversation = (**cx.records.conversation(id)?).clone();
    let sealed = conversation.seal(&mut turn(cx, &account.identity), body);
    let sealed = sealed
        .inspect_err(|error| debug!(%error, "a conversation does not take a text"))
        .ok()?;
    let keys = keys_of(&conversation, &sealed.epoch)?;
    cx.records.put_conversation(conversation);
    Some(Spoken {
        keys,
        bytes: sealed.message,
    })
}

/// Makes a conversation with a contact that has offered key packages and is in none, and stages it.
pub(crate) fn invite(cx: &mut Cx<'_>, card: &Card) -> Option<Invited> {
    let contact = cx.records.contacts().get(&card.account)?.clone();
    let is_accepted = contact.state == ContactState::Accepted;
    if !is_accepted || !cx.is_newest || contact.packages.is_empty() {
        return None;
    }
    let shown = card.devices.iter().map(|it| it.certificate.device);
    let shown: BTreeSet<PublicKey> = shown.collect();
    let offered = contact.packages.iter();
    let offered = offered.filter(|(device, _)| shown.contains(device));
    let devices: BTreeSet<PublicKey> = offered.clone().map(|(device, _)| *device).collect();
    let packages: Vec<Vec<u8>> = offered.map(|(_, package)| package.to_vec()).collect();
    if packages.is_empty() {
        return None;
    }
    let account = cx.records.account().clone();
    let accounts = Accounts::between(account.identity.account, card.account);
    let made = Conversation::create(&mut turn(cx, &account.identity), &accounts, &packages);
    forget_packages(cx, contact);
    let (conversation, welcome) = made
        .inspect_err(|error| debug!(%error, "a conversation cannot be made"))
        .ok()?;
    let membership = Membership {
        with: card.account,
        device: account.identity.device.public(),
        since: cx.date(),
        heard: BTreeMap::new(),
        lost: None,
    };
    make_room(cx.records, &card.account);
    cx.records.note_renewed(Some(conversation.id()));
    cx.records.put_membership(conversation.id(), membership);
    cx.records.put_conversation(conversation);
    let welcome = welcome?;
    Some(Invited { welcome, devices })
}

/// Joins a conversation that a contact invites to; returns its name.
pub(crate) fn join(cx: &mut Cx<'_>, message: &Message, welcome: &[u8]) -> Option<ConversationId> {
    let account = cx.records.account().clone();
    let identity = &account.identity;
    let packages = cx.records.packages().iter();
    let packages: Vec<_> = packages.map(|own| own.package.clone()).collect();
    let joined = Conversation::join(&mut turn(cx, identity), &packages, welcome);
    let joined = joined
        .inspect_err(|error| debug!(%error, "an invitation is worth nothing"))
        .ok()?;
    let id = joined.id();
    let inviter = message.certificate.device;
    let members = joined.members().ok()?;
    let is_between = |account: &PublicKey| [identity.account, message.sender].contains(account);
    let is_inviter = |device: &PublicKey| *device == inviter;
    if !members.iter().all(|member| is_between(&member.account))
        || !members.iter().any(|member| is_inviter(&member.device))
    {
        debug!("an invitation is to a conversation with somebody else");
        return None;
    }
    let known = cx.records.conversation(&id).cloned();
    let conversation = match known {
        // A commit of the inviter's lost, and it invites again.
        Some(known) => {
            let mut known = (*known).clone();
            let turn = &mut turn(cx, identity);
            known.join_again(turn, &packages, welcome).ok()?;
            known
        }
        None => joined,
    };
    let mut membership = cx.records.memberships().get(&id).cloned();
    if membership.is_none() {
        make_room(cx.records, &message.sender);
    }
    let membership = membership.get_or_insert_with(|| Membership {
        with: message.sender,
        device: identity.device.public(),
        since: cx.now.date,
        heard: BTreeMap::new(),
        lost: None,
    });
    membership.hear(inviter, message.sent);
    cx.records.put_membership(id, membership.clone());
    cx.records.put_conversation(conversation);
    Some(id)
}

/// Opens what the envelope of an epoch held; nothing is staged.
pub(crate) fn open(
    cx: &mut Cx<'_>,
    id: &ConversationId,
    epoch: &EpochName,
    message: &[u8],
) -> Result<Inside, ConversationError> {
    let records = &cx.records;
    let membership = records.memberships().get(id);
    let known = membership.zip(records.conversation(id));
    let (membership, conversation) = known.ok_or(ConversationError::Unknown)?;
    let account = records.account().clone();
    let mut identities = account.identities();
    let identity = identities.find(|it| it.device.public() == membership.device);
    let identity = identity.ok_or(ConversationError::Unknown)?;
    let mut conversation = (**conversation).clone();
    let opened = conversation.open(&mut turn(cx, &identity), epoch, message)?;
    Ok(Inside {
        conversation,
        opened,
    })
}

/// Stages that a member has spoken.
pub(crate) fn hear(cx: &mut Cx<'_>, id: &ConversationId, device: PublicKey, sent: UnixMillis) {
    if let Some(membership) = cx.records.memberships().get(id) {
        let mut heard = membership.clone();
        heard.hear(device, sent);
        if heard != *membership {
            cx.records.put_membership(*id, heard);
        }
    }
}

/// Takes the key packages that a contact's device has sent with a message; those of a device that is in a conversation
/// already count only if it has lost that.
pub(crate) fn take_packages(cx: &Cx<'_>, contact: &mut Contact, message: &Message) {
    let is_lost = matches!(message.content, Content::Lost { .. });
    if message.packages.is_empty() || !(is_lost || is_outside(cx.records, message)) {
        return;
    }
    let mut packages = BTreeMap::new();
    for package in &message.packages {
        match key_package::member(package) {
            Ok(member) if member.account == message.sender => {
                packages.insert(member.device, package.clone());
            }
            _ => debug!("a key package is worth nothing"),
        }
    }
    contact.packages = packages;
}

/// Tells whether a device that offers key packages is in no conversation with this one: it has never been, or has said
/// something outside since it last spoke inside, or has not come for a day after it was invited.
fn is_outside(records: &Records, message: &Message) -> bool {
    let own = records.account().identity.device.public();
    let device = message.certificate.device;
    let memberships = records.memberships().iter();
    let mut theirs = memberships.filter(|(_, it)| it.with == message.sender && it.device == own);
    theirs.all(|(id, membership)| {
        let members = records.conversation(id).and_then(|it| it.members().ok());
        let is_member = members.is_some_and(|it| it.iter().any(|it| it.device == device));
        match membership.heard.get(&device) {
            Some(last) => message.sent > last.plus(LOST_MS),
            None => !is_member || message.sent > membership.since.plus(OFFER_MS),
        }
    })
}

/// Tells whether this device is in a conversation with a device of a card, or has invited one within a day.
fn is_with(records: &Records, card: &Card, date: UnixMillis) -> bool {
    let own = records.account().identity.device.public();
    let shown = card.devices.iter().map(|it| it.certificate.device);
    let shown: BTreeSet<PublicKey> = shown.collect();
    let memberships = records.memberships().values();
    let mut theirs = memberships.filter(|it| it.speaks_with(&card.account, &own));
    theirs.any(|membership| {
        let is_heard = membership.heard.keys().any(|device| shown.contains(device));
        is_heard || (membership.heard.is_empty() && date.since(membership.since) < OFFER_MS)
    })
}

/// Adds key packages to a message to an account, if it is to be offered them: it is in no conversation with this
/// device, was not offered any for a while, and gets no larger envelope because of them.
pub(crate) fn offering(cx: &mut Cx<'_>, card: &Card, message: Message) -> Message {
    if !is_offered(cx, card) {
        return message;
    }
    let Some(package) = own_package(cx) else {
        return message;
    };
    let message = envelope::with_packages(message, vec![package.into()]);
    if !message.packages.is_empty() {
        note_offered(cx, &card.account);
    }
    message
}

/// Tells whether an account is to be offered key packages.
fn is_offered(cx: &Cx<'_>, card: &Card) -> bool {
    let date = cx.now.date;
    let Some(contact) = cx.records.contacts().get(&card.account) else {
        return false;
    };
    let last = contact.offered.filter(|last| *last <= date);
    let is_due = last.is_none_or(|last| date.since(last) >= OFFER_MS);
    let is_accepted = contact.state == ContactState::Accepted;
    // Who has offered its own is invited instead.
    let is_wanted = is_due && is_accepted && contact.packages.is_empty();
    cx.is_newest && is_wanted && !is_with(cx.records, card, date)
}

/// Returns the key packages of this device, and notes that an account is offered them.
pub(crate) fn offer_now(cx: &mut Cx<'_>, account: &PublicKey) -> Vec<bytes::Bytes> {
    let Some(package) = own_package(cx) else {
        return Vec::new();
    };
    note_offered(cx, account);
    vec![package.into()]
}

fn note_offered(cx: &mut Cx<'_>, account: &PublicKey) {
    if let Some(mut contact) = cx.records.contacts().get(account).cloned() {
        contact.offered = Some(cx.now.date);
        cx.records.put_contact(contact);
    }
}

/// Notes that this device cannot follow a conversation any more; returns the account to be told, if it was not for a
/// while.
pub(crate) fn lose(cx: &mut Cx<'_>, id: &ConversationId) -> Option<PublicKey> {
    let date = cx.now.date;
    let own = cx.records.account().identity.device.public();
    let mut membership = cx.records.memberships().get(id)?.clone();
    let is_told = |last: &UnixMillis| *last <= date && date.since(*last) < LOST_AGAIN_MS;
    let is_own = membership.device == own && cx.is_newest;
    if !is_own || membership.lost.as_ref().is_some_and(is_told) {
        return None;
    }
    membership.lost = Some(date);
    let with = membership.with;
    cx.records.put_membership(*id, membership);
    Some(with)
}

/// Tells whether a device of a card was heard in a conversation.
pub(crate) fn is_heard(cx: &Cx<'_>, card: &Card, device: &PublicKey) -> bool {
    let memberships = cx.records.memberships().values();
    let mut theirs = memberships.filter(|it| it.with == card.account);
    theirs.any(|membership| membership.heard.contains_key(device))
}

/// Takes a device of an account for one that was never heard: it cannot follow.
pub(crate) fn unhear(cx: &mut Cx<'_>, account: &PublicKey, device: &PublicKey) {
    let memberships = cx.records.memberships().iter();
    let theirs = memberships.filter(|(_, it)| it.with == *account);
    let heard = theirs.filter(|(_, it)| it.heard.contains_key(device));
    let heard: Vec<_> = heard.map(|(id, it)| (*id, it.clone())).collect();
    for (id, mut membership) in heard {
        membership.heard.remove(device);
        cx.records.put_membership(id, membership);
    }
}

/// Takes a contact's word that one of its devices cannot follow a conversation any more; tells whether that was known
/// to be in it.
pub(crate) fn on_lost(cx: &mut Cx<'_>, message: &Message, conversation: [u8; 16]) -> bool {
    let id = ConversationId::new(conversation);
    let membership = cx.records.memberships().get(&id);
    let membership = membership.filter(|it| it.with == message.sender);
    let Some(mut membership) = membership.cloned() else {
        return false;
    };
    let was_heard = membership
        .heard
        .remove(&message.certificate.device)
        .is_some();
    if was_heard {
        cx.records.put_membership(id, membership);
    }
    was_heard
}

/// Returns a key package of this device, made now if there is none that is new.
fn own_package(cx: &mut Cx<'_>) -> Option<Vec<u8>> {
    let date = cx.now.date;
    let fresh = cx.records.packages().iter().find(|own| own.is_fresh(date));
    if let Some(own) = fresh {
        return Some(own.package.public.clone());
    }
    let account = cx.records.account().clone();
    let package = key_package::make(&mut turn(cx, &account.identity)).ok()?;
    let public = package.public.clone();
    if cx.records.packages().iter().any(|own| own.made == date) {
        return None;
    }
    let made = date;
    cx.records.put_package(OwnPackage { made, package });
    Some(public)
}

/// Ends epochs that are over, and drops conversations of devices that nothing can be under way to any more.
pub(crate) fn tidy(cx: &mut Cx<'_>) {
    cx.records.destroy_packages(cx.settled, false);
    let account = cx.records.account().clone();
    let devices: BTreeMap<PublicKey, Identity> = account
        .identities()
        .map(|identity| (identity.device.public(), identity))
        .collect();
    let memberships = cx.records.memberships().iter();
    let memberships = memberships.map(|(id, membership)| (*id, membership.device));
    let memberships: Vec<(ConversationId, PublicKey)> = memberships.collect();
    for (id, device) in memberships {
        match (devices.get(&device), cx.records.conversation(&id)) {
            (Some(identity), Some(conversation)) => {
                let mut conversation = (**conversation).clone();
                let date = cx.settled;
                let mut turn = Turn {
                    date,
                    ..turn(cx, identity)
                };
                if let Err(error) = conversation.pass(&mut turn, WINDOW_MS) {
                    debug!(%error, "an epoch cannot be ended");
                }
                cx.records.put_conversation(conversation);
            }
            _ => cx.records.drop_conversation(id),
        }
    }
}

/// Makes room for one more conversation with an account: the oldest in which nobody has been heard goes first.
fn make_room(records: &mut Records, account: &PublicKey) {
    let memberships = records.memberships().iter();
    let theirs = memberships.filter(|(_, membership)| membership.with == *account);
    let mut theirs: Vec<_> = theirs
        .map(|(id, membership)| (!membership.heard.is_empty(), membership.since, *id))
        .collect();
    theirs.sort_unstable();
    let over = (theirs.len() + 1).saturating_sub(CONVERSATIONS_EACH_MAX);
    for (.., id) in theirs.into_iter().take(over) {
        records.drop_conversation(id);
    }
}

fn forget_packages(cx: &mut Cx<'_>, mut contact: Contact) {
    contact.packages.clear();
    cx.records.put_contact(contact);
}

fn keys_of(conversation: &Conversation, epoch: &EpochName) -> Option<OuterKeys> {
    let mut keys = conversation.outer_keys();
    let found = keys.find(|(name, _)| name == epoch);
    found.map(|(_, keys)| keys.clone())
}

fn turn<'a>(cx: &'a mut Cx<'_>, identity: &'a Identity) -> Turn<'a> {
    Turn {
        identity,
        date: cx.now.date,
        rng: &mut *cx.rng,
    }
}
