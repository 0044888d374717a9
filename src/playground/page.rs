//! What the learner sees: text on stdout, 80 columns wide, block after block.
//!
//! Promises:
//! * colours only on a terminal that shows them, and none where `NO_COLOR` is set: in a file it reads the same;
//! * what came from elsewhere cannot move the cursor: control characters are shown, not sent;
//! * whoever stops reading (`| head`) is no failure. The page notes it and says no more;
//! * a disk that is full is one: a story that was not written down must not look like one that was.

use std::io::{self, IsTerminal, Write};

use crate::process::log;

/// The width that text is wrapped at. Not asked of the terminal: lines longer than this are hard to read anyway.
pub const WIDTH: usize = 80;

/// How a line looks, where there are colours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    /// Magenta: of the eight colours the one that can be read on black as well as on white. (Faint text, for what is less
    /// important, can be read on neither in some terminals.)
    Command,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "\u{1b}[1m",
            Style::Command => "\u{1b}[35m",
        }
    }
}

/// See the module.
pub struct Page {
    out: Box<dyn Write + Send>,
    colours: bool,
    begun: bool,
    /// Why there is nobody left to tell.
    closed: Option<io::Error>,
}

impl Page {
    /// On this process's stdout.
    pub fn stdout() -> Self {
        let colours = log::colours(io::stdout().is_terminal(), &|name| std::env::var_os(name));
        Page::new(Box::new(io::stdout()), colours)
    }

    /// Anywhere.
    pub fn new(out: Box<dyn Write + Send>, colours: bool) -> Self {
        Page { out, colours, begun: false, closed: None }
    }

    /// Whether the reader has gone.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Why it could not be written to its end, unless the reader did not want to read that far.
    pub fn failure(&self) -> Option<&io::Error> {
        self.closed.as_ref().filter(|why| why.kind() != io::ErrorKind::BrokenPipe)
    }

    /// The title of what follows.
    pub fn heading(&mut self, text: &str) {
        self.block(&[(Style::Bold, text.to_owned())]);
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        let lines: Vec<_> = wrap(text, WIDTH).into_iter().map(|line| (Style::Plain, line)).collect();
        self.block(&lines);
    }

    /// What a person would type, and what comes of it. Neither is wrapped: both are to be as they are in a terminal.
    pub fn command(&mut self, command: &str, output: &str) {
        let output = output.lines().map(|line| (Style::Plain, line.to_owned()));
        let lines: Vec<_> = std::iter::once((Style::Command, format!("$ {command}"))).chain(output).collect();
        self.block(&lines);
    }

    /// Something to try: its title, one line to copy (with nothing in front that would be copied with it but blanks),
    /// and what to look for.
    pub fn thing(&mut self, title: &str, command: &str, look: &str) {
        let indent = "   ";
        let look = wrap(look, WIDTH - indent.len()).into_iter().map(|line| (Style::Plain, format!("{indent}{line}")));
        let mut lines = vec![(Style::Bold, title.to_owned()), (Style::Command, format!("{indent}{command}"))];
        lines.extend(look);
        self.block(&lines);
    }

    /// One line to copy.
    pub fn copy(&mut self, line: &str) {
        self.block(&[(Style::Command, format!("   {line}"))]);
    }

    /// A block, with an empty line before it. In one write, so that log lines on the same terminal do not cut it.
    fn block(&mut self, lines: &[(Style, String)]) {
        if self.is_closed() {
            return;
        }
        let mut text = String::new();
        if std::mem::replace(&mut self.begun, true) {
            text.push('\n');
        }
        for (style, line) in lines {
            let style = if self.colours { style.code() } else { "" };
            text.push_str(style);
            text.extend(line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
            text.push_str(if style.is_empty() { "\n" } else { "\u{1b}[0m\n" });
        }
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.closed = written.err();
    }
}

/// Breaks at blanks, so that no line is longer, except for a word that is.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        // There is always a last line.
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
