//! What the client stores, row by row; the vault encrypts every one of them.

use std::collections::BTreeMap;
use std::fmt;

use prost::Message;
use restante_interface::{ContactState, DeliveryState};
use restante_proto::NodeId;
use restante_proto::account::{Handle, PersonId};
use restante_proto::card::{CardRecord, Known, VerifiedCard, choose};
use restante_proto::envelope::Envelope;
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::limits::{DAY_MS, HOUR_MS, MESSAGE_TTL_MAX_MS};
use restante_proto::mailbox::{CapabilityProof, Mailbox, Rule};
use restante_proto::message::{Grant, MessageId};
use restante_proto::person::{IdCost, RecordKey};
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::Admission;
use restante_proto::stamp::Stamp;
use restante_proto::time::{Epoch, UnixMillis};
use zeroize::Zeroizing;

use crate::vault::SlotId;

/// A row that is not what this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row of {0} does not decode")]
pub struct BadRow(pub &'static str);

/// Gives wire rows a `Debug` that shows nothing of what is in them.
macro_rules! redacted {
    ($($row:ident),+ $(,)?) => {
        $(impl fmt::Debug for $row {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($row), "(..)"))
            }
        })+
    };
}

redacted!(
    AccountRow,
    PrekeyRow,
    ContactRow,
    OutgoingRow,
    ReceiptRow,
    SentRow,
    HeaderRow,
    CardRow
);

/// Key of the one row in the tables that have one.
pub(super) const SELF: &[u8] = b"self";

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct AccountRow {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    device: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    node: Vec<u8>,
    #[prost(string, tag = "4")]
    id: String,
    #[prost(uint64, tag = "5")]
    created_ms: u64,
}

/// The account of this home, and the key of its node.
#[derive(Clone, Debug)]
pub struct Account {
    /// The account's and the device's keys.
    pub identity: restante_proto::account::Identity,
    /// The key of the node on the network, unrelated to the account.
    pub node: SecretKey,
    /// The account's ID.
    pub id: PersonId,
    /// When it was made.
    pub created: UnixMillis,
}

impl Account {
    pub(super) fn to_row(&self) -> Zeroizing<Vec<u8>> {
        let row = AccountRow {
            account: self.identity.account.seed().to_vec(),
            device: self.identity.device.seed().to_vec(),
            node: self.node.seed().to_vec(),
            id: self.id.to_string(),
            created_ms: self.created.get(),
        };
        Zeroizing::new(row.encode_to_vec())
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("account");
        let row = AccountRow::decode(bytes).map_err(|_| bad)?;
        let key = |seed: Vec<u8>| {
            let seed = Zeroizing::new(seed);
            <[u8; 32]>::try_from(seed.as_slice())
                .map(|seed| SecretKey::from_seed(&Zeroizing::new(seed)))
                .map_err(|_| bad)
        };
        let id: PersonId = row.id.parse().map_err(|_| bad)?;
        let identity = restante_proto::account::Identity {
            account: key(row.account)?,
            device: key(row.device)?,
            handle: id.handle.clone(),
        };
        let created = UnixMillis::new(row.created_ms);
        Ok(Self {
            identity,
            node: key(row.node)?,
            id,
            created,
        })
    }

    /// Returns the handle the account goes by.
    pub const fn handle(&self) -> &Handle {
        &self.identity.handle
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct PrekeyRow {
    #[prost(bytes = "vec", tag = "1")]
    seed: Vec<u8>,
    #[prost(uint64, tag = "2")]
    issued_ms: u64,
    #[prost(uint64, tag = "3")]
    expires_ms: u64,
}

pub(super) fn prekey_to_row(prekey: &PrekeySecret) -> Zeroizing<Vec<u8>> {
    let row = PrekeyRow {
        seed: prekey.seed().to_vec(),
        issued_ms: prekey.public().issued.get(),
        expires_ms: prekey.public().expires.get(),
    };
    Zeroizing::new(row.encode_to_vec())
}

pub(super) fn prekey_from_row(bytes: &[u8]) -> Result<PrekeySecret, BadRow> {
    let bad = BadRow("prekeys");
    let row = PrekeyRow::decode(bytes).map_err(|_| bad)?;
    let seed = Zeroizing::new(row.seed);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| bad)?);
    let (issued, expires) = (
        UnixMillis::new(row.issued_ms),
        UnixMillis::new(row.expires_ms),
    );
    PrekeySecret::from_seed(seed, issued, expires).map_err(|_| bad)
}

/// One's own card as it was last made.
#[derive(Clone, Debug)]
pub(super) struct OwnCard {
    pub(super) sequence: u64,
    pub(super) issued: UnixMillis,
    pub(super) records: Vec<CardRecord>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct CardRow {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(uint64, tag = "2")]
    issued_ms: u64,
    #[prost(bytes = "vec", repeated, tag = "3")]
    records: Vec<Vec<u8>>,
}

impl OwnCard {
    pub(super) fn to_row(&self) -> Vec<u8> {
        let row = CardRow {
            sequence: self.sequence,
            issued_ms: self.issued.get(),
            records: self.records.iter().map(CardRecord::encode).collect(),
        };
        row.encode_to_vec()
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("card");
        let row = CardRow::decode(bytes).map_err(|_| bad)?;
        let records = row.records.iter().map(|bytes| CardRecord::decode(bytes));
        Ok(Self {
            sequence: row.sequence,
            issued: UnixMillis::new(row.issued_ms),
            records: records.collect::<Result<_, _>>().map_err(|_| bad)?,
        })
    }
}

/// Somebody this account knows, or who wrote to it.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) account: PublicKey,
    pub(super) id: PersonId,
    pub(super) petname: Option<String>,
    pub(super) state: ContactState,
    pub(super) verified: bool,
    pub(super) added: UnixMillis,
    pub(super) last_seen: Option<UnixMillis>,
    /// The highest sequence of a card seen.
    pub(super) sequence: Option<u64>,
    /// The last card seen, with the key it opens under.
    pub(super) record: Option<(CardRecord, RecordKey)>,
    /// What they granted us.
    pub(super) grant: Option<Grant>,
    /// The last epoch of what we granted them.
    pub(super) granted: Option<Epoch>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct ContactRow {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(string, optional, tag = "3")]
    petname: Option<String>,
    #[prost(uint32, tag = "4")]
    state: u32,
    #[prost(bool, tag = "5")]
    verified: bool,
    #[prost(uint64, tag = "6")]
    added_ms: u64,
    #[prost(uint64, optional, tag = "7")]
    last_seen_ms: Option<u64>,
    #[prost(uint64, optional, tag = "8")]
    sequence: Option<u64>,
    #[prost(bytes = "vec", tag = "9")]
    record: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    record_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "11")]
    grant: Vec<u8>,
    #[prost(uint32, optional, tag = "12")]
    granted: Option<u32>,
}

const CONTACT_STATES: [ContactState; 4] = [
    ContactState::Request,
    ContactState::Accepted,
    ContactState::Blocked,
    ContactState::Terminated,
];

/// How old a contact's card may be before it is looked up again, in milliseconds: a day, after which there is a fresh
/// prekey, and an hour.
const CARD_FRESH_MS: u64 = DAY_MS + HOUR_MS;

impl Contact {
    /// Returns the contact with what it grants, if that is new: nothing else is looked at, for the check takes a
    /// signature for each epoch.
    pub(super) fn granting(&self, grant: Grant) -> Option<Self> {
        let is_new = self
            .grant
            .as_ref()
            .is_none_or(|known| *known != grant && grant.last_epoch() >= known.last_epoch());
        (is_new && grant.is_valid()).then(|| Self {
            grant: Some(grant),
            ..self.clone()
        })
    }

    /// Returns the last card seen, if it is still good.
    pub(super) fn card(&self, now: UnixMillis) -> Option<VerifiedCard> {
        let (record, key) = self.record.as_ref()?;
        let known = Known {
            account: Some(&self.account),
            sequence: self.sequence,
        };
        choose([record], &self.id, key, now, known, IdCost::Production)
    }

    /// Returns the last card seen, if it is so new that there is hardly a newer one.
    pub(super) fn fresh_card(&self, now: UnixMillis) -> Option<VerifiedCard> {
        self.card(now)
            .filter(|card| now.since(card.card().issued) < CARD_FRESH_MS)
    }

    pub(super) fn to_row(&self) -> Zeroizing<Vec<u8>> {
        let state = CONTACT_STATES.iter().position(|state| *state == self.state);
        let row = ContactRow {
            account: self.account.as_bytes().to_vec(),
            id: self.id.to_string(),
            petname: self.petname.clone(),
            state: state.and_then(|at| u32::try_from(at).ok()).unwrap_or(0),
            verified: self.verified,
            added_ms: self.added.get(),
            last_seen_ms: self.last_seen.map(UnixMillis::get),
            sequence: self.sequence,
            record: self
                .record
                .as_ref()
                .map_or_else(Vec::new, |(record, _)| record.encode()),
            record_key: self
                .record
                .as_ref()
                .map_or_else(Vec::new, |(_, key)| key.as_bytes().to_vec()),
            grant: self.grant.as_ref().map_or_else(Vec::new, Grant::encode),
            granted: self.granted.map(Epoch::get),
        };
        Zeroizing::new(row.encode_to_vec())
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("contacts");
        let row = ContactRow::decode(bytes).map_err(|_| bad)?;
        let state = usize::try_from(row.state).map_err(|_| bad)?;
        let record = if row.record.is_empty() {
            None
        } else {
            let key = <[u8; 32]>::try_from(row.record_key.as_slice()).map_err(|_| bad)?;
            let record = CardRecord::decode(&row.record).map_err(|_| bad)?;
            Some((record, RecordKey::new(key)))
        };
        let grant = match row.grant.len() {
            0 => None,
            _ => Some(Grant::decode(&row.grant).map_err(|_| bad)?),
        };
        Ok(Self {
            account: PublicKey::try_from(row.account.as_slice()).map_err(|_| bad)?,
            id: row.id.parse().map_err(|_| bad)?,
            petname: row.petname,
            state: *CONTACT_STATES.get(state).ok_or(bad)?,
            verified: row.verified,
            added: UnixMillis::new(row.added_ms),
            last_seen: row.last_seen_ms.map(UnixMillis::new),
            sequence: row.sequence,
            record,
            grant,
            granted: row.granted.map(Epoch::new),
        })
    }
}

/// The right to deposit an envelope, once it is there.
#[derive(Clone, Debug)]
pub(super) enum Postage {
    /// A stamp is still to be made.
    Due,
    /// It is there.
    Paid(Box<Admission>),
}

/// One sealed envelope on its way.
#[derive(Clone, Debug)]
pub(super) struct OutgoingEnvelope {
    pub(super) message: MessageId,
    pub(super) to: PublicKey,
    pub(super) envelope: Envelope,
    pub(super) postage: Postage,
    pub(super) receipts: BTreeMap<NodeId, UnixMillis>,
    /// Whether the recipient's own word is awaited; not for the word itself.
    pub(super) awaits_word: bool,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct OutgoingRow {
    #[prost(bytes = "vec", tag = "1")]
    message: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    to: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    owner: Vec<u8>,
    #[prost(bool, tag = "4")]
    by_capability: bool,
    #[prost(uint32, tag = "5")]
    epoch: u32,
    #[prost(uint64, tag = "6")]
    expires_ms: u64,
    #[prost(bytes = "vec", tag = "7")]
    envelope: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    stamp_nonce: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    stamp_solution: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    capability: Vec<u8>,
    #[prost(message, repeated, tag = "11")]
    receipts: Vec<ReceiptRow>,
    #[prost(bool, tag = "12")]
    awaits_word: bool,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct ReceiptRow {
    #[prost(bytes = "vec", tag = "1")]
    keeper: Vec<u8>,
    #[prost(uint64, tag = "2")]
    until_ms: u64,
}

impl OutgoingEnvelope {
    pub(super) fn to_row(&self) -> Vec<u8> {
        let mut row = OutgoingRow {
            message: self.message.as_bytes().to_vec(),
            to: self.to.as_bytes().to_vec(),
            owner: self.envelope.mailbox.owner.as_bytes().to_vec(),
            by_capability: self.envelope.mailbox.rule == Rule::Capability,
            epoch: self.envelope.mailbox.epoch.get(),
            expires_ms: self.envelope.expires.get(),
            envelope: self.envelope.bytes.to_vec(),
            awaits_word: self.awaits_word,
            ..OutgoingRow::default()
        };
        match &self.postage {
            Postage::Due => {}
            Postage::Paid(admission) => match &**admission {
                Admission::Stamp(stamp) => {
                    row.stamp_nonce = stamp.nonce.to_vec();
                    row.stamp_solution = stamp.solution.to_vec();
                }
                Admission::Capability(proof) => {
                    row.capability.extend_from_slice(proof.holder.as_bytes());
                    row.capability
                        .extend_from_slice(proof.certificate.as_bytes());
                    row.capability.extend_from_slice(proof.signature.as_bytes());
                }
            },
        }
        let receipts = self.receipts.iter().map(|(keeper, until)| ReceiptRow {
            keeper: keeper.as_bytes().to_vec(),
            until_ms: until.get(),
        });
        row.receipts = receipts.collect();
        row.encode_to_vec()
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("outbox");
        let row = OutgoingRow::decode(bytes).map_err(|_| bad)?;
        let rule = if row.by_capability {
            Rule::Capability
        } else {
            Rule::Stamp
        };
        let owner = PublicKey::try_from(row.owner.as_slice()).map_err(|_| bad)?;
        let mailbox = Mailbox {
            owner,
            rule,
            epoch: Epoch::new(row.epoch),
        };
        let postage = postage_of(&row)?;
        let receipt = |receipt: &ReceiptRow| {
            let keeper = NodeId::try_from(receipt.keeper.as_slice()).map_err(|_| bad)?;
            Ok((keeper, UnixMillis::new(receipt.until_ms)))
        };
        let message = <[u8; 16]>::try_from(row.message.as_slice()).map_err(|_| bad)?;
        Ok(Self {
            message: MessageId::new(message),
            to: PublicKey::try_from(row.to.as_slice()).map_err(|_| bad)?,
            receipts: row
                .receipts
                .iter()
                .map(receipt)
                .collect::<Result<_, BadRow>>()?,
            envelope: Envelope {
                mailbox,
                expires: UnixMillis::new(row.expires_ms),
                bytes: row.envelope.into(),
            },
            postage,
            awaits_word: row.awaits_word,
        })
    }
}

fn postage_of(row: &OutgoingRow) -> Result<Postage, BadRow> {
    let bad = BadRow("outbox");
    if !row.capability.is_empty() {
        let (holder, rest) = row.capability.split_at_checked(32).ok_or(bad)?;
        let (certificate, signature) = rest.split_at_checked(64).ok_or(bad)?;
        let proof = CapabilityProof {
            holder: holder.try_into().map_err(|_| bad)?,
            certificate: certificate.try_into().map_err(|_| bad)?,
            signature: signature.try_into().map_err(|_| bad)?,
        };
        return Ok(Postage::Paid(Box::new(Admission::Capability(proof))));
    }
    if row.stamp_nonce.is_empty() {
        return Ok(Postage::Due);
    }
    let nonce = <[u8; 32]>::try_from(row.stamp_nonce.as_slice()).map_err(|_| bad)?;
    let solution = row.stamp_solution.clone().into();
    Ok(Postage::Paid(Box::new(Admission::Stamp(Stamp {
        nonce,
        solution,
    }))))
}

/// What became of a message this account sent; kept until the message's own end.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) to: PublicKey,
    pub(super) state: DeliveryState,
    pub(super) sent: UnixMillis,
    pub(super) expires: UnixMillis,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct SentRow {
    #[prost(bytes = "vec", tag = "1")]
    to: Vec<u8>,
    #[prost(uint32, tag = "2")]
    state: u32,
    #[prost(uint64, tag = "3")]
    sent_ms: u64,
    #[prost(uint64, tag = "4")]
    expires_ms: u64,
}

const DELIVERY_STATES: [DeliveryState; 4] = [
    DeliveryState::Waiting,
    DeliveryState::Stored,
    DeliveryState::Delivered,
    DeliveryState::Expired,
];

impl Sent {
    pub(super) fn to_row(&self) -> Vec<u8> {
        let state = DELIVERY_STATES
            .iter()
            .position(|state| *state == self.state);
        let row = SentRow {
            to: self.to.as_bytes().to_vec(),
            state: state.and_then(|at| u32::try_from(at).ok()).unwrap_or(0),
            sent_ms: self.sent.get(),
            expires_ms: self.expires.get(),
        };
        row.encode_to_vec()
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("sent");
        let row = SentRow::decode(bytes).map_err(|_| bad)?;
        let state = usize::try_from(row.state).map_err(|_| bad)?;
        Ok(Self {
            to: PublicKey::try_from(row.to.as_slice()).map_err(|_| bad)?,
            state: *DELIVERY_STATES.get(state).ok_or(bad)?,
            sent: UnixMillis::new(row.sent_ms),
            expires: UnixMillis::new(row.expires_ms),
        })
    }
}

/// A received message without its body.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) sender: PublicKey,
    pub(super) message: MessageId,
    pub(super) from: PersonId,
    pub(super) received: UnixMillis,
    pub(super) sent: UnixMillis,
    pub(super) expires: UnixMillis,
    pub(super) burn_ms: u64,
    pub(super) read: Option<UnixMillis>,
    pub(super) file_name: String,
    pub(super) slot: SlotId,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct HeaderRow {
    #[prost(bytes = "vec", tag = "1")]
    sender: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    message: Vec<u8>,
    #[prost(string, tag = "3")]
    from: String,
    #[prost(uint64, tag = "4")]
    received_ms: u64,
    #[prost(uint64, tag = "5")]
    sent_ms: u64,
    #[prost(uint64, tag = "6")]
    expires_ms: u64,
    #[prost(uint64, tag = "7")]
    burn_ms: u64,
    #[prost(uint64, optional, tag = "8")]
    read_ms: Option<u64>,
    #[prost(string, tag = "9")]
    file_name: String,
    #[prost(bytes = "vec", tag = "10")]
    slot: Vec<u8>,
}

impl Header {
    /// Returns the name the message is shown under: senders choose their own names, and two may choose the same.
    pub(super) fn shown_id(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.sender.as_bytes());
        hasher.update(self.message.as_bytes());
        data_encoding::HEXLOWER.encode(&hasher.finalize().as_bytes()[..16])
    }

    /// Returns when the message is destroyed: at its expiry, or its time after reading if that is earlier.
    pub(super) fn destroy_at(&self) -> UnixMillis {
        match self.read {
            Some(read) if self.burn_ms > 0 => {
                let burn = self.burn_ms.min(MESSAGE_TTL_MAX_MS);
                self.expires.min(read.plus(burn))
            }
            _ => self.expires,
        }
    }

    pub(super) fn to_row(&self) -> Vec<u8> {
        let row = HeaderRow {
            sender: self.sender.as_bytes().to_vec(),
            message: self.message.as_bytes().to_vec(),
            from: self.from.to_string(),
            received_ms: self.received.get(),
            sent_ms: self.sent.get(),
            expires_ms: self.expires.get(),
            burn_ms: self.burn_ms,
            read_ms: self.read.map(UnixMillis::get),
            file_name: self.file_name.clone(),
            slot: self.slot.to_bytes().to_vec(),
        };
        row.encode_to_vec()
    }

    pub(super) fn from_row(bytes: &[u8]) -> Result<Self, BadRow> {
        let bad = BadRow("inbox");
        let row = HeaderRow::decode(bytes).map_err(|_| bad)?;
        let message = <[u8; 16]>::try_from(row.message.as_slice()).map_err(|_| bad)?;
        let slot = row.slot.as_slice().try_into().map_err(|_| bad)?;
        Ok(Self {
            sender: PublicKey::try_from(row.sender.as_slice()).map_err(|_| bad)?,
            message: MessageId::new(message),
            from: row.from.parse().map_err(|_| bad)?,
            received: UnixMillis::new(row.received_ms),
            sent: UnixMillis::new(row.sent_ms),
            expires: UnixMillis::new(row.expires_ms),
            burn_ms: row.burn_ms,
            read: row.read_ms.map(UnixMillis::new),
            file_name: row.file_name,
            slot: SlotId::from_bytes(slot),
        })
    }
}

/// Reads a moment from a row of eight bytes.
pub(super) fn moment_of(value: &[u8], table: &'static str) -> Result<UnixMillis, BadRow> {
    let bytes = <[u8; 8]>::try_from(value).map_err(|_| BadRow(table))?;
    Ok(UnixMillis::new(u64::from_be_bytes(bytes)))
}
