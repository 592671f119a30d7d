//! What a conversation is for, and who may change who is in it (SPEC 15.3).

use std::collections::BTreeSet;

use mls_rs::group::{GroupContext, Roster};
use mls_rs::mls_rules::{
    CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle,
};
use mls_rs::{Extension, ExtensionList, MlsRules};
use mls_rs_core::error::IntoAnyError;
use mls_rs_core::extension::ExtensionType;
use mls_rs_core::group::Member as Leaf;
use restante_proto::keys::PublicKey;

use crate::member::{Member, MemberError};

/// The extension of the group's context that names the accounts.
pub(crate) const ACCOUNTS: ExtensionType = ExtensionType::new(0xF152);

/// The extension of the group's context that holds what the hints of its envelopes follow from.
pub(crate) const HINT: ExtensionType = ExtensionType::new(0xF153);

/// Members, at most: ten devices of each of two accounts.
pub const MEMBERS_MAX: usize = 20;

/// The one or two accounts that a conversation is between, for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accounts(BTreeSet<PublicKey>);

/// A group, or a commit, that is against the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The group does not say between which accounts it is.
    #[error("names no accounts")]
    NoAccounts,
    /// The group does not say what the hints of its envelopes follow from.
    #[error("names no secret for hints")]
    NoHint,
    /// Somebody is in it, or would be, whose account is not.
    #[error("a member of another account")]
    Stranger,
    /// A device adds or removes one of another account.
    #[error("a change of another account's devices")]
    NotOnesOwn,
    /// It has more members than there may be.
    #[error("too many members")]
    TooMany,
    /// A proposal that nobody may make.
    #[error("a change that nobody may make")]
    Forbidden,
}

impl From<MemberError> for RuleError {
    fn from(_: MemberError) -> Self {
        Self::Stranger
    }
}

impl IntoAnyError for RuleError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

impl Accounts {
    /// Returns the accounts of a conversation between these two, which may be the same.
    pub fn between(a: PublicKey, b: PublicKey) -> Self {
        Self(BTreeSet::from([a, b]))
    }

    /// Tells whether an account is one of them.
    pub fn contain(&self, account: &PublicKey) -> bool {
        self.0.contains(account)
    }

    /// Goes through them in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// Returns what stands in the group's context.
    ///
    /// # Layout
    ///
    /// In one the account keys (32 each), ascending; in the other the secret that hints follow from (32).
    pub(crate) fn extensions(&self, hint: &[u8; 32]) -> ExtensionList {
        let keys: Vec<&[u8]> = self.iter().map(|key| key.as_bytes().as_slice()).collect();
        let mut list = ExtensionList::new();
        list.set(Extension::new(ACCOUNTS, keys.concat()));
        list.set(Extension::new(HINT, hint.to_vec()));
        list
    }

    /// Returns what the hints of a group's envelopes follow from.
    pub(crate) fn hint_of(context: &GroupContext) -> Result<[u8; 32], RuleError> {
        let extension = context.extensions.get(HINT);
        let extension = extension.ok_or(RuleError::NoHint)?;
        let hint = extension.extension_data.as_slice().try_into();
        hint.map_err(|_| RuleError::NoHint)
    }

    pub(crate) fn of(context: &GroupContext) -> Result<Self, RuleError> {
        let extension = context.extensions.get(ACCOUNTS);
        let extension = extension.ok_or(RuleError::NoAccounts)?;
        let bytes = extension.extension_data.as_slice();
        let (keys, rest) = bytes.as_chunks::<32>();
        let ascends = keys.is_sorted_by(|a, b| a < b);
        if !rest.is_empty() || !ascends || !(1..=2).contains(&keys.len()) {
            return Err(RuleError::NoAccounts);
        }
        Ok(Self(keys.iter().map(|key| PublicKey::new(*key)).collect()))
    }
}

/// Checks a group that somebody invites to.
///
/// # Errors
///
/// What is against the rules about its members.
pub(crate) fn check(context: &GroupContext, roster: &Roster<'_>) -> Result<Accounts, RuleError> {
    let accounts = Accounts::of(context)?;
    Accounts::hint_of(context)?;
    let mut count = 0;
    for leaf in roster.members_iter() {
        let member = Member::of(&leaf.signing_identity)?;
        if !accounts.contain(&member.account) {
            return Err(RuleError::Stranger);
        }
        count += 1;
    }
    if count > MEMBERS_MAX {
        return Err(RuleError::TooMany);
    }
    Ok(accounts)
}

/// The rules as the library asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

impl MlsRules for Rules {
    type Error = RuleError;

    fn filter_proposals(
        &self,
        _direction: CommitDirection,
        source: CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, RuleError> {
        let CommitSource::ExistingMember(committer) = source else {
            return Err(RuleError::Forbidden);
        };
        let committer = Member::of(&committer.signing_identity)?;
        let members = roster.members_iter().count();
        if context.epoch == 0 && members != 1 {
            return Err(RuleError::Forbidden);
        }
        let accounts = Accounts::of(context)?;
        let (adds, removes) = (proposals.add_proposals(), proposals.remove_proposals());
        if adds.len() + removes.len() < proposals.length() {
            return Err(RuleError::Forbidden);
        }
        for add in adds {
            let added = Member::of(add.proposal.signing_identity())?;
            if !accounts.contain(&added.account) {
                return Err(RuleError::Stranger);
            }
            // The first commit makes the conversation, with everybody in it.
            if context.epoch > 0 && added.account != committer.account {
                return Err(RuleError::NotOnesOwn);
            }
        }
        for remove in removes {
            let leaf = roster.member_with_index(remove.proposal.to_remove());
            let removed = member_of(leaf.map_err(|_| RuleError::Forbidden)?)?;
            if removed.account != committer.account {
                return Err(RuleError::NotOnesOwn);
            }
        }
        // One leaf may be named by many removals.
        let remain = (members + adds.len()).saturating_sub(removes.len());
        if remain > MEMBERS_MAX {
            return Err(RuleError::TooMany);
        }
        Ok(proposals)
    }

    fn commit_options(
        &self,
        _roster: &Roster<'_>,
        _context: &GroupContext,
        _proposals: &ProposalBundle,
    ) -> Result<CommitOptions, RuleError> {
        // Every commit heals its committer; a Welcome brings the tree, which fits the largest envelope.
        Ok(CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(true)
            .with_single_welcome_message(true))
    }

    fn encryption_options(
        &self,
        _roster: &Roster<'_>,
        _context: &GroupContext,
    ) -> Result<EncryptionOptions, RuleError> {
        // Envelopes are padded outside.
        let padding = mls_rs::client_builder::PaddingMode::None;
        Ok(EncryptionOptions::new(true, padding))
    }
}

fn member_of(leaf: Leaf) -> Result<Member, RuleError> {
    Ok(Member::of(&leaf.signing_identity)?)
}
