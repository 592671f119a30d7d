//! What a conversation keeps on the disk, and the changes on their way there.
//!
//! All changes of one call belong into one transaction, together with what is sent because of them: a state that was
//! used and then forgotten would use its keys again.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use prost::Message as _;
use restante_proto::keys::PublicKey;
use restante_proto::time::UnixMillis;
use zeroize::Zeroizing;

use crate::conflict::{Deed, Standing};
use crate::conversation::ConversationId;
use crate::epoch::{Class, EpochName, Node, Rank, Tree};
use crate::member::Member;
use crate::model::{Epoch, Keys};
use crate::outer::OuterKeys;
use crate::storage::Secret;

/// One row of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Root and head.
    Conversation,
    /// Where an epoch stands, and the keys of its envelopes.
    Epoch(EpochName),
    /// The state of an epoch that a commit can follow.
    State(EpochName),
    /// What is left of one, that opens texts.
    Past(EpochName),
    /// The tree of public keys of an epoch.
    Tree(EpochName),
}

/// One change of a row.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Store it.
    Put(Row, Secret),
    /// Destroy it.
    Drop(Row),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put(row, bytes) => write!(f, "Put({row:?}, {} bytes)", bytes.len()),
            Self::Drop(row) => write!(f, "Drop({row:?})"),
        }
    }
}

/// Rows that are not those of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the rows of a conversation are damaged")]
pub struct RowsError;

#[derive(Clone, PartialEq, prost::Message)]
struct ConversationRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    root: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    head: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EpochRow {
    #[prost(bytes = "vec", optional, tag = "1")]
    parent: Option<Vec<u8>>,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(uint32, tag = "3")]
    class: u32,
    #[prost(bytes = "vec", tag = "4")]
    order: Vec<u8>,
    #[prost(uint64, optional, tag = "5")]
    left_ms: Option<u64>,
    #[prost(bytes = "vec", tag = "6")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    hint: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    deed: Option<DeedRow>,
    #[prost(uint64, tag = "9")]
    made_ms: u64,
    #[prost(uint32, tag = "10")]
    sent: u32,
    #[prost(bytes = "vec", optional, tag = "11")]
    commit: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "12")]
    roster: Vec<MemberRow>,
}

/// Who made a commit, and whom it removes.
#[derive(Clone, PartialEq, prost::Message)]
struct DeedRow {
    #[prost(message, optional, tag = "1")]
    committer: Option<MemberRow>,
    #[prost(uint32, tag = "2")]
    delegation: u32,
    #[prost(bytes = "vec", repeated, tag = "3")]
    removed: Vec<Vec<u8>>,
}

impl DeedRow {
    fn of(deed: &Deed) -> Self {
        let standing = deed.standing;
        Self {
            committer: Some(MemberRow::of((&standing.leaf, &deed.committer))),
            delegation: standing.delegation.0,
            removed: deed
                .removed
                .iter()
                .map(|key| key.as_bytes().to_vec())
                .collect(),
        }
    }

    fn read(&self) -> Result<Deed, RowsError> {
        let committer = self.committer.as_ref().ok_or(RowsError)?;
        let (leaf, committer) = committer.read()?;
        let key = |key: &Vec<u8>| array(key).map(PublicKey::new);
        Ok(Deed {
            committer,
            standing: Standing {
                delegation: Reverse(self.delegation),
                leaf,
                device: committer.device,
            },
            removed: self.removed.iter().map(key).collect::<Result<_, _>>()?,
        })
    }
}

/// A member, by its leaf.
#[derive(Clone, PartialEq, prost::Message)]
struct MemberRow {
    #[prost(uint32, tag = "1")]
    leaf: u32,
    #[prost(bytes = "vec", tag = "2")]
    account: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    device: Vec<u8>,
}

impl MemberRow {
    fn of((leaf, member): (&u32, &Member)) -> Self {
        Self {
            leaf: *leaf,
            account: member.account.as_bytes().to_vec(),
            device: member.device.as_bytes().to_vec(),
        }
    }

    fn read(&self) -> Result<(u32, Member), RowsError> {
        let account = PublicKey::new(array(&self.account)?);
        let device = PublicKey::new(array(&self.device)?);
        Ok((self.leaf, Member { account, device }))
    }
}

/// Writes the row of the conversation itself.
pub(crate) fn conversation(id: &ConversationId, root: EpochName, head: EpochName) -> Change {
    let row = ConversationRow {
        id: id.as_bytes().to_vec(),
        root: root.as_bytes().to_vec(),
        head: head.as_bytes().to_vec(),
    };
    Change::Put(Row::Conversation, row.encode_to_vec().into())
}

/// Writes the row of an epoch, without its large parts.
pub(crate) fn epoch(node: &Node<Epoch>) -> Change {
    let (rank, epoch) = (&node.rank, &node.value);
    let outer = epoch.outer.as_ref();
    let mut row = EpochRow {
        parent: node.parent.map(|name| name.as_bytes().to_vec()),
        number: node.number,
        class: rank.class.number(),
        order: rank.order.to_vec(),
        left_ms: node.left.map(UnixMillis::get),
        key: outer.map_or_else(Vec::new, |outer| outer.key().to_vec()),
        hint: outer.map_or_else(Vec::new, |outer| outer.hint().to_vec()),
        deed: node.deed.as_ref().map(DeedRow::of),
        made_ms: epoch.made.get(),
        sent: epoch.sent,
        commit: epoch.commit.map(|digest| digest.to_vec()),
        roster: match &epoch.keys {
            Keys::Past { roster, .. } => roster.iter().map(MemberRow::of).collect(),
            Keys::Live { .. } | Keys::Shut => Vec::new(),
        },
    };
    let bytes = Zeroizing::new(row.encode_to_vec());
    zeroize::Zeroize::zeroize(&mut row.key);
    zeroize::Zeroize::zeroize(&mut row.hint);
    Change::Put(Row::Epoch(rank.name), bytes)
}

/// Writes all rows of a conversation.
pub(crate) fn write(id: &ConversationId, tree: &Tree<Epoch>) -> BTreeMap<Row, Secret> {
    let mut changes = vec![conversation(id, tree.root(), tree.head())];
    for node in tree.nodes() {
        changes.push(epoch(node));
        changes.extend(large(node));
    }
    let rows = changes.into_iter().filter_map(|change| match change {
        Change::Put(row, bytes) => Some((row, bytes)),
        Change::Drop(_) => None,
    });
    rows.collect()
}

/// Writes the rows of the large parts of an epoch.
pub(crate) fn large(node: &Node<Epoch>) -> Vec<Change> {
    let name = node.rank.name;
    match &node.value.keys {
        Keys::Live { state, tree } => {
            let tree = Zeroizing::new(tree.clone());
            vec![
                Change::Put(Row::State(name), state.clone()),
                Change::Put(Row::Tree(name), tree),
            ]
        }
        Keys::Past { record, .. } => vec![Change::Put(Row::Past(name), record.clone())],
        Keys::Shut => Vec::new(),
    }
}

/// Reads a conversation.
///
/// # Errors
///
/// [`RowsError`] when a row is missing or means nothing.
pub(crate) fn read(
    rows: &BTreeMap<Row, Secret>,
) -> Result<(ConversationId, Tree<Epoch>), RowsError> {
    let row = rows.get(&Row::Conversation).ok_or(RowsError)?;
    let row = ConversationRow::decode(row.as_slice()).map_err(|_| RowsError)?;
    let id = row.id.as_slice().try_into().map_err(|_| RowsError)?;
    let mut nodes = BTreeMap::new();
    for (row, bytes) in rows {
        if let Row::Epoch(name) = row {
            nodes.insert(*name, node(*name, bytes, rows)?);
        }
    }
    let tree = Tree::of(nodes, name(&row.root)?, name(&row.head)?).ok_or(RowsError)?;
    Ok((ConversationId::new(id), tree))
}

fn node(
    of: EpochName,
    bytes: &[u8],
    rows: &BTreeMap<Row, Secret>,
) -> Result<Node<Epoch>, RowsError> {
    let row = EpochRow::decode(bytes).map_err(|_| RowsError)?;
    let keys = match (rows.get(&Row::State(of)), rows.get(&Row::Past(of))) {
        (Some(state), None) => Keys::Live {
            state: state.clone(),
            tree: rows.get(&Row::Tree(of)).ok_or(RowsError)?.to_vec(),
        },
        (None, Some(record)) => Keys::Past {
            record: record.clone(),
            roster: row
                .roster
                .iter()
                .map(MemberRow::read)
                .collect::<Result<_, _>>()?,
        },
        // An epoch that this device is no member of has no keys at all.
        (None, None) if row.key.is_empty() => Keys::Shut,
        _ => return Err(RowsError),
    };
    let is_shut = matches!(keys, Keys::Shut);
    let outer = || {
        let (key, hint) = (array(&row.key)?, array(&row.hint)?);
        Ok(OuterKeys::new(Zeroizing::new(key), Zeroizing::new(hint)))
    };
    Ok(Node {
        parent: row.parent.as_deref().map(name).transpose()?,
        rank: Rank {
            class: Class::of_number(row.class).ok_or(RowsError)?,
            order: array(&row.order)?,
            name: of,
        },
        number: row.number,
        deed: row.deed.as_ref().map(DeedRow::read).transpose()?,
        is_shut,
        left: row.left_ms.map(UnixMillis::new),
        live: !matches!(keys, Keys::Past { .. }),
        value: Epoch {
            made: UnixMillis::new(row.made_ms),
            sent: row.sent,
            outer: (!is_shut).then(outer).transpose()?,
            commit: row.commit.as_deref().map(array).transpose()?,
            keys,
        },
    })
}

fn name(bytes: &[u8]) -> Result<EpochName, RowsError> {
    array(bytes).map(EpochName::new)
}

fn array(bytes: &[u8]) -> Result<[u8; 32], RowsError> {
    bytes.try_into().map_err(|_| RowsError)
}
