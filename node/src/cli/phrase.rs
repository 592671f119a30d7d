//! The recovery phrase: shown once when an account is made, and asked for when it is brought back.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rand::seq::index::sample;
use restante_proto::phrase::{PHRASE_WORDS, RecoveryPhrase};
use zeroize::Zeroizing;

use super::args::InitArgs;
use super::output::warn;
use super::{Failure, Output};

/// Bytes that are read for a phrase, at most.
const PHRASE_BYTES_MAX: u64 = 1_024;
/// Words in a line.
const LINE_WORDS: usize = 4;
/// Words that are asked for, so that it was written down.
const CHECKED_WORDS: usize = 2;

/// Makes a phrase, or asks for that of the account to be brought back.
pub(super) fn obtain(args: &InitArgs) -> Result<RecoveryPhrase, Failure> {
    if !args.recover {
        return Ok(RecoveryPhrase::generate(&mut rand::rng()));
    }
    let text = match &args.phrase_file {
        Some(path) => from_file(path)?,
        None => from_input()?,
    };
    text.parse().map_err(|error| {
        Failure::usage(
            format!("this is not a recovery phrase: {error}"),
            "compare it with what you wrote down, word by word",
        )
        .coded("phrase_wrong")
    })
}

fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mode = path
        .metadata()
        .map_or(0, |it| it.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        warn(format!(
            "others can read {} (mode {mode:03o})",
            path.display()
        ));
    }
    let read = File::open(path).and_then(read);
    read.map_err(|error| {
        Failure::usage(
            format!(
                "cannot read the recovery phrase from {}: {error}",
                path.display()
            ),
            "name a file with the twelve words in it",
        )
        .coded("phrase_unreadable")
    })
}

/// Reads one line from a terminal, or all there is from elsewhere.
fn from_input() -> Result<Zeroizing<String>, Failure> {
    let stdin = io::stdin();
    let text = if stdin.is_terminal() {
        eprint_prompt("Recovery phrase, twelve words: ");
        let mut line = Zeroizing::new(String::with_capacity(512));
        stdin
            .lock()
            .take(PHRASE_BYTES_MAX)
            .read_line(&mut line)
            .map(|_| line)
    } else {
        read(stdin.lock())
    };
    text.map_err(|error| {
        Failure::usage(
            format!("cannot read the recovery phrase: {error}"),
            "give it at a terminal, through a pipe or with --phrase-file",
        )
        .coded("phrase_unreadable")
    })
}

fn read(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(1_024));
    from.take(PHRASE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Shows a new phrase, for the only time.
pub(super) fn show(phrase: &RecoveryPhrase, out: &mut Output) -> Result<(), Failure> {
    out.line("\nYour recovery phrase:\n")?;
    for line in lines(phrase).iter() {
        out.line(line)?;
    }
    out.line(
        "\nWrite it down, and show it to nobody. Whoever has it has your account; with it you get the account back \
         when this\nmachine is gone (`restante init --recover`), and without it nobody can. It is stored nowhere.\n",
    )
}

/// Returns the words with their numbers, some in each line.
fn lines(phrase: &RecoveryPhrase) -> Zeroizing<Vec<String>> {
    let words = phrase.words();
    let words: Vec<&str> = words.split(' ').collect();
    let line = |(number, words): (usize, &[&str])| {
        let places = number * LINE_WORDS + 1..;
        let numbered = places.zip(words);
        let numbered = numbered.map(|(place, word)| format!("{place:>4} {word:<9}"));
        numbered.collect::<String>().trim_end().to_owned()
    };
    let lines = words.chunks(LINE_WORDS).enumerate();
    Zeroizing::new(lines.map(line).collect())
}

/// Asks for some of the words at the terminal, until they are right or nothing is typed.
pub(super) fn check(phrase: &RecoveryPhrase, out: &mut Output) -> Result<(), Failure> {
    if !(io::stdin().is_terminal() && out.is_terminal()) {
        return Ok(());
    }
    out.flush()?;
    let asked = sample(&mut rand::rng(), PHRASE_WORDS, CHECKED_WORDS);
    let mut asked = asked.into_vec();
    asked.sort_unstable();
    let mut stdin = io::stdin().lock();
    let knows = ask(phrase, &asked, |place| {
        eprint_prompt(&format!("Word {place}, as you wrote it down: "));
        let mut line = String::new();
        stdin
            .by_ref()
            .take(PHRASE_BYTES_MAX)
            .read_line(&mut line)
            .ok()?;
        Some(line)
    });
    if !knows {
        warn("without the recovery phrase the account is gone when this machine is");
    }
    Ok(())
}

/// Asks for words by their places, each until it is right; returns `false` as soon as nothing is answered.
fn ask(
    phrase: &RecoveryPhrase,
    places: &[usize],
    mut answer: impl FnMut(usize) -> Option<String>,
) -> bool {
    let words = phrase.words();
    let words: Vec<&str> = words.split(' ').collect();
    places.iter().all(|place| {
        loop {
            let typed = answer(place + 1).unwrap_or_default();
            let typed = typed.trim().to_ascii_lowercase();
            if typed.is_empty() {
                return false;
            }
            if words.get(*place) == Some(&typed.as_str()) {
                return true;
            }
        }
    })
}

/// Writes where an answer is typed, behind whatever standard output is.
fn eprint_prompt(text: &str) {
    let mut stderr = io::stderr();
    // A prompt that nobody sees is no reason not to read what they type.
    let _written = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::{RecoveryPhrase, ask, lines};

    #[test]
    fn words_stand_with_their_numbers_four_in_a_line() {
        let lines = lines(&RecoveryPhrase::from_entropy([0; 16]));
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[0],
            "   1 abandon     2 abandon     3 abandon     4 abandon"
        );
        assert_eq!(
            lines[2],
            "   9 abandon    10 abandon    11 abandon    12 about"
        );
    }

    #[test]
    fn a_word_is_asked_for_until_it_is_right_or_nothing_is_typed() {
        let phrase = RecoveryPhrase::from_entropy([0; 16]);
        let answers = |typed: &[&str]| {
            let mut typed: Vec<String> = typed.iter().map(|it| (*it).to_owned()).collect();
            typed.reverse();
            let mut asked = Vec::new();
            let knows = ask(&phrase, &[2, 11], |place| {
                asked.push(place);
                typed.pop()
            });
            (knows, asked)
        };
        assert_eq!(answers(&["abandon\n", " About \n"]), (true, vec![3, 12]));
        assert_eq!(
            answers(&["about", "abandon", "about"]),
            (true, vec![3, 3, 12])
        );
        assert_eq!(answers(&["abandon", "\n"]), (false, vec![3, 12]));
        assert_eq!(answers(&[]), (false, vec![3]));
    }
}
