//! Arguments of `restante contact`.

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `contact`.
#[derive(Debug, Clone, Args)]
pub struct ContactArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ContactCommand,
}

/// The commands under `contact`.
#[derive(Debug, Clone, Subcommand)]
pub enum ContactCommand {
    /// Adds somebody by ID or link.
    #[command(after_help = "Example:\n  \
        restante contact add bob.7kq2-m9xw-3fhd --name Bob\n\n\
        With --json: id, other_ids, petname, state, verified, fingerprint, added_ms, last_seen_ms.")]
    Add {
        /// The ID or link.
        #[arg(value_name = "ID")]
        who: String,
        /// A name for your eyes only.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lists everybody, requests of strangers included.
    #[command(after_help = "Example:\n  \
        restante contact list\n\n\
        With --json, one object a line: id, other_ids, petname, state (request, accepted, blocked,\n\
        terminated), verified, fingerprint, added_ms, last_seen_ms.")]
    List {
        /// Print JSON, one object a line.
        #[arg(long)]
        json: bool,
    },
    /// Accepts a stranger who wrote to you.
    #[command(after_help = "Example:\n  \
        restante contact accept carol.0f3z-8rqk-vv1m\n\n\
        It also ends a block; what was written during the block does not come back.\n\
        With --json as `contact add`.")]
    Accept {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Takes nothing from somebody any more.
    #[command(after_help = "Example:\n  \
        restante contact block mallory.5t1c-0x9d-e7ha\n\n\
        What they write meanwhile is destroyed unread when it arrives, for good: it does not\n\
        come after `contact accept` either, and they are not told. What came before stays.\n\
        With --json as `contact add`.")]
    Block {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gives somebody another name here.
    #[command(after_help = "Example:\n  \
        restante contact rename bob.7kq2-m9xw-3fhd Bobby\n\n\
        Nobody else sees it. Without NAME there is none. With --json as `contact add`.")]
    Rename {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// The name.
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Changes how messages with somebody are treated.
    #[command(after_help = "Example:\n  \
        restante contact set Bob --ttl 1d --burn 5m\n  \
        restante contact set Bob --ttl default --burn off --tell-read on --pin on\n\n\
        What is said of a single message, as by `send --ttl`, counts before it. Whoever sends you\n\
        something that burns is told when you read it, so that it burns there too; of the rest only\n\
        with --tell-read on. With --json as `contact add`, and ttl_ms, burn_ms, tells_read, muted,\n\
        pinned.")]
    Set(ContactSetArgs),
    /// Makes what somebody writes make no stir, or a stir again.
    #[command(after_help = "Example:\n  \
        restante contact mute Bob\n  \
        restante contact mute Bob --off\n\n\
        With --json as `contact add`.")]
    Mute {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// Let it make a stir again.
        #[arg(long)]
        off: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forgets somebody, with all that was said with them.
    #[command(after_help = "Example:\n  \
        restante contact remove bob.7kq2-m9xw-3fhd\n\n\
        They are not told. If they write again, they are a stranger who does. With --json: done.")]
    Remove {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shows the code to compare with somebody, by voice or side by side.
    #[command(after_help = "Example:\n  \
        restante contact verify bob.7kq2-m9xw-3fhd\n  \
        restante contact verify bob.7kq2-m9xw-3fhd --match\n\n\
        Both of you see the same code. If it matches, say so with --match.\n\
        With --json: id, code, verified.")]
    Verify {
        /// Their ID, or what they are called here.
        #[arg(value_name = "ID")]
        who: String,
        /// Record that the codes match.
        #[arg(long = "match")]
        matched: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `contact set`.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = true)]
pub struct ContactSetArgs {
    /// Their ID, or what they are called here.
    #[arg(value_name = "ID")]
    pub who: String,
    /// How long messages to them live, at most 30d; `default` for the setting ttl.
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// Destroy messages to them this long after they were read; `off` for not.
    #[arg(long, value_name = "TIME")]
    pub burn: Option<String>,
    /// Tell them when you have read what they wrote.
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub tell_read: Option<Switch>,
    /// Let what they write make no stir.
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub mute: Option<Switch>,
    /// List their conversation before the others.
    #[arg(long, value_enum, value_name = "ON|OFF")]
    pub pin: Option<Switch>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}
