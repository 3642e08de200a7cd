//! Ctrl-C, SIGTERM and a closed terminal: what happens now is said at once, before there is anything to save and after.

use std::{
    cmp::Reverse,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::console::to_stderr;
use crate::{record::system_reason, text::inert_line};

/// Set when the person asked to stop.
static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static UNDER_WAY: Mutex<UnderWay> =
    Mutex::new(UnderWay { resume: None, is_resumable: true, temporary: Vec::new(), folders: Vec::new() });

/// What an interruption finds.
struct UnderWay {
    /// What to give to `resume`, once something is measured.
    resume: Option<PathBuf>,
    /// Unset where what is measured is of no use before all of it is.
    is_resumable: bool,
    /// Files and folders that are nobody's when the program ends.
    temporary: Vec<PathBuf>,
    /// Folders that were not there: they go where nothing came into them.
    folders: Vec<PathBuf>,
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
            None if under_way(|found| found.is_resumable) => end(
                "Interrupted before anything was measured. What arrived of a download is kept, and the next try goes on from there.",
            ),
            None => end("Interrupted: no file was written. What arrived of a download is kept, and the next try goes on from there."),
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
    under_way(|found| found.resume = Some(target).filter(|_| found.is_resumable));
    Arc::clone(&ASKED)
}

/// What is measured by this program can't be gone on with: an interruption ends it at once.
pub(super) fn nothing_is_kept() {
    under_way(|found| found.is_resumable = false);
}

/// A file or folder that goes with the program, however that ends.
pub(super) fn temporary(path: &Path) {
    under_way(|found| found.temporary.push(path.to_owned()));
}

/// It stays from here on.
pub(super) fn kept(path: &Path) {
    under_way(|found| found.temporary.retain(|temporary| temporary != path));
}

/// A folder is going to be made: what of it is not there yet goes again when the program is ended before anything lies in it.
pub(super) fn new_folders(folder: &Path) {
    let missing = folder.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists());
    under_way(|found| found.folders.extend(missing.map(Path::to_owned)));
}

/// A folder for what nobody needs later.
pub(super) fn temporary_folder() -> Result<TempDir> {
    let folder = tempfile::tempdir().map_err(system_reason).with_context(|| {
        format!(
            "make a folder in {}, where temporary files go (TMPDIR names another place)",
            std::env::temp_dir().display()
        )
    })?;
    temporary(folder.path());
    Ok(folder)
}

/// With this process go the workers, whose input it holds.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "the person asked for it, and what counts is on the disk")]
fn end(words: &str) {
    for path in under_way(|found| std::mem::take(&mut found.temporary)) {
        // What is not there any more need not be removed.
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
    let mut folders = under_way(|found| std::mem::take(&mut found.folders));
    folders.sort_by_key(|folder| Reverse(folder.components().count()));
    for folder in folders {
        // One that holds something can't be removed so.
        let _ = std::fs::remove_dir(folder);
    }
    say(words);
    std::process::exit(130);
}

/// To stderr, over the progress display where there is one.
pub(super) fn say(words: &str) {
    let clear = if std::io::stderr().is_terminal() { "\r\u{1b}[2K" } else { "" };
    to_stderr(&format!("{clear}{}\n", inert_line(words)));
}
