use proptest::prelude::*;
use restante_proto::account::{Identity, PersonId};
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::person::IdCost;

use super::{Who, link_of};

fn person() -> (PublicKey, PersonId) {
    let identity = Identity::new(
        &SecretKey::from_seed(&[3; 32]),
        1,
        SecretKey::from_seed(&[4; 32]),
        "alice".parse().unwrap(),
    );
    let id = identity.person_id(IdCost::CheapForTests);
    (identity.account, id)
}

fn read(text: &str) -> Who {
    text.parse().unwrap()
}

#[test]
fn a_link_leads_to_its_own_account_only() {
    let (account, id) = person();
    let who = read(&link_of(&id, &account));
    assert_eq!(who.id, id);
    assert!(who.matches(&account));
    assert!(!who.matches(&PublicKey::new([1; 32])));
    assert!(read(&id.to_string()).matches(&PublicKey::new([1; 32])));
}

#[test]
fn what_a_link_says_beside_the_key_is_passed_over() {
    let (account, id) = person();
    let link = link_of(&id, &account);
    let more = read(&format!("{}&x=1", link.replace("?k=", "?y=2&k=")));
    assert!(more.matches(&account) && !more.matches(&PublicKey::new([1; 32])));
    assert!(read(&format!("restante:{id}?y=2")).matches(&PublicKey::new([1; 32])));
}

#[test]
fn capitals_and_hyphens_do_not_matter() {
    let (account, id) = person();
    let plain = id.to_string();
    let bare = plain.replace('-', "");
    for text in [
        plain.to_ascii_uppercase(),
        bare.clone(),
        bare.to_ascii_uppercase(),
        format!(" {plain}\n"),
        format!("RESTANTE:{}", plain.to_ascii_uppercase()),
        link_of(&id, &account)
            .to_ascii_uppercase()
            .replace("?K=", "?k="),
    ] {
        assert_eq!(read(&text).id, id, "{text}");
    }
    for text in [
        &bare[..bare.len() - 1],
        &format!("{bare}0"),
        &bare.replace('.', ""),
    ] {
        assert!(text.parse::<Who>().is_err(), "{text}");
    }
}

#[test]
fn damaged_links_are_refused() {
    let (account, id) = person();
    let link = link_of(&id, &account);
    for bad in [
        link.replace("?k=", "?k=0"),
        format!("{link}a"),
        "restante:".to_owned(),
        "restante:alice?k=".to_owned(),
        String::new(),
    ] {
        assert!(bad.parse::<Who>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn what_a_person_types_never_panics(text in ".{0,80}") {
        let _read = text.parse::<Who>();
        let _read = format!("restante:{text}").parse::<Who>();
    }
}
