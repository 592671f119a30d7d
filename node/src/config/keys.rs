//! Every key of the configuration, as `example.toml` documents it.

use std::sync::LazyLock;

use super::Config;

/// Every setting with its default and its description.
pub(super) const EXAMPLE: &str = include_str!("../../example.toml");

/// Every key, in the order of `example.toml`.
pub static KEYS: LazyLock<Vec<Key>> = LazyLock::new(read);

#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file; upper case behind `RESTANTE_` in the environment.
    pub name: &'static str,
    /// Its name on the command line, without the dashes in front.
    pub flag: String,
    /// What it means, in whole sentences.
    pub help: String,
    pub is_list: bool,
}

pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Reads the example: comments, then the line of the key they are about.
fn read() -> Vec<Key> {
    let defaults = [Config::default().to_table(), Config::community().to_table()];
    let mut comment: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let help = std::mem::take(&mut comment).join(" ");
        if let Some((name, _)) = line.split_once(" = ") {
            let [default, community] = defaults.each_ref().map(|table| &table[name]);
            let help = match default.as_str() {
                Some("") => help,
                Some(text) if default == community => format!("{help} [default: {text}]"),
                Some(_) => help,
                None => format!("{help} May be repeated."),
            };
            keys.push(Key {
                name,
                flag: name.replace('_', "-"),
                help,
                is_list: default.is_array(),
            });
        }
    }
    keys
}
