//! Ctrl-C, and being asked to end: what was measured is kept.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};

/// The first Ctrl-C, SIGTERM or closed terminal lets the sample under way finish and saves; the second ends at once, and with
/// this process the workers, whose input it holds.
pub(super) fn interrupt() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&flag);
    #[expect(
        clippy::exit,
        clippy::disallowed_methods,
        reason = "a second Ctrl-C means at once; the record of finished rounds is on disk"
    )]
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("handle Ctrl-C")?;
    Ok(flag)
}
