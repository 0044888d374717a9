//! What the child says on stderr, in the log.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::ChildStderr,
    time::Instant,
};
use tracing::{info, warn};

use crate::text::one_line;

/// A longer line is logged in pieces of so many bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// So many lines are logged in a second. What is more is counted: a child that complains in a loop must not fill the
/// disk.
const LINES_PER_SECOND: u32 = 500;

/// Logs it until the child closes it.
///
/// Nothing is kept: who writes faster than it is read has to wait, in the end. A task of its own, so that the child's
/// answers are not waited for.
pub async fn log(stderr: ChildStderr) {
    let mut stderr = BufReader::with_capacity(LONGEST_LINE, stderr);
    let (mut line, mut allowance) = (Vec::new(), Allowance::default());
    while let Ok(1..) = (&mut stderr).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await {
        let text = one_line(&String::from_utf8_lossy(&line));
        if !text.is_empty() && allowance.takes(Instant::now()) {
            info!(plugin = "exec", stream = "stderr", "{text}");
        }
        line.clear();
    }
    allowance.tell();
}

/// How many lines may still be logged in this second.
#[derive(Default)]
struct Allowance {
    begun: Option<Instant>,
    lines: u32,
    unlogged: u64,
}

impl Allowance {
    fn takes(&mut self, now: Instant) -> bool {
        if self.begun.is_none_or(|begun| now.duration_since(begun) >= Duration::from_secs(1)) {
            self.tell();
            *self = Allowance { begun: Some(now), ..Allowance::default() };
        }
        let takes = self.lines < LINES_PER_SECOND;
        if takes {
            self.lines += 1
        } else {
            self.unlogged += 1
        }
        takes
    }

    fn tell(&self) {
        if self.unlogged > 0 {
            let unlogged = self.unlogged;
            warn!(
                plugin = "exec",
                stream = "stderr",
                unlogged,
                "the plugin says too much, and not all of it is logged"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Log;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_logged_in_part_and_the_rest_is_counted() {
        let log = Log::start(tracing::Level::WARN);
        let mut allowance = Allowance::default();
        let taken =
            |allowance: &mut Allowance, lines: u32| (0..lines).filter(|_| allowance.takes(Instant::now())).count();
        assert_eq!(taken(&mut allowance, LINES_PER_SECOND), LINES_PER_SECOND as usize);
        assert_eq!(taken(&mut allowance, 70), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&mut allowance, 3), 3, "the next second has lines of its own");
        let lines = log.lines();
        assert_eq!((lines.len(), &lines[0]["unlogged"]), (1, &70.into()), "told once, with their number");
    }
}
