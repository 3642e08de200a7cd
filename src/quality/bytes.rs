//! Numbers out of bytes, little-endian, never past the end.

/// What is left to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BytesError {
    #[error("it ends too early")]
    TooFew,
    #[error("position {position} holds what no model gives")]
    Impossible { position: usize },
}

macro_rules! numbers {
    ($($name:ident: $ty:ty),+) => {
        $(pub(crate) fn $name(&mut self) -> Result<$ty, BytesError> {
            let (own, rest) = self.0.split_first_chunk().ok_or(BytesError::TooFew)?;
            self.0 = rest;
            Ok(<$ty>::from_le_bytes(*own))
        })+
    };
}

impl Bytes<'_> {
    numbers!(u32: u32, u64: u64, i32: i32, f32: f32, f64: f64);
}
