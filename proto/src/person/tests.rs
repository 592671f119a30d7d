use proptest::prelude::*;

use super::{ALPHABET, Handle, IdCost, IdError, PersonId, Tag};
use crate::{
    context,
    fixture::{key, person},
    keys::PublicKey,
    time::SaltEpoch,
};

const CHEAP: IdCost = IdCost::CheapForTests;

fn handles() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_]{0,31}"
}

#[track_caller]
fn check_handle(text: &str, expected: Result<(), IdError>) {
    assert_eq!(text.parse::<Handle>().map(drop), expected, "{text:?}");
}

#[test]
fn handles_have_the_characters_and_the_length_of_handles() {
    for good in [
        "a",
        "alice",
        "alice_2",
        "_",
        "1234",
        "12_34",
        "4_ever_2026x",
        &"z".repeat(32),
    ] {
        check_handle(good, Ok(()));
    }
    check_handle("", Err(IdError::HandleLength(0)));
    check_handle(&"z".repeat(33), Err(IdError::HandleLength(33)));
    for (bad, character) in [
        ("Alice", 'A'),
        ("a.b", '.'),
        ("a-b", '-'),
        ("al ce", ' '),
        ("\u{e4}", '\u{e4}'),
    ] {
        check_handle(bad, Err(IdError::HandleCharacter(character)));
    }
}

#[test]
fn phone_numbers_and_mail_addresses_are_no_handles() {
    for phone in [
        "12345",
        "4915112345678",
        "0049_151_123456",
        "_1_2_3_4_5",
        "00000",
    ] {
        check_handle(phone, Err(IdError::HandlePhone));
    }
    check_handle("+4915112345678", Err(IdError::HandleCharacter('+')));
    check_handle("alice@example.org", Err(IdError::HandleCharacter('@')));
}

#[track_caller]
fn check_id(text: &str, expected: &IdError) {
    assert_eq!(
        text.parse::<PersonId>().as_ref().map(drop),
        Err(expected),
        "{text:?}"
    );
}

#[test]
fn malformed_ids_say_what_is_wrong_with_them() {
    check_id("alice", &IdError::NoTag);
    check_id("", &IdError::NoTag);
    check_id(".7kq2-m9xw-3fhd", &IdError::HandleLength(0));
    check_id("alice.", &IdError::TagLength);
    check_id("alice.7kq2m9xw3fhd", &IdError::TagLength);
    check_id("alice.7kq2-m9xw-3fh", &IdError::TagLength);
    check_id("alice.7kq2-m9xw-3fhd-", &IdError::TagLength);
    check_id("alice.7kq2-m9xw--3fhd", &IdError::TagLength);
    check_id("alice.7kq2-m9xw-3fhu", &IdError::TagCharacter('u'));
    check_id(
        "alice.7kq2-m9xw-3fh\u{e9}",
        &IdError::TagCharacter('\u{e9}'),
    );
    check_id("alice.bob.7kq2-m9xw-3fhd", &IdError::TagLength);
}

#[test]
fn letters_that_people_confuse_mean_the_digit_they_look_like() {
    let plain: Tag = "0011-1abc-defg".parse().unwrap();
    for written in ["0O1I-LABC-DEFG", "ooiL-iabc-defg", "Oo11-lAbC-dEfG"] {
        assert_eq!(written.parse::<Tag>().unwrap(), plain, "{written}");
    }
    assert_eq!(plain.to_string(), "0011-1abc-defg");
}

#[test]
fn no_tag_with_another_character_names_the_account() {
    let alice = person("alice");
    let id = alice.person_id(CHEAP);
    assert!(id.names(&alice.account, CHEAP));
    let tag = id.tag.to_string().into_bytes();
    for place in (0..tag.len()).filter(|place| tag[*place] != b'-') {
        for letter in ALPHABET.iter().filter(|letter| **letter != tag[place]) {
            let mut other = tag.clone();
            other[place] = *letter;
            let other = format!("alice.{}", String::from_utf8(other).unwrap());
            let other: PersonId = other.parse().unwrap();
            assert!(!other.names(&alice.account, CHEAP), "{other}");
        }
    }
}

#[test]
fn a_tag_depends_on_the_account_the_handle_and_the_cost() {
    let account = key("one").public();
    let tag = Tag::compute(&account, &"alice".parse().unwrap(), CHEAP);
    assert_ne!(
        tag,
        Tag::compute(&key("two").public(), &"alice".parse().unwrap(), CHEAP)
    );
    assert_ne!(
        tag,
        Tag::compute(&account, &"alicf".parse().unwrap(), CHEAP)
    );
    assert_ne!(
        tag,
        Tag::compute(&account, &"alice".parse().unwrap(), IdCost::Production)
    );
    assert!(tag.get() < 1 << 60);
}

#[test]
fn locators_and_record_keys_are_all_different() {
    let mut seen = Vec::new();
    for id in [
        "alice.7kq2-m9xw-3fhd",
        "alice.7kq2-m9xw-3fhe",
        "alicf.7kq2-m9xw-3fhd",
    ] {
        let id: PersonId = id.parse().unwrap();
        for epoch in [0, 56, 57] {
            let locators = id.locators(SaltEpoch::new(epoch), CHEAP);
            seen.extend(locators.addresses.map(|address| *address.as_bytes()));
            seen.push(*locators.record_key.as_bytes());
        }
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn a_record_key_does_not_print() {
    let id: PersonId = "alice.7kq2-m9xw-3fhd".parse().unwrap();
    let locators = id.locators(SaltEpoch::new(56), CHEAP);
    let [first, ..] = *locators.record_key.as_bytes();
    let printed = format!("{locators:?} {:?}", locators.record_key);
    assert!(printed.contains("RecordKey(..)"));
    assert!(!printed.contains(&format!("{:?}", locators.record_key.as_bytes())));
    assert!(!printed.contains(&format!("RecordKey({first}")));
}

#[test]
fn the_salt_of_a_tag_does_not_begin_that_of_locators() {
    assert!(!context::LOCATOR_ROOT.starts_with(context::TAG));
}

proptest! {
    #[test]
    fn tags_print_and_parse_back(bits in 0_u64..1 << 60) {
        let tag = Tag(bits);
        prop_assert_eq!(tag.to_string().parse::<Tag>().unwrap(), tag);
        prop_assert_eq!(tag.to_string().to_uppercase().parse::<Tag>().unwrap(), tag);
        prop_assert_eq!(tag.to_string().len(), 14);
    }

    #[test]
    fn ids_print_and_parse_back(handle in handles(), bits in 0_u64..1 << 60) {
        let id = PersonId { handle: handle.parse().unwrap(), tag: Tag(bits) };
        prop_assert_eq!(id.to_string().parse::<PersonId>().unwrap(), id);
    }

    #[test]
    fn any_text_is_an_id_or_an_error(text in any::<String>(), near in "[a-z0-9.-]{0,20}") {
        for text in [text, near] {
            let _ = text.parse::<Tag>();
            if let Ok(handle) = text.parse::<Handle>() {
                prop_assert_eq!(handle.as_str(), text.as_str());
            }
            if let Ok(id) = text.parse::<PersonId>() {
                prop_assert_eq!(id.to_string().parse::<PersonId>().unwrap(), id);
            }
        }
    }

    #[test]
    fn an_id_names_its_account_and_no_other(
        handle in handles(),
        account: [u8; 32],
        other: [u8; 32],
    ) {
        prop_assume!(account != other);
        let handle: Handle = handle.parse().unwrap();
        let id = PersonId::of(&PublicKey::new(account), handle, CHEAP);
        prop_assert!(id.names(&PublicKey::new(account), CHEAP));
        prop_assert!(!id.names(&PublicKey::new(other), CHEAP));
    }
}
