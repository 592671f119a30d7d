//! `restante chat`: a conversation as it goes on.
//!
//! One thread reads what is typed, another what happens at the node. Whatever happens, the newest part of the
//! conversation is asked for again, and what is new about it is shown: so nothing is missed, and nothing shown twice.

mod command;
mod view;

use std::io::{self, BufRead, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use restante_interface::{
    Body, Event, HISTORY_PAGE_COUNT_MAX, HistoryMessage, MARK_READ_COUNT_MAX, Reply, Request,
    SendRequest,
};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};

use self::command::{HELP, Line, parse};
use self::view::View;
use super::args::{ChatArgs, ConversationsArgs};
use super::session::unexpected;
use super::terminal::escape_line;
use super::{Failure, Output, Session, check, history};

/// Messages that are typed and not taken by the node yet; more wait to be typed.
const QUEUED_MAX: usize = 64;
/// Messages that are asked for at once, at most, when much has come.
const BACKLOG_MAX: usize = 1_000;
/// Messages that are shown at the beginning.
const FIRST_COUNT: usize = 20;
const PROMPT: &str = "> ";

/// Where lines are shown while somebody types.
type Printer = Box<dyn ExternalPrinter + Send>;

/// One conversation at a terminal, or at a pipe.
struct Chat {
    session: Session,
    who: String,
    shared: Arc<Mutex<Shared>>,
    looking: Arc<Mutex<()>>,
    /// What is to be sent, one after the other; where somebody types.
    outgoing: Option<mpsc::SyncSender<SendRequest>>,
}

struct Shared {
    view: View,
    /// None at a pipe.
    printer: Option<Printer>,
}

/// Talks with somebody until the end of what is typed.
pub(super) fn chat(session: &Session, args: &ChatArgs, out: &mut Output) -> Result<(), Failure> {
    let Some(who) = &args.who else {
        history::conversations(session, &ConversationsArgs { json: false }, out)?;
        return out.line("`restante chat ID` opens one of them");
    };
    let who = check::somebody(who)?;
    let mut editor = editor()?;
    let printer = editor
        .as_mut()
        .and_then(|editor| editor.create_external_printer().ok());
    let printer = printer.map(|printer| Box::new(printer) as Printer);
    let view = View::new(&who);
    let (outgoing, queue) = mpsc::sync_channel(QUEUED_MAX);
    let mut chat = Chat {
        session: session.clone(),
        who,
        shared: Arc::new(Mutex::new(Shared { view, printer })),
        looking: Arc::default(),
        outgoing: Some(outgoing),
    };
    // Before the listener begins, so that a wrong name is told at once.
    for line in chat.look(FIRST_COUNT)? {
        out.line(line)?;
    }
    let who = escape_line(&chat.who);
    out.line(format!(
        "-- you talk with {who}; /help shows what can be done, /quit ends --"
    ))?;
    out.flush()?;
    let ended = chat.listen();
    let sender = chat.send_from(queue);
    let typed = match editor {
        Some(mut editor) => chat.read_terminal(&mut editor, out),
        None => chat.read_pipe(out),
    };
    // What was typed is sent, and what came of it shown, before the end.
    drop(chat.outgoing.take());
    let _defect = sender.join();
    chat.refresh(out)?;
    out.flush()?;
    typed.and_then(|()| ended.try_recv().map_or(Ok(()), Err))
}

/// Makes an editor of lines, if somebody types them at a terminal.
fn editor() -> Result<Option<Editor<(), MemHistory>>, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Ok(None);
    }
    // What was typed is kept nowhere but in memory.
    let history = MemHistory::new();
    let editor = Editor::with_history(Config::default(), history);
    editor.map(Some).map_err(|error| terminal_failure(&error))
}

fn terminal_failure(error: &ReadlineError) -> Failure {
    Failure::failed(
        format!("the terminal cannot be used: {error}"),
        "try another one",
    )
}

/// Tells whether a conversation may look otherwise after an event.
const fn concerns(event: &Event) -> bool {
    matches!(
        event,
        Event::Received { .. } | Event::Changed { .. } | Event::Sent(_) | Event::Reset
    )
}

impl Chat {
    /// Shows what happens, until the node ends; then tells why.
    fn listen(&self) -> mpsc::Receiver<Failure> {
        // What has happened meanwhile is shown with the next look.
        let (wake, woken) = mpsc::sync_channel(1);
        let (ended, told) = mpsc::sync_channel(1);
        let (listening, showing) = (self.listener(), self.listener());
        thread::spawn(move || {
            let why = listening.session.listen(|event| {
                if concerns(&event) {
                    let _awake = wake.try_send(());
                }
            });
            if let Err(why) = why {
                let end = "-- the node has ended: nothing is shown or sent any more --".to_owned();
                listening.show(&[end]);
                let _gone = ended.try_send(why);
            }
        });
        thread::spawn(move || {
            for () in woken {
                if let Ok(lines) = showing.look(HISTORY_PAGE_COUNT_MAX) {
                    showing.show(&lines);
                }
            }
        });
        told
    }

    /// Reads lines at a terminal.
    fn read_terminal(
        &self,
        editor: &mut Editor<(), MemHistory>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        loop {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    let _full = editor.add_history_entry(line.as_str());
                    if !self.carry_out(&line, out)? {
                        return Ok(());
                    }
                }
                Err(ReadlineError::Eof | ReadlineError::Interrupted) => return Ok(()),
                Err(error) => return Err(terminal_failure(&error)),
            }
        }
    }

    /// Reads lines from a pipe.
    fn read_pipe(&self, out: &mut Output) -> Result<(), Failure> {
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| {
                Failure::failed(format!("cannot read standard input: {error}"), "")
            })?;
            if !self.carry_out(&line, out)? {
                break;
            }
        }
        Ok(())
    }

    /// Does what a line says; tells whether it goes on. What is refused is told, and ends nothing.
    fn carry_out(&self, line: &str, out: &mut Output) -> Result<bool, Failure> {
        let line = match parse(line) {
            Ok(line) => line,
            Err(why) => {
                out.line(format!("-- {} --", escape_line(&why)))?;
                out.flush()?;
                return Ok(true);
            }
        };
        let done = match line {
            Line::Quit => return Ok(false),
            Line::Empty => Ok(()),
            Line::Help => HELP.iter().try_for_each(|line| out.line(line)),
            Line::Older => self.older(out),
            Line::Say(text) => self.say(text, None, None),
            Line::Reply(number, text) => {
                let to = self.id_at(number);
                to.and_then(|to| self.say(text, Some(to), None))
            }
            Line::Edit(number, text) => {
                let of = self.id_at(number);
                of.and_then(|of| self.say(text, None, Some(of)))
            }
            Line::React(number, emoji) => self.react(number, emoji),
            Line::Unreact(number) => self.react(number, String::new()),
            Line::Recall(number) => self.ask(number, |ids| Request::Recall { ids }),
            Line::Delete(number) => self.ask(number, |ids| Request::Delete { ids }),
            Line::Open(number) => self.ask(number, |ids| Request::MarkRead { ids }),
        };
        if let Err(failure) = done {
            out.line(format!("-- {} --", failure.sentence()))?;
        }
        self.refresh(out)?;
        out.flush()?;
        Ok(true)
    }

    fn say(
        &self,
        text: String,
        reply_to: Option<String>,
        replaces: Option<String>,
    ) -> Result<(), Failure> {
        let body = check::body(text.into_bytes(), "the text")?;
        let request = SendRequest {
            to: self.who.clone(),
            body: Body::new(body),
            ttl_ms: None,
            burn_ms: None,
            file_name: None,
            effort_max: None,
            reply_to,
            replaces,
            wait: false,
        };
        let outgoing = self.outgoing.as_ref();
        if outgoing.is_some_and(|outgoing| outgoing.send(request).is_ok()) {
            return Ok(());
        }
        Err(Failure::failed("nothing is sent any more", "begin again"))
    }

    /// Sends what is typed, in its order. The node answers once a message is stored, which may take a while; meanwhile
    /// others can be typed.
    fn send_from(&self, queue: mpsc::Receiver<SendRequest>) -> JoinHandle<()> {
        let chat = self.listener();
        thread::spawn(move || {
            for request in queue {
                if let Err(failure) = chat.session.call(Request::Send(request)) {
                    chat.show(&[format!("-- not sent: {} --", failure.sentence())]);
                }
            }
        })
    }

    fn react(&self, number: usize, emoji: String) -> Result<(), Failure> {
        let id = self.id_at(number)?;
        self.done(Request::React { id, emoji })
    }

    fn ask(
        &self,
        number: usize,
        request: impl FnOnce(Vec<String>) -> Request,
    ) -> Result<(), Failure> {
        let id = self.id_at(number)?;
        self.done(request(vec![id]))
    }

    fn done(&self, request: Request) -> Result<(), Failure> {
        match self.session.call(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Shows what was said before what is shown.
    fn older(&self, out: &mut Output) -> Result<(), Failure> {
        let before = self.lock().view.oldest();
        let page = history::page(&self.session, &self.who, before, FIRST_COUNT)?;
        if page.messages.is_empty() {
            return out.line("-- nothing was said before that has not gone --");
        }
        let mut messages = page.messages;
        messages.reverse();
        for line in self.lock().view.take_older(messages) {
            out.line(line)?;
        }
        Ok(())
    }

    /// Shows what is new.
    fn refresh(&self, out: &mut Output) -> Result<(), Failure> {
        for line in self.look(HISTORY_PAGE_COUNT_MAX)? {
            out.line(line)?;
        }
        Ok(())
    }

    /// Asks for what was said since what is shown, so many messages at a time, and returns the lines for what is new.
    /// Two threads look one after the other, so that neither shows what the other knows better.
    fn look(&self, count: usize) -> Result<Vec<String>, Failure> {
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages: Vec<HistoryMessage> = Vec::new();
        loop {
            let before = messages.last().map(|last| last.id.clone());
            let page = history::page(&self.session, &self.who, before, count)?;
            let (more, shared) = (page.more, self.lock());
            let is_known = page.messages.iter().any(|it| shared.view.knows(&it.id));
            let is_first = shared.view.oldest().is_none();
            drop(shared);
            messages.extend(page.messages);
            if is_known || is_first || !more || messages.len() >= BACKLOG_MAX {
                break;
            }
        }
        messages.reverse();
        // What stands before the first that is shown is `/older`'s to show.
        let shared = self.lock();
        let known = messages.iter().position(|it| shared.view.knows(&it.id));
        drop(shared);
        messages.drain(..known.unwrap_or(0));
        Ok(self.take(messages))
    }

    /// Takes messages, has those marked read that are shown, and returns the lines for what is new.
    fn take(&self, messages: Vec<HistoryMessage>) -> Vec<String> {
        let unread = messages.iter().filter(|it| !it.own && it.read_ms.is_none());
        let shown = unread.filter(|it| it.burn_ms.is_none() && it.recalled_ms.is_none());
        let ids: Vec<String> = shown.map(|it| it.id.clone()).collect();
        for ids in ids.chunks(MARK_READ_COUNT_MAX) {
            let ids = ids.to_vec();
            // They stay unread, and are marked with the next.
            let _unmarked = self.done(Request::MarkRead { ids });
        }
        self.lock().view.take(messages)
    }

    fn id_at(&self, number: usize) -> Result<String, Failure> {
        let shared = self.lock();
        let message = shared.view.at(number);
        message.map(|message| message.id.clone()).ok_or_else(|| {
            Failure::usage(
                format!("there is no message {number}"),
                "see the numbers before them",
            )
        })
    }

    /// Shows lines while somebody may be typing.
    fn show(&self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        let mut text = lines.join("\n");
        text.push('\n');
        match &mut self.lock().printer {
            Some(printer) => drop(printer.print(text)),
            None => {
                let mut out = Output::stdout();
                // A reader that has gone away reads nothing more.
                let _gone = out.bytes(text.as_bytes()).and_then(|()| out.flush());
            }
        }
    }

    /// The same where nobody types.
    fn listener(&self) -> Self {
        Self {
            session: self.session.clone(),
            who: self.who.clone(),
            shared: Arc::clone(&self.shared),
            looking: Arc::clone(&self.looking),
            outgoing: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
