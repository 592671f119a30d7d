//! How a person's data lies in the vault, row by row; the vault encrypts every one of them.

use std::array::TryFromSliceError;
use std::fmt;

use prost::Message;
use restante_client::model::{
    Account, FORMER_MAX, FormerDevice, Header, OutgoingEnvelope, OwnCard, Payment, SLOT_BYTES,
    Sent, Slot, Words,
};
use restante_interface::DeliveryState;
use restante_proto::account::{Delegation, Identity, PersonId};
use restante_proto::card::CardRecord;
use restante_proto::envelope::Envelope;
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::mailbox::{CapabilityProof, Mailbox, Rule};
use restante_proto::message::MessageId;
use restante_proto::person::{Locators, RecordKey};
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::Admission;
use restante_proto::stamp::Stamp;
use restante_proto::time::{Epoch, SaltEpoch, UnixMillis};
use restante_proto::{Address, NodeId};
use zeroize::Zeroizing;

mod about;
mod contact;
mod conversation;

use self::about::ReferenceRow;
pub(super) use self::about::{reaction_from_row, reaction_key, reaction_of, reaction_to_row};
pub(super) use self::contact::{contact_from_row, contact_to_row};
pub(super) use self::conversation::{
    conversation_of, conversations_of, membership_from_row, membership_to_row, package_from_row,
    package_to_row, row_key, row_of,
};

/// A row that is not what this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("row of {0} does not decode")]
pub struct RowError(pub &'static str);

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

use redacted;

redacted!(
    AccountRow,
    FormerRow,
    PrekeyRow,
    OutgoingRow,
    ReceiptRow,
    SentRow,
    HeaderRow,
    CardRow,
    LocatorsRow
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
    #[prost(message, repeated, tag = "6")]
    former: Vec<FormerRow>,
    #[prost(bytes = "vec", tag = "7")]
    delegation: Vec<u8>,
    #[prost(bytes = "vec", tag = "8")]
    delegate: Vec<u8>,
    #[prost(bool, tag = "9")]
    shut_out: bool,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct FormerRow {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    #[prost(uint64, tag = "2")]
    left_ms: u64,
}

pub(super) fn account_to_row(account: &Account) -> Zeroizing<Vec<u8>> {
    let former = |former: &FormerDevice| FormerRow {
        device: former.device.seed().to_vec(),
        left_ms: former.left.get(),
    };
    let row = AccountRow {
        account: account.identity.account.as_bytes().to_vec(),
        delegation: account.identity.delegation.encode(),
        delegate: account.identity.delegate.seed().to_vec(),
        device: account.identity.device.seed().to_vec(),
        node: account.node.seed().to_vec(),
        id: account.id.to_string(),
        created_ms: account.created.get(),
        former: account.former.iter().map(former).collect(),
        shut_out: account.shut_out,
    };
    Zeroizing::new(row.encode_to_vec())
}

pub(super) fn account_from_row(bytes: &[u8]) -> Result<Account, RowError> {
    let error = RowError("account");
    let row = AccountRow::decode(bytes).map_err(|_| error)?;
    let key = |seed: Vec<u8>| {
        let seed = Zeroizing::new(seed);
        <[u8; 32]>::try_from(seed.as_slice())
            .map(|seed| SecretKey::from_seed(&Zeroizing::new(seed)))
            .map_err(|_| error)
    };
    let former = |former: FormerRow| {
        Ok(FormerDevice {
            device: key(former.device)?,
            left: UnixMillis::new(former.left_ms),
        })
    };
    let former = row.former.into_iter().take(FORMER_MAX).map(former);
    let former = former.collect::<Result<_, RowError>>()?;
    let id: PersonId = row.id.parse().map_err(|_| error)?;
    let identity = Identity {
        account: PublicKey::try_from(row.account.as_slice()).map_err(|_| error)?,
        delegation: Delegation::decode(&row.delegation).map_err(|_| error)?,
        delegate: key(row.delegate)?,
        device: key(row.device)?,
        handle: id.handle.clone(),
    };
    let created = UnixMillis::new(row.created_ms);
    Ok(Account {
        identity,
        node: key(row.node)?,
        id,
        created,
        former,
        shut_out: row.shut_out,
    })
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

pub(super) fn prekey_from_row(bytes: &[u8]) -> Result<PrekeySecret, RowError> {
    let error = RowError("prekeys");
    let row = PrekeyRow::decode(bytes).map_err(|_| error)?;
    let seed = Zeroizing::new(row.seed);
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| error)?);
    let (issued, expires) = (
        UnixMillis::new(row.issued_ms),
        UnixMillis::new(row.expires_ms),
    );
    PrekeySecret::from_seed(seed, issued, expires).map_err(|_| error)
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
    #[prost(message, repeated, tag = "4")]
    locators: Vec<LocatorsRow>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct LocatorsRow {
    #[prost(uint32, tag = "1")]
    epoch: u32,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addresses: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "3")]
    record_key: Vec<u8>,
}

pub(super) fn card_to_row(card: &OwnCard) -> Vec<u8> {
    let locators = |locators: &Locators| LocatorsRow {
        epoch: locators.epoch.get(),
        addresses: locators
            .addresses
            .iter()
            .map(|address| address.as_bytes().to_vec())
            .collect(),
        record_key: locators.record_key.as_bytes().to_vec(),
    };
    let row = CardRow {
        sequence: card.sequence,
        issued_ms: card.issued.get(),
        records: card.records.iter().map(CardRecord::encode).collect(),
        locators: card.locators.iter().map(locators).collect(),
    };
    row.encode_to_vec()
}

fn locators_from_row(row: &LocatorsRow) -> Result<Locators, RowError> {
    let error = RowError("card");
    let bytes = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| error);
    let addresses = row.addresses.iter();
    let addresses = addresses.map(|address| bytes(address).map(Address::new));
    let addresses: Vec<Address> = addresses.collect::<Result<_, _>>()?;
    Ok(Locators {
        epoch: SaltEpoch::new(row.epoch),
        addresses: addresses.try_into().map_err(|_| error)?,
        record_key: RecordKey::new(bytes(&row.record_key)?),
    })
}

pub(super) fn card_from_row(bytes: &[u8]) -> Result<OwnCard, RowError> {
    let error = RowError("card");
    let row = CardRow::decode(bytes).map_err(|_| error)?;
    let records = row.records.iter().map(|bytes| CardRecord::decode(bytes));
    Ok(OwnCard {
        sequence: row.sequence,
        issued: UnixMillis::new(row.issued_ms),
        records: records.collect::<Result<_, _>>().map_err(|_| error)?,
        locators: row
            .locators
            .iter()
            .map(locators_from_row)
            .collect::<Result<_, _>>()?,
    })
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
    awaits_receipt: bool,
    #[prost(bytes = "vec", tag = "13")]
    device: Vec<u8>,
    #[prost(uint64, tag = "14")]
    made_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct ReceiptRow {
    #[prost(bytes = "vec", tag = "1")]
    keeper: Vec<u8>,
    #[prost(uint64, tag = "2")]
    until_ms: u64,
}

pub(super) fn outgoing_to_row(outgoing: &OutgoingEnvelope) -> Vec<u8> {
    let mut row = OutgoingRow {
        message: outgoing.message.as_bytes().to_vec(),
        to: outgoing.to.as_bytes().to_vec(),
        device: outgoing.device.as_bytes().to_vec(),
        owner: outgoing.envelope.mailbox.owner.as_bytes().to_vec(),
        by_capability: outgoing.envelope.mailbox.rule == Rule::Capability,
        epoch: outgoing.envelope.mailbox.epoch.get(),
        expires_ms: outgoing.envelope.expires.get(),
        envelope: outgoing.envelope.bytes.to_vec(),
        awaits_receipt: outgoing.awaits_receipt,
        made_ms: outgoing.made.get(),
        ..OutgoingRow::default()
    };
    match &outgoing.payment {
        Payment::Due => {}
        Payment::Ready(admission) => match &**admission {
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
    let receipts = outgoing.receipts.iter().map(|(keeper, until)| ReceiptRow {
        keeper: keeper.as_bytes().to_vec(),
        until_ms: until.get(),
    });
    row.receipts = receipts.collect();
    row.encode_to_vec()
}

pub(super) fn outgoing_from_row(bytes: &[u8]) -> Result<OutgoingEnvelope, RowError> {
    let error = RowError("outbox");
    let row = OutgoingRow::decode(bytes).map_err(|_| error)?;
    let rule = if row.by_capability {
        Rule::Capability
    } else {
        Rule::Stamp
    };
    let owner = PublicKey::try_from(row.owner.as_slice()).map_err(|_| error)?;
    let mailbox = Mailbox {
        owner,
        rule,
        epoch: Epoch::new(row.epoch),
    };
    let payment = payment_of(&row)?;
    let receipt = |receipt: &ReceiptRow| {
        let keeper = NodeId::try_from(receipt.keeper.as_slice()).map_err(|_| error)?;
        Ok((keeper, UnixMillis::new(receipt.until_ms)))
    };
    let message = <[u8; 16]>::try_from(row.message.as_slice()).map_err(|_| error)?;
    Ok(OutgoingEnvelope {
        message: MessageId::new(message),
        to: PublicKey::try_from(row.to.as_slice()).map_err(|_| error)?,
        device: PublicKey::try_from(row.device.as_slice()).map_err(|_| error)?,
        receipts: row
            .receipts
            .iter()
            .map(receipt)
            .collect::<Result<_, RowError>>()?,
        envelope: Envelope {
            mailbox,
            expires: UnixMillis::new(row.expires_ms),
            bytes: row.envelope.into(),
        },
        payment,
        awaits_receipt: row.awaits_receipt,
        made: UnixMillis::new(row.made_ms),
    })
}

fn payment_of(row: &OutgoingRow) -> Result<Payment, RowError> {
    let error = RowError("outbox");
    if !row.capability.is_empty() {
        let (holder, rest) = row.capability.split_at_checked(32).ok_or(error)?;
        let (certificate, signature) = rest.split_at_checked(64).ok_or(error)?;
        let proof = CapabilityProof {
            holder: holder.try_into().map_err(|_| error)?,
            certificate: certificate.try_into().map_err(|_| error)?,
            signature: signature.try_into().map_err(|_| error)?,
        };
        return Ok(Payment::Ready(Box::new(Admission::Capability(proof))));
    }
    if row.stamp_nonce.is_empty() {
        return Ok(Payment::Due);
    }
    let nonce = <[u8; 32]>::try_from(row.stamp_nonce.as_slice()).map_err(|_| error)?;
    let solution = row.stamp_solution.clone().into();
    Ok(Payment::Ready(Box::new(Admission::Stamp(Stamp {
        nonce,
        solution,
    }))))
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct SentRow {
    #[prost(bytes = "vec", tag = "1")]
    to: Vec<u8>,
    #[prost(string, tag = "5")]
    id: String,
    #[prost(uint32, optional, tag = "6")]
    effort_max: Option<u32>,
    #[prost(uint32, tag = "2")]
    state: u32,
    #[prost(uint64, tag = "3")]
    sent_ms: u64,
    #[prost(uint64, tag = "4")]
    expires_ms: u64,
    #[prost(bool, tag = "7")]
    is_outdated: bool,
    #[prost(uint64, tag = "8")]
    burn_ms: u64,
    #[prost(string, tag = "9")]
    file_name: String,
    #[prost(uint64, tag = "10")]
    place: u64,
    /// Empty if there is none.
    #[prost(bytes = "vec", tag = "11")]
    words: Vec<u8>,
    #[prost(message, optional, tag = "12")]
    reply_to: Option<ReferenceRow>,
    /// Empty if there is none.
    #[prost(bytes = "vec", tag = "13")]
    replaces: Vec<u8>,
    /// Empty if there is none.
    #[prost(bytes = "vec", tag = "14")]
    replaced_by: Vec<u8>,
    #[prost(uint64, optional, tag = "15")]
    read_ms: Option<u64>,
    #[prost(uint64, optional, tag = "16")]
    recalled_ms: Option<u64>,
    #[prost(bool, tag = "17")]
    is_hidden: bool,
}

const DELIVERY_STATES: [DeliveryState; 4] = [
    DeliveryState::Waiting,
    DeliveryState::Stored,
    DeliveryState::Delivered,
    DeliveryState::Expired,
];

pub(super) fn sent_to_row(sent: &Sent) -> Vec<u8> {
    let state = DELIVERY_STATES
        .iter()
        .position(|state| *state == sent.state);
    let row = SentRow {
        to: sent.to.as_bytes().to_vec(),
        id: sent.id.to_string(),
        effort_max: sent.effort_max,
        state: state.and_then(|at| u32::try_from(at).ok()).unwrap_or(0),
        sent_ms: sent.sent.get(),
        expires_ms: sent.expires.get(),
        is_outdated: sent.is_outdated,
        burn_ms: sent.burn_ms,
        file_name: sent.file_name.clone(),
        place: sent.place,
        words: slot_to_row(sent.words.slot()),
        reply_to: sent.reply_to.as_ref().map(about::reference_to_row),
        replaces: about::name_to_row(sent.replaces),
        replaced_by: about::name_to_row(sent.replaced_by),
        read_ms: sent.read.map(UnixMillis::get),
        recalled_ms: sent.recalled.map(UnixMillis::get),
        is_hidden: sent.is_hidden,
    };
    row.encode_to_vec()
}

pub(super) fn sent_from_row(bytes: &[u8]) -> Result<Sent, RowError> {
    let error = RowError("sent");
    let row = SentRow::decode(bytes).map_err(|_| error)?;
    let state = usize::try_from(row.state).map_err(|_| error)?;
    let words = slot_from_row(&row.words).map_err(|_| error)?;
    let reply_to = row.reply_to.as_ref();
    Ok(Sent {
        to: PublicKey::try_from(row.to.as_slice()).map_err(|_| error)?,
        id: row.id.parse().map_err(|_| error)?,
        effort_max: row.effort_max,
        state: *DELIVERY_STATES.get(state).ok_or(error)?,
        sent: UnixMillis::new(row.sent_ms),
        expires: UnixMillis::new(row.expires_ms),
        is_outdated: row.is_outdated,
        burn_ms: row.burn_ms,
        file_name: row.file_name,
        place: row.place,
        words: words.map_or(Words::Gone, Words::At),
        reply_to: reply_to.map(about::reference_from_row).transpose()?,
        replaces: about::name_from_row(&row.replaces)?,
        replaced_by: about::name_from_row(&row.replaced_by)?,
        read: row.read_ms.map(UnixMillis::new),
        recalled: row.recalled_ms.map(UnixMillis::new),
        is_hidden: row.is_hidden,
    })
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
    /// Empty if there is none.
    #[prost(bytes = "vec", tag = "10")]
    slot: Vec<u8>,
    #[prost(message, optional, tag = "11")]
    reply_to: Option<ReferenceRow>,
    #[prost(uint64, optional, tag = "12")]
    edited_ms: Option<u64>,
    #[prost(uint64, optional, tag = "13")]
    recalled_ms: Option<u64>,
    #[prost(uint32, tag = "14")]
    unknown_kind: u32,
}

pub(super) fn header_to_row(header: &Header) -> Vec<u8> {
    let row = HeaderRow {
        sender: header.sender.as_bytes().to_vec(),
        message: header.message.as_bytes().to_vec(),
        from: header.from.to_string(),
        received_ms: header.received.get(),
        sent_ms: header.sent.get(),
        expires_ms: header.expires.get(),
        burn_ms: header.burn_ms,
        read_ms: header.read.map(UnixMillis::get),
        file_name: header.file_name.clone(),
        slot: slot_to_row(header.slot),
        reply_to: header.reply_to.as_ref().map(about::reference_to_row),
        edited_ms: header.edited.map(UnixMillis::get),
        recalled_ms: header.recalled.map(UnixMillis::get),
        unknown_kind: header.unknown_kind,
    };
    row.encode_to_vec()
}

pub(super) fn header_from_row(bytes: &[u8]) -> Result<Header, RowError> {
    let error = RowError("inbox");
    let row = HeaderRow::decode(bytes).map_err(|_| error)?;
    let message = <[u8; 16]>::try_from(row.message.as_slice()).map_err(|_| error)?;
    let reply_to = row.reply_to.as_ref();
    Ok(Header {
        sender: PublicKey::try_from(row.sender.as_slice()).map_err(|_| error)?,
        message: MessageId::new(message),
        from: row.from.parse().map_err(|_| error)?,
        received: UnixMillis::new(row.received_ms),
        sent: UnixMillis::new(row.sent_ms),
        expires: UnixMillis::new(row.expires_ms),
        burn_ms: row.burn_ms,
        read: row.read_ms.map(UnixMillis::new),
        file_name: row.file_name,
        slot: slot_from_row(&row.slot).map_err(|_| error)?,
        reply_to: reply_to.map(about::reference_from_row).transpose()?,
        edited: row.edited_ms.map(UnixMillis::new),
        recalled: row.recalled_ms.map(UnixMillis::new),
        unknown_kind: row.unknown_kind,
    })
}

fn slot_to_row(slot: Option<Slot>) -> Vec<u8> {
    slot.map_or(Vec::new(), |slot| slot.0.to_vec())
}

/// Reads where a key is; nothing for nowhere.
fn slot_from_row(slot: &[u8]) -> Result<Option<Slot>, TryFromSliceError> {
    let slot = Some(slot).filter(|slot| !slot.is_empty());
    let slot = slot.map(<[u8; SLOT_BYTES]>::try_from).transpose()?;
    Ok(slot.map(Slot))
}

/// Reads a moment from a row of eight bytes.
pub(super) fn moment_of(value: &[u8], table: &'static str) -> Result<UnixMillis, RowError> {
    let bytes = <[u8; 8]>::try_from(value).map_err(|_| RowError(table))?;
    Ok(UnixMillis::new(u64::from_be_bytes(bytes)))
}
