//! Files that stand for an original, opened only where that can't wait for anybody.

use std::{fs::File, io, path::Path};

/// Opens a regular file; `None` of anything else: to open a FIFO would be to wait for whoever writes to it.
pub(crate) fn open_regular(path: &Path) -> io::Result<Option<File>> {
    if path.metadata()?.is_file() { File::open(path).map(Some) } else { Ok(None) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_is_not_waited_for() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)?;
        assert!(open_regular(&fifo)?.is_none() && open_regular(folder.path())?.is_none());
        let file = folder.path().join("file");
        File::create(&file)?;
        assert!(open_regular(&file)?.is_some());
        assert!(open_regular(&folder.path().join("absent")).is_err());
        Ok(())
    }
}
