//! Log lines wait while the story speaks.
//!
//! Both end up on the same terminal: the story on stdout, the log on stderr. Side by side they would cut each other to
//! pieces, so the lines are kept until the story has a pause for them, and from then on pass at once.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::fmt::MakeWriter;

/// The most that is kept back, in bytes. More than that and the lines pass at once: better untidy than lost.
const LIMIT: usize = 1 << 20;

/// Where log lines go. All clones are one.
#[derive(Clone)]
pub struct Hold {
    state: Arc<Mutex<State>>,
    /// Every step of the controller is narrated: then the lines belong to each step of the story.
    chatty: bool,
}

struct State {
    /// None: lines pass.
    kept: Option<Vec<u8>>,
    out: Box<dyn Write + Send>,
}

impl Hold {
    /// Keeps lines from the start on.
    pub fn new(out: Box<dyn Write + Send>, chatty: bool) -> Self {
        Hold { state: Arc::new(Mutex::new(State { kept: Some(Vec::new()), out })), chatty }
    }

    /// Whether lines are to be let out at each step.
    pub fn is_chatty(&self) -> bool {
        self.chatty
    }

    /// Lets out what was kept. Lines to come are kept again.
    pub fn release_for_now(&self) {
        self.with(|state| {
            state.flush();
            state.kept = Some(Vec::new());
        });
    }

    /// Lets out what was kept, and from now on all at once.
    pub fn release(&self) {
        self.with(State::flush);
    }

    /// Whether there are lines that were kept.
    pub fn is_empty(&self) -> bool {
        self.with(|state| state.kept.as_ref().is_none_or(Vec::is_empty))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic in the middle leaves at worst half a line.
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn flush(&mut self) {
        if let Some(kept) = self.kept.take() {
            // A stderr that is closed is no failure of the controller's.
            let _ = self.out.write_all(&kept).and_then(|()| self.out.flush());
        }
    }
}

impl Write for &Hold {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.with(|state| {
            if state.kept.as_ref().is_some_and(|kept| kept.len() + line.len() > LIMIT) {
                state.flush();
            }
            match &mut state.kept {
                Some(kept) => kept.extend_from_slice(line),
                None => drop(state.out.write_all(line)),
            }
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Hold {
    type Writer = &'a Hold;

    fn make_writer(&'a self) -> &'a Hold {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log() -> (Hold, impl Fn() -> String) {
        let paper = Paper::default();
        let read = paper.clone();
        (Hold::new(Box::new(paper), false), move || String::from_utf8(read.0.lock().unwrap().clone()).unwrap())
    }

    #[test]
    fn lines_wait_until_they_are_released_and_then_pass() {
        let (hold, read) = log();
        (&hold).write_all(b"one\n").unwrap();
        assert_eq!((read().as_str(), hold.is_empty()), ("", false));
        hold.release();
        assert_eq!((read().as_str(), hold.is_empty()), ("one\n", true));
        (&hold).write_all(b"two\n").unwrap();
        assert_eq!(read(), "one\ntwo\n");
    }

    #[test]
    fn after_a_pause_in_the_story_they_wait_again() {
        let (hold, read) = log();
        (&hold).write_all(b"one\n").unwrap();
        hold.release_for_now();
        (&hold).write_all(b"two\n").unwrap();
        assert_eq!(read(), "one\n");
    }

    #[test]
    fn more_than_can_be_kept_passes() {
        let (hold, read) = log();
        for _ in 0..3 {
            (&hold).write_all(&[b'x'; LIMIT / 2]).unwrap();
        }
        assert_eq!(read().len(), LIMIT / 2 * 3);
    }
}
