//! What the learner sees: the story and the controller's log on stdout, in the order in which they were written.
//!
//! A thread of its own writes, from a bounded queue. So a stdout that takes nothing (a pager, a terminal that is held)
//! blocks neither the controller nor the handling of signals.

use std::{
    io::{self, IsTerminal, Write},
    thread,
    time::Duration,
};

use daemon::Error;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing_subscriber::fmt::MakeWriter;

/// Most blocks and log lines in the queue. More log lines are dropped.
const QUEUE_LIMIT: usize = 1024;

/// How long the rest of the queue may take to be written at the end.
const END: Duration = Duration::from_secs(1);

const BOLD: &str = "\u{1b}[1m";
/// Magenta can be read on black and on white.
const COMMAND: &str = "\u{1b}[35m";
const PLAIN: &str = "\u{1b}[0m";

enum Part {
    Block(String),
    LogLine(Vec<u8>),
    End,
}

/// The sender of the queue. A clone is another handle to the same.
#[derive(Clone)]
pub struct Screen {
    parts: mpsc::Sender<Part>,
    is_terminal: bool,
    colours: bool,
}

/// What became of the thread.
pub struct Written(oneshot::Receiver<io::Result<()>>);

impl Screen {
    /// Starts the thread.
    pub fn start() -> (Screen, Written) {
        let (parts, queue) = mpsc::channel(QUEUE_LIMIT);
        let (sender, written) = oneshot::channel();
        thread::spawn(move || sender.send(write(queue, io::stdout())));
        let is_terminal = io::stdout().is_terminal();
        let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        (Screen { parts, is_terminal, colours }, Written(written))
    }

    /// Returns whether a person may be watching.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns when stdout has been closed, or failed.
    pub async fn closed(&self) {
        self.parts.closed().await;
    }

    /// Writes the rest of the queue.
    ///
    /// # Errors
    /// stdout failed. A reader that has closed it (`| head`) is no failure.
    pub async fn finish(self, written: Written) -> Result<(), Error> {
        let rest = timeout(END, async {
            let _ = self.parts.send(Part::End).await;
            written.0.await
        });
        match rest.await {
            Ok(Ok(Err(e))) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::Failed(format!("stdout: {e}"))),
            _ => Ok(()),
        }
    }

    /// Prints a block. A line that begins with `#` is a title, with `$` a command, with `>` a command to copy.
    pub async fn print(&self, text: &str) {
        let mut block = String::new();
        for line in text.trim_end().lines() {
            let (style, line) = match line.as_bytes() {
                [b'#', ..] => (BOLD, line.trim_start_matches("# ").to_owned()),
                [b'$', ..] => (COMMAND, line.to_owned()),
                // Only blanks before it, which may be copied with it.
                [b'>', ..] => (COMMAND, line.replacen('>', "  ", 1)),
                _ => ("", line.to_owned()),
            };
            let end = if style.is_empty() { "" } else { PLAIN };
            block += &if self.colours { format!("{style}{line}{end}\n") } else { format!("{line}\n") };
        }
        // An error means that stdout is closed, which `closed` reports.
        let _ = self.parts.send(Part::Block(block)).await;
    }
}

/// An empty line separates a block from what is before and after it.
fn write(mut queue: mpsc::Receiver<Part>, mut out: impl Write) -> io::Result<()> {
    let mut before = None;
    while let Some(part) = queue.blocking_recv() {
        let (text, is_block) = match part {
            Part::Block(text) => (text.into_bytes(), true),
            Part::LogLine(line) => (line, false),
            Part::End => break,
        };
        if before.replace(is_block).is_some_and(|before| before || is_block) {
            out.write_all(b"\n")?;
        }
        out.write_all(&text)?;
        out.flush()?;
    }
    Ok(())
}

/// Takes the lines of the log.
impl MakeWriter<'_> for Screen {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Write for Screen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.parts.try_send(Part::LogLine(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
