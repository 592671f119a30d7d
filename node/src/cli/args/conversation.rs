//! Arguments of the commands about what was said.

use clap::Args;

/// Arguments of `conversations`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ConversationsArgs {
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `chat`.
#[derive(Debug, Clone, Default, Args)]
pub struct ChatArgs {
    /// Their ID, or what they are called here.
    #[arg(value_name = "ID")]
    pub who: Option<String>,
}

/// Arguments of `history`.
#[derive(Debug, Clone, Default, Args)]
pub struct HistoryArgs {
    /// Their ID, or what they are called here.
    #[arg(value_name = "ID")]
    pub who: String,
    /// How many messages, the newest [default: all].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// Only what stands before this message.
    #[arg(long, value_name = "MESSAGE")]
    pub before: Option<String>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `react`.
#[derive(Debug, Clone, Default, Args)]
pub struct ReactArgs {
    /// The message, by the id that `history` shows.
    #[arg(value_name = "MESSAGE")]
    pub id: String,
    /// One emoji.
    #[arg(value_name = "EMOJI", required_unless_present = "remove")]
    pub emoji: Option<String>,
    /// Take the one before back.
    #[arg(long, conflicts_with = "emoji")]
    pub remove: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `edit`.
#[derive(Debug, Clone, Default, Args)]
pub struct EditArgs {
    /// The message, by the id that `history` shows.
    #[arg(value_name = "MESSAGE")]
    pub id: String,
    /// The new text; a single - reads it from standard input, byte for byte.
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `recall` and `delete`.
#[derive(Debug, Clone, Default, Args)]
pub struct MessagesArgs {
    /// The messages, by the ids that `history` shows.
    #[arg(value_name = "MESSAGE", required = true, num_args = 1..=256)]
    pub ids: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
