use std::sync::{Arc, Mutex};

use super::*;

/// Keeps what is written, or breaks.
#[derive(Clone, Default)]
struct Paper {
    text: Arc<Mutex<Vec<u8>>>,
    torn: Arc<Mutex<Option<io::ErrorKind>>>,
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(why) = *self.torn.lock().unwrap() {
            return Err(why.into());
        }
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn read(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone()).unwrap()
    }
}

fn page(colours: bool) -> (Page, Paper) {
    let paper = Paper::default();
    (Page::new(Box::new(paper.clone()), colours), paper)
}

#[test]
fn blocks_are_set_apart_and_text_is_wrapped() {
    let (mut page, paper) = page(false);
    page.heading("1. A title");
    page.text(&"word ".repeat(40));
    page.command("kubectl get pods", "NAME   AGE\napp1   1s\n");
    page.thing("1. Try", "kubectl delete pod x", "what happens");
    let text = paper.read();
    assert!(text.starts_with("1. A title\n\nword word"), "{text}");
    assert!(text.contains(
        "\n\n$ kubectl get pods\nNAME   AGE\napp1   1s\n\n1. Try\n   kubectl delete pod x\n   what happens\n"
    ));
    assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours");
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let write = |(mut page, paper): (Page, Paper)| {
        page.heading("title");
        page.command("true", "yes");
        page.copy("export A=b");
        paper.read()
    };
    let (plain, coloured) = (write(page(false)), write(page(true)));
    let mut stripped = coloured.clone();
    for style in [Style::Bold, Style::Command] {
        stripped = stripped.replace(style.code(), "");
    }
    assert_ne!(plain, coloured);
    assert_eq!(plain, stripped.replace("\u{1b}[0m", ""));
}

#[test]
fn what_comes_from_elsewhere_cannot_move_the_cursor() {
    let (mut page, paper) = page(false);
    page.command("kubectl get pods", "evil\u{1b}[2J\u{7}name");
    assert_eq!(paper.read(), "$ kubectl get pods\nevil\u{fffd}[2J\u{fffd}name\n");
}

#[test]
fn a_reader_that_hangs_up_is_noticed_and_told_no_more() {
    let (mut page, paper) = page(false);
    page.text("one");
    assert!(!page.is_closed());
    *paper.torn.lock().unwrap() = Some(io::ErrorKind::BrokenPipe);
    page.text("two");
    assert!(page.is_closed() && page.failure().is_none());
    *paper.torn.lock().unwrap() = None;
    page.text("three");
    assert_eq!(paper.read(), "one\n");
}

#[test]
fn a_disk_that_is_full_is_no_reader_who_has_gone() {
    let (mut page, paper) = page(false);
    *paper.torn.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    page.text("one");
    assert_eq!(page.failure().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
}

#[test]
fn a_word_longer_than_the_line_stays_whole() {
    assert_eq!(wrap("a bbbbbb c", 4), ["a", "bbbbbb", "c"]);
    assert_eq!(wrap("", 4), [""]);
}
