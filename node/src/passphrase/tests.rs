//! Pass phrases from files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[track_caller]
fn check(content: &[u8], mode: u32, expected: Result<&[u8], &str>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("phrase");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    match (Passphrase::from_file(&path), expected) {
        (Ok(phrase), Ok(bytes)) => assert_eq!(phrase.as_bytes(), bytes),
        (Err(error), Err(text)) => {
            assert!(error.to_string().contains(text), "{error}");
        }
        (got, expected) => panic!("{got:?}, expected {expected:?}"),
    }
}

#[test]
fn one_line_break_at_the_end_does_not_count() {
    check(b"open sesame", 0o600, Ok(b"open sesame"));
    check(b"open sesame\n", 0o600, Ok(b"open sesame"));
    check(b"open sesame\r\n", 0o400, Ok(b"open sesame"));
    check(b" a  b ", 0o600, Ok(b" a  b "));
    check(b"\xff\xfe\n", 0o600, Ok(b"\xff\xfe"));
}

#[test]
fn it_is_the_same_however_it_was_typed() {
    for (typed, prepared) in [
        ("caf\u{e9}", "caf\u{e9}"),
        ("cafe\u{301}", "caf\u{e9}"),
        ("\u{212b}ngstr\u{f6}m", "\u{c5}ngstro\u{308}m"),
        ("a\u{a0}b\u{3000}c\u{2009}d", "a b c d"),
        ("\u{ff41}", "\u{ff41}"),
        ("Upper Case ", "Upper Case "),
    ] {
        let is = Passphrase::new(typed.into()).unwrap();
        let same = Passphrase::new(prepared.into()).unwrap();
        assert_eq!(is.as_bytes(), same.as_bytes(), "{typed}");
    }
    let is_short = |text: &str| Passphrase::new(text.into()).unwrap().is_short();
    assert!(
        is_short("cafe\u{301} cafe"),
        "nine characters of eleven bytes"
    );
    assert!(!is_short("cafe\u{301} cafes"));
}

#[test]
fn control_characters_are_refused() {
    for bytes in [
        &b"open sesame\n\n"[..],
        b" a \n b ",
        b"a\tb",
        b"\0",
        b"\x7f",
    ] {
        check(&[bytes, b"\n"].concat(), 0o600, Err("control"));
    }
}

#[test]
fn nothing_and_too_much_are_refused() {
    check(b"", 0o600, Err("empty"));
    check(b"\n", 0o600, Err("empty"));
    let most = vec![b'x'; PASSPHRASE_BYTES_MAX];
    check(&most, 0o600, Ok(&most));
    check(&[&most[..], b"\r\n"].concat(), 0o600, Ok(&most));
    check(
        &[&most[..], b"x"].concat(),
        0o600,
        Err("longer than 1024 bytes"),
    );
    check(&vec![b'x'; 1 << 20], 0o600, Err("longer than 1024 bytes"));
}

#[test]
fn a_file_others_can_read_is_refused() {
    for mode in [0o604, 0o640, 0o644, 0o666] {
        check(b"open sesame", mode, Err("others can read"));
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Passphrase::from_file(Path::new("/nowhere/phrase")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/phrase"), "{error}");
}

#[test]
fn debug_shows_nothing() {
    let phrase = Passphrase::new(b"open sesame".to_vec()).unwrap();
    assert!(!format!("{phrase:?}").contains("sesame"));
}
