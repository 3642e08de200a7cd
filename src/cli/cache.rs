//! What is kept between runs in the person's cache folder, when there is one.

use std::path::{Path, PathBuf};

/// Hashes of files.
pub(super) fn hashes() -> Option<PathBuf> {
    Some(folder()?.join("sha256.json"))
}

/// How fast models were on this machine.
pub(super) fn speeds() -> Option<PathBuf> {
    Some(folder()?.join("speeds.json"))
}

#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
fn folder() -> Option<PathBuf> {
    let var = |name| std::env::var(name).ok().filter(|v| Path::new(v).is_absolute());
    let base = var("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = PathBuf::from(var("HOME").or_else(|| var("LOCALAPPDATA"))?);
        Some(home.join(if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" }))
    })?;
    Some(base.join("gguf-bench"))
}
