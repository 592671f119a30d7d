//! What can be typed: the commands, their arguments and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::settings::Settings;

mod contact;
mod conversation;
mod home;

pub use self::contact::{ContactArgs, ContactCommand, ContactSetArgs, Switch};
pub use self::conversation::{
    ChatArgs, ConversationsArgs, EditArgs, HistoryArgs, MessagesArgs, ReactArgs,
};
pub use self::home::{BackupArgs, PassphraseArgs, RestoreArgs, ShredArgs};

/// Sends messages that wait, sealed, at strangers' nodes until they are called for, and expire.
#[derive(Debug, Parser)]
#[command(
    name = "restante",
    version,
    after_help = "Example:\n  \
        restante init --handle alice\n  \
        restante run --detach\n  \
        restante send bob.7kq2-m9xw-3fhd \"See you at eight\"\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The home folder [env: RESTANTE_HOME] [default: ~/.restante].
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// A private file with the pass phrase, for what opens the home by itself [env, the phrase itself:
    /// RESTANTE_PASSPHRASE].
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the whole way of a message on this machine, and checks it.
    #[command(after_help = "Example:\n  restante demo")]
    Demo(DemoArgs),
    /// Makes an account and its home folder.
    #[command(after_help = "Example:\n  \
        restante --home ~/.restante init --handle alice\n\n\
        Settings given here are written to config.toml in the home folder. The twelve words of the\n\
        recovery phrase are shown once: they bring the account back on another machine, with\n  \
        restante init --handle alice --recover\n\
        With --json: id, link, fingerprint, phrase.")]
    Init(InitArgs),
    /// Runs the node in the foreground; the other commands talk to it.
    #[command(after_help = "Example:\n  \
        restante run --bootstrap ADDRESS\n  \
        restante run --detach           # asks for the pass phrase, and goes to the background\n  \
        restante run --profile lan      # on a LAN or VPN of your own\n\n\
        ADDRESS is what the `status` of a node that serves shows as `join at`, such as\n\
        /ip4/1.2.3.4/udp/4717/quic-v1/p2p/12D3KooWJBa9tPXXSCPALEdtA9uPuyybdu6yAKMu5HWDRwZqyFJf\n\n\
        A setting comes from its flag, else RESTANTE_<NAME>, else config.toml in the home\n\
        folder, else its default. What --bootstrap names is remembered in the home, in\n\
        entry-points.toml: delete that file to forget it.\n\
        With --json, --check prints: valid, warnings; --detach: process, invite.")]
    Run(RunArgs),
    /// Shows your ID, to give to others.
    #[command(after_help = "Example:\n  \
        restante id --qr\n\n\
        With --json: id, link, fingerprint.")]
    Id(IdArgs),
    /// Sends a message; it waits at keepers until it is called for.
    #[command(after_help = "Example:\n  \
        restante send bob.7kq2-m9xw-3fhd --ttl 2d \"See you at eight\"\n  \
        pass show wifi | restante send bob.7kq2-m9xw-3fhd - --burn 30s\n\n\
        ID is an ID or link, or what a contact is called here: its private name, or its handle\n\
        if no other contact has that.\n\
        With --json: message_id, state (waiting, stored, delivered, expired), stored_with,\n\
        stored_of, until_ms, effort_asked, code (message_stamping, message_unplaced,\n\
        message_placing, message_too_dear, message_refused, message_stored, message_stored_few,\n\
        message_stored_outdated, message_delivered, message_expired), obstacles (reason,\n\
        keepers), next_try_ms.")]
    Send(SendArgs),
    /// Prints unread messages and marks them read.
    #[command(after_help = "Example:\n  \
        restante inbox --wait 60\n  \
        restante inbox --peek --json\n  \
        restante inbox --ack 2f2db175a80011223344556677889900\n\n\
        A message is marked once all of it was taken from the output: `less` and `head` take more\n\
        than they show; --peek, and output to /dev/null, mark nothing. What is not text stays\n\
        unread unless --json shows it.\n\
        With --json, one object a line: id, from, known_as, contact, read, received_ms, sent_ms,\n\
        expires_ms, burn_ms, text (exact, null if not UTF-8), base64 (null if text),\n\
        file_name. Times are milliseconds since 1970 UTC.")]
    Inbox(InboxArgs),
    /// Lists your conversations, with what was said last.
    #[command(after_help = "Example:\n  \
        restante conversations\n\n\
        Pinned ones come first, then those in which something was said last.\n\
        With --json, one object a line: contact (as `contact list`), unread, last_ms, last (as\n\
        `history`, null if there is nothing).")]
    Conversations(ConversationsArgs),
    /// Talks with somebody: shows what is said as it is said, and sends what you type.
    #[command(after_help = "Example:\n  \
        restante chat Bob\n  \
        restante chat            # lists whom you can talk with\n\n\
        Every message has a number; /help shows what can be done with it: /reply, /react, /edit,\n\
        /recall, /delete, /open, /older, /quit. What is shown is marked read, but for what burns:\n\
        /open opens that. It runs in any terminal, tmux and screen included, and takes lines from a\n\
        pipe as well.")]
    Chat(ChatArgs),
    /// Shows what was said with somebody, on both sides.
    #[command(after_help = "Example:\n  \
        restante history Bob\n  \
        restante history Bob --count 20 --before 2f2db175a80011223344556677889900\n\n\
        Nothing is marked read, and nothing burns. The id of a message, for `react`, `edit`,\n\
        `recall`, `delete` and `send --reply-to`, begins with what stands before it.\n\
        With --json, one object a line, the oldest first: id, own, sent_ms, received_ms,\n\
        expires_ms, burn_ms, read_ms, code (of your own, as `send`), text, base64, file_name,\n\
        reply_to, edited_ms, recalled_ms, unknown, reactions (own, emoji).")]
    History(HistoryArgs),
    /// Shows somebody what you feel about a message.
    #[command(after_help = "Example:\n  \
        restante react 2f2db175a80011223344556677889900 \u{1f44d}\n  \
        restante react 2f2db175a80011223344556677889900 --remove\n\n\
        There is one from each of you; another takes its place.\n\
        With --json: done.")]
    React(ReactArgs),
    /// Changes the words of a message of yours.
    #[command(after_help = "Example:\n  \
        restante edit 2f2db175a80011223344556677889900 \"See you at nine\"\n\n\
        It ends and burns when it would have. Whoever has read it has read it.\n\
        With --json as `send`.")]
    Edit(EditArgs),
    /// Takes messages of yours back: here, and at their recipients.
    #[command(after_help = "Example:\n  \
        restante recall 2f2db175a80011223344556677889900\n\n\
        Their words are destroyed here at once. The recipient's node does the same when it hears of\n\
        it; nothing makes it forget what was seen. What waits at keepers, sealed, ends by its\n\
        expiry.\n\
        With --json: done.")]
    Recall(MessagesArgs),
    /// Destroys messages here, and nowhere else.
    #[command(after_help = "Example:\n  \
        restante delete 2f2db175a80011223344556677889900\n\n\
        With --json: done.")]
    Delete(MessagesArgs),
    /// Adds, lists, accepts, blocks, verifies, names and removes the people you write with.
    #[command(after_help = "Example:\n  restante contact add bob.7kq2-m9xw-3fhd --name Bob")]
    Contact(ContactArgs),
    /// Writes everything of yours to one file, which your pass phrase opens.
    #[command(after_help = "Example:\n  \
        restante backup /media/disk/alice.backup\n  \
        restante run --backup-folder /media/disk --backup-every 1d --backup-keep 7 --detach\n\n\
        In it are account, contacts, settings, entry points, what is under way and the messages that\n\
        are there now, as they are at one moment, whether the node runs or not; nothing of what is\n\
        kept for others. The file is opened by the pass phrase of now, for as long as it exists, also\n\
        after `restante passphrase`.\n\n\
        A backup remembers what you have destroyed since: a message that expires, burns or is read\n\
        later stays in a file made before, for whoever has that file and the pass phrase, and so do\n\
        keys that open what somebody has recorded of your mail, up to 60 days back. `restante restore`\n\
        brings nothing of that back alive. Keep few backups, and destroy old ones.\n\n\
        The setting backup_folder has a running node write them by itself; `status` and `doctor` say\n\
        when the last one was made, or why it failed.\n\
        With --json: path, made_ms, bytes, messages, contacts, unreadable.")]
    Backup(BackupArgs),
    /// Makes a home of a backup: a new device of the same account.
    #[command(after_help = "Example:\n  \
        restante --home ~/.restante restore /media/disk/alice.backup\n\n\
        There must be no home yet. The whole file is checked before anything is written. The home\n\
        before may live on or not: this one is another device of the account from the start, and\n\
        contacts write to both. What was sent since the backup comes as far as it still waits; what\n\
        the home before had taken in has to be sent again. Messages whose time is over do not come\n\
        back, nor those that burn after reading, unless they cannot have burned yet.\n\
        With --json: id, link, fingerprint, made_ms, messages, contacts, ended, doubtful.")]
    Restore(RestoreArgs),
    /// Writes the home's files anew, so that nothing is left in them of what was destroyed.
    #[command(after_help = "Example:\n  \
        restante stop\n  \
        restante shred\n\n\
        A message that burns, expires or is deleted cannot be opened from that moment on. Who wrote,\n\
        when and how much stays in the database for a while, encrypted, for whoever has the pass\n\
        phrase. This writes all that is there now into new files, under new keys, and overwrites the\n\
        old files, their key first. It takes room for a second copy, and the node must be stopped. If\n\
        it is killed, the home is as before, or the next command finishes it.\n\n\
        What it cannot promise: SSDs, flash cards, file systems that copy on write or keep snapshots\n\
        write the zeros somewhere else, and may keep the old blocks for a time; so may swap. Full disk\n\
        encryption helps against that. Copies and backups are not touched, nor is the log, nor what is\n\
        kept for others, which is sealed. What ends while the node is off is destroyed when it runs.\n\
        With --json: messages, contacts, unreadable, before_bytes, after_bytes.")]
    Shred(ShredArgs),
    /// Changes the pass phrase that unlocks the home; the node may run meanwhile.
    #[command(after_help = "Example:\n  \
        restante passphrase\n  \
        restante passphrase --passphrase-file old.txt --new-passphrase-file new.txt\n\n\
        Asks for the old one, and twice for the new one, at a terminal. Whatever happens meanwhile,\n\
        one of the two opens the home, and once this says that it is done, the new one alone.\n\
        Copies and backups made before open with the old one, and give the keys of the home away to\n\
        whoever has both: destroy them if the old pass phrase became known to somebody.\n\
        With --json: changed.")]
    Passphrase(PassphraseArgs),
    /// What can be asked about any node.
    #[command(flatten)]
    Look(LookCommand),
}

/// The commands about whatever node runs on a home, a person's or a community's.
#[derive(Debug, Clone, Subcommand)]
pub enum LookCommand {
    /// Shows how the node is doing and what is under way.
    #[command(after_help = "Example:\n  \
        restante status --json\n\n\
        With --json: id, network, mode, peers, routing_table, listen, errors, keeper, outbox,\n\
        outbox_count, mailboxes, unread, card_published_ms, card_effort_asked,\n\
        stamp_effort_max, account_read_only, account_recovered_ms, account_lost, clock, copy, network_load,\n\
        entry_points, invite, states (each with its code and facts), traffic, uptime_ms.")]
    Status(StatusArgs),
    /// Looks for what is wrong and says what to do about it.
    #[command(after_help = "Example:\n  \
        restante doctor\n\n\
        Ends with 1 if something does not work. With --json: checks, each with name, code,\n\
        verdict (ok, warn, fail), detail, fix.")]
    Doctor(DoctorArgs),
    /// Lists what this node keeps for others: all there is to know about it.
    #[command(after_help = "Example:\n  \
        restante holdings\n\n\
        With --json, one object a line: address, kind (card, envelope, chunk), size_class,\n\
        expires_ms.")]
    Holdings(HoldingsArgs),
    /// Ends the running node in good order.
    #[command(after_help = "Example:\n  restante stop\n\nWith --json: stopped.")]
    Stop(StopArgs),
    /// Prints a completion script for a shell.
    #[command(after_help = "Example:\n  \
        restante completions bash >> ~/.bash_completion")]
    Completions(CompletionsArgs),
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// What is logged meanwhile: off, error, warn, info, debug, trace or directives [default: off].
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// How log lines are written: text or json.
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// Arguments of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// The name in front of your ID: a-z, 0-9 and _, at most 32.
    #[arg(long, value_name = "NAME")]
    pub handle: String,
    /// Bring back an account by its recovery phrase, with its handle; all devices it had are shut out.
    #[arg(long)]
    pub recover: bool,
    /// Read the recovery phrase from this file rather than from the terminal.
    #[arg(long, value_name = "PATH", requires = "recover")]
    pub phrase_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Settings to start with.
    #[command(flatten)]
    pub settings: Settings,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Print the settings in force and where each comes from, and end.
    #[arg(long)]
    pub print_config: bool,
    /// Check the settings, and end.
    #[arg(long)]
    pub check: bool,
    /// Go on in the background once the node runs; its log goes to node.log in the home folder.
    #[arg(long, conflicts_with_all = ["print_config", "check"])]
    pub detach: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Settings that win over all others.
    #[command(flatten)]
    pub settings: Settings,
}

/// Arguments of `id`.
#[derive(Debug, Clone, Copy, Default, Args)]
#[group(multiple = false)]
pub struct IdArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print the link as a QR code, for another phone or camera to read.
    #[arg(long)]
    pub qr: bool,
    /// Print the link, which carries the hash of the account key too.
    #[arg(long)]
    pub link: bool,
}

/// Arguments of `send`.
#[derive(Debug, Clone, Default, Args)]
pub struct SendArgs {
    /// The recipient's ID or link, or what a contact is called here.
    #[arg(value_name = "ID")]
    pub to: String,
    /// The text; a single - reads it from standard input, byte for byte.
    #[arg(value_name = "TEXT", required_unless_present = "file")]
    pub text: Vec<String>,
    /// Send this file instead of a text.
    #[arg(long, value_name = "PATH", conflicts_with = "text")]
    pub file: Option<PathBuf>,
    /// How long the message may live, at most 30d [default: the setting ttl, 6d].
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<String>,
    /// Destroy the message this long after it was read.
    #[arg(long, value_name = "TIME")]
    pub burn: Option<String>,
    /// How much work to do for this message if keepers ask for it, 1 to 4096 [default: the setting
    /// stamp-effort-max, 128: about a minute].
    #[arg(long, value_name = "EFFORT")]
    pub effort: Option<String>,
    /// Answer this message, by the id that `history` shows.
    #[arg(long, value_name = "MESSAGE")]
    pub reply_to: Option<String>,
    /// Wait until the message is stored at enough keepers, however long that takes.
    #[arg(long)]
    pub wait: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `inbox`.
#[derive(Debug, Clone, Default, Args)]
pub struct InboxArgs {
    /// If there is nothing, wait up to this many seconds for a message.
    #[arg(long, value_name = "SECS")]
    pub wait: Option<u32>,
    /// Print the messages read before as well.
    #[arg(long)]
    pub all: bool,
    /// Leave the messages unread: nothing burns.
    #[arg(long)]
    pub peek: bool,
    /// Mark these messages read, by the ids that --json shows, and print nothing.
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with_all = ["wait", "all", "peek"])]
    pub ack: Vec<String>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StatusArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `holdings`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct HoldingsArgs {
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `stop`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct StopArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The shells there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
    /// Z shell.
    Zsh,
}
