//! What a server says once it runs: where others join through it, or why they cannot.

use std::time::Duration;

use restante_interface::{Reply, Request, StatusInfo, Subject};
use serde::Serialize;
use tokio::runtime::Builder;

use super::output::Output;
use super::status::ADDRESSES_SHOWN;
use super::terminal::escape_line;
use super::{Failure, words};
use crate::config::{Config, Profile};
use crate::control::client::call;
use crate::home::Home;

/// How long a node may take until it listens.
const LISTEN_MAX: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// What a program is told of a server that runs.
#[derive(Debug, Serialize)]
struct Started<'a> {
    process: u32,
    network: &'a str,
    invite: &'a [String],
}

/// Says where others join through the server that runs on a home.
///
/// # Errors
///
/// A failure when standard output cannot be written.
///
/// # Cancel safety
///
/// Dropping the future says nothing, or not all.
pub async fn announce(
    home: &Home,
    config: &Config,
    process: u32,
    json: bool,
) -> Result<(), Failure> {
    let Some(info) = listening(home).await else {
        return Ok(());
    };
    let mut out = Output::stdout();
    if json {
        out.json(&Started {
            process,
            network: &info.network,
            invite: &info.invite,
        })?;
    } else {
        lines(&info, config)
            .iter()
            .try_for_each(|line| out.line(line))?;
    }
    out.flush()
}

/// Does what [`announce`] does, for a command that has no runtime.
///
/// # Errors
///
/// As [`announce`].
pub fn announce_now(home: &Home, config: &Config, process: u32, json: bool) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}"), "try again"))?;
    runtime.block_on(announce(home, config, process, json))
}

/// Waits until the node listens wherever it is going to; nothing if that takes too long.
async fn listening(home: &Home) -> Option<StatusInfo> {
    let look = async {
        let mut before = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            if let Ok(Reply::Status(info)) = call(home, Request::Status, |_| {}).await {
                let count = info.listen.len();
                if count > 0 && count == before {
                    return *info;
                }
                before = count;
            }
        }
    };
    tokio::time::timeout(LISTEN_MAX, look).await.ok()
}

/// Returns the lines for a person.
fn lines(info: &StatusInfo, config: &Config) -> Vec<String> {
    let network = escape_line(&info.network);
    let Some(first) = info.invite.first() else {
        let mut reach = info.states.iter();
        let reach = reach.find(|state| state.subject() == Subject::Reach);
        let why = reach.map_or_else(String::new, |state| {
            let (sentence, fix) = (words::sentence(state), words::fix(state));
            format!(": {sentence}; {fix}")
        });
        return vec![format!(
            "nobody can join the network {network:?} through this server{why}"
        )];
    };
    let mut lines = vec![format!("others join the network {network:?} through")];
    let shown = info.invite.iter().take(ADDRESSES_SHOWN);
    lines.extend(shown.map(|address| format!("  {}", escape_line(address))));
    if let Some(hidden @ 1..) = info.invite.len().checked_sub(ADDRESSES_SHOWN) {
        lines.push(format!(
            "  and {hidden} more addresses, see `status --json`"
        ));
    }
    let mut example = "restante init --handle NAME".to_owned();
    if network != Config::default().network {
        example.push_str(&format!(" --network {network}"));
    }
    match config.profile {
        Profile::Internet => {}
        Profile::Lan => example.push_str(" --profile lan"),
        Profile::Local => example.push_str(" --profile local"),
    }
    lines.push(format!(
        "for example: {example} --bootstrap {}",
        escape_line(first)
    ));
    lines
}

#[cfg(test)]
mod tests {
    use restante_interface::State;

    use super::*;

    fn info(invite: &[&str]) -> StatusInfo {
        StatusInfo {
            network: "club".into(),
            invite: invite.iter().map(ToString::to_string).collect(),
            states: vec![State::ReachPrivate {
                addresses: vec!["/ip4/10.0.0.1/tcp/1".into()],
            }],
            ..crate::fixture::status()
        }
    }

    #[test]
    fn the_lines_can_be_handed_out() {
        let config = Config {
            profile: Profile::Lan,
            ..Config::default()
        };
        let said = lines(&info(&["/ip4/10.0.0.1/tcp/1/p2p/x", "/b"]), &config);
        let expected = [
            "others join the network \"club\" through",
            "  /ip4/10.0.0.1/tcp/1/p2p/x",
            "  /b",
            "for example: restante init --handle NAME --network club --profile lan \
             --bootstrap /ip4/10.0.0.1/tcp/1/p2p/x",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn who_cannot_be_joined_says_why_and_what_to_do() {
        let said = lines(&info(&[]), &Config::default());
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("private") && said[0].contains("profile = \"lan\""),
            "{said:?}"
        );
    }
}
