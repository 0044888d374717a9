//! Writes the story and the controller's log to stdout, in one order.
//!
//! A thread writes them, from a bounded queue: a stdout that blocks (a pager, a paused terminal) must block neither the
//! controller nor the handling of signals.

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

/// The limit of blocks and log lines in the queue. When it is full, log lines are dropped.
const QUEUE_LIMIT: usize = 1024;

/// The limit for writing the rest of the queue at the end.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

const BOLD: &str = "\u{1b}[1m";
/// Readable on black and on white.
const MAGENTA: &str = "\u{1b}[35m";
const RESET: &str = "\u{1b}[0m";

enum Part {
    /// Later log lines are held until the next block is written.
    HoldLog,
    Block(String),
    LogLine(Vec<u8>),
    End,
}

/// The sender of the queue. Clones share the queue.
#[derive(Clone)]
pub struct Screen {
    parts: mpsc::Sender<Part>,
    is_terminal: bool,
    colours: bool,
}

/// The thread; it sends its result when it ends.
pub struct WriterThread(oneshot::Receiver<io::Result<()>>);

impl Screen {
    /// Starts the thread.
    pub fn start() -> (Screen, WriterThread) {
        let (parts, queue) = mpsc::channel(QUEUE_LIMIT);
        let (sender, result) = oneshot::channel();
        thread::spawn(move || sender.send(write_parts(queue, io::stdout())));
        let is_terminal = io::stdout().is_terminal();
        let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        (Screen { parts, is_terminal, colours }, WriterThread(result))
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns when stdout is closed or has failed.
    pub async fn closed(&self) {
        self.parts.closed().await;
    }

    /// Writes the rest of the queue.
    ///
    /// # Errors
    /// stdout failed. A closed pipe (`| head`) is not a failure.
    pub async fn finish(self, writer: WriterThread) -> Result<(), Error> {
        let rest = timeout(FINISH_TIMEOUT, async {
            let _ = self.parts.send(Part::End).await;
            writer.0.await
        });
        match rest.await {
            Ok(Ok(Err(e))) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::Failed(format!("stdout: {e}"))),
            _ => Ok(()),
        }
    }

    /// Holds log lines until the next block, so that a command is printed before what it causes.
    pub async fn hold_log(&self) {
        let _ = self.parts.send(Part::HoldLog).await;
    }

    /// Prints a block. `#` begins a title, `$` a command with its output, `>` a command to copy.
    pub async fn print(&self, text: &str) {
        let mut block = String::new();
        for line in text.trim_end().lines() {
            let (style, line) = match line.as_bytes() {
                [b'#', ..] => (BOLD, line.trim_start_matches("# ").to_owned()),
                [b'$', ..] => (MAGENTA, line.to_owned()),
                // Spaces instead of the `>`, so that the whole line can be copied.
                [b'>', ..] => (MAGENTA, line.replacen('>', "  ", 1)),
                _ => ("", line.to_owned()),
            };
            let end = if style.is_empty() { "" } else { RESET };
            block += &if self.colours { format!("{style}{line}{end}\n") } else { format!("{line}\n") };
        }
        // An error means that stdout is closed, which `closed` reports.
        let _ = self.parts.send(Part::Block(block)).await;
    }
}

fn write_parts(mut queue: mpsc::Receiver<Part>, mut out: impl Write) -> io::Result<()> {
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
            (Part::HoldLog, _) => held = Some(Vec::new()),
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

/// Receives the log lines.
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

    fn output_of(parts: impl IntoIterator<Item = Part>) -> String {
        let (sender, queue) = mpsc::channel(QUEUE_LIMIT);
        parts.into_iter().for_each(|part| assert!(sender.try_send(part).is_ok()));
        drop(sender);
        let mut out = Vec::new();
        write_parts(queue, &mut out).unwrap();
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
        assert_eq!(output_of([block("a"), block("b"), log("1"), log("2"), block("c")]), "a\n\nb\n\n1\n2\n\nc\n");
    }

    #[test]
    fn held_log_lines_follow_the_command() {
        assert_eq!(output_of([log("0"), Part::HoldLog, log("1"), block("$ a"), log("2")]), "0\n\n$ a\n\n1\n2\n");
    }

    #[tokio::test]
    async fn colours_add_only_escape_sequences() {
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
