//! Work that takes the processor long: the core hands it out, and whoever drives it runs it beside.

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use restante_conversation::envelope::{self as inside, SUITE};
use restante_conversation::{ConversationId, EpochName};
use restante_proto::account::{Identity, PersonId};
use restante_proto::card::{
    Card, CardDevice, CardError, CardRecord, Known, VerifiedCard, choose, fault_of,
};
use restante_proto::envelope::{
    self, Lifetime, OpenError, OpenerIdentity, VerifiedMessage, suite_of,
};
use restante_proto::keys::PublicKey;
use restante_proto::limits::DEVICES_MAX;
use restante_proto::mailbox::Mailbox;
use restante_proto::person::{IdCost, Locators, RecordKey};
use restante_proto::prekey::PrekeySecret;
use restante_proto::publisher::salt_epochs;
use restante_proto::request::Waiting;
use restante_proto::stamp::{Challenge, Stamp, StampScheme};
use restante_proto::time::{SaltEpoch, UnixMillis};
use restante_proto::{ItemId, NodeId};
use zeroize::Zeroizing;

use crate::model::{Account, OwnCard};
use crate::records::OuterIndex;

/// Tries of one stamp before it is given up, per unit of effort: that honest work fails so often has a chance below
/// 10^-20.
const ATTEMPTS_PER_EFFORT: u64 = 64;

/// What IDs and stamps cost on a network.
#[derive(Clone)]
pub struct Costs {
    /// The Argon2id of an ID.
    pub id: IdCost,
    /// The stamps.
    pub stamps: Arc<dyn StampScheme>,
}

impl fmt::Debug for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Costs")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Which worker runs a job, so that a stamp never holds up anything quicker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// Argon2id and the opening of envelopes.
    Processor,
    /// Stamps.
    Stamps,
}

/// One job.
#[derive(Debug)]
pub enum Job {
    /// Computes where the card of an ID lies.
    Locate(PersonId, SaltEpoch),
    /// Chooses among the records found for an ID.
    Choose(Box<Choice>),
    /// Makes a prekey and a card with this sequence.
    MakeCard {
        /// Whose.
        account: Arc<Account>,
        /// The other devices that it shows.
        others: Vec<CardDevice>,
        /// Its sequence.
        sequence: u64,
        /// The date it shows.
        date: UnixMillis,
    },
    /// Makes a stamp worth so much.
    Stamp(Challenge, u32),
    /// Opens envelopes of one mailbox.
    Open(Box<Opening>),
}

/// Records to choose among.
#[derive(Debug)]
pub struct Choice {
    /// The ID that was looked up.
    pub id: PersonId,
    /// What the records open under.
    pub key: RecordKey,
    /// The records.
    pub records: Vec<CardRecord>,
    /// What was known before.
    pub before: Before,
    /// The date.
    pub date: UnixMillis,
}

/// What was known of an ID before looking it up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    /// The account behind it.
    pub account: Option<PublicKey>,
    /// The highest number of a delegation seen.
    pub delegation: Option<u32>,
    /// The highest sequence seen.
    pub sequence: Option<u64>,
}

/// Envelopes to open.
#[derive(Debug)]
pub struct Opening {
    /// For this device.
    pub identity: Arc<Identity>,
    /// With these.
    pub prekeys: Arc<Vec<PrekeySecret>>,
    /// From this mailbox.
    pub mailbox: Mailbox,
    /// These, with the identifiers their bytes have.
    pub items: Vec<(ItemId, Waiting)>,
    /// The date.
    pub date: UnixMillis,
    /// IDs of senders that need not be computed.
    pub known: Arc<std::collections::BTreeMap<PublicKey, Vec<PersonId>>>,
    /// The keys of all epochs of all conversations.
    pub epochs: Arc<OuterIndex>,
}

/// What came of a job.
#[derive(Debug)]
pub enum JobDone {
    /// Of [`Job::Locate`].
    Located(Locators),
    /// Of [`Job::Choose`]; or what is wrong with those that might have been it.
    Chosen(Result<Box<Resolution>, Option<CardError>>),
    /// Of [`Job::MakeCard`].
    Made(Box<MadeCard>),
    /// Of [`Job::Stamp`].
    Stamped(Stamp),
    /// Of [`Job::Open`], with the keys of epochs that were tried.
    Opened(Vec<Opened>, Arc<OuterIndex>),
}

/// What a lookup of an ID found.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The ID that was looked up.
    pub id: PersonId,
    /// The card.
    pub card: VerifiedCard,
    /// The record it was in, to be opened again without a lookup.
    pub record: CardRecord,
    /// What the record opens under.
    pub key: RecordKey,
}

/// A card that was made, before it is stored.
#[derive(Debug)]
pub struct MadeCard {
    /// The card.
    pub card: OwnCard,
    /// The prekey it shows.
    pub prekey: PrekeySecret,
}

/// An envelope after it was opened, or not.
#[derive(Debug)]
pub struct Opened {
    /// Which one.
    pub id: ItemId,
    /// The envelope.
    pub item: Waiting,
    /// The conversation that it is of, as its hint says.
    pub of: Option<ConversationId>,
    /// What was in it.
    pub result: Result<Content, OpenError>,
}

/// What an envelope holds.
#[derive(Debug)]
pub enum Content {
    /// A message, and the ID of its sender.
    Message(Box<VerifiedMessage>, PersonId),
    /// A message of a conversation, under the keys of an epoch, whose own seal is not opened yet.
    Inside(ConversationId, EpochName, Zeroizing<Vec<u8>>),
}

impl Job {
    /// Returns who runs it.
    pub const fn worker(&self) -> Worker {
        match self {
            Self::Stamp(..) => Worker::Stamps,
            _ => Worker::Processor,
        }
    }

    /// Runs it; slow on purpose. None when it failed and may be tried again.
    pub fn run(self, costs: &Costs, mut rng: &mut dyn CryptoRng) -> Option<JobDone> {
        match self {
            Self::Locate(id, epoch) => Some(JobDone::Located(id.locators(epoch, costs.id))),
            Self::Choose(choice) => {
                let fault = fault_of(&choice.records, &choice.id, &choice.key, choice.date);
                let chosen = choice.run(costs.id).map(Box::new);
                Some(JobDone::Chosen(chosen.ok_or(fault)))
            }
            Self::MakeCard {
                account,
                others,
                sequence,
                date,
            } => {
                let prekey = PrekeySecret::generate(date, &mut rng);
                let card = card_of(&account, &prekey, others, sequence, date);
                let made = make_card(&account, card, prekey, costs.id, rng)?;
                Some(JobDone::Made(Box::new(made)))
            }
            Self::Stamp(challenge, effort) => {
                let effort = effort.max(1);
                let mut seed = [0; 24];
                rng.fill_bytes(&mut seed);
                let attempts = ATTEMPTS_PER_EFFORT * u64::from(effort);
                let stamp = costs.stamps.solve(&challenge, &seed, effort, attempts)?;
                Some(JobDone::Stamped(stamp))
            }
            Self::Open(opening) => {
                let (opened, epochs) = opening.run(costs.id);
                Some(JobDone::Opened(opened, epochs))
            }
        }
    }
}

impl Choice {
    fn run(self, cost: IdCost) -> Option<Resolution> {
        let Self {
            id,
            key,
            records,
            before,
            date,
        } = self;
        let known = Known {
            account: before.account.as_ref(),
            delegation: before.delegation,
            sequence: before.sequence,
        };
        let card = choose(&records, &id, &key, date, known, cost)?;
        // The same card opens from its own record, and from no other.
        let account = card.card().account;
        let known = Known {
            account: Some(&account),
            delegation: None,
            sequence: None,
        };
        let record = records.into_iter().find(|record| {
            choose([record], &id, &key, date, known, cost).as_ref() == Some(&card)
        })?;
        Some(Resolution {
            id,
            card,
            record,
            key,
        })
    }
}

impl Opening {
    fn run(self, cost: IdCost) -> (Vec<Opened>, Arc<OuterIndex>) {
        let open = |(id, item): &(ItemId, Waiting)| Opened {
            id: *id,
            result: self.open(item, cost),
            of: self.conversation_of(item),
            item: item.clone(),
        };
        let opened = self.items.iter().map(open).collect();
        (opened, Arc::clone(&self.epochs))
    }

    fn conversation_of(&self, item: &Waiting) -> Option<ConversationId> {
        let keys = self.epochs.iter().map(|(id, _, keys)| (*id, keys));
        inside::of(&item.envelope, keys)
    }

    fn open(&self, item: &Waiting, cost: IdCost) -> Result<Content, OpenError> {
        let lifetime = Lifetime {
            now: self.date,
            expires: item.expires,
        };
        if suite_of(&item.envelope) == Some(SUITE) {
            let address = self.mailbox.address();
            let keys = self.epochs.iter();
            let keys = keys.map(|(id, epoch, keys)| ((*id, *epoch), keys));
            let opened = inside::open(&item.envelope, &address, lifetime, keys);
            return opened.map(|((id, epoch), bytes)| Content::Inside(id, epoch, bytes));
        }
        let opener = OpenerIdentity::from(&*self.identity);
        let prekeys = self.prekeys.iter();
        let message = envelope::open(&item.envelope, &self.mailbox, lifetime, &opener, prekeys)?;
        let sender = message.message();
        let mut known = self.known.get(&sender.sender).into_iter().flatten();
        let known = known.find(|id| id.handle == sender.handle);
        // The tag of a stranger, or of a contact under another handle, cannot be claimed, only computed.
        let compute = || PersonId::of(&sender.sender, sender.handle.clone(), cost);
        let from = known.cloned().unwrap_or_else(compute);
        Ok(Content::Message(Box::new(message), from))
    }
}

/// Returns the card that shows a prekey of this device, and the other devices.
fn card_of(
    account: &Account,
    prekey: &PrekeySecret,
    others: Vec<CardDevice>,
    sequence: u64,
    date: UnixMillis,
) -> Card {
    let identity = &account.identity;
    let device = CardDevice {
        certificate: identity.certificate(),
        prekey: prekey.public().clone(),
        first_contact: identity.first_contact().public(),
    };
    let devices = std::iter::once(device).chain(others);
    Card {
        account: identity.account,
        delegation: identity.delegation,
        handle: account.handle().clone(),
        sequence,
        issued: date,
        expires: prekey.public().expires,
        terminated: false,
        devices: devices.take(DEVICES_MAX).collect(),
        avatar: None,
    }
}

/// Makes the records of a card, for the salt epochs that its date asks for.
fn make_card(
    account: &Account,
    card: Card,
    prekey: PrekeySecret,
    cost: IdCost,
    mut rng: &mut dyn CryptoRng,
) -> Option<MadeCard> {
    let identity = &account.identity;
    let (mut records, mut places) = (Vec::new(), Vec::new());
    for epoch in salt_epochs(card.issued) {
        let locators = account.id.locators(epoch, cost);
        for locator in locators.addresses {
            let key = &locators.record_key;
            let record = CardRecord::seal(&card, identity, locator, key, &mut rng);
            records.push(record.ok()?);
        }
        places.push(locators);
    }
    let card = OwnCard {
        sequence: card.sequence,
        issued: card.issued,
        records,
        locators: places,
    };
    Some(MadeCard { card, prekey })
}

/// Names an envelope by its bytes.
pub(crate) fn named(item: Waiting) -> (ItemId, Waiting) {
    (envelope::id_of(&item.envelope), item)
}

/// Puts a node in its place among others, nearest to an address first, at most `count` of them.
pub(crate) fn insert_by_distance(
    own: Option<NodeId>,
    address: &restante_proto::Address,
    mut nodes: Vec<NodeId>,
    count: usize,
) -> Vec<NodeId> {
    use restante_proto::routing::distance;
    if let Some(own) = own {
        let nearer = |node: &NodeId| distance(node, address) < distance(&own, address);
        let place = nodes.partition_point(nearer);
        nodes.insert(place, own);
        nodes.truncate(count);
    }
    nodes
}
