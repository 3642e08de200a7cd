//! A cursor over a header that checks every length against the file before it reads or allocates.

use std::io::{ErrorKind, Read};

use base16ct::lower::encode_string as hex;
use sha2::{Digest as _, Sha256};

use super::error::Error;

/// The longest header read, in bytes. The largest vocabularies in use need a quarter of it; what is hostile stays under a second.
pub(super) const MAX_HEADER_BYTES: u64 = 64 * 1024 * 1024;

/// How much is read at a time, in bytes: calls cost little then, and a small header brings little too much.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads little-endian values and knows how much of the file is left.
pub(super) struct Reader<R> {
    inner: R,
    file_bytes: u64,
    /// Offset in the file of the next byte, which is `buffer[next]`.
    position: u64,
    buffer: Box<[u8]>,
    next: usize,
    end: usize,
    /// A digest under way and where in the buffer what it has not seen begins. It takes whole buffers: a vocabulary can be millions
    /// of short strings, and a hash called for each would be what the time goes to.
    digest: Option<(Sha256, usize)>,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of a file of `file_bytes` bytes.
    pub(super) fn new(inner: R, file_bytes: u64) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { inner, file_bytes, position: 0, buffer, next: 0, end: 0, digest: None }
    }

    /// Offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Refuses when the next `bytes` bytes are not all in the file or lead past the longest header.
    pub(super) fn require(&self, bytes: u64) -> Result<(), Error> {
        if bytes > MAX_HEADER_BYTES - self.position {
            return Err(Error::HeaderTooLong { limit: MAX_HEADER_BYTES });
        }
        // The sum cannot overflow: both are within the longest header.
        if self.position + bytes > self.file_bytes {
            return Err(Error::Truncated { expected: self.position + bytes, actual: self.file_bytes });
        }
        Ok(())
    }

    /// Refuses a count of things of `min_bytes` each that cannot all follow.
    pub(super) fn require_count(
        &self,
        what: &'static str,
        count: u64,
        limit: u64,
        min_bytes: u64,
    ) -> Result<(), Error> {
        match count.checked_mul(min_bytes) {
            Some(bytes) if count <= limit => self.require(bytes),
            _ => Err(Error::TooMany { what, count, limit }),
        }
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.require(out.len() as u64)?;
        let mut filled = 0;
        while filled < out.len() {
            let piece = self.take((out.len() - filled) as u64)?;
            out[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        Ok(())
    }

    /// Passes over `bytes` bytes.
    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<(), Error> {
        self.require(bytes)?;
        while bytes > 0 {
            bytes -= self.take(bytes)?.len() as u64;
        }
        Ok(())
    }

    /// Between one and `most` of the next bytes, as many as are at hand.
    fn take(&mut self, most: u64) -> Result<&[u8], Error> {
        if self.next == self.end {
            self.refill()?;
        }
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(self.end - self.next);
        let start = self.next;
        self.next += length;
        self.position += length as u64;
        Ok(&self.buffer[start..self.next])
    }

    fn refill(&mut self) -> Result<(), Error> {
        if let Some((hash, from)) = &mut self.digest {
            hash.update(&self.buffer[*from..self.end]);
            *from = 0;
        }
        let read = loop {
            match self.inner.read(&mut self.buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read == 0 {
            // The file has become shorter since its size was read.
            return Err(Error::Truncated { expected: self.file_bytes, actual: self.position });
        }
        (self.next, self.end) = (0, read);
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }

    /// The length of the next string, checked.
    pub(super) fn string_length(&mut self, what: &'static str, limit: u64) -> Result<u64, Error> {
        let bytes = self.u64()?;
        if bytes > limit {
            return Err(Error::TooLong { what, bytes, limit });
        }
        self.require(bytes)?;
        Ok(bytes)
    }

    /// The next string of at most `limit` bytes.
    pub(super) fn string(&mut self, what: &'static str, limit: u64) -> Result<String, Error> {
        let length = self.string_length(what, limit)?;
        let at = self.position;
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| Error::TooLong { what, bytes: length, limit })?];
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| Error::NotUtf8 { what, at })
    }

    /// SHA-256, in hexadecimal, of all that `read` reads.
    pub(super) fn digest(&mut self, read: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<String, Error> {
        self.digest = Some((Sha256::new(), self.next));
        let done = read(self);
        let (mut hash, from) = self.digest.take().expect("digests are not nested");
        hash.update(&self.buffer[from..self.next]);
        done.map(|()| hex(&hash.finalize()))
    }
}

/// SHA-256 of `bytes`, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
