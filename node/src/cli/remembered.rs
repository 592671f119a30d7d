//! Settings that were given by flag, remembered for the next start: all of them when the home is made, later on the
//! entry points.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Failure;
use super::hints::shell_word;
use super::output::note;
use crate::config::{Config, ConfigErrors, Loaded, Origin, RawConfig};
use crate::home::{Home, HomeError};

/// The setting that is remembered whenever a flag names it.
const NAME: &str = "bootstrap";
/// The settings that make a node the one that others know: who gives one by flag expects it to stay.
const LASTING: [&str; 5] = ["network", "profile", "listen", "external", "serve"];

/// Returns where a home remembers entry points.
fn file(home: &Path) -> PathBuf {
    home.join("entry-points.toml")
}

/// Reads what is set for a home: remembered entry points count least.
///
/// # Errors
///
/// [`ConfigErrors`] with everything that is wrong.
pub fn load(home: &Path, defaults: &Config, flags: RawConfig) -> Result<Loaded, ConfigErrors> {
    let mut raw = RawConfig::default();
    raw.read_file(&file(home));
    raw.read_file(&home.join("config.toml"));
    raw.read_environment(std::env::vars_os());
    raw.extend(flags);
    raw.resolve(defaults)
}

/// What flags say when a home is made: it counts at every start.
#[derive(Debug, Default)]
pub struct Kept {
    settings: String,
    entry_points: String,
}

impl Kept {
    /// Returns what of the flags is kept, and where.
    pub fn of(flags: RawConfig) -> Self {
        Self {
            settings: flags.clone().without(NAME).to_toml(),
            entry_points: flags.only(NAME).to_toml(),
        }
    }

    /// Tells whether there is something for `config.toml`.
    pub const fn has_settings(&self) -> bool {
        !self.settings.is_empty()
    }

    /// Tells whether there is something for the file of entry points, which a later `run --bootstrap` replaces.
    pub const fn has_entry_points(&self) -> bool {
        !self.entry_points.is_empty()
    }

    /// Writes it into a new home.
    ///
    /// # Errors
    ///
    /// [`HomeError`] when the disk does not take it.
    pub fn write(&self, home: &Home) -> Result<(), HomeError> {
        let settings = format!(
            "# Settings of this node. `run --print-config` shows all there are.\n{}",
            self.settings
        );
        let files = [
            (self.has_settings(), home.config_file(), settings),
            (
                self.has_entry_points(),
                file(home.path()),
                entry_points(&self.entry_points),
            ),
        ];
        let wanted = files.into_iter().filter(|(is_wanted, ..)| *is_wanted);
        wanted.into_iter().try_for_each(|(_, path, text)| {
            replace(&path, text.as_bytes()).map_err(|source| HomeError::Io {
                doing: "write",
                path,
                source,
            })
        })
    }
}

fn entry_points(settings: &str) -> String {
    format!("# What `--bootstrap` named last. Delete this file to forget it.\n{settings}")
}

/// Says where the settings are that a home was made with.
pub fn note_kept(home: &Home) {
    note(format!(
        "the settings given here count at every start: they are in {}",
        shell_word(&home.config_file())
    ));
}

/// Says which flags count for this run alone, and how to keep them: those that others know a node by.
fn note_passing(home: &Home, defaults: &Config, loaded: &Loaded) {
    let flagged = |name| matches!(loaded.origin(name), Some(Origin::Flag(_)));
    if !LASTING.into_iter().any(flagged) {
        return;
    }
    let Ok(without) = load(home.path(), defaults, RawConfig::default()) else {
        return;
    };
    let differing = loaded.config.differing(&without.config);
    let passing: Vec<String> = differing
        .filter(|key| LASTING.contains(&key.name) && flagged(key.name))
        .map(|key| format!("--{}", key.flag))
        .collect();
    if !passing.is_empty() {
        note(format!(
            "{} counts for this run alone; what is to count at every start belongs in {}",
            passing.join(" and "),
            shell_word(&home.config_file())
        ));
    }
}

/// Remembers entry points that a flag names for the next start, and says so when they are new; says which other flags
/// count for this run alone.
///
/// # Errors
///
/// A failure when they cannot be written.
pub fn remember(home: &Home, defaults: &Config, loaded: &Loaded) -> Result<(), Failure> {
    note_passing(home, defaults, loaded);
    remember_entry_points(home.path(), defaults, loaded)
}

fn remember_entry_points(home: &Path, defaults: &Config, loaded: &Loaded) -> Result<(), Failure> {
    if !matches!(loaded.origin(NAME), Some(Origin::Flag(_))) || loaded.config.bootstrap.is_empty() {
        return Ok(());
    }
    let path = file(home);
    // What is in force without the flag.
    let before = load(home, defaults, RawConfig::default()).ok();
    if before.is_some_and(|before| before.config.bootstrap == loaded.config.bootstrap) {
        return Ok(());
    }
    let mut flags = RawConfig::default();
    let addresses: Vec<String> = loaded
        .config
        .bootstrap
        .iter()
        .map(ToString::to_string)
        .collect();
    flags.flag(NAME, &addresses);
    let text = entry_points(&flags.to_toml());
    replace(&path, text.as_bytes()).map_err(|error| {
        Failure::failed(
            format!("cannot write {}: {error}", path.display()),
            "check the disk",
        )
        .coded("entry_points_not_remembered")
    })?;
    let is_won_over = load(home, defaults, RawConfig::default())
        .is_ok_and(|next| next.config.bootstrap != loaded.config.bootstrap);
    note(match is_won_over {
        true => "`bootstrap` of config.toml or of the environment counts again at the next start"
            .to_owned(),
        false => format!(
            "what --bootstrap names is remembered for the next start; to forget it, delete {}",
            shell_word(&path)
        ),
    });
    Ok(())
}

/// Replaces a file as a whole or not at all.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str =
        "/ip4/9.1.0.1/udp/4717/quic-v1/p2p/12D3KooWJBa9tPXXSCPALEdtA9uPuyybdu6yAKMu5HWDRwZqyFJf";
    const OTHER: &str =
        "/ip4/9.1.0.2/udp/4717/quic-v1/p2p/12D3KooWJBa9tPXXSCPALEdtA9uPuyybdu6yAKMu5HWDRwZqyFJf";

    fn flag(address: &str) -> RawConfig {
        let mut flags = RawConfig::default();
        flags.flag(NAME, &[address.to_owned()]);
        flags
    }

    fn in_force(home: &Path, flags: RawConfig) -> Loaded {
        load(home, &Config::default(), flags).unwrap()
    }

    #[test]
    fn what_a_flag_names_is_there_at_the_next_start_and_config_toml_wins_over_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        for address in [ENTRY, OTHER] {
            let loaded = in_force(home, flag(address));
            remember_entry_points(home, &Config::default(), &loaded).unwrap();
            let next = in_force(home, RawConfig::default());
            assert_eq!(next.config.bootstrap, loaded.config.bootstrap);
            let origin = next.origin(NAME).unwrap().to_string();
            assert!(origin.contains("entry-points.toml"), "{origin}");
        }
        std::fs::write(
            home.join("config.toml"),
            format!("bootstrap = [\"{ENTRY}\"]"),
        )
        .unwrap();
        let next = in_force(home, RawConfig::default());
        assert_eq!(next.config.bootstrap[0].to_string(), ENTRY);
        std::fs::remove_file(home.join("config.toml")).unwrap();
        std::fs::remove_file(file(home)).unwrap();
        assert!(
            in_force(home, RawConfig::default())
                .config
                .bootstrap
                .is_empty()
        );
    }

    #[test]
    fn what_no_flag_names_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        std::fs::write(
            home.join("config.toml"),
            format!("bootstrap = [\"{ENTRY}\"]"),
        )
        .unwrap();
        remember_entry_points(
            home,
            &Config::default(),
            &in_force(home, RawConfig::default()),
        )
        .unwrap();
        remember_entry_points(home, &Config::default(), &in_force(home, flag(ENTRY))).unwrap();
        assert!(!file(home).exists());
    }
}
