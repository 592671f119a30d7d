//! The flags that set what `config.toml` sets as well; the community server takes them too.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::RawConfig;
use crate::config::keys::{KEYS, Key};

/// What the flags say, one flag for each key; checked with the rest of the configuration, not here.
#[derive(Debug, Clone, Default)]
pub struct Settings(RawConfig);

impl Settings {
    pub fn to_raw(&self) -> RawConfig {
        self.0.clone()
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(KEYS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for key in KEYS.iter() {
            let values = matches.get_many::<String>(key.name);
            let values: Vec<String> = values.into_iter().flatten().cloned().collect();
            self.0.flag(key.name, &values);
        }
        Ok(())
    }
}

fn flag(key: &'static Key) -> Arg {
    let first_sentence = key
        .help
        .split_once(". ")
        .map_or(&*key.help, |(first, _)| first);
    let action = if key.is_list {
        ArgAction::Append
    } else {
        ArgAction::Set
    };
    Arg::new(key.name)
        .long(&*key.flag)
        .value_name(if key.is_list { "ADDRESS" } else { "VALUE" })
        .help(first_sentence)
        .long_help(&*key.help)
        .help_heading("Settings")
        .action(action)
}
