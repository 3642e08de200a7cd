//! Opens a report in the desktop's browser, where there is a desktop.

use std::path::Path;

/// Where a report can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Desktop {
    /// A person sits before it.
    Here,
    /// A server, a container, a script.
    None,
}

/// Whether there is a desktop to open a page on. `CI` set means that no one looks.
#[expect(clippy::disallowed_methods, reason = "configuration is read in cli")]
pub(super) fn desktop() -> Desktop {
    let set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let display = cfg!(any(target_os = "macos", windows)) || set("DISPLAY") || set("WAYLAND_DISPLAY");
    if display && !set("CI") && !set("SSH_CONNECTION") { Desktop::Here } else { Desktop::None }
}

/// Opens it; a desktop without a browser is as good as none.
pub(super) fn open(report: &Path) -> Desktop {
    match std::path::absolute(report).map(open::that_detached) {
        Ok(Ok(())) => Desktop::Here,
        Ok(Err(_)) | Err(_) => Desktop::None,
    }
}
