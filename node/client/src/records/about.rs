//! What is said about messages: reactions, and that they were read.

use restante_proto::keys::PublicKey;
use restante_proto::message::Reference;

use super::commits::Undo;
use super::{Change, Records, SenderMessage};
use crate::model::Reaction;

/// Reactions of one account that are kept, at most.
const REACTIONS_EACH_MAX: usize = 1_024;

impl Records {
    /// Returns who has reacted to a message, each with the emoji.
    pub fn reactions(&self, to: &Reference) -> impl Iterator<Item = (&PublicKey, &Reaction)> {
        let (least, most) = (PublicKey::new([0; 32]), PublicKey::new([u8::MAX; 32]));
        let of = self.reactions.range((*to, least)..=(*to, most));
        of.map(|((_, by), reaction)| (by, reaction))
    }

    /// Stages a reaction, unless a later one is known; tells whether it counts.
    pub fn react(&mut self, to: Reference, by: PublicKey, reaction: Reaction) -> bool {
        let known = self.reactions.get(&(to, by));
        if known.is_some_and(|known| known.at >= reaction.at) {
            return false;
        }
        let of = self.reactions.iter().filter(|((_, other), _)| *other == by);
        let of: Vec<_> = of.map(|((to, _), it)| (it.at, *to)).collect();
        let is_full = known.is_none() && of.len() >= REACTIONS_EACH_MAX;
        let oldest = of.into_iter().min().filter(|_| is_full);
        if let Some((_, oldest)) = oldest {
            self.drop_reaction(oldest, by);
        }
        let change = Change::PutReaction(to, by, Box::new(reaction.clone()));
        self.stage(change);
        let before = self.reactions.insert((to, by), reaction);
        self.staged.undo.push(Undo::Reaction((to, by), before));
        true
    }

    /// Forgets the reactions to a message.
    pub fn drop_reactions(&mut self, to: &Reference) {
        let by: Vec<PublicKey> = self.reactions(to).map(|(by, _)| *by).collect();
        for by in by {
            self.drop_reaction(*to, by);
        }
    }

    /// Forgets what an account has felt about messages.
    pub fn drop_reactions_by(&mut self, account: &PublicKey) {
        let theirs = self.reactions.keys().filter(|(_, by)| by == account);
        let theirs: Vec<(Reference, PublicKey)> = theirs.copied().collect();
        for (to, by) in theirs {
            self.drop_reaction(to, by);
        }
    }

    /// Forgets the reactions that are over.
    pub fn tidy_reactions(&mut self, is_over: impl Fn(&Reference, &Reaction) -> bool) {
        let over = self.reactions.iter();
        let over = over.filter(|((to, _), reaction)| is_over(to, reaction));
        let over: Vec<(Reference, PublicKey)> = over.map(|(name, _)| *name).collect();
        for (to, by) in over {
            self.drop_reaction(to, by);
        }
    }

    fn drop_reaction(&mut self, to: Reference, by: PublicKey) {
        if let Some(before) = self.reactions.remove(&(to, by)) {
            self.stage(Change::DropReaction(to, by));
            let before = Some(before);
            self.staged.undo.push(Undo::Reaction((to, by), before));
        }
    }

    /// Notes that a contact is to hear that its message was read.
    pub fn put_read_due(&mut self, named: SenderMessage) {
        if self.read_due.insert(named) {
            self.stage(Change::PutReadDue(named));
            self.staged.undo.push(Undo::ReadDue(named, false));
        }
    }

    /// Drops what is due no longer.
    pub fn drop_read_due(&mut self, named: SenderMessage) {
        if self.read_due.remove(&named) {
            self.stage(Change::DropReadDue(named));
            self.staged.undo.push(Undo::ReadDue(named, true));
        }
    }
}
