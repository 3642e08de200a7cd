//! Writing files: whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use super::{
    Run,
    error::{WriteError, system_reason},
};

/// Writes a run file; on failure no file under that name is touched.
pub(crate) fn write_run(path: &Path, run: &Run) -> Result<(), WriteError> {
    let error = |source| WriteError { path: path.into(), source };
    let mut text = serde_json::to_vec(run).map_err(|e| error(e.into()))?;
    text.push(b'\n');
    write_atomically(path, &text)
}

/// Writes a file by a temporary one beside it and a rename, so that a half-written file never bears the final name. Devices and
/// pipes, which have no content of their own, are written to.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let error = |source| WriteError { path: path.into(), source };
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(content))
            .map_err(error);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::NamedTempFile::new_in(folder).map_err(system_reason);
    let mut file = new.map_err(error)?;
    file.write_all(content).map_err(system_reason).map_err(error)?;
    make_readable(file.as_file()).map_err(error)?;
    file.as_file().sync_all().map_err(error)?;
    file.persist(path).map_err(|e| error(e.error))?;
    sync_folder(path);
    Ok(())
}

/// Puts the name of a file on the disk. Not every system can, and the file is there all the same.
pub(super) fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
}

/// Temporary files are private to their owner; results are meant to be read.
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}
