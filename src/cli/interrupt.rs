//! Ctrl-C, SIGTERM and a closed terminal: what happens now is said at once, before there is anything to save and after.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};

use super::console::to_stderr;
use crate::text::inert_line;

/// Set when the person asked to stop.
static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static UNDER_WAY: Mutex<UnderWay> = Mutex::new(UnderWay { resume: None, temporary: Vec::new() });

/// What an interruption finds.
struct UnderWay {
    /// What to give to `resume`, once something is measured.
    resume: Option<PathBuf>,
    /// Files and folders that are nobody's when the program ends.
    temporary: Vec<PathBuf>,
}

fn under_way<T>(change: impl FnOnce(&mut UnderWay) -> T) -> T {
    change(&mut UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner))
}

/// From here on an interruption is answered. Until something is measured there is nothing to finish, and it ends at once.
pub(super) fn listen() -> Result<()> {
    ctrlc::set_handler(|| {
        let again = ASKED.swap(true, Ordering::Relaxed);
        match under_way(|found| found.resume.clone()) {
            Some(target) if !again => say(&format!(
                "Interrupted: the sample under way is finished if that takes no longer than 10 s, and what was measured is saved; once more ends at once. To go on later: \
                 gguf-bench resume {}",
                target.display()
            )),
            Some(target) => end(&format!(
                "Ended at once; what was saved before is kept. To go on: gguf-bench resume {}",
                target.display()
            )),
            None => end("Interrupted before anything was measured. What arrived of a download is kept, and the next try goes on from there."),
        }
    })
    .context("handle Ctrl-C")
}

/// Whether the person asked to stop, for whoever waits for something.
pub(super) fn asked() -> Arc<AtomicBool> {
    Arc::clone(&ASKED)
}

/// From here on there is something to save; says whether the person asked to stop.
pub(super) fn measuring(target: PathBuf) -> Arc<AtomicBool> {
    under_way(|found| found.resume = Some(target));
    Arc::clone(&ASKED)
}

/// A file or folder that goes with the program, however that ends.
pub(super) fn temporary(path: &Path) {
    under_way(|found| found.temporary.push(path.to_owned()));
}

/// With this process go the workers, whose input it holds.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the person asked for it, and what counts is on the disk")]
fn end(words: &str) {
    for path in under_way(|found| std::mem::take(&mut found.temporary)) {
        // What is not there any more need not be removed.
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
    say(words);
    std::process::exit(130);
}

/// To stderr, over the progress display where there is one.
pub(super) fn say(words: &str) {
    let clear = if std::io::stderr().is_terminal() { "\r\u{1b}[2K" } else { "" };
    to_stderr(&format!("{clear}{}\n", inert_line(words)));
}
