//! One conversation on one device.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mls_rs::group::{CommitEffect, ReceivedMessage};
use mls_rs::{MlsMessage, WireFormat};
use restante_proto::keys::PublicKey;
use restante_proto::limits::DAY_MS;
use restante_proto::time::UnixMillis;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::conflict::Deed;
use crate::epoch::{Class, EpochName, Node, Rank, Shares, Tree};
use crate::error::ConversationError;
use crate::group::{
    add, check_tree, created, deed_at, deed_of, epoch_of, has_renewed, is_plain, joined, leaves_of,
    loaded, member_at, name_of, roster_of, save, tree_of, welcome,
};
use crate::key_package::OwnKeyPackage;
use crate::library::{MlsGroup, guarded, mls_time};
use crate::member::Member;
pub use crate::model::{Committed, Opened, Sealed, Turn, Wanted};
use crate::model::{Epoch, Keys};
use crate::outer::OuterKeys;
use crate::past;
use crate::rows::{self, Change, Row, RowsError};
use crate::rules::Accounts;
use crate::storage::{EpochRows, Secret};

/// How long after an epoch was left a commit may follow it, in milliseconds.
pub const WINDOW_MS: u64 = DAY_MS;
/// How long after that texts of the epoch are opened, in milliseconds: as long as one can be under way.
pub const TEXTS_MS: u64 = 30 * DAY_MS + 20 * 60 * 1000;
/// How old a device's own keys may be when it speaks, in milliseconds.
pub const RENEW_MS: u64 = DAY_MS;
/// Texts a device sends in one epoch, at most, so that nobody has to skip more keys than the library does.
pub const TEXTS_MAX: u32 = 500;
/// Epochs that can still be followed, at most, that one device has made.
pub const DEVICE_LIVE_MAX: usize = 32;
/// Epochs that can still be followed, at most, that devices of one account have made.
pub const LIVE_MAX: usize = 128;
const SHARES: Shares = Shares {
    device: DEVICE_LIVE_MAX,
    account: LIVE_MAX,
};
/// Epochs that open texts alone, at most: as many as twenty devices make that renew their keys three times a day.
pub const PAST_MAX: usize = 2048;
/// Bytes of states from which on no text is opened that skips others, since the keys of these would have to be kept.
pub const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a message of the group, at most: what the largest envelope holds.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// The name of a conversation, which its maker draws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId([u8; 16]);

impl ConversationId {
    /// Wraps the 16 bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "ConversationId({a:02x}{b:02x}{c:02x})")
    }
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    id: ConversationId,
    pub(crate) tree: Tree<Epoch>,
    pub(crate) changes: Vec<Change>,
}

impl Conversation {
    /// Makes a conversation with those whose key packages these are.
    ///
    /// # Errors
    ///
    /// [`ConversationError::Refused`] when a key package is none or is another account's,
    /// [`ConversationError::State`] when the library fails.
    pub fn create(
        turn: &mut Turn<'_>,
        accounts: &Accounts,
        invited: &[Vec<u8>],
    ) -> Result<(Self, Option<Vec<u8>>), ConversationError> {
        let (mut group, rows, welcome) = created(turn, accounts, invited)?;
        let own = group.current_member_index();
        let deed = deed_at(&group.export_tree(), own, BTreeSet::new())?;
        let conversation = Self::of_group(&mut group, &rows, Some(deed), turn.date)?;
        Ok((conversation, welcome))
    }

    /// Joins a conversation that somebody has made or added this device to.
    ///
    /// # Errors
    ///
    /// [`ConversationError::Refused`] when the invitation is none or the group is against the rules,
    /// [`ConversationError::Unknown`] when it is for none of these key packages.
    pub fn join(
        turn: &mut Turn<'_>,
        own: &[OwnKeyPackage],
        welcome: &[u8],
    ) -> Result<Self, ConversationError> {
        let (mut group, rows) = joined(turn, own, welcome)?;
        Self::of_group(&mut group, &rows, None, turn.date)
    }

    /// Joins the conversation again: the commit that had added this device lost, or it was away too long.
    ///
    /// # Errors
    ///
    /// As [`Conversation::join`], and [`ConversationError::Refused`] when it is another conversation.
    pub fn join_again(
        &mut self,
        turn: &mut Turn<'_>,
        own: &[OwnKeyPackage],
        welcome: &[u8],
    ) -> Result<(), ConversationError> {
        let (mut group, rows) = joined(turn, own, welcome)?;
        let accounts = Accounts::of(group.context()).map_err(|_| ConversationError::Refused)?;
        if group.group_id() != self.id.as_bytes() || accounts != self.accounts(turn)? {
            return Err(ConversationError::Refused);
        }
        let name = name_of(&group)?;
        if self.tree.get(&name).is_some() {
            return Ok(());
        }
        let epoch = epoch_of(&mut group, &rows, turn.date)?;
        let root = Node::root(name, group.current_epoch(), None, epoch);
        self.tree.replant(root, turn.date);
        self.put_new(&name);
        self.put_all();
        Ok(())
    }

    /// Returns the accounts that it is between.
    fn accounts(&self, turn: &mut Turn<'_>) -> Result<Accounts, ConversationError> {
        let (group, _) = self.group(turn, &self.tree.head())?;
        Accounts::of(group.context()).map_err(|_| ConversationError::State)
    }

    fn of_group(
        group: &mut MlsGroup,
        rows: &EpochRows,
        deed: Option<Deed>,
        date: UnixMillis,
    ) -> Result<Self, ConversationError> {
        let id = group.group_id().try_into();
        let id = id.map_err(|_| ConversationError::Refused)?;
        let name = name_of(group)?;
        let epoch = epoch_of(group, rows, date)?;
        let root = Node::root(name, group.current_epoch(), deed, epoch);
        let mut conversation = Self {
            id: ConversationId::new(id),
            tree: Tree::new(root),
            changes: Vec::new(),
        };
        conversation.put_new(&name);
        conversation.put_heads();
        Ok(conversation)
    }

    /// Reads a conversation from its rows.
    ///
    /// # Errors
    ///
    /// [`RowsError`] when they are damaged.
    pub fn load(rows: &BTreeMap<Row, Secret>) -> Result<Self, RowsError> {
        let (id, tree) = rows::read(rows)?;
        let changes = Vec::new();
        Ok(Self { id, tree, changes })
    }

    /// Returns all rows as they are.
    pub fn to_rows(&self) -> BTreeMap<Row, Secret> {
        rows::write(&self.id, &self.tree)
    }

    /// Returns the device whose commit has made an epoch; nothing if that is not known.
    pub fn committer(&self, epoch: &EpochName) -> Option<PublicKey> {
        let deed = self.tree.get(epoch).and_then(|node| node.deed.as_ref());
        deed.map(|deed| deed.committer.device)
    }

    /// Drains the changes that the calls since the last time have made.
    pub fn drain_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Returns its name.
    pub const fn id(&self) -> ConversationId {
        self.id
    }

    /// Returns the epoch that is spoken in.
    pub const fn head(&self) -> EpochName {
        self.tree.head()
    }

    /// Goes through the epochs whose envelopes can be opened, with the keys of these.
    pub fn outer_keys(&self) -> impl Iterator<Item = (EpochName, &OuterKeys)> {
        let nodes = self.tree.nodes();
        nodes.filter_map(|node| Some((node.rank.name, node.value.outer.as_ref()?)))
    }

    /// Tells whether an epoch is the head or comes before it: what was said or done in another one is not shared.
    pub fn is_on_chain(&self, epoch: &EpochName) -> bool {
        self.tree.is_on_chain(epoch)
    }

    /// Returns the member whose commit has removed this device, if one has as far as is known here: while it has,
    /// nothing is said or done.
    pub fn removed_by(&self) -> Option<Member> {
        let shut = self.tree.get(&self.tree.shut()?)?;
        shut.deed.as_ref().map(|deed| deed.committer)
    }

    /// Returns the members at the head.
    ///
    /// # Errors
    ///
    /// [`ConversationError::State`] when its rows are damaged.
    pub fn members(&self) -> Result<BTreeSet<Member>, ConversationError> {
        self.members_at(&self.tree.head())
    }

    fn members_at(&self, name: &EpochName) -> Result<BTreeSet<Member>, ConversationError> {
        let node = self.tree.get(name).ok_or(ConversationError::Unknown)?;
        let Keys::Live { tree, .. } = &node.value.keys else {
            return Err(ConversationError::Unknown);
        };
        Ok(roster_of(&tree_of(tree)?)?.into_values().collect())
    }

    /// Seals a text for the members at the head.
    ///
    /// # Errors
    ///
    /// [`ConversationError::Removed`] when this device is no member, [`ConversationError::State`] when the library
    /// fails.
    pub fn seal(&mut self, turn: &mut Turn<'_>, body: &[u8]) -> Result<Sealed, ConversationError> {
        let head = self.place()?;
        let (mut group, rows) = self.group(turn, &head)?;
        let message = group
            .encrypt_application_message(body, Vec::new())
            .and_then(|message| message.to_bytes())
            .map_err(|_| ConversationError::State)?;
        let state = save(&mut group, &rows)?;
        let epoch = &mut self.node_mut(&head)?.value;
        epoch.sent = epoch.sent.saturating_add(1);
        self.put_state(&head, state)?;
        self.put_epoch(&head);
        let epoch = head;
        Ok(Sealed { epoch, message })
    }

    /// Opens a message whose envelope the keys of this epoch have opened.
    ///
    /// # Errors
    ///
    /// [`ConversationError`]; nothing has changed then.
    pub fn open(
        &mut self,
        turn: &mut Turn<'_>,
        epoch: &EpochName,
        message: &[u8],
    ) -> Result<Opened, ConversationError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(ConversationError::Refused);
        }
        let node = self.tree.get(epoch).ok_or(ConversationError::Unknown)?;
        let digest: [u8; 32] = Sha256::digest(message).into();
        let is_known = |value: &Epoch| value.commit == Some(digest);
        if self.tree.nodes().any(|node| is_known(&node.value)) {
            return Ok(Opened::Known);
        }
        let parsed = MlsMessage::from_bytes(message).map_err(|_| ConversationError::Refused)?;
        if parsed.wire_format() != WireFormat::PrivateMessage {
            return Err(ConversationError::Refused);
        }
        if let Keys::Past { record, roster } = &node.value.keys {
            let number = node.number;
            let (opened, record) = past::open(turn, self.id, (number, record), roster, parsed)?;
            self.check_held(epoch, &record)?;
            let value = &mut self.node_mut(epoch)?.value;
            if let Keys::Past { record: kept, .. } = &mut value.keys {
                *kept = record.clone();
            }
            self.changes.push(Change::Put(Row::Past(*epoch), record));
            return Ok(opened);
        }
        let (mut group, rows) = self.group(turn, epoch)?;
        let received = guarded(|| group.process_incoming_message_with_time(parsed, mls_time()))?;
        match received {
            ReceivedMessage::ApplicationMessage(text) if is_plain(&text) => {
                let senders = tree_of(self.tree_at(epoch)?)?;
                let sender = member_at(&senders, text.sender_index)?;
                let state = save(&mut group, &rows)?;
                self.check_held(epoch, &state)?;
                self.put_state(epoch, state)?;
                let body = Zeroizing::new(text.data().to_vec());
                Ok(Opened::Text { sender, body })
            }
            ReceivedMessage::Commit(commit) if commit.authenticated_data.is_empty() => {
                let before = tree_of(self.tree_at(epoch)?)?;
                let (class, deed) = deed_of(&commit, &before)?;
                let made = Made {
                    parent: *epoch,
                    class,
                    deed,
                    commit: message,
                };
                if matches!(commit.effect, CommitEffect::Removed { .. }) {
                    return self.be_removed(turn, made);
                }
                let after = group.export_tree();
                if !has_renewed(&before, &after, commit.committer) {
                    return Err(ConversationError::Refused);
                }
                check_tree(&after, turn)?;
                let (epoch, moved) = self.grow(turn, &mut group, &rows, made)?;
                Ok(Opened::Commit { epoch, moved })
            }
            _ => Err(ConversationError::Refused),
        }
    }

    /// Makes a commit that renews this device's keys, and adds and removes what is wanted of its own account; nothing
    /// is sent yet.
    ///
    /// It stands from now on. The same bytes are sent until keepers have given receipts: one that gave none may have
    /// kept it all the same.
    ///
    /// # Errors
    ///
    /// [`ConversationError::Refused`] when it is against the rules, [`ConversationError::Removed`] when this device is
    /// no member, [`ConversationError::TooManyEpochs`] when it has made too many, or one of the head that does not
    /// count.
    pub fn commit(
        &mut self,
        turn: &mut Turn<'_>,
        wanted: &Wanted,
    ) -> Result<Committed, ConversationError> {
        let head = self.place()?;
        let own = turn.identity.device.public();
        if self.tree.has_child_of(&head, &own) {
            return Err(ConversationError::TooManyEpochs);
        }
        let unmet = self.unmet(wanted)?;
        let (mut group, rows) = self.group(turn, &head)?;
        let leaves: Vec<u32> = leaves_of(&group, &unmet.remove);
        let mut builder = group.commit_builder().commit_time(mls_time());
        for package in unmet.add.values() {
            builder = add(builder, package)?;
        }
        for leaf in leaves {
            builder = builder
                .remove_member(leaf)
                .map_err(|_| ConversationError::Unknown)?;
        }
        let (output, secrets) = builder
            .build_detached()
            .map_err(|_| ConversationError::Refused)?;
        let message = output.commit_message.to_bytes();
        let message = message.map_err(|_| ConversationError::State)?;
        let welcome = welcome(&output.welcome_messages)?;
        // The parent has used a key for this commit, which it must not use again.
        let state = save(&mut group, &rows)?;
        let commit = group
            .apply_detached_commit(secrets)
            .map_err(|_| ConversationError::State)?;
        check_tree(&group.export_tree(), turn)?;
        let before = tree_of(self.tree_at(&head)?)?;
        let (class, deed) = deed_of(&commit, &before)?;
        let made = Made {
            parent: head,
            class,
            deed,
            commit: &message,
        };
        let (epoch, _) = self.grow(turn, &mut group, &rows, made)?;
        self.put_state(&head, state)?;
        Ok(Committed {
            parent: head,
            epoch,
            message,
            welcome,
        })
    }

    /// Returns what of `wanted` is not so at the head.
    ///
    /// # Errors
    ///
    /// [`ConversationError::State`] when rows are damaged.
    pub fn unmet(&self, wanted: &Wanted) -> Result<Wanted, ConversationError> {
        let members = self.members()?;
        let devices: BTreeSet<PublicKey> = members.iter().map(|member| member.device).collect();
        let mut unmet = wanted.clone();
        unmet.add.retain(|device, _| !devices.contains(device));
        unmet.remove.retain(|device| devices.contains(device));
        Ok(unmet)
    }

    /// Tells whether this device should renew its keys before it speaks: it has never done so, or not for a day, or has
    /// said much since.
    pub fn is_stale(&self, turn: &Turn<'_>) -> bool {
        let own = turn.identity.device.public();
        let mut chain = self.tree.chain();
        let is_own = |deed: &Deed| deed.committer.device == own;
        let renewed = chain.find(|node| node.deed.as_ref().is_some_and(is_own));
        let said = self
            .tree
            .get(&self.tree.head())
            .map_or(0, |node| node.value.sent);
        renewed.is_none_or(|node| node.value.made.plus(RENEW_MS) <= turn.date) || said >= TEXTS_MAX
    }

    /// Adds the epoch that a commit has made.
    fn grow(
        &mut self,
        turn: &mut Turn<'_>,
        group: &mut MlsGroup,
        rows: &EpochRows,
        made: Made<'_>,
    ) -> Result<(EpochName, bool), ConversationError> {
        let name = name_of(group)?;
        // The same commit, sealed again by a member: the state that there is must not go back.
        if self.tree.get(&name).is_some() {
            return Ok((name, false));
        }
        let epoch = epoch_of(group, rows, turn.date)?;
        let moved = self.insert(turn, name, made, epoch)?;
        Ok((name, moved))
    }

    /// Takes down that a commit removes this device. The name of what it makes is not known to those whom it removes.
    fn be_removed(
        &mut self,
        turn: &mut Turn<'_>,
        made: Made<'_>,
    ) -> Result<Opened, ConversationError> {
        let by = made.deed.committer;
        let name = Sha256::new_with_prefix(b"removed")
            .chain_update(made.parent.as_bytes())
            .chain_update(by.device.as_bytes())
            .finalize();
        let name = EpochName::new(name.into());
        if self.tree.get(&name).is_none() {
            self.insert(turn, name, made, Epoch::shut(turn.date))?;
        }
        Ok(Opened::Removed { by })
    }

    /// Adds an epoch, in the place of another one of the account's if it has too many.
    fn insert(
        &mut self,
        turn: &mut Turn<'_>,
        name: EpochName,
        made: Made<'_>,
        mut epoch: Epoch,
    ) -> Result<bool, ConversationError> {
        let parent = self.tree.get(&made.parent);
        let parent = parent.ok_or(ConversationError::Unknown)?;
        epoch.commit = Some(Sha256::digest(made.commit).into());
        let node = Node {
            parent: Some(made.parent),
            rank: Rank::new(made.class, &made.parent, &made.deed.committer.device, name),
            number: parent.number.saturating_add(1),
            deed: Some(made.deed),
            is_shut: matches!(epoch.keys, Keys::Shut),
            left: None,
            live: true,
            value: epoch,
        };
        let before = (self.tree.head(), self.tree.shut());
        self.tree.insert(node, turn.date);
        if let Some(surplus) = self.tree.surplus(&name, SHARES) {
            if surplus == name || self.tree.past() >= PAST_MAX {
                self.tree.remove(&name);
                self.tree.choose(turn.date);
                return Err(ConversationError::TooManyEpochs);
            }
            self.end(turn, &surplus)?;
            self.tree.drop_surplus(&surplus);
            self.tree.choose(turn.date);
            self.put_epoch(&surplus);
        }
        let moved = before != (self.tree.head(), self.tree.shut());
        self.put_new(&name);
        self.put_all();
        Ok(moved)
    }

    /// Returns the epoch that this device speaks and commits in.
    fn place(&self) -> Result<EpochName, ConversationError> {
        match self.tree.shut() {
            Some(_) => Err(ConversationError::Removed),
            None => Ok(self.tree.head()),
        }
    }

    pub(crate) fn group(
        &self,
        turn: &mut Turn<'_>,
        name: &EpochName,
    ) -> Result<(MlsGroup, EpochRows), ConversationError> {
        let node = self.tree.get(name).ok_or(ConversationError::Unknown)?;
        let Keys::Live { state, tree } = &node.value.keys else {
            return Err(ConversationError::TooLate);
        };
        loaded(turn, self.id.as_bytes(), (state, tree))
    }

    pub(crate) fn tree_at(&self, name: &EpochName) -> Result<&[u8], ConversationError> {
        match self.tree.get(name).map(|node| &node.value.keys) {
            Some(Keys::Live { tree, .. }) => Ok(tree),
            _ => Err(ConversationError::Unknown),
        }
    }

    pub(crate) fn node_mut(
        &mut self,
        name: &EpochName,
    ) -> Result<&mut Node<Epoch>, ConversationError> {
        self.tree.get_mut(name).ok_or(ConversationError::Unknown)
    }

    fn put_state(&mut self, name: &EpochName, new: Secret) -> Result<(), ConversationError> {
        if let Keys::Live { state, .. } = &mut self.node_mut(name)?.value.keys {
            *state = new.clone();
            self.changes.push(Change::Put(Row::State(*name), new));
        }
        Ok(())
    }

    pub(crate) fn put_epoch(&mut self, name: &EpochName) {
        self.changes.extend(self.tree.get(name).map(rows::epoch));
    }

    /// Stores where all stand: the head may be another one, and others left since.
    pub(crate) fn put_all(&mut self) {
        let live = self.tree.nodes().filter(|node| node.live);
        self.changes.extend(live.map(rows::epoch));
        self.put_heads();
    }

    pub(crate) fn put_heads(&mut self) {
        let (root, head) = (self.tree.root(), self.tree.head());
        self.changes.push(rows::conversation(&self.id, root, head));
    }

    fn put_new(&mut self, name: &EpochName) {
        let Some(node) = self.tree.get(name) else {
            return;
        };
        self.changes.push(rows::epoch(node));
        self.changes.extend(rows::large(node));
    }
}

/// How an epoch came about.
struct Made<'a> {
    parent: EpochName,
    class: Class,
    deed: Deed,
    commit: &'a [u8],
}
