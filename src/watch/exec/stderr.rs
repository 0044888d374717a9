//! What the child says on stderr, in the log.

use std::num::NonZeroU32;

use governor::Quota;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::ChildStderr,
    time::Instant,
};
use tracing::{info, warn};

use crate::{
    text::one_line,
    worker::Hush,
    workqueue::{Limiter, TokioClock},
};

/// A longer line is logged in pieces of so many bytes.
const LONGEST_LINE: usize = 8 * 1024;

/// What a line takes in the log besides its text: time, level, names.
const OVERHEAD: usize = 100;

/// A megabyte at once, which no honest backtrace fills, then 64 KiB a second. What is more is counted: a child that
/// complains in a loop must not fill the disk. Bytes and not lines, since a line may be as long as 80 others.
const BYTES: Quota =
    Quota::per_second(NonZeroU32::new(64 * 1024).unwrap()).allow_burst(NonZeroU32::new(1 << 20).unwrap());

/// Logs it until the child closes it.
///
/// Nothing is kept: who writes faster than it is read has to wait, in the end. A task of its own, so that the child's
/// answers are not waited for.
pub async fn log(stderr: ChildStderr) {
    let mut stderr = BufReader::with_capacity(LONGEST_LINE, stderr);
    let (mut line, mut allowance) = (Vec::new(), Allowance::new());
    while let Ok(1..) = (&mut stderr).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await {
        let text = one_line(&String::from_utf8_lossy(&line));
        if !text.is_empty() && allowance.takes(&text) {
            info!(plugin = "exec", stream = "stderr", "{text}");
        }
        line.clear();
    }
    allowance.tell();
}

/// How much may still be logged.
struct Allowance {
    bucket: Limiter,
    hush: Hush,
    /// So many lines were not, and nobody has been told yet.
    unlogged: u64,
}

impl Allowance {
    fn new() -> Self {
        let bucket = Limiter::direct_with_clock(BYTES, TokioClock(Instant::now()));
        Allowance { bucket, hush: Hush::default(), unlogged: 0 }
    }

    fn takes(&mut self, text: &str) -> bool {
        // No line is larger than the bucket, even if each of its bytes were escaped: it always has a chance.
        let size = u32::try_from(text.len() + OVERHEAD).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX);
        let takes = matches!(self.bucket.check_n(size), Ok(Ok(())));
        self.unlogged += u64::from(!takes);
        // At the first one, then now and then, also when there is room again.
        if self.unlogged > 0 && self.hush.speak(Instant::now()).is_some() {
            self.tell();
        }
        takes
    }

    fn tell(&mut self) {
        let unlogged = std::mem::take(&mut self.unlogged);
        if unlogged > 0 {
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
    use std::time::Duration;

    use super::*;
    use testkit::Log;

    /// How many of 2,000 lines are taken at once that take 1 KiB each in the log.
    fn flood(allowance: &mut Allowance) -> usize {
        let text = "x".repeat(1024 - OVERHEAD);
        (0..2000).filter(|_| allowance.takes(&text)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_logged_in_part_and_the_rest_is_counted() {
        let log = Log::start(tracing::Level::WARN);
        let mut allowance = Allowance::new();
        assert_eq!(flood(&mut allowance), 1024);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(flood(&mut allowance), 64, "so much a second has");
        assert_eq!(log.lines().len(), 1, "told at once, and not again and again");
        tokio::time::advance(Hush::INTERVAL).await;
        assert!(allowance.takes("calm again"));
        assert_eq!(flood(&mut allowance), 639);
        allowance.tell();
        let unlogged: Vec<_> = log.lines().iter().filter_map(|line| line["unlogged"].as_u64()).collect();
        assert_eq!(unlogged, [1, 2 * 2000 - 1024 - 64 - 1, 2000 - 639], "each is counted, once");
    }

    #[tokio::test(start_paused = true)]
    async fn many_short_lines_are_a_flood_as_well() {
        let mut allowance = Allowance::new();
        let taken = (0..100_000).filter(|_| allowance.takes("x")).count();
        assert_eq!(taken, 1024 * 1024 / (OVERHEAD + 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_line_fits_even_if_all_of_it_has_to_be_escaped() {
        let text = one_line(&"\u{1}".repeat(LONGEST_LINE));
        assert!(text.len() > LONGEST_LINE && Allowance::new().takes(&text));
    }
}
