//! Contacts.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use restante_client::model::{Contact, ContactIds, FoundCard, KnownId, Wishes};
use restante_interface::ContactState;
use restante_proto::card::CardRecord;
use restante_proto::keys::PublicKey;
use restante_proto::message::Grant;
use restante_proto::person::RecordKey;
use restante_proto::time::{Epoch, UnixMillis};
use zeroize::Zeroizing;

use super::{RowError, redacted};

redacted!(
    ContactRow,
    KnownIdRow,
    FoundCardRow,
    GrantRow,
    GrantedRow,
    PackageRow
);

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct ContactRow {
    #[prost(bytes = "vec", tag = "1")]
    account: Vec<u8>,
    #[prost(message, repeated, tag = "2")]
    ids: Vec<KnownIdRow>,
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
    #[prost(string, tag = "8")]
    reach: String,
    #[prost(message, optional, tag = "9")]
    found: Option<FoundCardRow>,
    #[prost(message, repeated, tag = "10")]
    grants: Vec<GrantRow>,
    #[prost(message, repeated, tag = "11")]
    granted: Vec<GrantedRow>,
    #[prost(bytes = "vec", tag = "12")]
    granted_by: Vec<u8>,
    #[prost(uint32, optional, tag = "13")]
    delegation: Option<u32>,
    #[prost(message, repeated, tag = "14")]
    packages: Vec<PackageRow>,
    #[prost(uint64, optional, tag = "15")]
    offered_ms: Option<u64>,
    #[prost(uint64, optional, tag = "16")]
    ttl_ms: Option<u64>,
    #[prost(uint64, optional, tag = "17")]
    burn_ms: Option<u64>,
    #[prost(bool, tag = "18")]
    tells_read: bool,
    #[prost(bool, tag = "19")]
    is_muted: bool,
    #[prost(bool, tag = "20")]
    is_pinned: bool,
}

/// A key package that one of a contact's devices has offered.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct PackageRow {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    package: Vec<u8>,
}

/// An ID that a contact goes by.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct KnownIdRow {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(uint64, optional, tag = "2")]
    sequence: Option<u64>,
    #[prost(bool, tag = "3")]
    used: bool,
}

/// The last card of a contact that was seen.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct FoundCardRow {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(bytes = "vec", tag = "2")]
    record: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(bool, tag = "4")]
    outdated: bool,
    #[prost(bytes = "vec", repeated, tag = "5")]
    devices: Vec<Vec<u8>>,
}

/// What one of a contact's devices granted.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct GrantRow {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    grant: Vec<u8>,
}

/// Until when one of a contact's devices was granted something.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct GrantedRow {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    #[prost(uint32, tag = "2")]
    last_epoch: u32,
}

fn known_id_to_row(known: &KnownId) -> KnownIdRow {
    KnownIdRow {
        id: known.id.to_string(),
        sequence: known.sequence,
        used: known.used,
    }
}

fn known_id_from_row(row: &KnownIdRow) -> Result<KnownId, RowError> {
    Ok(KnownId {
        id: row.id.parse().map_err(|_| RowError("contacts"))?,
        sequence: row.sequence,
        used: row.used,
    })
}

fn found_to_row(found: &FoundCard) -> FoundCardRow {
    FoundCardRow {
        id: found.id.to_string(),
        record: found.record.encode(),
        key: found.key.as_bytes().to_vec(),
        outdated: found.is_outdated,
        devices: found
            .devices
            .iter()
            .map(|device| device.as_bytes().to_vec())
            .collect(),
    }
}

fn found_from_row(row: &FoundCardRow) -> Result<FoundCard, RowError> {
    let error = RowError("contacts");
    let key = <[u8; 32]>::try_from(row.key.as_slice()).map_err(|_| error)?;
    let devices = row.devices.iter();
    let devices = devices.map(|device| PublicKey::try_from(device.as_slice()));
    Ok(FoundCard {
        id: row.id.parse().map_err(|_| error)?,
        record: CardRecord::decode(&row.record).map_err(|_| error)?,
        key: RecordKey::new(key),
        devices: devices.collect::<Result<_, _>>().map_err(|_| error)?,
        is_outdated: row.outdated,
    })
}

fn grant_to_row((device, grant): (&PublicKey, &Grant)) -> GrantRow {
    GrantRow {
        device: device.as_bytes().to_vec(),
        grant: grant.encode(),
    }
}

fn grant_from_row(row: &GrantRow) -> Result<(PublicKey, Grant), RowError> {
    let error = RowError("contacts");
    let device = PublicKey::try_from(row.device.as_slice()).map_err(|_| error)?;
    Ok((device, Grant::decode(&row.grant).map_err(|_| error)?))
}

fn granted_to_row((device, last): (&PublicKey, &Epoch)) -> GrantedRow {
    GrantedRow {
        device: device.as_bytes().to_vec(),
        last_epoch: last.get(),
    }
}

fn granted_from_row(row: &GrantedRow) -> Result<(PublicKey, Epoch), RowError> {
    let device = PublicKey::try_from(row.device.as_slice());
    let device = device.map_err(|_| RowError("contacts"))?;
    Ok((device, Epoch::new(row.last_epoch)))
}

fn package_to_row((device, package): (&PublicKey, &Bytes)) -> PackageRow {
    PackageRow {
        device: device.as_bytes().to_vec(),
        package: package.to_vec(),
    }
}

fn package_from_row(row: &PackageRow) -> Result<(PublicKey, Bytes), RowError> {
    let device = PublicKey::try_from(row.device.as_slice());
    let device = device.map_err(|_| RowError("contacts"))?;
    Ok((device, row.package.clone().into()))
}

const CONTACT_STATES: [ContactState; 4] = [
    ContactState::Request,
    ContactState::Accepted,
    ContactState::Blocked,
    ContactState::Terminated,
];

pub(in crate::account) fn contact_to_row(contact: &Contact) -> Zeroizing<Vec<u8>> {
    let state = CONTACT_STATES
        .iter()
        .position(|state| *state == contact.state);
    let row = ContactRow {
        account: contact.account.as_bytes().to_vec(),
        ids: contact.ids.iter().map(known_id_to_row).collect(),
        petname: contact.petname.clone(),
        state: state.and_then(|at| u32::try_from(at).ok()).unwrap_or(0),
        verified: contact.verified,
        added_ms: contact.added.get(),
        last_seen_ms: contact.last_seen.map(UnixMillis::get),
        reach: contact.reach.to_string(),
        found: contact.found.as_ref().map(found_to_row),
        grants: contact.grants.iter().map(grant_to_row).collect(),
        granted: contact.granted.iter().map(granted_to_row).collect(),
        granted_by: contact
            .granted_by
            .map_or_else(Vec::new, |by| by.as_bytes().to_vec()),
        delegation: contact.delegation,
        packages: contact.packages.iter().map(package_to_row).collect(),
        offered_ms: contact.offered.map(UnixMillis::get),
        ttl_ms: contact.wishes.ttl_ms,
        burn_ms: contact.wishes.burn_ms,
        tells_read: contact.wishes.tells_read,
        is_muted: contact.wishes.is_muted,
        is_pinned: contact.wishes.is_pinned,
    };
    Zeroizing::new(row.encode_to_vec())
}

pub(in crate::account) fn contact_from_row(bytes: &[u8]) -> Result<Contact, RowError> {
    let error = RowError("contacts");
    let row = ContactRow::decode(bytes).map_err(|_| error)?;
    let state = usize::try_from(row.state).map_err(|_| error)?;
    let ids = row.ids.iter().map(known_id_from_row);
    let ids = ContactIds::from_stored(ids.collect::<Result<_, _>>()?);
    let grants = row.grants.iter().map(grant_from_row);
    let granted = row.granted.iter().map(granted_from_row);
    let packages = row.packages.iter().map(package_from_row);
    Ok(Contact {
        account: PublicKey::try_from(row.account.as_slice()).map_err(|_| error)?,
        ids: ids.ok_or(error)?,
        reach: row.reach.parse().map_err(|_| error)?,
        petname: row.petname,
        state: *CONTACT_STATES.get(state).ok_or(error)?,
        verified: row.verified,
        added: UnixMillis::new(row.added_ms),
        last_seen: row.last_seen_ms.map(UnixMillis::new),
        delegation: row.delegation,
        found: row.found.as_ref().map(found_from_row).transpose()?,
        grants: grants.collect::<Result<_, _>>()?,
        granted: granted.collect::<Result<_, _>>()?,
        packages: packages.collect::<Result<_, _>>()?,
        offered: row.offered_ms.map(UnixMillis::new),
        wishes: Wishes {
            ttl_ms: row.ttl_ms,
            burn_ms: row.burn_ms,
            tells_read: row.tells_read,
            is_muted: row.is_muted,
            is_pinned: row.is_pinned,
        },
        granted_by: match row.granted_by.as_slice() {
            [] => None,
            by => Some(PublicKey::try_from(by).map_err(|_| error)?),
        },
    })
}
