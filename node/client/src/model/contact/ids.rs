//! The IDs of one contact.

use restante_proto::account::PersonId;

/// IDs of one contact that are remembered, at most.
pub const CONTACT_IDS_MAX: usize = 8;

/// An ID that names a contact's account, which was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownId {
    /// The ID.
    pub id: PersonId,
    /// The highest sequence of a card seen under it.
    pub sequence: Option<u64>,
    /// The person has used it; the others are those that the contact wrote under.
    pub used: bool,
}

/// All that are known of one contact, at least one: those that the person used stand before those that the contact
/// only wrote under, and the first is what it is listed under.
///
/// # References
///
/// SPEC 10.9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactIds(Vec<KnownId>);

impl ContactIds {
    /// Begins with one.
    pub fn new(id: PersonId, used: bool) -> Self {
        let sequence = None;
        Self(vec![KnownId { id, sequence, used }])
    }

    /// Takes those that were stored; nothing if there is none, or more than there may be.
    pub fn from_stored(ids: Vec<KnownId>) -> Option<Self> {
        let fits = (1..=CONTACT_IDS_MAX).contains(&ids.len());
        fits.then_some(Self(ids))
    }

    /// Returns the one that the contact is listed under.
    pub fn first(&self) -> &PersonId {
        &self.0[0].id
    }

    /// Returns all, the one that the contact is listed under first.
    pub fn iter(&self) -> impl Iterator<Item = &KnownId> {
        self.0.iter()
    }

    /// Tells whether this is one of them.
    pub fn contains(&self, id: &PersonId) -> bool {
        self.0.iter().any(|known| known.id == *id)
    }

    /// Returns the one with a handle, if it is the one that the contact is listed under, or one that the person has
    /// used: by a handle that it only wrote under, a contact would be taken for another.
    pub fn called(&self, handle: &str) -> Option<&PersonId> {
        let mut known = self.0.iter().enumerate();
        known
            .find(|(place, known)| {
                (*place == 0 || known.used) && known.id.handle.as_str() == handle
            })
            .map(|(_, known)| &known.id)
    }

    /// Returns the highest sequence of a card seen under an ID.
    pub fn sequence(&self, id: &PersonId) -> Option<u64> {
        let known = self.0.iter().find(|known| known.id == *id);
        known.and_then(|known| known.sequence)
    }

    /// Notes that a card was seen under an ID.
    pub fn see(&mut self, id: &PersonId, sequence: u64) {
        if let Some(known) = self.0.iter_mut().find(|known| known.id == *id) {
            known.sequence = known.sequence.max(Some(sequence));
        }
    }

    /// Forgets the sequences of cards.
    pub fn forget_sequences(&mut self) {
        for known in &mut self.0 {
            known.sequence = None;
        }
    }

    /// Adds an ID that was checked, or notes that the person has `used` it.
    ///
    /// When there are too many, one that the contact only wrote under goes first, this one if there is no other; of
    /// those that the person used, the one used for the longest time that is not the first.
    pub fn learn(&mut self, id: &PersonId, used: bool) {
        let place = self.0.iter().position(|known| known.id == *id);
        let known = match place {
            Some(place) if !used || self.0[place].used => return,
            Some(place) => self.0.remove(place),
            None => KnownId {
                id: id.clone(),
                sequence: None,
                used,
            },
        };
        let used_count = self.0.iter().filter(|known| known.used).count();
        if !used {
            if self.0.len() < CONTACT_IDS_MAX {
                self.0.push(known);
            }
            return;
        }
        self.0.insert(used_count, KnownId { used, ..known });
        if self.0.len() > CONTACT_IDS_MAX {
            let is_claimed = self.0.last().is_some_and(|last| !last.used);
            self.0.remove(if is_claimed { CONTACT_IDS_MAX } else { 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> PersonId {
        format!("bob{number}.0000-0000-0000").parse().unwrap()
    }

    fn shown(ids: &ContactIds) -> Vec<usize> {
        let known = ids.iter();
        let number = |known: &KnownId| (0..99).find(|number| id(*number) == known.id);
        known.filter_map(number).collect()
    }

    #[test]
    fn what_the_person_used_stands_first_and_stays() {
        let mut ids = ContactIds::new(id(0), false);
        ids.learn(&id(1), false);
        assert_eq!(*ids.first(), id(0), "met under it");
        ids.see(&id(1), 7);
        ids.learn(&id(1), true);
        assert_eq!(shown(&ids), [1, 0]);
        assert_eq!(ids.sequence(&id(1)), Some(7));
        ids.learn(&id(2), true);
        assert_eq!(shown(&ids), [1, 2, 0]);
        for number in 3..50 {
            ids.learn(&id(number), false);
            assert!(ids.iter().count() <= CONTACT_IDS_MAX);
        }
        assert_eq!(shown(&ids)[..3], [1, 2, 0]);
        for number in 50..60 {
            ids.learn(&id(number), true);
            assert!(ids.contains(&id(number)), "the one just used");
            assert_eq!(*ids.first(), id(1));
        }
        assert_eq!(shown(&ids), [1, 53, 54, 55, 56, 57, 58, 59]);
    }

    #[test]
    fn a_handle_that_the_contact_only_wrote_under_does_not_name_it() {
        let mut ids = ContactIds::new(id(0), false);
        ids.learn(&id(1), false);
        assert_eq!(ids.called("bob0"), Some(&id(0)));
        assert_eq!(ids.called("bob1"), None);
        ids.learn(&id(1), true);
        assert_eq!(ids.called("bob1"), Some(&id(1)));
        assert_eq!(ids.called("bob0"), None, "no longer listed under it");
    }

    #[test]
    fn a_sequence_is_of_one_id() {
        let mut ids = ContactIds::new(id(0), true);
        ids.learn(&id(1), true);
        ids.see(&id(0), 9);
        ids.see(&id(0), 8);
        assert_eq!(ids.sequence(&id(0)), Some(9));
        assert_eq!(ids.sequence(&id(1)), None);
    }

    #[test]
    fn stored_ids_are_at_least_one_and_not_too_many() {
        let known = |number| KnownId {
            id: id(number),
            sequence: None,
            used: true,
        };
        let stored = |count| ContactIds::from_stored((0..count).map(known).collect());
        assert_eq!(stored(0), None);
        assert!(stored(1).is_some() && stored(CONTACT_IDS_MAX).is_some());
        assert_eq!(stored(CONTACT_IDS_MAX + 1), None);
    }
}
