use bytes::Bytes;
use proptest::prelude::*;

use super::{Challenge, CheapForTests, Equihash, SOLUTION_BYTES_MAX, Stamp, StampScheme};
use crate::{
    Address, ItemId,
    fixture::{NOW, bytes, each_flip, key},
};

fn challenge() -> Challenge {
    Challenge::envelope(
        &Address::new(bytes("address")),
        &ItemId::new(bytes("item")),
        NOW,
    )
}

fn solve(scheme: &dyn StampScheme, effort: u32) -> Stamp {
    scheme
        .solve(&challenge(), &bytes("stamp"), effort, 100_000)
        .unwrap()
}

#[test]
fn a_challenge_commits_to_everything_it_is_for() {
    let (address, item) = (Address::new([1; 32]), ItemId::new([2; 32]));
    let (writer, other) = (key("writer").public(), key("other").public());
    let challenges = [
        Challenge::envelope(&address, &item, NOW),
        Challenge::envelope(&address, &item, NOW.plus(1)),
        Challenge::envelope(&address, &ItemId::new([3; 32]), NOW),
        Challenge::envelope(&Address::new([3; 32]), &item, NOW),
        Challenge::card(&address, &writer),
        Challenge::card(&address, &other),
        Challenge::card(&Address::new([3; 32]), &writer),
        Challenge::chunk(&address, &writer, NOW),
        Challenge::chunk(&address, &other, NOW),
        Challenge::chunk(&address, &writer, NOW.plus(1)),
    ];
    for (place, challenge) in challenges.iter().enumerate() {
        assert!(!challenges[..place].contains(challenge), "{place}");
    }
    // A writer with the bytes of an item does not make the challenges of two kinds equal.
    let writer = crate::keys::PublicKey::new(*item.as_bytes());
    assert_ne!(
        Challenge::chunk(&address, &writer, NOW),
        Challenge::envelope(&address, &item, NOW)
    );
}

#[test]
fn an_equihash_stamp_is_found_and_holds_for_its_challenge_alone() {
    let stamp = solve(&Equihash, 1);
    assert_eq!(stamp.solution.len(), SOLUTION_BYTES_MAX);
    assert!(Equihash.verify(&challenge(), &stamp, 1));
    let other = Challenge::card(&Address::new(bytes("address")), &key("writer").public());
    assert!(!Equihash.verify(&other, &stamp, 1));
    assert!(!CheapForTests.verify(&challenge(), &stamp, 1));

    let too_much = u32::try_from(stamp.effort())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    assert!(Equihash.verify(&challenge(), &stamp, too_much - 1));
    assert!(!Equihash.verify(&challenge(), &stamp, too_much));

    each_flip(&stamp.nonce, |bit, flipped| {
        let stamp = Stamp {
            nonce: flipped.try_into().unwrap(),
            ..stamp.clone()
        };
        assert!(!Equihash.verify(&challenge(), &stamp, 0), "nonce bit {bit}");
    });
    each_flip(&stamp.solution, |bit, flipped| {
        let stamp = Stamp {
            solution: Bytes::copy_from_slice(flipped),
            ..stamp.clone()
        };
        assert!(
            !Equihash.verify(&challenge(), &stamp, 0),
            "solution bit {bit}"
        );
    });
    for solution in [&stamp.solution[1..], &[][..], &[0; SOLUTION_BYTES_MAX]] {
        let stamp = Stamp {
            solution: Bytes::copy_from_slice(solution),
            ..stamp.clone()
        };
        assert!(!Equihash.verify(&challenge(), &stamp, 0));
    }
}

#[test]
fn a_cheap_stamp_is_found_and_worth_nothing_to_the_production_scheme() {
    let stamp = solve(&CheapForTests, 4);
    assert!(CheapForTests.verify(&challenge(), &stamp, 4));
    assert!(!Equihash.verify(&challenge(), &stamp, 0));
    let other = Challenge::card(&Address::new(bytes("address")), &key("writer").public());
    assert!(!CheapForTests.verify(&other, &stamp, 0));
    each_flip(&stamp.nonce, |bit, flipped| {
        let stamp = Stamp {
            nonce: flipped.try_into().unwrap(),
            ..stamp.clone()
        };
        assert!(
            !CheapForTests.verify(&challenge(), &stamp, 0),
            "nonce bit {bit}"
        );
    });
    each_flip(&stamp.solution, |bit, flipped| {
        let stamp = Stamp {
            solution: Bytes::copy_from_slice(flipped),
            ..stamp.clone()
        };
        assert!(
            !CheapForTests.verify(&challenge(), &stamp, 0),
            "solution bit {bit}"
        );
    });
}

#[test]
fn a_search_gives_up_when_it_was_told_to() {
    assert_eq!(
        CheapForTests.solve(&challenge(), &[0; 24], u32::MAX, 100),
        None
    );
}

proptest! {
    /// Effort E is reached when the first eight bytes of the hash are at most (2^64 - 1) / E.
    #[test]
    fn effort_is_what_the_specification_says(nonce: [u8; 32], asked in 1_u32..1_000) {
        let stamp = Stamp { nonce, solution: Bytes::from_static(b"solution") };
        let digest = blake3::hash(&[&nonce[..], b"solution"].concat());
        let value = u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap());
        prop_assert_eq!(stamp.effort() >= u64::from(asked), value <= u64::MAX / u64::from(asked));
    }

    #[test]
    fn arbitrary_stamps_never_panic_and_are_refused(
        nonce: [u8; 32],
        solution in prop::collection::vec(any::<u8>(), SOLUTION_BYTES_MAX),
    ) {
        let stamp = Stamp { nonce, solution: solution.into() };
        prop_assert!(!Equihash.verify(&challenge(), &stamp, 0));
        prop_assert!(!CheapForTests.verify(&challenge(), &stamp, 0));
    }
}
