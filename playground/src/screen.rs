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
    /// Log lines from here on come after the next block.
    Hold,
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

/// How the thread ended.
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

    /// Begins a command: what the controller logs from now on comes after the block that prints the command.
    pub async fn hold(&self) {
        let _ = self.parts.send(Part::Hold).await;
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

fn write(mut queue: mpsc::Receiver<Part>, mut out: impl Write) -> io::Result<()> {
    let mut last_is_block = None;
    let mut put = |text: &[u8], is_block: bool| {
        if last_is_block.replace(is_block).is_some_and(|last| last || is_block) {
            out.write_all(b"\n")?;
        }
        out.write_all(text)?;
        out.flush()
    };
    let mut held: Option<Vec<u8>> = None;
    while let Some(part) = queue.blocking_recv() {
        match (part, &mut held) {
            (Part::Hold, _) => held = Some(Vec::new()),
            (Part::LogLine(line), Some(held)) => held.extend(line),
            (Part::LogLine(line), None) => put(&line, false)?,
            (Part::Block(text), _) => {
                put(text.as_bytes(), true)?;
                held.take().filter(|lines| !lines.is_empty()).map_or(Ok(()), |lines| put(&lines, false))?;
            }
            (Part::End, _) => break,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(parts: impl IntoIterator<Item = Part>) -> String {
        let (sender, queue) = mpsc::channel(QUEUE_LIMIT);
        parts.into_iter().for_each(|part| assert!(sender.try_send(part).is_ok()));
        drop(sender);
        let mut out = Vec::new();
        write(queue, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn block(text: &str) -> Part {
        Part::Block(format!("{text}\n"))
    }

    fn log(text: &str) -> Part {
        Part::LogLine(format!("{text}\n").into_bytes())
    }

    #[test]
    fn blocks_are_separated_and_log_lines_are_not() {
        assert_eq!(written([block("a"), block("b"), log("1"), log("2"), block("c")]), "a\n\nb\n\n1\n2\n\nc\n");
    }

    #[test]
    fn held_log_lines_come_after_the_command() {
        assert_eq!(written([log("0"), Part::Hold, log("1"), block("$ a"), log("2")]), "0\n\n$ a\n\n1\n2\n");
    }

    #[tokio::test]
    async fn colours_change_only_the_colours() {
        let (parts, mut queue) = mpsc::channel(QUEUE_LIMIT);
        let mut screen = Screen { parts, is_terminal: true, colours: true };
        for colours in [true, false] {
            screen.colours = colours;
            screen.print("# title\n$ command\n> copy\ntext\n").await;
        }
        let Some(Part::Block(coloured)) = queue.recv().await else { panic!() };
        let Some(Part::Block(plain)) = queue.recv().await else { panic!() };
        assert_eq!(plain, "title\n$ command\n   copy\ntext\n");
        assert_eq!(
            coloured,
            "\u{1b}[1mtitle\u{1b}[0m\n\u{1b}[35m$ command\u{1b}[0m\n\u{1b}[35m   copy\u{1b}[0m\ntext\n"
        );
    }
}
